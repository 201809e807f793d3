"""Which rules count: the directive ``# check=`` of a file, and the same in the comments above an instruction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from lading.build.dockerfile.directives import find, parse_directive
from lading.build.dockerfile.instruction_values import FALSE, TRUE
from lading.build.errors import DockerfileError, Place, TextError
from lading.store.fastclass import dataclass

_ALL: Final = "all"


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """Rules that are silent, experimental ones that speak, and whether one that speaks fails the build.

    ``all`` stands for all of them.
    """

    skipped: frozenset[str] = frozenset()
    experimental: frozenset[str] = frozenset()
    error: bool = False

    def asks(self, rule: str, *, experimental: bool) -> bool:
        """Whether what `rule` says counts."""
        if experimental:
            return bool(self.experimental & {rule, _ALL})
        return not self.skipped & {rule, _ALL}

    def merged(self, other: CheckSettings) -> CheckSettings:
        """With what stands above one instruction."""
        return CheckSettings(self.skipped | other.skipped, self.experimental | other.experimental, self.error)


def parse_settings(text: str) -> CheckSettings:
    """``skip=A,B;experimental=all;error=true``, in any order. Raises `TextError`."""
    given: dict[str, str] = {}
    for part in text.strip().split(";", 2) if text.strip() else ():
        name, equals, value = part.partition("=")
        if not equals or name.strip() not in ("skip", "experimental", "error"):
            raise TextError(f"# check=: {part!r} is not known", hint="write skip=RULE,RULE;error=true")
        given[name.strip()] = value.strip()
    return CheckSettings(
        _rules(given.get("skip")), _rules(given.get("experimental")), _bool(given.get("error", "false"))
    )


def _rules(text: str | None) -> frozenset[str]:
    return frozenset() if text is None else frozenset(rule.strip() for rule in text.split(","))


def _bool(text: str) -> bool:
    if text not in TRUE | FALSE:
        raise TextError(f"# check=: error={text}: expected true or false")
    return text in TRUE


def of_file(data: bytes, name: str) -> CheckSettings:
    """What the file called `name` says. Raises `DockerfileError`."""
    found = find("check", data)
    try:
        return parse_settings(found.word) if found else CheckSettings()
    except TextError as error:
        line = found.line if found else 1
        raise DockerfileError(Place(name, line, line), str(error), hint=error.hint) from None


def of_comments(comments: Iterable[str]) -> CheckSettings:
    """What stands above an instruction; what cannot be understood there is a comment."""
    for comment in comments:
        found = parse_directive(comment)
        if found and found[0] == "check":
            try:
                return parse_settings(found[1].partition(" ")[0])
            except TextError:
                break
    return CheckSettings()

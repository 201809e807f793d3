"""Where this machine has its packages from: apt's own sources, read and narrowed to one suite (sources.list(5))."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lading.store.errors import InputError, MachineError

_ONE_LINE: Final = re.compile(
    r"deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s*(?P<components>.*)"
)
_POCKETS: Final = ("", "-updates", "-security")


@dataclass(frozen=True, slots=True)
class Source:
    """One suite of one archive, as apt is configured for it.

    `signed_by` is a keyring's path, an armored key, or "" for all of apt's trusted keys.
    """

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str
    trusted: bool
    check_dates: bool


@dataclass(frozen=True, slots=True)
class Release:
    """What this machine runs, by its os-release(5)."""

    id: str
    codename: str


def machine_release(root: Path = Path("/")) -> Release:
    """Raises `MachineError` where this is not Debian, Ubuntu or of their kind."""
    values: dict[str, str] = {}
    try:
        for line in (root / "etc/os-release").read_text().splitlines():
            name, _, value = line.partition("=")
            values[name] = value.strip("\"'")
    except OSError as error:
        raise MachineError(f"/etc/os-release: {error.strerror}") from None
    codename = values.get("VERSION_CODENAME", "")
    if not codename:
        raise MachineError(
            "/etc/os-release names no suite", hint='name one: suite = "bookworm", in the [debian] part of the file'
        )
    return Release(values.get("ID", ""), codename)


def machine_sources(root: Path = Path("/")) -> list[Source]:
    """Every enabled source of binary packages of this machine, in apt's order."""
    folder = root / "etc/apt"
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    found: list[Source] = []
    for file in files:
        if file.is_file() and file.suffix == ".sources":
            found.extend(_deb822(file.read_text()))
        elif file.is_file() and file.suffix == ".list":
            found.extend(_one_line(file.read_text()))
    return found


def select(sources: list[Source], release: Release, suite: str, components: tuple[str, ...]) -> list[Source]:
    """The sources of `suite` with its updates and security pockets.

    Where the machine has none of that name, those of its own suite serve, with the name exchanged: the archives
    keep their suites side by side. A source that apt is told to trust without a signature is refused.
    """
    for name in (suite, release.codename):
        chosen = [
            Source(source.uri, suite + source.suite.removeprefix(name), wanted, *_trust(source))
            for source in sources
            if source.suite in tuple(name + pocket for pocket in _POCKETS)
            and (wanted := tuple(part for part in components if part in source.components))
        ]
        if chosen:
            return chosen
    raise InputError(
        f"no source of packages for the suite {suite!r} with {', '.join(components)} is configured for apt",
        hint="add one to /etc/apt/sources.list.d, or name another suite",
    )


def _trust(source: Source) -> tuple[str, bool, bool]:
    if source.trusted:
        raise InputError(
            f"the source of {source.suite} is marked trusted=yes, which turns signature checks off",
            hint="give apt the archive's key and take the option out",
        )
    return source.signed_by, source.trusted, source.check_dates


def _one_line(text: str) -> Iterator[Source]:
    for line in text.splitlines():
        match = _ONE_LINE.fullmatch(line.split("#")[0].strip())
        if match:
            pairs = (word.partition("=") for word in (match["options"] or "").split())
            options = {name.lower(): value for name, _, value in pairs}
            yield _source(match["uri"], match["suite"], tuple(match["components"].split()), options)


def _deb822(text: str) -> Iterator[Source]:
    for stanza in re.split(r"\n\s*\n", text):
        fields = _stanza(stanza)
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false"):
            continue
        components = tuple(fields.get("components", "").split())
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield _source(uri, suite, components, fields)


def _stanza(text: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        if line[:1] in (" ", "\t"):
            fields[name] = f"{fields.get(name, '')}\n{'' if line.strip() == '.' else line.strip()}"
        else:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()
    return fields


def _source(uri: str, suite: str, components: tuple[str, ...], options: Mapping[str, str]) -> Source:
    return Source(
        uri=uri,
        suite=suite,
        components=components,
        signed_by=options.get("signed-by", "").strip(),
        trusted=options.get("trusted", "no").lower() in ("yes", "true", "1"),
        check_dates=not any(
            options.get(name, "yes").lower() in ("no", "false", "0") for name in ("check-valid-until", "check-date")
        ),
    )

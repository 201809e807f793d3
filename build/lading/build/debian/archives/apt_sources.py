"""Where this machine has its packages from: apt's own sources, read and narrowed to one suite (sources.list(5))."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from lading.store.errors import InputError, MachineError
from lading.store.fastclass import dataclass, replace
from lading.store.system.machine_errors import machine_errors
from lading.store.system.patterns import pattern

_WORD: Final = r"""(?:"[^"]*"|\[[^\]]*\]|[^\s"\[])+"""
_ONE_LINE: Final = pattern(
    rf"deb\s+(?:\[(?P<options>[^\]]*)\]\s*)?(?P<uri>{_WORD})\s+(?P<suite>{_WORD})\s*(?P<components>.*)"
)
"""Words in quotes, and with spaces in brackets (``cdrom:[…]/``), are one, as apt has them."""
_FETCHABLE: Final = pattern(r"(?:(?:(?:mirror|tor)\+)?https?|ftp|file|copy):[!-~]+")
_POCKETS: Final = ("", "-updates", "-security")
_TRUE: Final = frozenset({"yes", "true", "with", "on", "enable", "1"})
_FALSE: Final = frozenset({"no", "false", "without", "off", "disable", "0"})
_STRUCTURE: Final = frozenset({"types", "uris", "suites", "components", "enabled"})
_FETCHING: Final = frozenset({"lang", "languages", "pdiffs", "by-hash", "x-repolib-name", "description"})
"""Options that say how lists are fetched or shown; they narrow nothing that is believed."""
_CHECKED_HERE: Final = frozenset({"allow-insecure", "allow-weak", "allow-downgrade-to-insecure"})
"""Options that loosen checks of apt's that are made here again, whatever they say."""
_OURS: Final = frozenset({"signed-by", "trusted", "arch", "architectures", "check-valid-until", "check-date",
                          "valid-until-min", "valid-until-max", "date-max-future"})  # fmt: skip


@dataclass(frozen=True, slots=True)
class ArchiveSource:
    """One suite of one archive, as apt is configured for it.

    `signed_by` is as apt has it: paths of keyrings and fingerprints, an armored key, or "" for all of apt's trusted
    keys. `architectures` is empty where the source has all. `odd` names an option that is not understood here.
    """

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str
    trusted: str = ""
    check_dates: bool = True
    architectures: tuple[str, ...] = ()
    odd: str | None = None


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


def machine_sources(root: Path = Path("/")) -> list[ArchiveSource]:
    """Every enabled source of binary packages of this machine, in apt's order."""
    folder = root / "etc/apt"
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    return [source for file in files if file.suffix in (".sources", ".list") for source in sources_in(file)]


def sources_in(file: Path) -> list[ArchiveSource]:
    """The enabled sources of binary packages in one file, in the form that its name says; none where there is none."""
    if not file.is_file():
        return []
    with machine_errors(file):
        text = file.read_bytes().decode("utf-8", "replace")
    return list(_deb822(text) if file.suffix == ".sources" else _one_line(text))


def given_sources(lines: Sequence[str]) -> list[ArchiveSource]:
    """Those that these lines of a sources.list name. Raises `InputError` for a line that names none."""
    found: list[ArchiveSource] = []
    for line in lines:
        if not (sources := list(_one_line(line))):
            raise InputError(f"sources: {line!r} is no line of a sources.list that names packages")
        for source in sources:
            if not is_fetchable(source.uri):
                raise InputError(f"sources: {source.uri!r}: expected an address of http, https, ftp, file or copy")
        found += sources
    return found


def is_fetchable(uri: str) -> bool:
    """Whether an archive that a set or its lock names is one that apt only fetches from.

    Its other methods execute programs, and what begins with a dash is an option to apt.
    """
    return bool(_FETCHABLE.fullmatch(uri))


def select(
    sources: list[ArchiveSource],
    release: Release,
    suite: str,
    components: tuple[str, ...],
    architecture: str,
    others: Collection[str] = (),
) -> list[ArchiveSource]:
    """The sources of `suite` with its updates and security pockets, and those of `others`.

    Where the machine has none of that name, those of its own suite serve, with the name exchanged: the archives
    keep their suites side by side. A source whose options ask for what is not done here is refused by name.
    """
    fitting = [source for source in sources if architecture in (source.architectures or (architecture,))]
    for name in (suite, release.codename):
        chosen = [
            replace(source, suite=suite + source.suite.removeprefix(name), components=wanted)
            for source in fitting
            if source.suite in tuple(name + pocket for pocket in _POCKETS)
            and (wanted := tuple(part for part in components if part in source.components))
        ]
        if chosen:
            plain = [source for source in chosen if source.suite == suite]
            for other in others:
                chosen += [replace(one, components=chosen[0].components) for one in fitting if one.suite == other] or [
                    replace(one, suite=other) for one in plain
                ]
            _check(chosen, suite, components)
            return chosen
    raise InputError(
        f"no source of packages for the suite {suite!r} with {', '.join(components)} is configured for apt",
        hint="add one to /etc/apt/sources.list.d, or name another suite",
    )


def _check(chosen: list[ArchiveSource], suite: str, components: tuple[str, ...]) -> None:
    for source in chosen:
        if source.trusted and not says(source.trusted, no=True):
            raise InputError(
                f"the source of {source.suite} is marked trusted={source.trusted}, which turns signature checks off",
                hint="give apt the archive's key and take the option out",
            )
        if source.trusted or source.odd:
            word = source.odd or f"trusted={source.trusted}"
            raise InputError(
                f"the source of {source.suite} has the option {word}, which is not understood here",
                hint="take it out, or give the archive a source without it",
            )
    for part in components:
        if not any(part in source.components for source in chosen):
            raise InputError(f"no source of {suite!r} has the component {part!r}")


def says(text: str, *, no: bool) -> bool:
    """Whether a setting of apt's says no (or yes): apt's words and numbers for it, in any case (StringToBool)."""
    word = text.strip().lower()
    return word in (_FALSE if no else _TRUE)


def _one_line(text: str) -> Iterator[ArchiveSource]:
    for line in text.splitlines():
        match = _ONE_LINE.fullmatch(line.split("#")[0].strip())
        if match:
            pairs = (word.partition("=") for word in (match["options"] or "").split())
            options = {name.lower(): value for name, _, value in pairs}
            uri, suite = (match[name].replace('"', "") for name in ("uri", "suite"))
            yield _source(uri, suite, tuple(match["components"].split()), options)


def _deb822(text: str) -> Iterator[ArchiveSource]:
    for stanza in re.split(r"\n\n+", text):  # to apt, a line of spaces goes on with the field before
        fields = _stanza(stanza)
        if "deb" not in fields.get("types", "").split() or says(fields.get("enabled", "yes"), no=True):
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


def _source(uri: str, suite: str, components: tuple[str, ...], options: Mapping[str, str]) -> ArchiveSource:
    known = _OURS | _STRUCTURE | _FETCHING | _CHECKED_HERE
    targets = options.get("target", options.get("targets", "Packages")).replace(",", " ").split()
    odd = [name for name in options if name not in known and name not in ("target", "targets", "")]
    loose = any(says(options.get(name, "yes"), no=True) for name in ("check-valid-until", "check-date"))
    return ArchiveSource(
        uri=uri,
        suite=suite,
        components=components,
        signed_by=options.get("signed-by", "").strip(),
        trusted=options.get("trusted", "").strip(),
        check_dates=not (loose or "valid-until-min" in options or "date-max-future" in options),
        architectures=tuple(options.get("arch", options.get("architectures", "")).replace(",", " ").split()),
        odd=odd[0] if odd else None if "Packages" in targets else "targets",
    )

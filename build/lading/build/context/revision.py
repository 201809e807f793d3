"""The git commit of a build's context, its remote, and whether the context has changes beside it.

A repository is somebody's files, and its configuration can name programs: nothing of it is executed. Hooks, fsmonitor,
filters and every transport are off in the calls of git made here; git itself refuses a repository of another user,
unless this user's own configuration lets it in. Whatever cannot be told within a few seconds is left out.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from lading.store.archives.trees import text
from lading.store.fastclass import dataclass
from lading.store.system.patterns import pattern
from lading.verify.documents.statements import ResourceDescriptor

GIT: Final = "git"
"""The name of the dependency in a provenance."""
DIRTY: Final = "urn:lading:dirty"
PATH: Final = "urn:lading:path"

_SECONDS: Final = 5
_PASSED: Final = ("PATH", "HOME", "XDG_CONFIG_HOME")
_COMMIT: Final = pattern(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SCP: Final = pattern(r"(?:[^@/:]+@)?([^@/:]+):(?!/)([^:]+)")
_SCHEMES: Final = frozenset({"https", "http", "ssh", "git"})
_HOST: Final = pattern(r"(?:[^\[\]:\\@]+|\[[0-9a-f:.]+\])(?::[0-9]*)?")
_MAX_URL: Final = 2048
_PROBE: Final = "lading.probe"
_OFF: Final = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.untrackedCache": "false",
    "protocol.allow": "never",
    "safe.bareRepository": "explicit",
    "submodule.recurse": "false",
    _PROBE: "on",
}


@dataclass(frozen=True, slots=True)
class Revision:
    """A commit, the address it can be had from, the context's folder in it, and whether the context differs from it."""

    commit: str
    uri: str | None = None
    path: str = ""
    dirty: bool | None = None

    def resource(self) -> ResourceDescriptor:
        """As a provenance has it: SLSA's ``git+https://…`` with the digest ``gitCommit``."""
        annotations: dict[str, object | None] = {DIRTY: self.dirty, PATH: self.path or None}
        return ResourceDescriptor(
            GIT,
            {"gitCommit": self.commit},
            self.uri,
            annotations={name: value for name, value in annotations.items() if value is not None},
        )


def revision_of(context: Path, environment: Mapping[str, str]) -> Revision | None:
    """None where the context is in no repository, or git is not there, too old, or will not say.

    Of the environment git sees where programs and the user's own configuration are, and nothing else.
    """
    folder = Path(os.path.realpath(context))
    if not any((place / ".git").exists() for place in (folder, *folder.parents)):
        return None
    git = _Git(folder, {name: environment[name] for name in _PASSED if name in environment})
    settings = git.settings()
    place = git.lines("rev-parse", "--verify", "--show-prefix", "HEAD") if settings else None
    if not settings or place is None or len(place) != 2 or not _COMMIT.fullmatch(place[1]):
        return None
    remote = _remote(settings, git.lines("symbolic-ref", "--short", "HEAD"))
    return Revision(place[1], remote, text(os.fsencode(place[0])), git.dirty())


class _Git:
    """Git in one folder, with all switched off that could execute something."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = {
            **environment,
            "LC_ALL": "C",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
        }
        self._off = dict(_OFF)

    def settings(self) -> list[tuple[str, str]] | None:
        """Remotes and branches by the configuration; the filters it names are off from here on."""
        raw = self._run("config", "-z", "--get-regexp", rf"^(remote|branch|filter)\.|^{re.escape(_PROBE)}$")
        if raw is None:
            return None
        pairs = [entry.partition("\n") for entry in os.fsdecode(raw).split("\0") if entry]
        if _PROBE not in {name for name, _, _ in pairs}:
            return None  # so old that what is switched off here would be on
        for name, _, _ in pairs:
            if name.startswith("filter."):
                driver = name.rpartition(".")[0]
                self._off |= {f"{driver}.clean": "", f"{driver}.smudge": "", f"{driver}.process": ""}
                self._off[f"{driver}.required"] = "false"
        return [(name, value) for name, _, value in pairs]

    def dirty(self) -> bool | None:
        """Whether files of the folder differ from the commit; what git ignores does not count."""
        found = self._run(
            "status",
            "--porcelain",
            "-z",
            "--untracked-files=normal",
            "--ignore-submodules=all",
            "--no-renames",
            "--",
            ".",
        )
        return None if found is None else bool(found)

    def lines(self, *words: str) -> list[str] | None:
        """The lines of what git says, None where it fails."""
        raw = self._run(*words)
        return None if raw is None else os.fsdecode(raw).removesuffix("\n").split("\n")

    def _run(self, *words: str) -> bytes | None:
        environment = {**self._environment, "GIT_CONFIG_COUNT": str(len(self._off))}
        for at, (name, value) in enumerate(self._off.items()):
            # By variables: a name with a "=" in it could not be said by -c.
            environment |= {f"GIT_CONFIG_KEY_{at}": name, f"GIT_CONFIG_VALUE_{at}": value}
        try:
            done = subprocess.run(
                ["git", "--no-pager", *words],
                cwd=self._folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_SECONDS,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout


def _remote(settings: Sequence[tuple[str, str]], branch: Sequence[str] | None) -> str | None:
    """Where the branch comes from, else origin, else the only remote there is."""
    values = dict(reversed(settings))  # the first URL of a remote is the one that is fetched
    remotes = [name for name, _ in settings if name.startswith("remote.") and name.endswith(".url")]
    of_branch = f"remote.{values.get(f'branch.{branch[0]}.remote', '')}.url" if branch else ""
    only = remotes if len(set(remotes)) == 1 else []
    name = next((name for name in (of_branch, "remote.origin.url", *only) if name in values), None)
    return public(values[name]) if name else None


def public(url: str) -> str | None:
    """An address as SLSA writes it, without what lets one in: user, password, query. None for a place on this machine.

    The address is read as it is configured: what `insteadOf` makes of it can hold a token.
    """
    if len(url) > _MAX_URL or not url.isprintable() or " " in url:
        return None
    if "://" not in url:
        found = _SCP.fullmatch(url)
        return f"git+ssh://{found[1].lower()}/{found[2]}" if found else None
    try:
        parts = urlsplit(url.removeprefix("git+"))
    except ValueError:
        return None
    host = parts.netloc.rpartition("@")[2].lower()
    # A password with a "#" or "?" in it, and an "@" after it: what seems to be the host is not.
    if parts.scheme not in _SCHEMES or not _HOST.fullmatch(host) or "@" in parts.query + parts.fragment:
        return None
    scheme = parts.scheme if parts.scheme == "git" else f"git+{parts.scheme}"
    return urlunsplit((scheme, host, parts.path, "", ""))

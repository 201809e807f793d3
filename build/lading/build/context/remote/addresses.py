"""The URLs of ADD and of contexts: which are files, which git repositories, and what of a repository is meant.

The rules are the reference's (moby/buildkit ``dfgitutil.ParseGitRef``).
"""

from __future__ import annotations

import posixpath
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from lading.build.errors import TextError
from lading.store.fastclass import dataclass, replace
from lading.store.oci.digests import Digest
from lading.store.system.patterns import pattern

_WEB: Final = ("http", "https")
_SCHEMES: Final = (*_WEB, "ssh", "git")
_SCHEME: Final = pattern(r"([A-Za-z0-9]+)://")
_SCP: Final = pattern(r"([A-Za-z0-9_.-]+)@([A-Za-z0-9.-]+):(?!/)?([^?#]*)(\?[^#]*)?(#.*)?")
_COMMIT: Final = pattern(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SHA256: Final = pattern(r"[0-9a-f]{64}")
_CHECKSUM: Final = pattern(r"[0-9a-f]{7,64}")
_SWITCHES: Final = {"": True, "1": True, "t": True, "true": True, "0": False, "f": False, "false": False}
_UNNAMED: Final = "__unnamed__"


@dataclass(frozen=True, slots=True)
class WebFile:
    """A file at an http or https URL, and the SHA-256 that it must have; `unpack` where it may be an archive."""

    url: str
    checksum: Digest | None = None
    unpack: bool = False

    @property
    def name(self) -> str:
        """The last part of the URL's path, as the reference names the file."""
        name = posixpath.basename(unquote(urlsplit(self.url).path).rstrip("/"))
        return _UNNAMED if name in ("", ".", "..") or "\0" in name else name

    @property
    def public(self) -> str:
        """The URL without user and password."""
        return without_user(self.url)


@dataclass(frozen=True, slots=True)
class Repository:
    """What of a git repository is meant: `remote` as git takes it; a branch, tag or commit; a folder of it.

    `checksum` is how the commit must begin.
    """

    remote: str
    ref: str = ""
    folder: str = ""
    checksum: str = ""
    keep_git: bool | None = None
    submodules: bool = True

    @property
    def scheme(self) -> str:
        """What it is reached by."""
        return self.remote.partition("://")[0].lower() if "://" in self.remote else "ssh"

    @property
    def public(self) -> str:
        """The address without user and password, as SLSA has it (``git+https://…``)."""
        address = without_user(self.remote)
        if "://" not in address:
            host, _, path = address.partition(":")
            address = f"ssh://{host}/{path}"
        return address if address.startswith("git://") else f"git+{address}"

    def with_flags(self, checksum: str, keep_git: bool | None) -> Repository:
        """With what the flags of an ADD say beside its URL. Raises `TextError` where that is something else."""
        if checksum and self.checksum and checksum != self.checksum:
            raise TextError(f"checksum mismatch: {checksum} and {self.checksum}")
        if keep_git is not None and self.keep_git not in (None, keep_git):
            raise TextError("--keep-git-dir and the keep-git-dir of the URL differ")
        found = replace(
            self,
            checksum=self.checksum or checksum,
            keep_git=keep_git if self.keep_git is None else self.keep_git,
        )
        if found.checksum and not _CHECKSUM.fullmatch(found.checksum):
            raise TextError(f"not a commit: {found.checksum!r} (7 to 64 hexadecimal digits)")
        return found


def web_file(source: str, checksum: str = "", *, unpack: bool = False) -> WebFile | None:
    """The file that `source` names by http or https, None for anything else. Raises `TextError` for a broken URL."""
    if not source.startswith(("http://", "https://")) or repository(source) is not None:
        return None
    try:
        parts = urlsplit(source)
        usable = parts.hostname and parts.port != 0 and source.isprintable() and " " not in source
    except ValueError:
        usable = False
    if not usable:
        raise TextError(f"not a URL: {without_user(source)!r}")
    if not checksum:
        return WebFile(source, None, unpack)
    algorithm, _, digits = checksum.partition(":")
    if algorithm != "sha256" or not _SHA256.fullmatch(digits):
        raise TextError(f"--checksum={checksum}: expected sha256: and 64 hexadecimal digits")
    return WebFile(source, Digest(algorithm, digits), unpack)


def repository(source: str) -> Repository | None:
    """The git repository that `source` names, None for anything else. Raises `TextError` for a broken one."""
    match = _SCHEME.match(source)
    if match is None:
        found = _SCP.fullmatch(source)
        return _repository(f"{found[1]}@{found[2]}:{found[3]}", found[4] or "", found[5] or "") if found else None
    if match[1].lower() not in _SCHEMES:
        return None
    try:
        parts = urlsplit(source)
    except ValueError as error:
        raise TextError(f"not a URL: {without_user(source)!r}: {error}") from None
    if parts.scheme in _WEB and not parts.path.endswith(".git"):
        return None
    return _repository(urlunsplit(parts._replace(query="", fragment="")), parts.query, parts.fragment)


def _repository(remote: str, query: str, fragment: str) -> Repository:
    ref, _, folder = unquote(fragment.removeprefix("#")).partition(":")
    values: dict[str, str] = {}
    for name, value in parse_qsl(query.removeprefix("?"), keep_blank_values=True):
        if name in values:
            raise TextError(f'query "{name}" has multiple values')
        values[name] = value
    found = _Query(values)
    ref = found.agreeing("ref", found.agreeing("ref", ref, found.take("ref")), _full(found.take("tag"), "tags"))
    ref = found.agreeing("ref", ref, _full(found.take("branch"), "heads"))
    made = Repository(
        remote,
        ref,
        found.agreeing("subdir", _inside(folder), _inside(found.take("subdir"))),
        found.take("checksum") or found.take("commit"),
        found.switch("keep-git-dir"),
        found.switch("submodules") is not False,
    )
    found.end()
    if made.ref.startswith("-"):
        raise TextError(f"not a branch, tag or commit: {made.ref!r}")
    return made.with_flags("", None)


class _Query:
    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    def take(self, name: str) -> str:
        value = self._values.pop(name, None)
        if value == "":
            raise TextError(f'query "{name}" has no value')
        return value or ""

    def switch(self, name: str) -> bool | None:
        value = self._values.pop(name, None)
        if value is None:
            return None
        if value.lower() not in _SWITCHES:
            raise TextError(f"invalid {name} value: {value!r}")
        return _SWITCHES[value.lower()]

    def agreeing(self, what: str, one: str, other: str) -> str:
        if one and other and one != other:
            raise TextError(f"{what} conflicts: {one!r} and {other!r}")
        return one or other

    def end(self) -> None:
        """What is left is unknown, but for two that change nothing here: times are not kept, commits are looked up."""
        unknown = sorted(set(self._values) - {"mtime", "fetch-by-commit"})
        if unknown:
            raise TextError(f'unexpected query "{unknown[0]}"')


def _full(name: str, kind: str) -> str:
    return name if not name or name.startswith(f"refs/{kind}/") else f"refs/{kind}/{name}"


def _inside(folder: str) -> str:
    return posixpath.normpath(f"/{folder}").strip("/")


def is_commit(text: str) -> bool:
    """Whether `text` is a whole commit, by SHA-1 or SHA-256."""
    return _COMMIT.fullmatch(text) is not None


def shown(source: str) -> str:
    """A source as histories, links and displays have it: a URL without user and password."""
    return without_user(source) if "://" in source else source


def without_user(url: str) -> str:
    """`url` without what lets one in. An address as scp has it loses its user, too."""
    if "://" not in url:
        return url.rpartition("@")[2]
    scheme, _, rest = url.partition("://")
    netloc, slash, path = rest.partition("/")
    return f"{scheme}://{netloc.rpartition('@')[2]}{slash}{path}"

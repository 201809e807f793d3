"""Submodules of a commit: which repositories its tree stands on, at which commits (gitmodules(5), gitsubmodules(7)).

The commit of each is the tree's own word, its URL that of ``.gitmodules``; what else that file says is taken as
``git submodule update --init`` takes it, and nothing of it names a program.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from lading.build.context.remote.addresses import Repository, shown
from lading.build.errors import TextError
from lading.store.fastclass import dataclass
from lading.store.system.patterns import pattern

_SCHEME: Final = pattern(r"(https?|ssh|git)://([^/?#]+)(/.*)")
_SCP: Final = pattern(r"([A-Za-z0-9_.-]+@)?([A-Za-z0-9.-]+):(?!/)(.+)")
_RELATIVE: Final = ("./", "../")
_GITLINK: Final = b"160000 commit "
_FILE: Final = (b"100644 blob ", b"100755 blob ")
_UPDATES: Final = ("checkout", "rebase", "merge")


@dataclass(frozen=True, slots=True)
class Submodule:
    """A repository at `path` of another, called `name` there, and its commit."""

    name: str
    path: str
    repository: Repository
    commit: str


def gitlinks(listing: bytes) -> tuple[dict[str, str], bool]:
    """Of what ``ls-tree -r -z`` says: commits by the paths they are at, and whether ``.gitmodules`` is a file."""
    found: dict[str, str] = {}
    described = False
    for entry in listing.split(b"\0"):
        about, _, path = entry.partition(b"\t")
        if about.startswith(_GITLINK):
            found[os.fsdecode(path)] = about[len(_GITLINK) :].decode()
        described = described or (path == b".gitmodules" and about.startswith(_FILE))
    return found, described


def submodules(above: Repository, links: Mapping[str, str], settings: bytes) -> Iterator[Submodule]:
    """Those at `links`, by path; `settings` is what ``config -z -l`` says of ``.gitmodules``.

    One that is not to be updated is left out. Raises `TextError` for what git would not take, or would execute.
    """
    told = _told(settings)
    names = {values["path"]: name for name, values in told.items() if "path" in values}
    _check_names(names[path] for path in links if path in names)
    for path, commit in links.items():
        name = names.get(path)
        if name is None or "url" not in told[name]:
            raise TextError(f"submodule {path!r}: .gitmodules has no URL for it")
        update = told[name].get("update", "checkout")
        if update == "none":
            continue
        if update not in _UPDATES:
            raise TextError(f"submodule {path!r}: update = {update!r}: expected {', '.join(_UPDATES)} or none")
        url = told[name]["url"]
        try:
            remote = address(above.remote, url)
        except TextError as error:
            raise TextError(f"submodule {path!r}: {shown(url)!r}: {error}") from None
        kept = True if above.keep_git and not above.folder else None
        yield Submodule(name, path, Repository(remote, keep_git=kept), commit)


def _told(settings: bytes) -> dict[str, dict[str, str]]:
    """Of each name what is set last."""
    found: dict[str, dict[str, str]] = {}
    for setting in settings.split(b"\0"):
        key, _, value = os.fsdecode(setting).partition("\n")
        section, _, rest = key.partition(".")
        name, _, variable = rest.rpartition(".")
        if section == "submodule":
            found.setdefault(name, {})[variable] = value
    return found


def _check_names(names: Iterable[str]) -> None:
    """A name is a folder below ``.git/modules``."""
    known = frozenset(names)
    for name in known:
        parts = name.split("/")
        if name.startswith("-") or {"", ".", "..", ".git"} & set(name.replace("\\", "/").split("/")):
            raise TextError(f"not the name of a submodule: {name!r}")
        for length in range(1, len(parts)):
            if "/".join(parts[:length]) in known:
                raise TextError(f"not the name of a submodule: {name!r}: it would lie in another's")


def address(above: str, url: str) -> str:
    """The address that `url` is for a submodule of the repository at `above`. Raises `TextError`."""
    found = _resolved(above, url) if url.startswith(_RELATIVE) else url
    if not found.isprintable() or " " in found:
        raise TextError("not a URL")
    match = _SCHEME.fullmatch(found)
    scp = None if match or "://" in found or "::" in found else _SCP.fullmatch(found)
    if match is None and scp is None:
        raise TextError("submodules are fetched by https, http, ssh and git alone")
    host = match[2].rpartition("@") if match else (scp[1] or "", "", scp[2]) if scp else ("", "", "")
    if any(part.startswith("-") for part in (host[0], host[2])) or (scp and scp[3].startswith("-")):
        raise TextError("what begins like an option is no part of a URL")
    return found


def _resolved(above: str, url: str) -> str:
    """As git's ``relative_url``, never above the host that `above` is on."""
    scheme, mark, rest = above.rstrip("/").rpartition("://")
    separator = "/"
    while url.startswith(_RELATIVE):
        step, _, url = url.partition("/")
        if step == ".":
            continue
        before, slash, _ = rest.rpartition("/")
        if not slash and (mark or ":" not in rest):
            raise TextError("leads out of its host")
        if not slash:
            before, separator = rest.rpartition(":")[0], ":"
        rest = before
    return f"{scheme}{mark}{rest}{separator}{url}".rstrip("/")

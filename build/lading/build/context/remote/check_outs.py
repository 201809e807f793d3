"""The files of commits, put into folders, with those of their submodules."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from lading.build.context.folders import Folder
from lading.build.context.remote.addresses import Repository, without_user
from lading.build.context.remote.git_program import GitProgram
from lading.build.context.remote.submodules import Submodule, gitlinks, submodules
from lading.build.errors import TextError
from lading.store.errors import InputError
from lading.store.fastclass import dataclass, field
from lading.store.system.removal import remove_tree
from lading.verify.documents.statements import ResourceDescriptor

MAX_SUBMODULES: Final = 256
"""Of one commit, and of its submodules, all together."""
MAX_DEPTH: Final = 16
_WITHOUT: Final = "?submodules=false at the end of the URL leaves submodules out"


@dataclass(frozen=True, slots=True)
class GitCommit:
    """A commit; `ref` is the full name of the branch or tag that led to it, `tag` a tag's own object."""

    repository: Repository
    commit: str
    ref: str = ""
    tag: str = ""

    @property
    def keeps_git(self) -> bool:
        """Whether ``.git`` is among its files: never where only a folder is wanted, as in the reference."""
        return self.repository.keep_git is True and not self.repository.folder

    @property
    def key(self) -> dict[str, object]:
        """What its files depend on."""
        kept = {"git": self.repository.public, "ref": self.ref, "tag": self.tag} if self.keeps_git else {}
        whole = {"submodules": True} if self.repository.submodules else {}
        return {"commit": self.commit, "folder": self.repository.folder, **kept, **whole}

    def resource(self) -> ResourceDescriptor:
        """As links and provenances have it."""
        public = self.repository.public
        return ResourceDescriptor(f"url:{public}#{self.ref or self.commit}", {"gitCommit": self.commit}, public)


@dataclass(slots=True)
class CheckOut:
    """One commit under way; `submodules` are those that were put below it, in their order.

    `most` bytes are the longest file; `check` raises where the build is over.
    """

    most: int
    check: Callable[[], None]
    submodules: list[GitCommit] = field(default_factory=list[GitCommit])

    def put(self, commit: GitCommit, folder: Path) -> Path:
        """Puts the files of `commit` into the empty `folder`; where those that are meant are. Raises `InputError`."""
        below = self._put(commit, folder, 0)
        if commit.keeps_git:
            _join(folder, folder / ".git", below)
        return _inside(folder, commit.repository.folder, commit.repository.public)

    def _put(self, commit: GitCommit, folder: Path, depth: int) -> list[_Placed]:
        git = GitProgram(commit.repository, folder, self.most, self.check)
        git.run("init", "-q", *(["--object-format=sha256"] if len(commit.commit) == 64 else []))
        _fetch(git, commit)
        git.run("read-tree", "--reset", "-u", commit.commit)
        found = _submodules(git, commit) if commit.repository.submodules else []
        placed = [_Placed(one, self._below(commit, one, folder, depth + 1)) for one in found]
        if commit.keeps_git:
            _canonical(git, commit, folder / ".git", found)
        else:
            remove_tree(folder / ".git")
        return placed

    def _below(self, above: GitCommit, one: Submodule, folder: Path, depth: int) -> list[_Placed]:
        commit = GitCommit(one.repository, one.commit)
        self.submodules.append(commit)
        try:
            if depth > MAX_DEPTH or len(self.submodules) > MAX_SUBMODULES:
                raise InputError(f"more than {MAX_SUBMODULES} submodules, or {MAX_DEPTH} within each other")
            return self._put(commit, _inside(folder, one.path, above.repository.public), depth)
        except InputError as error:
            message = f"{above.repository.public}: submodule {one.path!r}: {error.message}"
            raise InputError(message, hint=error.hint or _WITHOUT) from error


@dataclass(frozen=True, slots=True)
class _Placed:
    """A submodule that is there, and those below it."""

    submodule: Submodule
    below: list[_Placed]


def _submodules(git: GitProgram, commit: GitCommit) -> list[Submodule]:
    links, described = gitlinks(git.run("ls-tree", "-r", "-z", "--full-tree", commit.commit))
    if not links:
        return []
    try:
        settings = git.run("config", "--blob", f"{commit.commit}:.gitmodules", "-z", "-l") if described else b""
    except InputError as error:
        raise InputError(f"{error.message} (.gitmodules)", hint=_WITHOUT) from None
    try:
        return list(submodules(commit.repository, links, settings))
    except TextError as error:
        raise InputError(f"{commit.repository.public}: {error}", hint=_WITHOUT) from None


def _fetch(git: GitProgram, commit: GitCommit) -> None:
    wanted = commit.ref or commit.commit
    try:
        git.run("fetch", "-q", "--depth=1", "--no-tags", "origin", wanted)
    except InputError:
        if commit.ref:
            raise
        # A server may give what a branch or tag leads to alone.
        everything = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
        git.run("fetch", "-q", "--no-tags", "origin", *everything)
    with suppress(InputError):
        if git.run("rev-parse", "--verify", f"{commit.commit}^{{commit}}").strip().decode() == commit.commit:
            return
    raise InputError(f"{commit.repository.public}: said to be at {commit.commit}, and did not give it")


def _canonical(git: GitProgram, commit: GitCommit, folder: Path, below: list[Submodule]) -> None:
    """Leaves of ``.git`` what is the same whenever and however it was fetched: one pack, no logs, no times."""
    git.run("update-ref", "--no-deref", "HEAD", commit.commit)
    if commit.ref:
        git.run("update-ref", commit.ref, commit.tag or commit.commit)
    git.run("repack", "-a", "-d", "-F", "-q", "--window=0", "--threads=1")
    git.run("config", "remote.origin.url", without_user(commit.repository.remote))
    git.run("config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*")
    for one in below:
        git.run("config", f"submodule.{one.name}.active", "true")
        git.run("config", f"submodule.{one.name}.url", without_user(one.repository.remote))
    for name in ("index", "FETCH_HEAD", "ORIG_HEAD"):
        (folder / name).unlink(missing_ok=True)
    git.run("read-tree", commit.commit)  # an index that knows nothing of files


def _join(folder: Path, git: Path, below: list[_Placed]) -> None:
    """Puts the ``.git`` of each submodule into that of what it is in, as git has them; `git` is that of `folder`."""
    for one in below:
        place, target = folder / one.submodule.path, git / "modules" / one.submodule.name
        _make_folders(target.parent)
        os.rename(place / ".git", target)
        link = place / ".git"
        link.write_bytes(b"gitdir: " + os.fsencode(os.path.relpath(target, place)) + b"\n")
        link.chmod(0o644)
        with (target / "config").open("ab") as config:
            config.write(b'[core]\n\tworktree = "%s"\n' % _quoted(os.fsencode(os.path.relpath(place, target))))
        _join(place, target, one.below)


def _make_folders(folder: Path) -> None:
    """Whatever the umask of this process."""
    if not folder.exists():
        _make_folders(folder.parent)
        folder.mkdir()
        folder.chmod(0o755)


def _quoted(text: bytes) -> bytes:
    return text.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n").replace(b"\t", b"\\t")


def _inside(folder: Path, wanted: str, title: str) -> Path:
    """The folder below `folder` that is wanted. Raises `InputError` for none, and for one behind a link."""
    with Folder(folder, title) as view:
        place = ""
        for part in wanted.split("/") if wanted else ():
            place = f"{place}/{part}" if place else part
            item = view.item(place)
            if item is None or not stat.S_ISDIR(item.mode):
                raise InputError(f"{title}: {place}: no folder")
    return folder / wanted

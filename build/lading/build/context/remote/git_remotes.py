"""Commits of git repositories: which one is meant, and its files in a folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Final

from lading.build.context.folders import Folder
from lading.build.context.remote.addresses import Repository, is_commit, without_user
from lading.build.context.remote.git_program import GitProgram
from lading.store.errors import InputError
from lading.store.fastclass import dataclass
from lading.store.system.removal import remove_tree
from lading.verify.documents.statements import ResourceDescriptor

_GITLINK: Final = b"160000 "


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
        return {"commit": self.commit, "folder": self.repository.folder, **kept}

    def resource(self) -> ResourceDescriptor:
        """As links and provenances have it."""
        public = self.repository.public
        name = f"url:{public}#{self.ref}" if self.ref else f"url:{public}"
        return ResourceDescriptor(name, {"gitCommit": self.commit}, public)


class GitRemotes:
    """The repositories of one build: which commit a name means is asked once. Safe to be used from several threads."""

    def __init__(self, most: int, check: Callable[[], None]) -> None:
        """`most` bytes are the longest file; `check` raises where the build is over."""
        self._most, self._check = most, check
        self._lock = Lock()
        self._found: dict[tuple[str, str], GitCommit] = {}

    def resolve(self, repository: Repository) -> GitCommit:
        """The commit that is meant. Raises `InputError` for none, and for one that is not as its checksum says."""
        key = (repository.remote, repository.ref)
        with self._lock:
            if key not in self._found:
                self._found[key] = self._resolve(repository)
            known = self._found[key]
        found = GitCommit(repository, known.commit, known.ref, known.tag)
        if not any(one.startswith(repository.checksum) for one in (found.commit, found.tag)):
            raise InputError(
                f"{repository.public}: is at {found.commit}, not {repository.checksum} as its checksum says"
            )
        return found

    def _resolve(self, repository: Repository) -> GitCommit:
        if is_commit(repository.ref):
            return GitCommit(repository, repository.ref)
        ref = repository.ref or "HEAD"
        git = GitProgram(repository, Path("/"), self._most, self._check)
        lines = git.run("ls-remote", "--symref", "origin", ref, f"{ref}^{{}}").decode("utf-8", "replace").splitlines()
        found = {name: value for value, _, name in (line.partition("\t") for line in lines) if is_commit(value)}
        heads = {name: value[5:] for value, _, name in (line.partition("\t") for line in lines) if value[:5] == "ref: "}
        if ref == "HEAD" and "HEAD" in found:
            return GitCommit(repository, found["HEAD"], heads.get("HEAD", ""))
        for name in _names(ref):
            if name in found:
                peeled = found.get(f"{name}^{{}}", "")
                return GitCommit(repository, peeled or found[name], name, found[name] if peeled else "")
        raise InputError(f"{repository.public}: there is no branch or tag {ref!r}")

    def check_out(self, commit: GitCommit, folder: Path) -> Path:
        """Puts the files of `commit` into the empty `folder`; where they are. Raises `InputError`."""
        git = GitProgram(commit.repository, folder, self._most, self._check)
        git.run("init", "-q", *(["--object-format=sha256"] if len(commit.commit) == 64 else []))
        self._fetch(git, commit)
        if commit.repository.submodules:
            _refuse_submodules(git, commit)
        git.run("read-tree", "--reset", "-u", commit.commit)
        if commit.keeps_git:
            _canonical(git, commit, folder / ".git")
        else:
            remove_tree(folder / ".git")
        return _inside(folder, commit.repository)

    def _fetch(self, git: GitProgram, commit: GitCommit) -> None:
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


def _names(ref: str) -> tuple[str, ...]:
    """What a short name may mean, as git prefers it."""
    short = ref.removeprefix("refs/")
    head, tag = ref.removeprefix("refs/heads/"), ref.removeprefix("refs/tags/")
    return f"refs/{short}", f"refs/heads/{head}", f"refs/tags/{tag}"


def _refuse_submodules(git: GitProgram, commit: GitCommit) -> None:
    for entry in git.run("ls-tree", "-r", "-z", commit.commit).split(b"\0"):
        if entry.startswith(_GITLINK):
            path = os.fsdecode(entry.partition(b"\t")[2])
            raise InputError(
                f"{commit.repository.public}: its submodule {path!r} is not supported yet",
                hint="?submodules=false at the end of the URL leaves submodules out",
            )


def _canonical(git: GitProgram, commit: GitCommit, folder: Path) -> None:
    """Leaves of ``.git`` what is the same whenever and however it was fetched: one pack, no logs, no times."""
    git.run("update-ref", "--no-deref", "HEAD", commit.commit)
    if commit.ref:
        git.run("update-ref", commit.ref, commit.tag or commit.commit)
    git.run("repack", "-a", "-d", "-F", "-q", "--window=0", "--threads=1")
    git.run("config", "remote.origin.url", without_user(commit.repository.remote))
    git.run("config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*")
    for name in ("index", "FETCH_HEAD", "ORIG_HEAD"):
        (folder / name).unlink(missing_ok=True)
    git.run("read-tree", commit.commit)  # an index that knows nothing of files


def _inside(folder: Path, repository: Repository) -> Path:
    """The folder of the repository that is wanted. Raises `InputError` for none, and for one behind a link."""
    with Folder(folder, repository.public) as view:
        place = ""
        for part in repository.folder.split("/") if repository.folder else ():
            place = f"{place}/{part}" if place else part
            item = view.item(place)
            if item is None or not stat.S_ISDIR(item.mode):
                raise InputError(f"{repository.public}: {place}: no folder")
    return folder / repository.folder

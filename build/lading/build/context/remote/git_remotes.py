"""The git repositories of one build: which commit is meant, and its files in a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock

from lading.build.context.remote.addresses import Repository, is_commit
from lading.build.context.remote.check_outs import CheckOut, GitCommit
from lading.build.context.remote.git_program import GitProgram
from lading.store.errors import InputError


class GitRemotes:
    """The repositories of one build: which commit a name means is asked once. Safe to be used from several threads."""

    def __init__(self, most: int, check: Callable[[], None]) -> None:
        """`most` bytes are the longest file; `check` raises where the build is over."""
        self._most, self._check = most, check
        self._lock = Lock()
        self._found: dict[tuple[str, str], GitCommit] = {}
        self._below: dict[GitCommit, tuple[GitCommit, ...]] = {}

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
        found = CheckOut(self._most, self._check)
        place = found.put(commit, folder)
        with self._lock:
            self._below[commit] = tuple(found.submodules)
        return place

    def submodules(self, commit: GitCommit) -> tuple[GitCommit, ...]:
        """Those of a commit that was checked out, and theirs."""
        with self._lock:
            return self._below.get(commit, ())


def _names(ref: str) -> tuple[str, ...]:
    """What a short name may mean, as git prefers it."""
    short = ref.removeprefix("refs/")
    head, tag = ref.removeprefix("refs/heads/"), ref.removeprefix("refs/tags/")
    return f"refs/{short}", f"refs/heads/{head}", f"refs/tags/{tag}"

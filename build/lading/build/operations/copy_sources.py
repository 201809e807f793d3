"""The sources of a COPY or ADD: names in the context or in another root file system, and what is fetched."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

from lading.build.context import picked_files
from lading.build.context.context import Context
from lading.build.context.folders import FileInfo, FileView
from lading.build.context.picked_files import CopySource
from lading.build.context.remote.addresses import Repository, WebFile
from lading.build.context.remote.check_outs import GitCommit
from lading.build.context.remote.git_remotes import GitRemotes
from lading.build.context.remote.web_files import WebFiles
from lading.build.dockerfile.glob import has_wildcards
from lading.build.dockerfile.ignore import Ignore
from lading.build.errors import DockerfileError
from lading.build.graph.request import BuildEnvironment
from lading.build.graph.steps.step import Step
from lading.build.graph.steps.step_operations import CopyOp
from lading.store.errors import InputError
from lading.store.fastclass import dataclass
from lading.store.store import Store
from lading.verify.documents.statements import ResourceDescriptor

_FETCHED_MODE: Final = stat.S_IFREG | 0o600


@dataclass(frozen=True, slots=True)
class PickedSource:
    """A source, and what it is read from; `materials` are what a link says of one that was fetched."""

    view: FileView
    source: CopySource
    unpack: bool
    materials: tuple[ResourceDescriptor, ...] = ()


@dataclass(frozen=True, slots=True)
class CommitSource:
    """The files of a commit, which are fetched when they are copied."""

    commit: GitCommit
    remotes: GitRemotes

    @property
    def materials(self) -> tuple[ResourceDescriptor, ...]:
        """What a link says of it."""
        return (self.commit.resource(),)

    @property
    def below(self) -> tuple[ResourceDescriptor, ...]:
        """What a link says of its submodules, once it was checked out."""
        return tuple(one.resource() for one in self.remotes.submodules(self.commit))

    def check_out(self, folder: Path) -> Path:
        """Puts the files into `folder`; where they are. Raises `InputError`."""
        return self.remotes.check_out(self.commit, folder)


@dataclass(frozen=True, slots=True)
class CopySources:
    """All sources of a step, in their order."""

    sources: tuple[PickedSource | CommitSource, ...]

    @property
    def of_context(self) -> tuple[CopySource, ...]:
        """Those that are files of the context."""
        return tuple(one.source for one in self.sources if isinstance(one, PickedSource) and not one.materials)

    @property
    def materials(self) -> tuple[ResourceDescriptor, ...]:
        """What of them was fetched."""
        return tuple(material for source in self.sources for material in source.materials)

    @property
    def below(self) -> tuple[ResourceDescriptor, ...]:
        """What was fetched with them, as is known once they were copied."""
        return tuple(one for source in self.sources if isinstance(source, CommitSource) for one in source.below)


@dataclass(frozen=True, slots=True)
class _OneFile:
    """A view of one file that lies elsewhere."""

    path: str

    def item(self, path: str) -> FileInfo | None:
        del path
        return None

    def children(self, path: str) -> list[FileInfo]:
        del path
        return []

    def open(self, item: FileInfo) -> int:
        try:
            return os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise InputError(f"{item.path}: cannot be read: {error.strerror}") from error

    def location(self, item: FileInfo) -> str:
        del item
        return self.path


@dataclass(frozen=True, slots=True)
class Fetching:
    """Makes sources of what is elsewhere."""

    store: Store
    web_files: WebFiles
    remotes: GitRemotes

    @classmethod
    def on(cls, environment: BuildEnvironment, check: Callable[[], None]) -> Self:
        """For one build; `check` raises where that is over."""
        store = environment.store
        return cls(store, WebFiles(store, environment.transport, check), GitRemotes(store.limits.size, check))

    def of(self, source: WebFile | Repository) -> PickedSource | CommitSource:
        """Fetched where it is not here as it is there. Raises `InputError`, and a `RegistryError` of the network."""
        if isinstance(source, Repository):
            return CommitSource(self.remotes.resolve(source), self.remotes)
        found = self.web_files.file(source)
        item = FileInfo(source.name, _FETCHED_MODE, 0, 0, found.size, (0, 0), 1, 0)
        view = _OneFile(str(self.store.blobs.path(found.digest)))
        picked = CopySource(source.name, item, digest=found.digest.hex)
        return PickedSource(view, picked, source.unpack, (found.resource(f"url:{found.url}"),))


def anything(item: FileInfo, named: bool) -> str | None:
    """The content of any file: it need not be known."""
    del item, named
    return ""


@dataclass(frozen=True, slots=True)
class Picking:
    """Finds the sources of one COPY in a view."""

    view: FileView
    operation: CopyOp
    step: Step
    content: picked_files.ContentDigest
    environment: BuildEnvironment

    def of(self, pattern: str) -> tuple[PickedSource, ...]:
        """What `pattern` names; says where a wildcard matched nothing. Raises `DockerfileError` for what is missing."""
        try:
            found = self._found(pattern)
        except InputError as error:
            word = self.step.text.split(" ", 1)[0]
            raise DockerfileError(self.step.place, f"{word}: {error.message}", hint=error.hint) from error
        return tuple(PickedSource(self.view, source, self.operation.unpack) for source in found)

    def of_all(self) -> tuple[PickedSource, ...]:
        """Everything that there is."""
        chosen = (
            picked_files.Chosen(without=Ignore(self.operation.exclude)) if self.operation.exclude else picked_files.ALL
        )
        source = picked_files.pick(self.view, "", self.content, chosen)
        return (PickedSource(self.view, source, False),) if source else ()

    def _found(self, pattern: str) -> list[CopySource]:
        without = Ignore(self.operation.exclude)
        if self.operation.parents:
            return picked_files.pick_with_parents(self.view, pattern, self.content, without)
        names = picked_files.names(self.view, pattern)
        if not names:
            self.environment.listener.warned(f"{self.step.place}: {pattern} matches nothing")
        chosen = picked_files.Chosen(without=without) if self.operation.exclude else picked_files.ALL
        named = not has_wildcards(pattern)
        return [one for name in names if (one := self._one(name, chosen, named))]

    def _one(self, name: str, chosen: picked_files.Chosen, named: bool) -> CopySource | None:
        look = self.view.look if isinstance(self.view, Context) else None
        return picked_files.pick(self.view, name, self.content, chosen, named=named, look=look)

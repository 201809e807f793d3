"""A context that is no folder of this machine: an archive, a URL or a git repository, brought into one.

As in the reference nothing of it is ignored, what an archive holds keeps its owners, and what is no archive is a
Dockerfile without a context.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Final

from lading.build.context.remote.addresses import Repository, WebFile
from lading.build.context.remote.git_remotes import GitRemotes
from lading.build.context.remote.web_files import WebFiles
from lading.build.context.revision import Revision
from lading.build.dockerfile.directives import KEEP_GIT
from lading.build.dockerfile.parser import MAX_SIZE
from lading.build.graph.request import BuildEnvironment, BuildRequest, PackedContext
from lading.build.operations.root_filesystems import RootFilesystems
from lading.store.archives.any_compression import uncompressed
from lading.store.archives.extract_archive import extract
from lading.store.archives.layer_limits import RAISE
from lading.store.archives.reader import begins_with_header
from lading.store.errors import DocumentError, InputError
from lading.store.fastclass import dataclass, replace
from lading.verify.documents.statements import ResourceDescriptor

_PIECE: Final = 1 << 20


@contextmanager
def local_context(
    request: BuildRequest, environment: BuildEnvironment
) -> Generator[tuple[BuildRequest, tuple[ResourceDescriptor, ...]], None, None]:
    """`request` with a folder as its context, and what was fetched for it; the folder is gone afterwards.

    Raises `InputError`, and a `RegistryError` of the network.
    """
    with ExitStack() as stack:
        if request.source is None:
            yield request, ()
            return
        stack.enter_context(environment.store.writing())
        roots = stack.enter_context(RootFilesystems(environment.store))
        place = stack.enter_context(roots.folder())
        yield _Bringing(request, environment, place).bring(request.source)


@dataclass(frozen=True, slots=True)
class _Bringing:
    request: BuildRequest
    environment: BuildEnvironment
    place: Path

    def bring(
        self, source: PackedContext | WebFile | Repository
    ) -> tuple[BuildRequest, tuple[ResourceDescriptor, ...]]:
        store = self.environment.store
        match source:
            case PackedContext():
                return self._unpacked(self._spooled(source), source.title), ()
            case WebFile():
                found = WebFiles(store, self.environment.transport).file(source)
                request = self._unpacked(store.blobs.path(found.digest), found.url)
                return request, (found.resource(f"url:{found.url}"),)
            case Repository():
                return self._checked_out(source)

    def _checked_out(self, source: Repository) -> tuple[BuildRequest, tuple[ResourceDescriptor, ...]]:
        remotes = GitRemotes(self.environment.store.limits.size, lambda: None)
        if self.request.arguments.get(KEEP_GIT, "") in ("1", "true"):
            source = source.with_flags("", True)
        commit = remotes.resolve(source)
        folder = remotes.check_out(commit, self.place)
        revision = Revision(commit.commit, source.public, source.folder, False)
        request = replace(self.request, context=folder, revision=revision, owners=False)
        return request, tuple(one.resource() for one in remotes.submodules(commit))

    def _spooled(self, source: PackedContext) -> Path:
        path, size, most = self.place / "packed", 0, self.environment.store.limits.archive
        with source.open() as stream, open(path, "xb") as out:
            while piece := stream.read(_PIECE):
                size += len(piece)
                if size > most:
                    raise InputError(f"{source.title}: more than the {most} bytes allowed", hint=RAISE)
                out.write(piece)
        return path

    def _unpacked(self, path: Path, title: str) -> BuildRequest:
        context = self.place / "context"
        os.mkdir(context, 0o755)
        with open(path, "rb") as stream:
            if _is_tar(stream, title):
                stream.seek(0)
                try:
                    limits = self.environment.store.limits
                    extract(uncompressed(stream, title), context, title, limits=limits)
                except (DocumentError, EOFError, ValueError) as error:
                    raise InputError(f"{title}: cannot be unpacked: {error}") from error
                return replace(self.request, context=context, owners=True)
            stream.seek(0)
            text = stream.read(MAX_SIZE + 1)
        if self.request.file is not None or self.request.dockerfile is not None:
            raise InputError(f"{title}: neither a folder nor an archive, and so itself the Dockerfile", option="file")
        return replace(self.request, context=context, dockerfile=text, owners=False)


def _is_tar(stream: IO[bytes], title: str) -> bool:
    try:
        return begins_with_header(uncompressed(stream, title))
    except (DocumentError, OSError, EOFError, ValueError):
        return False

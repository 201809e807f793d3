"""The contexts that a call names beside its own: each opened when the first step asks for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock

from lading.build.context.context import Context, refuse_private
from lading.build.context.folders import Folder
from lading.build.context.hashes import Hashes
from lading.build.dockerfile.ignore import Ignore
from lading.build.graph.request import BuildEnvironment, BuildRequest, ImageContext
from lading.build.graph.solve_state import SolveState
from lading.build.operations.contexts import local_context
from lading.store.archives.trees import text
from lading.store.errors import InputError
from lading.store.fastclass import dataclass, field, replace


@dataclass(slots=True)
class NamedContexts:
    """Those of one build; `ignored` reads the ignore file of a folder. Safe to be used from several threads."""

    request: BuildRequest
    environment: BuildEnvironment
    solved: SolveState
    ignored: Callable[[Path], Ignore]
    stack: ExitStack
    opened: dict[str, Context] = field(default_factory=dict[str, Context])
    lock: Lock = field(default_factory=Lock)

    def get(self, name: str) -> Context:
        """The context `name`. Raises `InputError`, and a `RegistryError` of the network."""
        with self.lock:
            if name not in self.opened:
                self.opened[name] = self.stack.enter_context(self._open(name))
            return self.opened[name]

    def _open(self, name: str) -> Context:
        source = self.request.contexts[name]
        assert not isinstance(source, ImageContext)
        store = self.environment.store
        private = (store.root, *self.request.private)
        if isinstance(source, Path):
            if not source.is_dir():
                raise InputError(f"build-context {name}: {source}: not a folder", option="build-context")
            refuse_private(source, private)
            hashes = Hashes(store.index, source, store.root)
            modes = self.request.normal_modes
            return Context(Folder(source), self.ignored(source), hashes, private, normal_modes=modes)
        wanted = replace(self.request, source=source, file=None, dockerfile=None, revision=None)
        local, fetched = self.stack.enter_context(local_context(wanted, self.environment))
        if local.dockerfile is not None:
            raise InputError(f"build-context {name}: neither a folder nor an archive", option="build-context")
        found = (*fetched, *([replace(local.revision.resource(), name=f"url:{name}")] if local.revision else ()))
        self.solved.brought = (*self.solved.brought, *found)
        hashes = Hashes(store.index, local.context, store.root, kept=False)
        return Context(Folder(local.context), Ignore(()), hashes, private, owners=local.owners)


@contextmanager
def named_contexts(
    request: BuildRequest, environment: BuildEnvironment, solved: SolveState, ignored: Callable[[Path], Ignore]
) -> Generator[NamedContexts, None, None]:
    """Says at the end what was left out of them."""
    with ExitStack() as stack:
        contexts = NamedContexts(request, environment, solved, ignored, stack)
        yield contexts
        for name, context in contexts.opened.items():
            for path, reason in sorted(context.left_out.items()):
                environment.listener.warned(f"{text(os.fsencode(path))}: left out of the context {name}: {reason}")

"""Solves a graph: every step that an image needs is found in the cache or executed.

A step's key is made of what it does and of the trees that it does it to, so a step whose new execution gives
the old tree changes nothing after it. Steps are solved in topological order.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final

from lading.build.context.context import Context
from lading.build.context.pick import CopySource
from lading.build.errors import DockerfileError
from lading.build.graph import links
from lading.build.graph.cache import ActionLayer, ActionResult, Cache, key_of
from lading.build.graph.graph import CopyOp, Graph, MkdirOp, RunOp, Step, UnpackOp
from lading.build.graph.request import BuildEnvironment, BuildRequest, StepReport
from lading.build.graph.state import SolveState, entries
from lading.build.operations.prune import prune, root_changed
from lading.build.operations.rootfs import ActiveSnapshot, RootFilesystems, Stack, chain_of
from lading.build.operations.runner import HOSTNAME, CopySources, OperationRunner, pick_all
from lading.store.archives.layers import Layer as WrittenLayer
from lading.store.archives.layers import settle, write_layer
from lading.store.archives.trees import Entry, Tree, capture, text
from lading.store.errors import InputError
from lading.store.fastclass import dataclass
from lading.store.oci.digests import Digest

VERSION: Final = 2
"""Of the meaning of operations; part of every key."""


@dataclass(slots=True)
class Solver:
    """Solves the steps of one graph into `solved`."""

    request: BuildRequest
    environment: BuildEnvironment
    cache: Cache
    roots: RootFilesystems
    solved: SolveState
    epoch: int
    context: Callable[[], Context]

    def solve(self, graph: Graph) -> None:
        """Raises `DockerfileError` at the first step that fails; what was solved until then stays in the cache."""
        needed = graph.needed
        self.environment.listener.planned(needed)
        for step in needed:
            self._solve(step)

    def _solve(self, step: Step) -> None:
        begun = time.monotonic()
        given = self._given(step)
        context = self._note(given)
        materials = links.materials(step, self.solved, context)
        key = self._key(step, given)
        with self.cache.lock(key):
            product = None if self.request.no_cache else self.cache.result(key)
            cached = product is not None
            if product is None:
                self.environment.started(step)
                layer = self._execute(step, given)
                statement = links.statement(step, layer.tree, materials, self.environment.executor) if layer else b""
                product = ActionResult(layer, statement)
                self.cache.keep(key, product, self._snapshot(step, layer))
        self.solved.products[step.number] = product
        self.solved.materials[step.number] = materials
        self.solved.keys[step.number] = key
        size = product.layer.descriptor.size if product.layer else None
        report = StepReport(step, cached, time.monotonic() - begun, size)
        self.solved.reports.append(report)
        self.environment.listener.finished(report)

    def _snapshot(self, step: Step, layer: ActionLayer | None) -> str | None:
        return chain_of([*self.solved.stack(step.below), (layer.descriptor, layer.diff_id)]) if layer else None

    def _given(self, step: Step) -> CopySources | None:
        operation = step.operation
        if not isinstance(operation, CopyOp) or operation.origin is not None:
            return None
        if not operation.sources:
            return CopySources(None, ())
        context = self.context()
        return CopySources(context, pick_all(context, operation, step, context.content, self.environment))

    def _note(self, given: CopySources | None) -> Digest | None:
        if given is None or not given.sources:
            return None
        found: dict[bytes, Entry] = {}
        for source in given.sources:
            found.update((entry.path, entry) for entry in entries(source, source.item.path))
        self.solved.note(found.values())
        return Tree(b"", [found[path] for path in sorted(found)]).root()

    def _key(self, step: Step, given: CopySources | None) -> str:
        return key_of(
            {
                "version": VERSION,
                "platform": str(self.environment.platform),
                "below": self.solved.identity(step.below),
                "operation": self._operation(step, given),
                "epoch": self.epoch,
                "compression": self.request.compression,
            }
        )

    def _operation(self, step: Step, given: CopySources | None) -> dict[str, object]:
        match step.operation:
            case MkdirOp(path=path, user=user):
                return {"kind": "folder", "path": path, "user": user}
            case UnpackOp(packages=packages):
                return {"kind": "unpack", "packages": list(packages)}
            case RunOp() as operation:
                return {
                    "kind": "run",
                    "argv": list(operation.argv),
                    "environment": [list(pair) for pair in operation.environment],
                    "workdir": operation.workdir,
                    "user": operation.user,
                    "network": operation.network,
                    "hostname": HOSTNAME,
                    "isolation": self.environment.executor.isolation,
                    "privileges": dict(self.environment.executor.privileges),
                }
            case CopyOp() as operation:
                return self._copy(operation, given)

    def _copy(self, operation: CopyOp, given: CopySources | None) -> dict[str, object]:
        owner = operation.owner
        value: dict[str, object] = {
            "kind": "copy",
            "destination": operation.destination,
            "owner": [owner.user, owner.group] if owner else None,
            "mode": operation.mode,
            "unpack": operation.unpack,
            "documents": [[item.name, str(Digest.of(item.content))] for item in operation.documents],
        }
        if operation.origin is not None:
            return {**value, "origin": self.solved.identity(operation.origin), "sources": list(operation.sources)}
        return {**value, "context": [_source(source) for source in given.sources] if given else []}

    def _execute(self, step: Step, given: CopySources | None) -> ActionLayer | None:
        stack = self.solved.stack(step.below)
        with self.roots.writing(stack) as active:
            OperationRunner(self.environment, self.roots, self.solved).run(step, active, given)
        try:
            return self._render(step, active, stack)
        except BaseException:
            self.roots.discard(active.key)
            raise

    def _render(self, step: Step, active: ActiveSnapshot, stack: Stack) -> ActionLayer | None:
        """The layer of what a step changed, its snapshot committed; None where it changed nothing."""
        store = self.environment.store
        changes = store.snapshots.changes(active.key)
        try:
            tree = capture(changes)
        except InputError as error:
            raise _placed(step, error) from error
        with self.roots.reading(stack) as below:
            tree = prune(tree, below)
        if root_changed(changes):
            self.environment.listener.warned(
                f"{step.place}: what was changed of / itself is in no image: others pass it over"
            )
        if not tree.entries:
            store.snapshots.remove(active.key)
            return None
        layer = self._write(step, tree)
        store.snapshots.diff_ids.remember(layer.descriptor, layer.diff_id)
        settle(changes, self.epoch)
        store.snapshots.commit(active.key, chain_of([*stack, (layer.descriptor, layer.diff_id)]))
        return ActionLayer(layer.tree, layer.descriptor, layer.diff_id)

    def _write(self, step: Step, tree: Tree) -> WrittenLayer:
        store = self.environment.store
        try:
            return write_layer(
                tree, store.blobs, epoch=self.epoch, compression=self.request.compression, limits=store.limits
            )
        except InputError as error:
            raise _placed(step, error) from error


def _placed(step: Step, error: InputError) -> DockerfileError:
    return DockerfileError(step.place, f"{step.text.split(' ', 1)[0]}: {error.message}", hint=error.hint)


def _source(source: CopySource) -> dict[str, object]:
    if source.item.is_folder:
        return {"folder": str(Tree(b"", entries(source, "")).root())}
    return {"name": text(os.fsencode(source.name)), "file": str(Tree(b"", entries(source, "file")).root())}

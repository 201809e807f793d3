"""The actions of a Dockerfile's steps: each carried out on a snapshot, what it changed rendered as a layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from lading.build.context.context import Context
from lading.build.context.picked_files import CopySource
from lading.build.context.remote.addresses import Repository, WebFile
from lading.build.context.taken_files import TakenFiles, folder_root, taken, together
from lading.build.errors import DockerfileError, placed
from lading.build.graph import step_links
from lading.build.graph.action import Action, ActionLayer, ActionResult
from lading.build.graph.request import STEPS, BuildEnvironment
from lading.build.graph.solve_state import SolveState
from lading.build.graph.steps.chain import Chain
from lading.build.graph.steps.mount_requests import BindMount
from lading.build.graph.steps.step import Step
from lading.build.graph.steps.step_operations import CopyOp, RunOp
from lading.build.operations.copy_sources import CommitSource, CopySources, Fetching, PickedSource, Picking
from lading.build.operations.key_inputs import inputs
from lading.build.operations.root_filesystems import ActiveSnapshot, RootFilesystems, Stack, chain_of
from lading.build.operations.runner import OperationRunner
from lading.build.operations.running.mounted_trees import MountedTree, MountedTrees, of_context
from lading.build.operations.spurious_changes import prune, root_changed
from lading.store.archives.layers import Layer as WrittenLayer
from lading.store.archives.layers import normalise_times, write_layer
from lading.store.archives.trees import Tree, capture, text
from lading.store.errors import InputError
from lading.store.fastclass import dataclass, replace
from lading.verify.documents.links import MAX_MATERIALS
from lading.verify.documents.statements import ResourceDescriptor


@dataclass(frozen=True, slots=True)
class StepActions:
    """Those of one build, whose earlier steps are in `solved`."""

    environment: BuildEnvironment
    roots: RootFilesystems
    solved: SolveState
    context: Callable[[], Context]
    fetching: Fetching
    named: Callable[[str], Context]

    def of(self, step: Step) -> Action:
        """The action of `step`, all that stands below it solved. Raises `DockerfileError`."""
        picked, mounted = self._picked(step), self._mounted(step)
        parts = [taken(source) for source in (picked.of_context if picked else ())]
        self.solved.note(step.number, *parts)
        files = together(parts, self.environment.store.index)
        fetched = picked.materials if picked else ()
        brought = tuple(material for tree in mounted for material in tree.materials)
        materials = (*step_links.materials(step, self.solved, files.root if files else None), *fetched, *brought)
        found = inputs(step, picked, mounted, self.solved, self.environment)
        execute = partial(self._execute, step, picked, mounted, materials)
        return Action(found, materials, execute, lambda: _told([*parts, *map(taken, _sources(mounted))]))

    def taken(self, step: Step) -> dict[str, tuple[TakenFiles, ...]]:
        """What `step` takes of the context ("") or of one with a name, known before anything else of it is.

        Raises `DockerfileError` for what is not there.
        """
        operation = step.operation
        if isinstance(operation, RunOp):
            return {"": tuple(taken(one) for one in self._bound(step, operation))}
        if not isinstance(operation, CopyOp) or operation.origin is not None:
            return {}
        if operation.context:
            return {operation.context: tuple(taken(one.source) for one in self._all_of(step, operation))}
        found = (one for source in operation.names for one in self._of_context(step, operation, source))
        return {"": tuple(taken(one.source) for one in found)}

    def _bound(self, step: Step, operation: RunOp) -> list[CopySource]:
        try:
            return [
                of_context(self.context(), mount)
                for mount in operation.mounts
                if isinstance(mount, BindMount) and mount.context
            ]
        except InputError as error:
            raise _placed(step, error) from error

    def _mounted(self, step: Step) -> tuple[MountedTree, ...]:
        try:
            return MountedTrees(self.environment, self.roots, self.solved, self.context).of(step)
        except InputError as error:
            raise _placed(step, error) from error

    def _picked(self, step: Step) -> CopySources | None:
        operation = step.operation
        if not isinstance(operation, CopyOp) or operation.origin is not None:
            return None
        if operation.context:
            return CopySources(self._named(step, operation))
        found: list[PickedSource | CommitSource] = []
        for source in operation.sources:
            if isinstance(source, str):
                found += self._of_context(step, operation, source)
                continue
            found.append(self._fetched(step, source))
            self.solved.fetched.update((material.name or "", material) for material in found[-1].materials)
        return CopySources(tuple(found))

    def _named(self, step: Step, operation: CopyOp) -> tuple[PickedSource, ...]:
        """All of a named context, which is a material of its own."""
        found = self._all_of(step, operation)
        (root,) = {folder_root(one.source) for one in found}
        material = ResourceDescriptor.of(root, f"mount:context:{operation.context}")
        self.solved.fetched[material.name or ""] = material
        return tuple(replace(one, materials=(material,)) for one in found)

    def _all_of(self, step: Step, operation: CopyOp) -> tuple[PickedSource, ...]:
        with placed(step.place):
            context = self.named(operation.context)
            return Picking(context, operation, step, context.content, self.environment).of(".")

    def _of_context(self, step: Step, operation: CopyOp, source: str) -> tuple[PickedSource, ...]:
        context = self.context()
        return Picking(context, operation, step, context.content, self.environment).of(source)

    def _fetched(self, step: Step, source: WebFile | Repository) -> PickedSource | CommitSource:
        with placed(step.place):
            try:
                return self.fetching.of(source)
            except InputError as error:
                raise _placed(step, error) from error

    def _execute(
        self,
        step: Step,
        picked: CopySources | None,
        mounted: tuple[MountedTree, ...],
        materials: tuple[ResourceDescriptor, ...],
    ) -> ActionResult:
        self._tell_of_bases(step)
        stack = self.solved.stack(step.ground)
        with self.roots.writing(stack) as active:
            runner = OperationRunner(self.environment, self.roots, self.solved, self.context)
            used = runner.run(step, active, picked, mounted)
        try:
            self.solved.halt.check()
            layer = self._render(step, active, stack)
        except BaseException:
            self.roots.discard(active.key)
            raise
        if layer is None:
            return ActionResult(None, used=used)
        materials = (*materials, *(picked.below if picked else ()))
        if left := step_links.unlisted(used, len(materials)):
            self.environment.listener.warned(
                f"{step.place}: answers of the web that the recording alone has: {left} "
                f"(a link lists {MAX_MATERIALS} materials)"
            )
        executor, secrets = self.environment.executor, self.environment.secrets
        emulator = self.environment.emulator(step.platform)
        statement = step_links.statement(step, layer.tree, materials, executor, secrets, used, emulator)
        return ActionResult(layer, statement, used=used)

    def _tell_of_bases(self, step: Step) -> None:
        """Says which images have to be unpacked before `step`: a large one takes its time."""
        for image in dict.fromkeys(chain.image for chain in step.chains if chain.image is not None):
            if not self.roots.has(self.solved.stack(Chain(image))):
                line = f"unpacking {self.solved.images[image].reference}\n"
                self.environment.listener.wrote(step, line.encode(), "stderr")

    def _render(self, step: Step, active: ActiveSnapshot, stack: Stack) -> ActionLayer | None:
        """The layer of what a step changed, its snapshot committed; None where it changed nothing."""
        store = self.environment.store
        changes = store.snapshots.changes(active.key)
        try:
            tree = capture(changes, store.snapshots.marks)
        except InputError as error:
            raise _placed(step, error) from error
        with self.roots.reading(stack) as below:
            tree = prune(tree, below, store.snapshots.marks)
        if root_changed(changes):
            self.environment.listener.warned(
                f"{step.place}: what was changed of / itself is in no image: others pass it over"
            )
        if not tree.entries:
            store.snapshots.remove(active.key)
            return None
        layer = self._write(step, tree, active)
        normalise_times(changes, STEPS.epoch)
        if step.ground != step.below:
            store.snapshots.diff_ids.remember(layer.descriptor, layer.diff_id)
            store.snapshots.remove(active.key)  # on what is below it is unpacked where somebody needs it
            return ActionLayer(layer.tree, layer.descriptor, layer.diff_id)
        snapshot = chain_of([*stack, (layer.descriptor, layer.diff_id)])
        store.snapshots.commit(active.key, snapshot, layer=(layer.descriptor, layer.diff_id))
        return ActionLayer(layer.tree, layer.descriptor, layer.diff_id, snapshot)

    def _write(self, step: Step, tree: Tree, active: ActiveSnapshot) -> WrittenLayer:
        store = self.environment.store
        try:
            return write_layer(
                tree,
                store.blobs,
                epoch=STEPS.epoch,
                compression=STEPS.compression,
                limits=store.limits,
                frames=store.frames,
                digest=active.copied.digest,
            )
        except InputError as error:
            raise _placed(step, error) from error


def _sources(mounted: tuple[MountedTree, ...]) -> list[CopySource]:
    return [tree.source for tree in mounted if tree.source]


def _told(parts: Iterable[TakenFiles]) -> dict[str, str]:
    """By path what counts of a file, its content last."""
    return {
        text(entry.path): f"{entry.kind} {entry.mode:o} {entry.sha256[:16] or text(entry.target)}"
        for part in parts
        for entry in part.entries()
    }


def _placed(step: Step, error: InputError) -> DockerfileError:
    return DockerfileError(step.place, f"{step.text.split(' ', 1)[0]}: {error.message}", hint=error.hint)

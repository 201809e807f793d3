"""Operations carried out on mounted root file systems."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from lading.build.context.context import Context
from lading.build.context.folders import FileView, Folder
from lading.build.dockerfile.instruction_values import Owner
from lading.build.errors import DockerfileError, placed
from lading.build.graph.request import BuildEnvironment
from lading.build.graph.solve_state import SolveState
from lading.build.graph.steps.network_recording import NetworkUse
from lading.build.graph.steps.step import Step
from lading.build.graph.steps.step_operations import CopyOp, DeriveOp, MkdirOp, RunOp, UnpackOp
from lading.build.operations import owners
from lading.build.operations.archives import is_archive, unpack
from lading.build.operations.copy_files import Copier, CopyOptions, CopyProblemError
from lading.build.operations.copy_sources import CommitSource, CopySources, PickedSource, Picking, anything
from lading.build.operations.root_filesystems import ActiveSnapshot, RootFilesystems
from lading.build.operations.running.mounted_trees import MountedTree
from lading.build.operations.running.run_execution import RunExecution
from lading.store.errors import InputError
from lading.store.fastclass import dataclass, replace


@dataclass(frozen=True, slots=True)
class OperationRunner:
    """Carries out operations."""

    environment: BuildEnvironment
    roots: RootFilesystems
    solved: SolveState
    context: Callable[[], Context]

    def run(
        self, step: Step, active: ActiveSnapshot, picked: CopySources | None, mounted: tuple[MountedTree, ...]
    ) -> NetworkUse | None:
        """Does what `step` says to `active`; what a RUN did with its network.

        Raises `DockerfileError` naming the step's line.
        """
        with placed(step.place):
            try:
                return self._run(step, active, picked, mounted)
            except DockerfileError:
                raise
            except InputError as error:
                word = step.text.split(" ", 1)[0]
                raise DockerfileError(step.place, f"{word}: {error.message}", hint=error.hint) from error

    def _run(
        self, step: Step, active: ActiveSnapshot, picked: CopySources | None, mounted: tuple[MountedTree, ...]
    ) -> NetworkUse | None:
        match step.operation:
            case RunOp() as operation:
                runs = RunExecution(self.environment, self.roots, self.solved, self.context)
                return runs.execute(step, operation, active, mounted)
            case CopyOp() as operation:
                self._copy(step, operation, active, picked)
            case MkdirOp() as operation:
                self._mkdir(operation, active)
            case UnpackOp() | DeriveOp():
                raise InputError("packages are unpacked by the Debian front end alone")
        return None

    def _copy(self, step: Step, operation: CopyOp, active: ActiveSnapshot, picked: CopySources | None) -> None:
        with ExitStack() as stack:
            if operation.origin is not None:
                root = stack.enter_context(self.roots.reading(self.solved.stack(operation.origin)))
                view: FileView = stack.enter_context(Folder(root, "/"))
                picking = Picking(view, operation, step, anything, self.environment)
                picked = CopySources(tuple(one for name in operation.names for one in picking.of(name)))
            copier = Copier(active.root, self._options(operation, active), active.copied.note)
            try:
                for source in picked.sources if picked else ():
                    self.solved.halt.check()
                    if isinstance(source, CommitSource):
                        self._put_commit(copier, source, step, operation)
                    else:
                        self._put(copier, source, operation)
                for document in operation.documents:
                    copier.write(document.name, document.content, operation.destination)
            except OSError as error:
                raise CopyProblemError(f"{operation.destination}: {error.strerror}") from error

    def _put_commit(self, copier: Copier, source: CommitSource, step: Step, operation: CopyOp) -> None:
        copier = Copier(copier.root, replace(copier.options, whole=True))
        with self.roots.folder() as place, Folder(source.check_out(place), "/") as view:
            for picked in Picking(view, operation, step, anything, self.environment).of_all():
                self._put(copier, picked, operation)

    def _put(self, copier: Copier, picked: PickedSource, operation: CopyOp) -> None:
        view, source = picked.view, picked.source
        if picked.unpack and source.item.is_file and is_archive(view, source.item):
            # A mode is for what a source is, never for the folder that an archive is unpacked in.
            Copier(copier.root, CopyOptions(copier.options.owner)).make_folders(operation.destination)
            unpack(
                view, source, copier.inside(operation.destination), copier.options.owner, self.environment.store.limits
            )
            return
        copier.copy(view, source, operation.destination)

    def _options(self, operation: CopyOp, active: ActiveSnapshot) -> CopyOptions:
        foreign = operation.origin is not None
        return CopyOptions(_owner(operation.owner, active), operation.mode, foreign, foreign)

    def _mkdir(self, operation: MkdirOp, active: ActiveSnapshot) -> None:
        owner = _owner(owners.read(operation.user), active) if operation.user else None
        Copier(active.root, CopyOptions(owner)).make_folders(operation.path)


def _owner(owner: Owner | None, active: ActiveSnapshot) -> tuple[int, int] | None:
    if owner is None:
        return None
    with Folder(active.root, "/") as view:
        return owners.resolve(view, owner)

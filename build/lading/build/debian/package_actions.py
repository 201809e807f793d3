"""The actions of a package set's steps: unpacked, moved to a merged /usr, recorded for scanners, rendered."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from lading.build.debian.deb import open_data, read_control, read_listing
from lading.build.debian.derived_files import derive, link_usr, merge_usr, put_file, put_folder, write_ld_cache
from lading.build.debian.dpkg_database import INFO, put_database, put_info, put_sources
from lading.build.graph import step_links
from lading.build.graph.action import Action, ActionLayer, ActionResult
from lading.build.graph.graph import Graph
from lading.build.graph.request import STEPS, BuildEnvironment
from lading.build.graph.solve_state import SolveState
from lading.build.graph.steps.step import Step
from lading.build.graph.steps.step_operations import DeriveOp, PackageRecord, UnpackOp
from lading.build.operations.key_inputs import inputs
from lading.store.archives.extract_archive import extract
from lading.store.archives.layers import write_layer
from lading.store.archives.trees import scan
from lading.store.errors import DocumentError, InputError
from lading.store.fastclass import dataclass
from lading.verify.documents.statements import ResourceDescriptor

JOBS: Final = 2
"""Packages that are unpacked at once for what is derived of all."""
_STATUS: Final = "var/lib/dpkg/status.d"


@dataclass(frozen=True, slots=True)
class PackageActions:
    """Those of one build, whose earlier steps are in `solved`; `folder` holds what is unpacked meanwhile."""

    environment: BuildEnvironment
    graph: Graph
    solved: SolveState
    debs: Mapping[PackageRecord, Path]
    folder: Path

    def of(self, step: Step) -> Action:
        """The action of `step`, all that it is derived from solved."""
        materials = step_links.materials(step, self.solved, None)
        found = inputs(step, None, (), self.solved, self.environment)
        return Action(found, materials, partial(self._execute, step, materials))

    def _execute(self, step: Step, materials: tuple[ResourceDescriptor, ...]) -> ActionResult:
        match step.operation:
            case UnpackOp(name=name) as operation:
                tree = self._tree(operation)
                with _about(name):
                    layer = self._layer(tree)
            case DeriveOp() as operation:
                layer = self._layer(self._derive(operation))
            case _:
                raise TypeError(step.operation)
        return ActionResult(layer, step_links.statement(step, layer.tree, materials, self.environment.executor))

    def _layer(self, tree: Path) -> ActionLayer:
        blobs = self.environment.store.blobs
        made = write_layer(scan(tree), blobs, epoch=STEPS.epoch, compression=STEPS.compression)
        return ActionLayer(made.tree, made.descriptor, made.diff_id)

    def _derive(self, operation: DeriveOp) -> Path:
        sets = [_unpacking(self.graph.steps[number]) for number in operation.origin.steps]
        packages = [package for found in sets for package in found.packages]
        with ThreadPoolExecutor(JOBS) as pool:
            trees = list(pool.map(self._tree, sets))
        target = self._new()
        derive(trees, target)
        if operation.database is not None:
            controls = [read_control(self.debs[package]) for package in packages]
            put_database(target, controls, trees, operation.database.status)
            if operation.database.sources:
                put_sources(target, trees, operation.database.sources)
        if operation.ld_so_cache:
            whole = self._unpacked(packages, for_dpkg=False)
            link_usr([whole], whole)
            put_folder(whole, "etc")
            write_ld_cache(whole, target)
        return target

    def _tree(self, operation: UnpackOp) -> Path:
        """Packages unpacked as they are on a merged system, once in a build."""
        folder = self.folder / f"{len(operation.packages)}-{operation.packages[0].digest.hex}"
        if not folder.exists():
            self._unpacked(operation.packages, for_dpkg=operation.for_dpkg).rename(folder)
        return folder

    def _unpacked(self, packages: Sequence[PackageRecord], *, for_dpkg: bool) -> Path:
        tree = self._new()
        for package in packages:
            with _about(f"{package.name} {package.version}"):
                self._unpack(package, tree)
        for package in packages:
            with _about(f"{package.name} {package.version}"):
                self._record(package, tree, for_dpkg=for_dpkg)
        return tree

    def _new(self) -> Path:
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        folder.chmod(0o755)
        return folder

    def _unpack(self, package: PackageRecord, work: Path) -> None:
        deb = self.debs[package]
        with deb.open("rb") as stream:
            if hashlib.file_digest(stream, package.digest.algorithm).hexdigest() != package.digest.hex:
                deb.unlink()
                raise DocumentError("the saved file was changed", hint="build again: it is fetched anew")
        with open_data(deb) as stream:
            extract(stream, work, "data.tar")
        for place in (_STATUS, INFO):
            if os.path.lexists(work / place) and (not (work / place).is_dir() or any((work / place).iterdir())):
                raise DocumentError(f"brings what belongs into /{place}, where what is known of packages is recorded")
        merge_usr(work)

    def _record(self, package: PackageRecord, tree: Path, *, for_dpkg: bool) -> None:
        """What dpkg knows of it; else in the form that scanners read where there is no dpkg."""
        control = read_control(self.debs[package])
        own = (("Package", package.name), ("Version", package.version), ("Architecture", package.architecture))
        for field, listed in own:
            if control.field(field) != listed:
                raise DocumentError(f"says that its {field} is {control.field(field)[:80]!r}, not as it is listed")
        if for_dpkg:
            put_info(tree, control, read_listing(self.debs[package], sums=control.md5sums is None))
            return
        put_file(tree, f"{_STATUS}/{package.name}", control.control)
        if control.md5sums is not None:
            put_file(tree, f"{_STATUS}/{package.name}.md5sums", control.md5sums)


@contextmanager
def _about(name: str) -> Generator[None, None, None]:
    """Whatever is wrong with packages is told with their name."""
    try:
        yield
    except (DocumentError, InputError) as error:
        raise DocumentError(f"{name}: {error.message}", hint=error.hint) from None


def _unpacking(step: Step) -> UnpackOp:
    assert isinstance(step.operation, UnpackOp)
    return step.operation

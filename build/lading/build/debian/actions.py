"""From packages to layers: unpacked, moved to a merged /usr, recorded for scanners, rendered; cached by digest."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from lading.build.debian.deb import open_data, read_control
from lading.build.debian.derived import derive, link_usr, merge_usr, put_file, put_folder, write_ld_cache
from lading.build.debian.lists import PackageRecord
from lading.build.graph.action import ActionCache, ActionLayer, ActionResult, key_of
from lading.build.graph.request import Compression
from lading.build.solver.local_cache import one_builder
from lading.store.archives.extract import extract
from lading.store.archives.layers import write_layer
from lading.store.archives.trees import scan
from lading.store.content.blobs import Blobs
from lading.store.errors import DocumentError, InputError
from lading.store.fastclass import dataclass
from lading.verify.documents.links import TREE, Link
from lading.verify.documents.statements import ResourceDescriptor

_FORMAT: Final = 1
"""Goes up when the same packages would give other layers."""
_STATUS: Final = "var/lib/dpkg/status.d"
_WORKERS: Final = 2


@dataclass(frozen=True, slots=True)
class ImagePart:
    """A layer to be: packages unpacked over each other, or, without packages, what is derived from all others."""

    name: str
    packages: tuple[PackageRecord, ...]
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SolvedPart:
    """A part and what became of it."""

    part: ImagePart
    key: str
    product: ActionResult
    cached: bool

    @property
    def layer(self) -> ActionLayer:
        """Of the product: every part has one."""
        assert self.product.layer is not None
        return self.product.layer


class Watcher(Protocol):
    """Told how parts go on, from any thread."""

    def begun(self, part: ImagePart) -> None:
        """A part is made: it was not in the cache."""
        ...

    def done(self, solved: SolvedPart) -> None:
        """A part is there."""
        ...


DERIVED: Final = ImagePart("derived files", (), ("derive",))
"""What is derived from all other parts."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where parts are made."""

    cache: ActionCache
    root: Path
    blobs: Blobs
    folder: Path
    debs: dict[PackageRecord, Path]
    epoch: int
    compression: Compression
    ld_so_cache: bool
    again: bool
    """Make everything anew, whatever is cached."""

    def solve(self, parts: Sequence[ImagePart], watcher: Watcher) -> list[SolvedPart]:
        """Makes what is not cached: the parts, and last what is derived from them."""
        with ExitStack() as stack:
            root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="packages-", dir=self.folder)))
            pool = stack.enter_context(ThreadPoolExecutor(_WORKERS))

            def unpacked(part: ImagePart) -> ActionResult:
                given = tuple(_material(package) for package in part.packages)
                tree = self._tree(part, root)
                try:
                    return self._product(part.name, tree, given, part.command)
                except (DocumentError, InputError) as error:
                    raise DocumentError(f"{part.name}: {error.message}", hint=error.hint) from None

            def solve(part: ImagePart) -> SolvedPart:
                return self._once(part, self._key(part, []), partial(unpacked, part), watcher)

            solved = list(pool.map(solve, parts))

            def derived() -> ActionResult:
                trees = list(pool.map(partial(self._tree, root=root), parts))
                return self._derive(trees, root, solved)

            key = self._key(DERIVED, [item.key for item in solved])
            return [*solved, self._once(DERIVED, key, derived, watcher)]

    def _once(self, part: ImagePart, key: str, make: Callable[[], ActionResult], watcher: Watcher) -> SolvedPart:
        with one_builder(self.root, key):
            product = self._held(key)
            cached = product is not None
            if product is None:
                watcher.begun(part)
                product = make()
                self.cache.keep(key, product)
        solved = SolvedPart(part, key, product, cached)
        watcher.done(solved)
        return solved

    def _key(self, part: ImagePart, below: Sequence[str]) -> str:
        return key_of(
            {
                "op": "debian",
                "format": _FORMAT,
                "packages": [package.digest.hex for package in part.packages],
                "below": list(below),
                "epoch": self.epoch,
                "compression": self.compression,
                "ldSoCache": self.ld_so_cache and not part.packages,
            }
        )

    def _held(self, key: str) -> ActionResult | None:
        if self.again:
            return None
        product = self.cache.find(key)
        return product if product and product.layer else None

    def _tree(self, part: ImagePart, root: Path) -> Path:
        """The part's packages, unpacked as they are on a merged system."""
        folder = root / f"{len(part.packages)}-{part.packages[0].digest.hex}"
        if folder.exists():
            return folder
        work = folder.with_suffix(".new")
        work.mkdir()
        work.chmod(0o755)
        for package in part.packages:
            with _about(package):
                self._unpack(package, work)
        for package in part.packages:
            with _about(package):
                self._record(package, work)
        work.rename(folder)
        return folder

    def _unpack(self, package: PackageRecord, work: Path) -> None:
        deb = self.debs[package]
        with deb.open("rb") as stream:
            if hashlib.file_digest(stream, package.digest.algorithm).hexdigest() != package.digest.hex:
                deb.unlink()
                raise DocumentError("the saved file was changed", hint="build again: it is fetched anew")
        with open_data(deb) as stream:
            extract(stream, work, "data.tar")
        if os.path.lexists(work / _STATUS) and (not (work / _STATUS).is_dir() or any((work / _STATUS).iterdir())):
            raise DocumentError(f"brings what belongs into /{_STATUS}, where what is known of packages is recorded")
        merge_usr(work)

    def _record(self, package: PackageRecord, tree: Path) -> None:
        """What dpkg would know of it, in the form that scanners read where there is no dpkg."""
        control = read_control(self.debs[package])
        for field, listed in (("Package", package.name), ("Version", package.version)):
            if control.field(field) != listed:
                raise DocumentError(f"says that its {field} is {control.field(field)[:80]!r}, not as it is listed")
        put_file(tree, f"{_STATUS}/{package.name}", control.control)
        if control.md5sums is not None:
            put_file(tree, f"{_STATUS}/{package.name}.md5sums", control.md5sums)

    def _derive(self, trees: Sequence[Path], root: Path, below: Sequence[SolvedPart]) -> ActionResult:
        target = root / "derived"
        target.mkdir()
        target.chmod(0o755)
        derive(trees, target)
        if self.ld_so_cache:
            packages = tuple(package for item in below for package in item.part.packages)
            whole = self._tree(ImagePart("all", packages, ()), root)
            link_usr([whole], whole)
            put_folder(whole, "etc")
            write_ld_cache(whole, target)
        given = tuple(ResourceDescriptor.of(item.layer.tree, TREE) for item in below)
        return self._product("derived", target, given, ("derive",))

    def _product(
        self, name: str, tree: Path, given: tuple[ResourceDescriptor, ...], command: tuple[str, ...]
    ) -> ActionResult:
        made = write_layer(scan(tree), self.blobs, epoch=self.epoch, compression=self.compression)
        link = Link(name, made.tree, given, command, (), {})
        return ActionResult(ActionLayer(made.tree, made.descriptor, made.diff_id), link.statement().raw())


@contextmanager
def _about(package: PackageRecord) -> Generator[None, None, None]:
    """Whatever is wrong with a package is told with its name."""
    try:
        yield
    except (DocumentError, InputError) as error:
        raise DocumentError(f"{package.name} {package.version}: {error.message}", hint=error.hint) from None


def _material(package: PackageRecord) -> ResourceDescriptor:
    return ResourceDescriptor(name=f"url:{package.filename}", digest={package.digest.algorithm: package.digest.hex})


def parts_of(packages: Sequence[PackageRecord], layer_per_package: bool) -> list[ImagePart]:
    """A part a package, in the order of their names, or one for all."""
    if not layer_per_package:
        return [ImagePart("packages", tuple(packages), ("unpack", *(_file(package) for package in packages)))]
    return [ImagePart(package.name, (package,), ("unpack", _file(package))) for package in packages]


def _file(package: PackageRecord) -> str:
    return package.filename.rpartition("/")[2]

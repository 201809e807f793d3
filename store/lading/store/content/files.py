"""Blobs in the `blobs/` folder of an OCI image layout (image-spec 1.1.1, image-layout.md).

A blob is written to `tmp/`, flushed to the disk, and renamed. The file in `tmp/` is locked while its writer
lives, so that what a killed writer left is told from what is being written.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from lading.store.content.blobs import MissingBlobError
from lading.store.content.verifying_reader import VerifyingReader
from lading.store.errors import DocumentError
from lading.store.oci.digests import HEX, LENGTHS, Digest
from lading.store.system import hashing
from lading.store.system.atomic import rename, sync
from lading.store.system.locks import abandoned, abandoned_folder, locked_folder, take
from lading.store.system.machine_errors import machine_errors
from lading.store.system.regular_files import open_file
from lading.store.system.removal import remove_tree
from lading.store.system.syscalls import start_writing

_MUCH: Final = 8 * 1024 * 1024
"""Bytes after which the disk begins with them, for which `commit` would have to wait otherwise."""
_TOGETHER: Final = 16
"""Files of small blobs that are open at once."""
PathOf = Callable[[Digest], Path]
"""Where a blob belongs."""


class FileBlobs:
    """Blobs as files, under the contract of `lading.store.content.blobs`."""

    def __init__(self, root: Path) -> None:
        self._blobs = root / "blobs"
        self._tmp = root / "tmp"

    def path(self, digest: Digest) -> Path:
        """Where the blob is, or would be."""
        return self._blobs / digest.algorithm / digest.hex

    def size(self, digest: Digest) -> int | None:
        """In bytes, None where the blob is not here."""
        path = self.path(digest)
        with machine_errors(path):
            try:
                return os.stat(path).st_size
            except FileNotFoundError:
                return None

    def open(self, digest: Digest) -> VerifyingReader:
        """A verifying reader. Raises `MissingBlobError`, or `MachineError` where the file cannot be read."""
        path = self.path(digest)
        with machine_errors(path):
            try:
                return VerifyingReader(open(open_file(path), "rb", buffering=0), digest, str(path))
            except FileNotFoundError:
                raise MissingBlobError(f"{digest}: not in {self._blobs}") from None

    def writer(self, algorithm: str = "sha256") -> _FileWriter:
        """A new blob, whose digest will be by `algorithm`."""
        return _FileWriter(self._tmp, self.path, algorithm)

    def write_all(self, contents: Iterable[bytes]) -> list[Digest]:
        """Stores several small blobs: their folder is flushed once for many of them, after all that is in it."""
        found: list[Digest] = []
        left = iter(contents)
        while some := list(islice(left, _TOGETHER)):
            with ExitStack() as stack:
                writers = [stack.enter_context(self.writer()) for _ in some]
                for writer, content in zip(writers, some, strict=True):
                    writer.write(content)
                found += [writer.finish() for writer in writers]
                for writer in writers:
                    writer.name()
            _sync_folder(self.path(found[-1]))
        return found

    def delete(self, digest: Digest) -> bool:
        """Removes a blob; whether it was there."""
        path = self.path(digest)
        with machine_errors(path):
            try:
                os.unlink(path)
            except FileNotFoundError:
                return False
            return True

    def __iter__(self) -> Iterator[Digest]:
        for algorithm, length in LENGTHS.items():
            folder = self._blobs / algorithm
            if not folder.is_dir():
                continue
            with machine_errors(folder), os.scandir(folder) as entries:
                names = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
            yield from (Digest(algorithm, name) for name in names if len(name) == length and HEX.issuperset(name))

    def sweep(self) -> None:
        """Removes what killed writers left behind: files, and the folders of `temporary_directory`."""
        if not self._tmp.is_dir():
            return
        for name in os.listdir(self._tmp):
            path = self._tmp / name
            look = abandoned_folder if path.is_dir() and not path.is_symlink() else abandoned
            with suppress(OSError), look(path) as dead:
                if dead:
                    remove_tree(path)

    @contextmanager
    def temporary_directory(self) -> Generator[Path, None, None]:
        """An empty folder beside the blobs for work of this process, gone afterwards. Raises `MachineError`."""
        with machine_errors(self._tmp):
            folder, lock = locked_folder(self._tmp, "export-")
        try:
            place = folder / "work"
            with machine_errors(place):
                place.mkdir(mode=0o700)
            yield place
        finally:
            with suppress(OSError):
                remove_tree(folder)
            os.close(lock)


class _FileWriter:
    def __init__(self, tmp: Path, place: PathOf, algorithm: str) -> None:
        self._place = place
        self._algorithm = algorithm
        self._hash = hashing.new(algorithm, hashing.LARGE)
        with machine_errors(tmp):
            self._path, self._file = _locked(tmp)
        self._closed = False
        self._size = self._begun = 0

    def write(self, data: bytes | memoryview, /) -> int:
        if self._closed:
            raise ValueError("written to after it was committed")
        view = memoryview(data)
        self._hash.update(view)
        with machine_errors(self._path):
            while view:
                view = view[os.write(self._file, view) :]
        self._size += len(data)
        if self._size - self._begun >= _MUCH:
            start_writing(self._file, self._begun, self._size - self._begun)
            self._begun = self._size
        return len(data)

    def commit(self, expected: Digest | None = None) -> Digest:
        digest = self.finish(expected)
        self.name()
        _sync_folder(self._place(digest))
        return digest

    def finish(self, expected: Digest | None = None) -> Digest:
        """Makes the content durable, which has no name yet."""
        if self._closed:
            raise ValueError("committed twice")
        digest = self._digest()
        if expected is not None and digest != expected:
            raise DocumentError(f"{expected}: the content has the digest {digest}")
        with machine_errors(self._place(digest)):
            os.fchmod(self._file, 0o444)
            sync(self._file)
        return digest

    def name(self) -> None:
        """Gives it its name; the names in the folder are not durable yet."""
        target = self._place(self._digest())
        with machine_errors(target):
            rename(self._path, target)
        self._close()

    def _digest(self) -> Digest:
        return Digest(self._algorithm, self._hash.hexdigest())

    def _close(self) -> None:
        self._closed = True
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        if not self._closed:
            self._path.unlink(missing_ok=True)
            self._close()


def _sync_folder(path: Path) -> None:
    with machine_errors(path):
        sync(path.parent)


def _locked(tmp: Path) -> tuple[Path, int]:
    """A new file that no sweep takes for an orphan."""
    tmp.mkdir(mode=0o700, exist_ok=True)
    while True:
        path = tmp / os.urandom(16).hex()
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        take(file)
        if os.fstat(file).st_nlink:  # a sweep may have come between the two calls
            return path, file
        os.close(file)

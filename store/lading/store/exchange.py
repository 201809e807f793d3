"""Images for other tools and from them: OCI image layouts as a folder or a tar archive, and docker's archive.

A layout that exists is added to; an archive is written anew. Either way a reader sees the old or the new one, and
of several writers of one layout each adds to what the other left. Reading is in `importing`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from lading.store.archives.compression import decoder
from lading.store.archives.writer import write_tar
from lading.store.blobs import copy_blob
from lading.store.descriptors import Descriptor
from lading.store.digests import Digest
from lading.store.documents import Index, Manifest, stack
from lading.store.errors import DocumentError, InputError
from lading.store.files import FileBlobs, machine_errors, sync_folder, write_atomically
from lading.store.hashing import CHUNK
from lading.store.importing import layout_entries, read_archive, read_docker_archive, read_layout, read_oci_archive
from lading.store.layers import EPOCH
from lading.store.layout import CONTAINERD_NAME, REF_NAME, index_json
from lading.store.store import Store
from lading.store.strict import canonical
from lading.store.trees import Tree, scan

__all__ = [
    "read_archive",
    "read_docker_archive",
    "read_layout",
    "read_oci_archive",
    "write_docker_archive",
    "write_layout",
    "write_oci_archive",
]

_LAYOUT: Final = b'{"imageLayoutVersion":"1.0.0"}'
_LOCK: Final = ".lading.lock"


def write_layout(
    store: Store, descriptor: Descriptor, folder: Path, names: Sequence[str], *, evidence: bool = False
) -> None:
    """Writes an image into the layout at `folder`, under `names`; a name that was there means this image then.

    With `evidence`, what refers to it goes along. Raises `DocumentError` where a part of the image is not here, or
    what is in the folder already is no layout.
    """
    with machine_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "blobs").mkdir(exist_ok=True)
    with store.writing(), _alone(folder):
        entries = layout_entries(folder) if os.path.lexists(folder / "index.json") else []
        target = FileBlobs(folder)
        try:
            _copy(store, descriptor, target, evidence)
        finally:
            target.sweep()
            with suppress(OSError):
                (folder / "tmp").rmdir()
        kept = [raw for entry, raw in entries if not _gives_way(entry, descriptor, names)]
        kept += [_named(descriptor, name, REF_NAME, CONTAINERD_NAME) for name in names] or [descriptor.json()]
        if evidence:
            known = {str(entry["digest"]) for entry in kept}
            kept += [raw for raw in _evidence(store, descriptor) if str(raw["digest"]) not in known]
        if not (folder / "oci-layout").exists():
            write_atomically(folder / "oci-layout", _LAYOUT)
        write_atomically(folder / "index.json", index_json(kept))


@contextmanager
def _alone(folder: Path) -> Generator[None, None, None]:
    """One writer at a time in a layout; what it takes is gone afterwards."""
    path = folder / _LOCK
    with machine_errors(path):
        lock = _lock(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(lock)


def _lock(path: Path) -> int:
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock), os.stat(path)):
                return lock
        os.close(lock)  # the one before took the file with it


def write_oci_archive(
    store: Store, descriptor: Descriptor, file: Path, names: Sequence[str], *, evidence: bool = False
) -> None:
    """Writes an image as a layout in a tar archive; the same image gives the same bytes."""
    with store.blobs.workshop() as folder:
        write_layout(store, descriptor, folder, names, evidence=evidence)
        _pack(folder, file)


def write_docker_archive(store: Store, descriptor: Descriptor, file: Path, names: Sequence[str]) -> None:
    """Writes an image as `docker save` does, its layers uncompressed. Raises `InputError` for an index."""
    manifest = store.document(descriptor)
    if not isinstance(manifest, Manifest):
        raise InputError("docker's archive holds one platform", hint="name the digest of one, or use oci-archive:")
    config = store.config(manifest)
    layers = stack(manifest, config)
    with store.writing(), store.blobs.workshop() as folder, machine_errors(folder):
        for layer, diff_id in layers:
            _decompress(store, layer, diff_id, folder / f"{diff_id.hex}.tar")
        name = f"{manifest.config.digest.hex}.json"
        (folder / name).write_bytes(config.raw)
        files = [f"{diff_id.hex}.tar" for _, diff_id in layers]
        entry = {"Config": name, "RepoTags": list(names) or None, "Layers": files}
        (folder / "manifest.json").write_bytes(canonical([entry]))
        _pack(folder, file)


def _gives_way(entry: Descriptor, descriptor: Descriptor, names: Sequence[str]) -> bool:
    """Whether it has one of the names, or is the very image without a name."""
    name = entry.annotations.get(REF_NAME)
    return name in names if name else entry.digest == descriptor.digest


def _named(descriptor: Descriptor, name: str, *keys: str) -> dict[str, object]:
    return {**descriptor.json(), "annotations": dict.fromkeys(keys, name)}


def _evidence(store: Store, descriptor: Descriptor) -> Iterator[dict[str, object]]:
    """What refers to an image, to its platforms, and to that in turn; cosign's older form under its tag."""
    document = store.document(descriptor)
    children = document.manifests if isinstance(document, Index) else ()
    for subject in (descriptor, *(child for child in children if store.blobs.size(child.digest) is not None)):
        tags = {digest: tag for tag, digest in store.legacy_tags(subject.digest).items()}
        for referrer in store.referrers(subject.digest):
            tag = tags.get(referrer.digest)
            yield _named(referrer, tag, REF_NAME) if tag else referrer.json()
            yield from _evidence(store, referrer)


def _copy(store: Store, descriptor: Descriptor, target: FileBlobs, evidence: bool) -> None:
    document = store.document(descriptor)
    if isinstance(document, Index):
        for child in document.manifests:
            if store.blobs.size(child.digest) is not None:
                _copy(store, child, target, evidence)
    else:
        for part in (document.config, *document.layers):
            _copy_blob(store, part.digest, target)
    _copy_blob(store, descriptor.digest, target)
    if evidence:
        for referrer in store.referrers(descriptor.digest):
            _copy(store, referrer, target, evidence)


def _copy_blob(store: Store, digest: Digest, target: FileBlobs) -> None:
    if not _is_there(target, digest):
        copy_blob(store.blobs, digest, target)


def _is_there(target: FileBlobs, digest: Digest) -> bool:
    """Whether a whole blob is: a killed tool may have left half of one under its name."""
    if target.size(digest) is None:
        return False
    try:
        with target.open(digest) as reader:
            while reader.read(CHUNK):
                pass
    except DocumentError:
        return False
    return True


def _decompress(store: Store, layer: Descriptor, diff_id: Digest, file: Path) -> None:
    what = f"layer {layer.digest}"
    found = hashlib.new(diff_id.algorithm)
    with store.blobs.open(layer.digest) as reader, machine_errors(file), file.open("wb") as out:
        source = decoder(reader, layer.media_type, what)
        while data := source.read(CHUNK):
            found.update(data)
            out.write(data)
        while reader.read(CHUNK):
            pass  # what follows the compressed archive belongs to the blob's digest too
    if found.hexdigest() != diff_id.hex:
        raise DocumentError(f"{what}: is not the archive that the image's config names")


def _pack(folder: Path, file: Path) -> None:
    """The folder as a tar archive at `file`, which appears whole."""
    part = file.with_name(f".{file.name}.{secrets.token_hex(6)}")
    with machine_errors(file):
        try:
            with part.open("wb") as out:
                write_tar(_plain(folder), out.write, EPOCH)
                out.flush()
                os.fsync(out.fileno())
            part.replace(file)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        sync_folder(file.parent)


def _plain(folder: Path) -> Tree:
    """The tree with the modes and owner that it has on no machine in particular."""
    tree = scan(folder)
    for entry in tree.entries:
        entry.mode = 0o755 if entry.kind == "directory" else 0o644
        entry.uid = entry.gid = 0
        entry.xattrs = ()
    return tree

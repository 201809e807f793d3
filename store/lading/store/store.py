"""One root folder: blobs, what they are called, who refers to them, and what may go.

The folder is an OCI image layout that other tools read. `index.db` is the authority for everything that is not
content. Work that writes blobs before anything refers to them runs inside `Store.writing`; `collect` waits for
nobody and removes nothing while such work is going on in any process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from lading.store.content.blobs import MissingBlobError, read_blob, write_blob
from lading.store.content.files import FileBlobs
from lading.store.errors import DocumentError, InputError, MachineError
from lading.store.fastclass import dataclass
from lading.store.index import Index as Database
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import (
    DOCUMENTS,
    INDEXES,
    ImageConfig,
    Index,
    Manifest,
    artifact_type_of,
    kind_of,
    parse_config,
    parse_document,
)
from lading.store.oci.layout import CONTAINERD_NAME, LAYOUT, REF_NAME, write_index_json
from lading.store.system.atomic import write_atomically
from lading.store.system.locks import locked, open_lock, take
from lading.store.system.machine_errors import machine_errors
from lading.store.system.private_folders import own_root, private_folder

if TYPE_CHECKING:
    from lading.store.archives.layer_limits import Limits
    from lading.store.snapshots.known_frames import KnownFrames
    from lading.store.snapshots.seals import BlobSeals
    from lading.store.snapshots.snapshots import Snapshots

_AT_ONCE: Final = 5
_LEGACY_SUFFIXES: Final = (".sig", ".att")
_GIVEN_UP: Final = (
    "SELECT media_type, digest, size FROM image i WHERE removed = 1"
    " AND NOT EXISTS (SELECT 1 FROM lease WHERE digest = i.digest)"
)
_ROW: Final = "r.name, r.digest, r.media_type, r.size, r.created"


@dataclass(frozen=True, slots=True)
class Reference:
    """A full, normalised name and the image it means.

    `origins` are the full names that the image was pulled by; an image built here has none but its own. They
    follow the image when it is tagged anew, and it is judged under all of them.
    """

    name: str
    descriptor: Descriptor
    origins: tuple[str, ...]
    created: float


@dataclass(frozen=True, slots=True)
class Kept:
    """An image that is here, with a name or without, and since when."""

    descriptor: Descriptor
    created: float


class Store:
    """The local store. Safe to use from threads, and from several processes at once."""

    def __init__(self, root: Path, database: Database, max_layer: int | None = None) -> None:
        self.root = root
        self.where = "the local store"
        self._max_layer = max_layer
        self.blobs = FileBlobs(root)
        self.index = database

    @classmethod
    def open(cls, root: Path, max_layer: int | None = None) -> Store:
        """Opens the store at `root`, making it where there is none.

        `max_layer` is how many bytes of files one layer may hold, where that is not the default. Raises
        `MachineError`, and `InputError` where `root` holds something else.
        """
        own_root(root)
        store = cls(root, Database(root / "index.db"), max_layer)
        with machine_errors(root):
            if not (root / "oci-layout").exists():
                private_folder(root / "blobs")
                write_atomically(root / "oci-layout", LAYOUT)
        store._catch_up()
        return store

    def _catch_up(self) -> None:
        """Brings `index.json` up to date. Where there is no room for it, the command may be the one that makes some."""
        if self.stale() or not (self.root / "index.json").exists():
            with suppress(MachineError):
                self.render()

    @cached_property
    def snapshots(self) -> Snapshots:
        """Unpacked layers."""
        from lading.store.snapshots.kind_choice import kind_of  # noqa: PLC0415
        from lading.store.snapshots.snapshots import Snapshots  # noqa: PLC0415

        limits = None if self._max_layer is None else self.limits
        return Snapshots(self.root, self.index, kind_of(self.root, self.index), limits)

    @cached_property
    def limits(self) -> Limits:
        """Bounds on layers that are written and read."""
        from lading.store.archives.layer_limits import DEFAULT, Limits  # noqa: PLC0415

        return DEFAULT if self._max_layer is None else Limits(size=self._max_layer)

    @cached_property
    def frames(self) -> KnownFrames:
        """Large files that were compressed before."""
        from lading.store.snapshots.known_frames import KnownFrames  # noqa: PLC0415

        return KnownFrames(self.blobs, self.index)

    @cached_property
    def seals(self) -> BlobSeals:
        """What the blobs' files looked like when they were last known to be right."""
        from lading.store.snapshots.seals import BlobSeals  # noqa: PLC0415

        return BlobSeals(self.blobs, self.index)

    def is_intact(self, digest: Digest) -> bool:
        """Whether a blob is here, and is what its digest says."""
        return self.seals.holds(digest)

    # Documents

    def put_manifest(self, raw: bytes, media_type: str, *, tag: str | None = None) -> Descriptor:
        """Stores a manifest or an index. One with a subject is recorded as referring to it.

        `tag` is the name under which cosign's older form keeps evidence, ``sha256-HEX.sig`` or ``.att``; the
        manifest then refers to the digest in the name. Raises `DocumentError`.
        """
        document = parse_document(raw, media_type, "manifest")
        subject = document.subject.digest if document.subject else None
        if tag is not None:
            subject = legacy_subject(tag)
        self.put_document(raw)
        if subject is not None:
            self._refer(subject, document, tag)
        return document.descriptor

    def put_document(self, data: bytes) -> Digest:
        """Stores a small blob, unless it is here as it should be: one that is not is written anew."""
        digest = Digest.of(data)
        return digest if self.seals.holds(digest) else write_blob(self.blobs, data)

    def _refer(self, subject: Digest, document: Manifest | Index, tag: str | None) -> None:
        own = document.descriptor
        row = (str(subject), str(own.digest), own.media_type, own.size, artifact_type_of(document), tag)
        with self._changing():
            self.index.run("INSERT OR REPLACE INTO referrer VALUES (?, ?, ?, ?, ?, ?)", row)

    @contextmanager
    def _changing(self) -> Generator[None, None, None]:
        """A transaction after which `index.json` is stale, for whoever comes next if this process is killed."""
        with self.index.transaction():
            self._change()
            yield

    def _change(self) -> None:
        self.index.run("UPDATE rendering SET changed = changed + 1")

    def stale(self) -> bool:
        """Whether `index.json` says less than the database."""
        return self.index.one("SELECT 1 FROM rendering WHERE changed != rendered") is not None

    def forget(self, digests: Iterable[Digest]) -> None:
        """Drops what is on record of blobs that are about to go: few at once, for which a full disk has room."""
        waiting = list(digests)
        for start in range(0, len(waiting), _AT_ONCE):
            with self.index.transaction():
                for digest in waiting[start : start + _AT_ONCE]:
                    if self.index.run("DELETE FROM referrer WHERE digest = ?", (str(digest),)):
                        self._change()
                    self.index.run("DELETE FROM blob_seal WHERE digest = ?", (str(digest),))
                    self.snapshots.diff_ids.forget(digest)
                    self.frames.forget(digest)

    def referrers(self, subject: Digest) -> tuple[Descriptor, ...]:
        """The manifests here that refer to `subject`, cosign's older form included; without annotations."""
        rows = self.index.all(
            "SELECT media_type, digest, size, artifact_type FROM referrer WHERE subject = ? ORDER BY digest",
            (str(subject),),
        )
        return tuple(Descriptor(row[0], Digest.parse(row[1]), row[2], artifact_type=row[3]) for row in rows)

    def legacy_tags(self, subject: Digest) -> Mapping[str, Digest]:
        """cosign's older evidence of `subject`: tag to digest."""
        sql = "SELECT tag, digest FROM referrer WHERE subject = ? AND tag IS NOT NULL ORDER BY tag"
        return {tag: Digest.parse(digest) for tag, digest in self.index.all(sql, (str(subject),))}

    def document(self, wanted: Descriptor) -> Manifest | Index:
        """The manifest or index of a descriptor, read and verified. Raises `DocumentError`."""
        raw = read_blob(self.blobs, wanted.digest)
        return parse_document(raw, wanted.media_type or None, str(wanted.digest))

    def config(self, manifest: Manifest) -> ImageConfig:
        """The image config of a manifest, read and verified. Raises `DocumentError`."""
        digest = manifest.config.digest
        return parse_config(read_blob(self.blobs, digest), str(digest))

    # Names

    def tag(self, name: str, descriptor: Descriptor, origins: Iterable[str] = ()) -> None:
        """Makes `name` mean `descriptor`.

        Origins are added to those the name already has for this very image; an image of another digest brings
        only its own. Raises `MissingBlobError` where the image is not here.
        """
        if self.blobs.size(descriptor.digest) is None:
            raise MissingBlobError(f"{name}: {descriptor.digest} is not here", hint="pull or build the image again")
        with self.index.transaction():
            before = self.reference(name)
            if before is None or before.descriptor != descriptor:
                self._change()
            if before is not None and before.descriptor.digest != descriptor.digest:
                self.index.run("DELETE FROM origin WHERE name = ?", (name,))
            row = (name, str(descriptor.digest), descriptor.media_type, descriptor.size, time.time())
            self.index.run(
                "INSERT INTO reference VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE"
                " SET digest = excluded.digest, media_type = excluded.media_type, size = excluded.size,"
                " created = excluded.created",
                row,
            )
            for origin in origins:
                self.index.run("INSERT OR IGNORE INTO origin VALUES (?, ?)", (name, origin))
            self.keep(descriptor)

    def keep(self, descriptor: Descriptor) -> None:
        """Makes an image one that is here: from now on it stays, with a name or without, until it is given up."""
        row = (str(descriptor.digest), descriptor.media_type, descriptor.size, time.time())
        with self.index.transaction():
            if self.index.one("SELECT 1 FROM image WHERE digest = ? AND removed = 0", row[:1]) is None:
                self._change()
            self.index.run(
                "INSERT INTO image VALUES (?, ?, ?, ?, 0) ON CONFLICT (digest) DO UPDATE"
                " SET created = excluded.created, removed = 0",
                row,
            )

    def give_up(self, digest: Digest) -> None:
        """Lets an image without a name go: once no one holds it, `gc.collect` removes what is its own."""
        sql = (
            "UPDATE image SET removed = 1 WHERE digest = ?1 AND NOT EXISTS (SELECT 1 FROM reference WHERE digest = ?1)"
        )
        with self._changing():
            self.index.run(sql, (str(digest),))

    def kept(self) -> list[Kept]:
        """The images that are here, with a name or without, the newest first."""
        sql = "SELECT media_type, digest, size, created FROM image WHERE removed = 0 ORDER BY created DESC, digest"
        return [Kept(Descriptor(row[0], Digest.parse(row[1]), row[2]), row[3]) for row in self.index.all(sql)]

    def untag(self, name: str, digest: Digest | None = None) -> Reference | None:
        """Forgets `name`, with `digest` only where it still means that image; what it meant, None where nothing went.

        The image stays until it is given up.
        """
        with self._changing():
            found = self.reference(name)
            if found is None or digest not in (None, found.descriptor.digest):
                return None
            self.index.run("DELETE FROM reference WHERE name = ?", (name,))
        return found

    def reference(self, name: str) -> Reference | None:
        """What the full name `name` means."""
        found = self._references("WHERE r.name = ?", (name,))
        return found[0] if found else None

    def references(self) -> list[Reference]:
        """Every name, the newest first."""
        return self._references("", ())

    def names_of(self, digest: Digest) -> list[Reference]:
        """Every name of an image."""
        return self._references("WHERE r.digest = ?", (str(digest),))

    def origins_of(self, digest: Digest) -> tuple[str, ...]:
        """The full names that an image was pulled by."""
        return tuple(dict.fromkeys(name for found in self.names_of(digest) for name in found.origins))

    def names_reaching(self, digest: Digest) -> list[Reference]:
        """Every name of an image, and then those of the indexes here that list it."""
        indexes = [found for found in self.references() if found.descriptor.media_type in INDEXES]
        around = [found for found in indexes if digest in self._listed(found.descriptor)]
        direct = self.names_of(digest)
        return direct + [found for found in around if found not in direct]

    def _listed(self, descriptor: Descriptor) -> dict[Digest, Manifest | Index]:
        """The document, and where it is an index all that it lists and that is here; each is read once."""
        found: dict[Digest, Manifest | Index] = {}
        tried: set[tuple[Digest, str]] = set()
        waiting = [descriptor]
        while waiting:
            wanted = waiting.pop()
            key = (wanted.digest, wanted.media_type)
            if wanted.media_type not in DOCUMENTS or key in tried:
                continue
            tried.add(key)
            try:
                document = found[wanted.digest] = self.document(wanted)
            except DocumentError:
                continue
            if isinstance(document, Index):
                waiting.extend(reversed(document.manifests))
        return found

    def _references(self, where: str, parameters: tuple[object, ...]) -> list[Reference]:
        sql = f"SELECT {_ROW} FROM reference r {where} ORDER BY r.created DESC, r.name"  # noqa: S608
        rows = self.index.all(sql, parameters)
        return [self._reference(*row) for row in rows]

    def _reference(self, name: str, digest: str, media_type: str, size: int, created: float) -> Reference:
        origins = self.index.all("SELECT origin FROM origin WHERE name = ? ORDER BY origin", (name,))
        descriptor = Descriptor(media_type, Digest.parse(digest), size)
        return Reference(name, descriptor, tuple(row[0] for row in origins), created)

    def find(self, text: str) -> list[Descriptor]:
        """The images that a digest, or the first digits of one, can mean.

        That is an image that is here, a child of an index that is, or the config of exactly one manifest.
        """
        start = text.removeprefix("sha256:")
        if len(start) < 3 or not set(start) <= set("0123456789abcdef"):
            return []
        kept = {image.descriptor.digest: image.descriptor for image in self.kept()}
        known = dict(kept)
        configs: dict[Digest, set[Digest]] = {}
        for descriptor in kept.values():
            for digest, document in self._listed(descriptor).items():
                if isinstance(document, Manifest):
                    known.setdefault(digest, document.descriptor)
                    configs.setdefault(document.config.digest, set()).add(digest)
        found = [descriptor for digest, descriptor in known.items() if digest.hex.startswith(start)]
        if found:
            return found
        named_by = {next(iter(of)) for config, of in configs.items() if config.hex.startswith(start) and len(of) == 1}
        return [known[digest] for digest in named_by]

    # Life and death

    @contextmanager
    def writing(self) -> Generator[None, None, None]:
        """Nothing is collected while work is inside, in this process or another; ends with the process."""
        with self._gate(shared=True):
            yield

    @contextmanager
    def _gate(self, *, wait: bool = True, shared: bool = False) -> Generator[bool, None, None]:
        """Whether the lock was had: where nobody waits for it, it may not be."""
        path = self.root / "writing.lock"
        with machine_errors(path):
            file = open_lock(path)
        try:
            with machine_errors(path):
                had = take(file, wait=wait, shared=shared)
            yield had
        finally:
            os.close(file)

    def lease(self, holder: str, digests: Iterable[Digest]) -> None:
        """Keeps images alive whatever their names, until `holder` (a container's id) releases them."""
        rows = [(holder, str(digest), self._kind(digest)) for digest in digests]
        with self.index.transaction():
            for row in rows:
                self.index.run("INSERT OR IGNORE INTO lease VALUES (?, ?, ?)", row)

    def _kind(self, digest: Digest) -> str:
        """The media type of a manifest or index that is here; "" where the bytes are neither."""
        try:
            return kind_of(read_blob(self.blobs, digest), str(digest)) or ""
        except DocumentError:
            return ""

    def release(self, holder: str) -> None:
        """Ends every lease of `holder`."""
        self.index.run("DELETE FROM lease WHERE id = ?", (holder,))

    def leaseholders(self, digest: Digest) -> list[str]:
        """Who has a lease of an image."""
        return [row[0] for row in self.index.all("SELECT id FROM lease WHERE digest = ? ORDER BY id", (str(digest),))]

    @contextmanager
    def collecting(self) -> Generator[bool, None, None]:
        """Whether nobody is writing; while inside, nobody begins to."""
        with self._gate(wait=False) as alone:
            yield alone

    def is_due(self) -> bool:
        """Whether a removal waits for the work that stood in its way."""
        return bool(self.given_up() or self.index.one("SELECT 1 FROM rendering WHERE due = 1"))

    def given_up(self) -> list[Descriptor]:
        """The images that nobody wants or holds any more, whose content is still here."""
        return [Descriptor(row[0], Digest.parse(row[1]), row[2]) for row in self.index.all(_GIVEN_UP)]

    def render(self) -> None:
        """Writes `index.json` for other tools, from what the database says now."""
        with machine_errors(self.root / "index.json"):
            lock = open_lock(self.root / "index.lock")
        with locked(lock):
            # Of several that do so at once, the last has read the newest state.
            # Read first: what comes between this and the names makes the file stale, never wrongly fresh.
            (changed,) = self.index.one("SELECT changed FROM rendering") or (0,)
            write_index_json(self.root, self._entries())
            self.index.run("UPDATE rendering SET rendered = ?", (changed,))

    def _entries(self) -> list[dict[str, object]]:
        """Named images first, then, without a name, other images and what refers to anything."""
        entries: list[dict[str, object]] = []
        for reference in sorted(self.references(), key=lambda found: found.name):
            names = {REF_NAME: reference.name, CONTAINERD_NAME: reference.name}
            entries.append({**reference.descriptor.json(), "annotations": names})
        named = {entry["digest"] for entry in entries}
        unnamed = sorted((image.descriptor for image in self.kept()), key=lambda found: str(found.digest))
        entries += [descriptor.json() for descriptor in unnamed if str(descriptor.digest) not in named]
        rows = self.index.all("SELECT DISTINCT digest, media_type, size, artifact_type FROM referrer ORDER BY digest")
        for digest, media_type, size, kind in rows:
            entry: dict[str, object] = {"mediaType": media_type, "digest": digest, "size": size}
            entries.append({**entry, "artifactType": kind} if kind else entry)
        return entries

    def close(self) -> None:
        """Brings `index.json` up to date and closes the database."""
        try:
            self._catch_up()
        finally:
            self.index.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()


def legacy_subject(tag: str) -> Digest:
    """The digest in a tag of cosign's older form. Raises `DocumentError` for another tag."""
    algorithm, _, rest = tag.partition("-")
    for suffix in _LEGACY_SUFFIXES:
        if rest.endswith(suffix):
            return Digest.parse(f"{algorithm}:{rest.removesuffix(suffix)}")
    raise DocumentError(f"{tag!r}: not a tag of cosign's")


def one_image(found: list[Descriptor], text: str) -> Descriptor | None:
    """The only image of `Store.find`, None where there is none. Raises `InputError` where there are several."""
    if len(found) > 1:
        raise InputError(f"{text!r} could be any of {len(found)} images", hint="give more digits of the digest")
    return found[0] if found else None

"""Collects what refers to an image from one place after another, within bounds, and reads it.

Three things come out: claims; things that are there but claim nothing that could count, each with the reason;
and errors, which mean that there may be more than was seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lading.store.errors import DocumentError, LadingError
from lading.store.fastclass import dataclass
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import Manifest, artifact_type_of, parse_document
from lading.verify.documents import bundles, envelopes
from lading.verify.documents.envelopes import Envelope
from lading.verify.documents.evidence_kinds import evidence_kind
from lading.verify.documents.media_types import BUNDLE_PREFIX, DAG, DSSE, SIMPLE_SIGNING
from lading.verify.evidence import legacy
from lading.verify.evidence.claims import Claim, EvidenceLocation
from lading.verify.evidence.evidence import Evidence, ExhaustedError, ReferrerList
from lading.verify.evidence.legacy import SimpleSignature

MAX_REFERRERS: Final = 512
"""Of one subject in one place."""
MAX_LAYERS: Final = 128
"""Signatures in one manifest of cosign's older form."""
MAX_MANIFEST: Final = 1024 * 1024
MAX_BYTES: Final = 64 * 1024 * 1024
"""Read in all for one judgement."""

_DAG: Final = "the layer DAG of the build; it is bound by the provenance and signs nothing"


@dataclass(frozen=True, slots=True)
class IgnoredEvidence:
    """Something that refers to the image and cannot count."""

    location: EvidenceLocation
    kind: str
    reason: str

    @property
    def broken(self) -> bool:
        """Whether it claims to be evidence."""
        return self.kind == "malformed"


class _UnreadableError(Exception):
    """The place did not give what it listed."""


class EvidenceCollector:
    """What was found so far about `subjects`: the image, and the index it was reached through."""

    def __init__(self, subjects: tuple[Descriptor, ...]) -> None:
        self.claims: list[Claim] = []
        self.ignored: list[IgnoredEvidence] = []
        self._lists: list[str] = []
        self._unread: dict[Digest, str] = {}
        self._subjects = subjects
        self._asked: list[Evidence] = []
        self._seen: set[tuple[Digest, Digest]] = set()
        self._left = MAX_BYTES
        self._content: dict[Digest, bytes] = {}

    @property
    def errors(self) -> tuple[str, ...]:
        """Why there may be more than was seen. What one place could not give and another did is no error."""
        return (*self._lists, *self._unread.values())

    def add(self, source: Evidence) -> None:
        """Everything that `source` has, which is asked only once.

        Whatever goes wrong there becomes an error, and one bound reached ends it.
        """
        if any(source is other for other in self._asked):
            return
        self._asked.append(source)
        try:
            self._add(source)
        except ExhaustedError as error:
            self._lists.append(f"{source.name}: {error.message}")

    def _add(self, source: Evidence) -> None:
        for subject in self._subjects:
            for descriptor in self._list(source, subject):
                if (subject.digest, descriptor.digest) not in self._seen:
                    self._take(source, subject, descriptor)

    def _list(self, source: Evidence, subject: Descriptor) -> tuple[Descriptor, ...]:
        try:
            found = source.referrers(subject)
        except ExhaustedError:
            raise
        except Exception as error:  # whatever it is, the list is not known
            found = ReferrerList((), complete=False, reason=_words(error))
        if not found.complete:
            self._lists.append(f"{source.name}: what refers to {subject.digest} is not known: {found.reason}")
        if len(found.descriptors) > MAX_REFERRERS:
            self._lists.append(f"{source.name}: more than {MAX_REFERRERS} documents refer to {subject.digest}")
        ordered = sorted(found.descriptors, key=lambda item: not _likely(item))
        return tuple(ordered[:MAX_REFERRERS])

    def _take(self, source: Evidence, subject: Descriptor, descriptor: Descriptor) -> None:
        location = EvidenceLocation(source.name, subject.digest, descriptor.digest)
        if descriptor.artifact_type == DAG:
            self._seen.add((subject.digest, descriptor.digest))
            self._ignore(location, "dag", _DAG)
            return
        try:
            claims = list(self._claims(source, subject, descriptor, location))
        except _UnreadableError as error:
            self._unread[descriptor.digest] = f"{source.name}: {descriptor.digest} could not be read: {error}"
            return
        except DocumentError as error:
            self._ignore(location, "malformed", error.message)
        else:
            self.claims.extend(claims)
        self._unread.pop(descriptor.digest, None)
        self._seen.add((subject.digest, descriptor.digest))

    def _ignore(self, location: EvidenceLocation, kind: str, reason: str) -> None:
        self.ignored.append(IgnoredEvidence(location, kind, reason))

    def _claims(
        self, source: Evidence, subject: Descriptor, descriptor: Descriptor, location: EvidenceLocation
    ) -> Iterator[Claim]:
        raw = self._read(source, descriptor, MAX_MANIFEST)
        manifest = parse_document(raw, descriptor.media_type, "its manifest")
        if not isinstance(manifest, Manifest):
            self._ignore(location, "other", "an image index, which is not evidence")
            return
        if manifest.subject is not None and manifest.subject.digest != subject.digest:
            raise DocumentError(f"is attached to another image, {manifest.subject.digest}")
        kind = evidence_kind(manifest)
        if kind is None or kind == "dag":
            self._ignore(location, *_useless(manifest, kind))
            return
        if kind == "bundle" and manifest.subject is None:
            raise DocumentError("holds a bundle, but refers to no image")
        if len(manifest.layers) > MAX_LAYERS:
            raise DocumentError(f"holds more than {MAX_LAYERS} signatures")
        for layer in manifest.layers:
            spot = EvidenceLocation(location.source, location.subject, location.manifest, layer.digest)
            data = self._read(source, layer, envelopes.MAX_SIZE)
            try:
                yield _claim(layer, data, spot)
            except DocumentError as error:
                self._ignore(spot, "malformed", error.message)

    def _read(self, source: Evidence, descriptor: Descriptor, limit: int) -> bytes:
        if descriptor.size > min(limit, self._left):
            raise _UnreadableError(f"{descriptor.size} bytes are more than are read here")
        data = self._content.get(descriptor.digest)
        if data is None:
            data = self._content[descriptor.digest] = _fetch(source, descriptor, limit)
        if len(data) != descriptor.size:
            raise _UnreadableError(f"{len(data)} bytes, its descriptor says {descriptor.size}")
        self._left -= len(data)  # also of what is here already: reading it costs the same again
        return data


def _fetch(source: Evidence, descriptor: Descriptor, limit: int) -> bytes:
    try:
        data = source.read(descriptor, limit=limit)
    except ExhaustedError:
        raise
    except Exception as error:  # whatever it is, the content is not known
        raise _UnreadableError(_words(error)) from error
    if Digest.of(data, descriptor.digest.algorithm) != descriptor.digest:
        raise _UnreadableError("its content is not what its digest says")
    return data


def _likely(descriptor: Descriptor) -> bool:
    """Whether its type promises a bundle; only an order, for types in lists may be missing or wrong."""
    return (descriptor.artifact_type or "").startswith(BUNDLE_PREFIX)


def _useless(manifest: Manifest, kind: str | None) -> tuple[str, str]:
    """The kind of what is no evidence, and why it is none."""
    if kind == "dag":
        return "dag", _DAG
    if any(layer.media_type.startswith(BUNDLE_PREFIX) for layer in manifest.layers):
        return "malformed", "holds a bundle beside other layers; a bundle stands alone"
    words = artifact_type_of(manifest)
    return "other", f"neither a signature nor an attestation that is read here: {words!r}"


def _claim(layer: Descriptor, data: bytes, location: EvidenceLocation) -> Claim:
    if layer.media_type == SIMPLE_SIGNING:
        signature = SimpleSignature.parse(data, layer)
        return Claim.of(location, signature, signature.keyless, "signature")
    if layer.media_type == DSSE:
        return Claim.of(location, Envelope.parse(data), legacy.has_certificate(layer), "statement")
    bundle = bundles.parse(data)
    return Claim.of(location, bundle.envelope, bundle.keyless, "statement")


def _words(error: Exception) -> str:
    return error.message if isinstance(error, LadingError) else f"{type(error).__name__}: {error}"

"""How far a base image is vouched for, and the record of it that a provenance keeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from lading.store.errors import DocumentError
from lading.store.fastclass import dataclass
from lading.store.oci.digests import Digest
from lading.store.oci.json import Fields
from lading.verify.documents.statements import ResourceDescriptor

BaseStatus = Literal["verified", "none", "unknown", "unverified"]
"""``verified``: accepted by a policy's ``from`` section by key. ``none``: there is no base (FROM scratch).
``unknown``: no trusted provenance speaks of bases. ``unverified``: used although nobody vouched for it."""

_FROM_WEAKEST: Final[tuple[BaseStatus, ...]] = ("unverified", "unknown", "verified", "none")
_PREFIX: Final = "image:"
_STATUS: Final = "urn:lading:standing"
_REASON: Final = "urn:lading:reason"
_POLICY: Final = "urn:lading:policy"
_INDEX: Final = "urn:lading:index"
_PLATFORM: Final = "urn:lading:platform"


def weakest(statuses: Iterable[BaseStatus]) -> BaseStatus:
    """The weakest of several; ``none`` for no base at all."""
    found = set(statuses)
    for status in _FROM_WEAKEST:
        if status in found:
            return status
    return "none"


@dataclass(frozen=True, slots=True)
class Base:
    """An image that a build stands on or copies from, with the status it was let in with."""

    reference: str
    manifest: Digest
    status: BaseStatus
    index: Digest | None = None
    platform: str | None = None
    policy: Digest | None = None
    reason: str = ""

    def resource(self) -> ResourceDescriptor:
        """As a resolved dependency of a provenance, named as a link names it."""
        notes: dict[str, str | None] = {
            _STATUS: self.status,
            _REASON: self.reason or None,
            _POLICY: _text(self.policy),
            _INDEX: _text(self.index),
            _PLATFORM: self.platform,
        }
        return ResourceDescriptor(
            name=f"{_PREFIX}{self.reference}",
            digest={self.manifest.algorithm: self.manifest.hex},
            annotations={name: note for name, note in notes.items() if note is not None},
        )

    @classmethod
    def of(cls, resource: ResourceDescriptor, where: str) -> Base | None:
        """The base that a resolved dependency records; None where it is not an image.

        An image without a status (another builder's record) is ``unknown``.
        """
        if not (resource.name or "").startswith(_PREFIX) or resource.sha256 is None:
            return None
        notes = Fields(dict(resource.annotations), where)
        policy, index = notes.optional_text(_POLICY), notes.optional_text(_INDEX)
        return cls(
            reference=(resource.name or "").removeprefix(_PREFIX),
            manifest=resource.sha256,
            status=_status(notes.optional_text(_STATUS), where),
            index=None if index is None else Digest.parse(index),
            platform=notes.optional_text(_PLATFORM),
            policy=None if policy is None else Digest.parse(policy),
            reason=notes.optional_text(_REASON) or "",
        )


def bases_of(dependencies: Iterable[ResourceDescriptor], where: str) -> tuple[Base, ...]:
    """Every base that `dependencies` record."""
    found = (Base.of(item, f"{where}[{at}]") for at, item in enumerate(dependencies))
    return tuple(base for base in found if base is not None)


def _status(text: str | None, where: str) -> BaseStatus:
    known: Mapping[str, BaseStatus] = {status: status for status in _FROM_WEAKEST}
    if text is None:
        return "unknown"
    if text not in known:
        raise DocumentError(f"{where}: {text!r} is not a standing")
    return known[text]


def _text(digest: Digest | None) -> str | None:
    return None if digest is None else str(digest)

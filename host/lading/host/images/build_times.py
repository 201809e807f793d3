"""When an image was built, for people: by its own time, else as its provenance says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from lading.store.errors import DocumentError
from lading.store.oci.descriptors import Descriptor
from lading.store.store import Store
from lading.verify.documents.provenance import Provenance
from lading.verify.documents.statements import PROVENANCE
from lading.verify.evidence.claims import Claim
from lading.verify.evidence.collector import EvidenceCollector
from lading.verify.evidence.evidence import StoreEvidence

_EPOCH: Final = datetime(1980, 1, 1, tzinfo=UTC)
"""What reproducible builds write, ours and others', where no time is given: this, or 1970."""


def built(store: Store, created: str | None, subjects: tuple[Descriptor, ...]) -> str | None:
    """`created`, an RFC 3339 time, unless it is the epoch and a provenance of a subject knows better.

    Whoever attached that is not asked for: a config's own time is nobody's word either.
    """
    try:
        if created is not None and datetime.fromisoformat(created) > _EPOCH:
            return created
    except (ValueError, TypeError):
        return created
    collector = EvidenceCollector(subjects)
    collector.add(StoreEvidence(store))
    return max(filter(None, map(_finished, collector.claims)), default=created)


def _finished(claim: Claim) -> str | None:
    if claim.statement is None or claim.predicate_type != PROVENANCE:
        return None
    try:
        return Provenance.parse(claim.statement).finished
    except DocumentError:
        return None

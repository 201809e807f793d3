"""Makes signatures and attestations of an image, ready to be attached in the form that cosign verifies.

Whatever is signed is checked with the public key before it is handed out.
"""

from __future__ import annotations

from collections.abc import Mapping

from lading.store.errors import MachineError
from lading.store.oci.descriptors import Descriptor
from lading.verify.documents import attach, bundles, envelopes
from lading.verify.documents.attach import Artifact
from lading.verify.documents.envelopes import Envelope
from lading.verify.documents.statements import SIGN, Statement, Subject
from lading.verify.keys.keys import Signer


def sign_statement(statement: Statement, signer: Signer) -> Envelope:
    """A signed envelope around `statement`. Raises `MachineError` where the signer's own key refuses it."""
    envelope = envelopes.sign(statement.raw(), signer)
    if not envelope.signed_by(signer.public):
        raise MachineError("a signature just made does not verify with its own public key")
    return envelope


def attest(subject: Descriptor, statement: Statement, signer: Signer, created: str) -> Artifact:
    """`statement`, signed and attached to `subject`; `created` is RFC 3339 without a fraction."""
    bundle = bundles.write(sign_statement(statement, signer), signer.public)
    return attach.artifact(subject, bundle, statement.predicate_type, created)


def sign(
    subject: Descriptor,
    signer: Signer,
    created: str,
    *,
    name: str | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Artifact:
    """A plain signature attached to `subject`; `name` is the repository that it is signed for."""
    return attest(subject, Statement((subject_of(subject, name, annotations),), SIGN), signer, created)


def subject_of(subject: Descriptor, name: str | None = None, annotations: Mapping[str, str] | None = None) -> Subject:
    """An image as the subject of a statement."""
    return Subject(name, {subject.digest.algorithm: subject.digest.hex}, annotations=dict(annotations or {}))

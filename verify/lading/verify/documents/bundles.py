"""sigstore bundles v0.3 (sigstore/protobuf-specs, sigstore_bundle.proto) around a DSSE envelope.

A missing member is its protobuf default. Members that the format does not have, versions before 0.3, and
bundles with two contents or two kinds of key are refused. Log entries and timestamps are carried but not yet
looked at: they add nothing to a signature by a key, and a bundle with a certificate is not yet judged at all.
"""

from __future__ import annotations

from typing import Final

from lading.store.errors import DocumentError
from lading.store.fastclass import dataclass
from lading.store.oci import json
from lading.store.oci.json import Fields, canonical
from lading.verify.documents.envelopes import MAX_SIZE, Envelope
from lading.verify.documents.media_types import BUNDLE
from lading.verify.keys.keys import PublicKey

_MEDIA_TYPES: Final = (BUNDLE, "application/vnd.dev.sigstore.bundle+json;version=0.3")


@dataclass(frozen=True, slots=True)
class Bundle:
    """An envelope and what its signer says of the key: an untrusted hint, or a certificate."""

    envelope: Envelope
    hint: str = ""
    keyless: bool = False


def write(envelope: Envelope, public: PublicKey) -> bytes:
    """A bundle whose envelope was signed by `public`."""
    return canonical(
        {
            "mediaType": BUNDLE,
            "verificationMaterial": {"publicKey": {"hint": public.hint}},
            "dsseEnvelope": envelope.json(),
        }
    )


def parse(raw: bytes, source: str = "bundle") -> Bundle:
    """Raises `DocumentError` for anything but one bundle v0.3 with one envelope."""
    fields = Fields(json.parse(raw, source, limit=MAX_SIZE), source)
    kind = fields.text("mediaType")
    if kind not in _MEDIA_TYPES:
        raise DocumentError(f"{source}: a bundle of the kind {kind!r}; only version 0.3 is read")
    hint, keyless = _material(fields.fields("verificationMaterial"))
    if "messageSignature" in fields:
        both = "dsseEnvelope" in fields
        raise DocumentError(
            f"{source}: holds both a message signature and an envelope"
            if both
            else f"{source}: signs bare bytes, which say nothing about an image; an envelope is needed"
        )
    envelope = Envelope.read(fields.fields("dsseEnvelope"))
    fields.any("messageSignature")
    fields.close()
    return Bundle(envelope, hint, keyless)


def _material(material: Fields) -> tuple[str, bool]:
    if "x509CertificateChain" in material:
        raise DocumentError(f"{material.source}: a certificate chain, which version 0.3 does not have")
    certificate, key = material.optional_fields("certificate"), material.optional_fields("publicKey")
    if (certificate is None) == (key is None):
        raise DocumentError(f"{material.source}: must hold either a public key's hint or a certificate")
    hint = ""
    if key is not None:
        hint = key.optional_text("hint") or ""
        key.close()
    material.items("tlogEntries")
    material.mapping("timestampVerificationData")
    material.any("x509CertificateChain")
    material.close()
    return hint, certificate is not None

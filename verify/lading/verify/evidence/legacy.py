"""cosign's older form: signatures and attestations as layers of an image tagged ``sha256-<hex>.sig`` or ``.att``.

A signature is a layer of JSON ("simple signing", containers/image docs/containers-signature.5.md) whose
signature is in an annotation and made over the layer's very bytes; an attestation is a layer that is a DSSE
envelope. Both are read, neither is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lading.store.errors import DocumentError
from lading.store.fastclass import dataclass, field
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.json import Fields, parse
from lading.verify.keys.encoding import decode64
from lading.verify.keys.keys import PublicKey, SignatureCheck

MAX_PAYLOAD: Final = 64 * 1024
_SIGNATURE: Final = "dev.cosignproject.cosign/signature"
_CERTIFICATES: Final = ("dev.sigstore.cosign/certificate", "dev.cosignproject.cosign/certificate")
_TYPE: Final = "cosign container image signature"


@dataclass(frozen=True, slots=True)
class SimpleSignature:
    """A signature over `payload`, which says that `image` was signed under the name `reference`, with `annotations`."""

    payload: bytes
    sig: bytes
    image: Digest
    reference: str
    keyless: bool
    annotations: Mapping[str, object] = field(default_factory=dict[str, object], hash=False)

    @classmethod
    def parse(cls, payload: bytes, layer: Descriptor, source: str = "signature") -> SimpleSignature:
        """From a layer's content and its descriptor. Raises `DocumentError`."""
        fields = Fields(parse(payload, source, limit=MAX_PAYLOAD), source)
        critical = fields.fields("critical")
        if (kind := critical.text("type")) != _TYPE:
            raise DocumentError(f"{source}: of the type {kind!r}, not {_TYPE!r}")
        identity, image = critical.fields("identity"), critical.fields("image")
        signature = cls(
            payload=payload,
            sig=decode64(layer.annotations.get(_SIGNATURE, ""), f"{source}: {_SIGNATURE}"),
            image=Digest.parse(image.text("docker-manifest-digest")),
            reference=identity.optional_text("docker-reference") or "",
            keyless=has_certificate(layer),
            annotations=fields.mapping("optional"),
        )
        for part in (fields, critical, identity, image):
            part.close()
        return signature

    def signed_by(self, key: PublicKey, check: SignatureCheck = PublicKey.verify) -> bool:
        """Whether the signature is by `key`."""
        return check(key, self.sig, self.payload)


def has_certificate(layer: Descriptor) -> bool:
    """Whether a layer's annotations carry a certificate: then it was signed without a lasting key."""
    return any(layer.annotations.get(name) for name in _CERTIFICATES)

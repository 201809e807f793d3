"""DSSE envelopes (secure-systems-lab/dsse v1.0.2, envelope.md and protocol.md).

What is signed is the pre-authentication encoding of payload type and payload. Key ids are hints that grant
nothing; ours are left out, because cosign 3 refuses an envelope that has one.
"""

from __future__ import annotations

from typing import Final

from lading.store.errors import DocumentError
from lading.store.fastclass import dataclass
from lading.store.oci.json import Fields, canonical, parse
from lading.verify.keys.encoding import decode64, encode64
from lading.verify.keys.keys import PublicKey, SignatureCheck, Signer

IN_TOTO: Final = "application/vnd.in-toto+json"
"""The payload type of an in-toto statement."""
MAX_SIZE: Final = 16 * 1024 * 1024
"""Bytes of an envelope, or of a bundle around one."""
MAX_SIGNATURES: Final = 32


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature and what its maker called the key."""

    sig: bytes
    keyid: str = ""

    @classmethod
    def parse(cls, value: object, where: str) -> Signature:
        """From an element of ``signatures``."""
        fields = Fields(value, where)
        signature = cls(decode64(fields.text("sig"), f"{where}: sig"), fields.optional_text("keyid") or "")
        fields.close()
        if not signature.sig:
            raise DocumentError(f"{where}: sig: empty")
        return signature

    def json(self) -> dict[str, object]:
        """As it stands in an envelope."""
        value: dict[str, object] = {"sig": encode64(self.sig)}
        return value | {"keyid": self.keyid} if self.keyid else value


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload, its type, and the signatures over both."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, raw: bytes, source: str = "envelope") -> Envelope:
        """Raises `DocumentError` for anything but one envelope with at least one signature."""
        return cls.read(Fields(parse(raw, source, limit=MAX_SIZE), source))

    @classmethod
    def read(cls, fields: Fields) -> Envelope:
        """From the object of an envelope inside another document."""
        envelope = cls(
            payload_type=fields.text("payloadType"),
            payload=decode64(fields.text("payload"), f"{fields.source}: payload"),
            signatures=fields.each("signatures", Signature.parse),
        )
        fields.close()
        if not 1 <= len(envelope.signatures) <= MAX_SIGNATURES:
            raise DocumentError(
                f"{fields.source}: has {len(envelope.signatures)} signatures, not 1 to {MAX_SIGNATURES}"
            )
        return envelope

    def json(self) -> dict[str, object]:
        """As it stands in a bundle."""
        return {
            "payload": encode64(self.payload),
            "payloadType": self.payload_type,
            "signatures": [signature.json() for signature in self.signatures],
        }

    def raw(self) -> bytes:
        """The envelope as a document of its own."""
        return canonical(self.json())

    def signed_by(self, key: PublicKey, check: SignatureCheck = PublicKey.verify) -> bool:
        """Whether one of the signatures is by `key`."""
        message = pre_authentication_encoding(self.payload_type, self.payload)
        return any(check(key, signature.sig, message) for signature in self.signatures)


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """The pre-authentication encoding (PAE): what a signature is made over."""
    name = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(payload), payload)


def sign(payload: bytes, signer: Signer, payload_type: str = IN_TOTO) -> Envelope:
    """An envelope with one signature by `signer`, without a key id."""
    message = pre_authentication_encoding(payload_type, payload)
    return Envelope(payload_type, payload, (Signature(signer.sign(message)),))

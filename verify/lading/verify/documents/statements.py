"""in-toto statements (in-toto attestation framework v1, spec/v1/statement.md and resource_descriptor.md).

Version 1 is written; v0.1, which cosign still writes for attestations, is read too. Members that nobody knows
are ignored, as the framework's parsing rules ask; members that are known must have their type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from lading.store.errors import DocumentError, InputError
from lading.store.fastclass import dataclass, field
from lading.store.oci.digests import LENGTHS, Digest
from lading.store.oci.json import Fields, canonical, parse
from lading.verify.documents.envelopes import MAX_SIZE
from lading.verify.keys.encoding import decode64, encode64

TYPE: Final = "https://in-toto.io/Statement/v1"
TYPE_V01: Final = "https://in-toto.io/Statement/v0.1"

SIGN: Final = "https://sigstore.dev/cosign/sign/v1"
"""The predicate of a plain signature."""
PROVENANCE: Final = "https://slsa.dev/provenance/v1"
PROVENANCE_V02: Final = "https://slsa.dev/provenance/v0.2"
LINK: Final = "https://in-toto.io/attestation/link/v0.3"

ALIASES: Final[Mapping[str, str]] = {
    "slsaprovenance": PROVENANCE_V02,
    "slsaprovenance02": PROVENANCE_V02,
    "slsaprovenance1": PROVENANCE,
    "spdx": "https://spdx.dev/Document",
    "spdxjson": "https://spdx.dev/Document",
    "cyclonedx": "https://cyclonedx.org/bom",
    "link": "https://in-toto.io/Link/v1",
    "vuln": "https://cosign.sigstore.dev/attestation/vuln/v1",
    "openvex": "https://openvex.dev/ns",
    "custom": "https://cosign.sigstore.dev/attestation/v1",
}
"""What cosign's ``--type`` words stand for."""

_MAX_SUBJECTS: Final = 4096


def predicate_type(word: str) -> str:
    """The URI that `word`, one of `ALIASES` or a URI itself, stands for. Raises `InputError`."""
    if word in ALIASES:
        return ALIASES[word]
    if ":" not in word or any(letter.isspace() for letter in word):
        raise InputError(f"{word!r}: not a predicate type", hint=f"give a URI, or one of {', '.join(ALIASES)}")
    return word


def short_type(uri: str) -> str:
    """The word for `uri` where there is one."""
    if uri == SIGN:
        return "signature"
    return next((word for word, value in ALIASES.items() if value == uri), uri)


@dataclass(frozen=True, slots=True)
class ResourceDescriptor:
    """A thing by name, place and digests; `digest` maps an algorithm to hexadecimal digits."""

    name: str | None = None
    digest: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
    uri: str | None = None
    media_type: str | None = None
    download_location: str | None = None
    content: bytes | None = None
    annotations: Mapping[str, object] = field(default_factory=dict[str, object], hash=False)

    @classmethod
    def parse(cls, value: object, where: str) -> ResourceDescriptor:
        """Raises `DocumentError`, also for a digest of a known algorithm that is not one."""
        fields = Fields(value, where)
        content = fields.optional_text("content")
        return cls(
            name=fields.optional_text("name"),
            digest=_digests(fields),
            uri=fields.optional_text("uri"),
            media_type=fields.optional_text("mediaType"),
            download_location=fields.optional_text("downloadLocation"),
            content=None if content is None else decode64(content, f"{where}: content"),
            annotations=fields.mapping("annotations"),
        )

    @classmethod
    def of(cls, digest: Digest, name: str | None = None) -> ResourceDescriptor:
        """What has `digest`."""
        return cls(name, {digest.algorithm: digest.hex})

    def json(self) -> dict[str, object]:
        """As it stands in a statement; what is absent is left out."""
        value: dict[str, object | None] = {
            "name": self.name,
            "uri": self.uri,
            "digest": dict(self.digest) or None,
            "content": None if self.content is None else encode64(self.content),
            "downloadLocation": self.download_location,
            "mediaType": self.media_type,
            "annotations": dict(self.annotations) or None,
        }
        return {name: item for name, item in value.items() if item is not None}

    def matches(self, digest: Digest) -> bool:
        """Whether this is the thing with `digest`; names never matter."""
        return self.digest.get(digest.algorithm) == digest.hex

    @property
    def sha256(self) -> Digest | None:
        """The SHA-256 digest, where there is one."""
        digits = self.digest.get("sha256")
        return None if digits is None else Digest("sha256", digits)


Subject: TypeAlias = ResourceDescriptor


def _digests(fields: Fields) -> Mapping[str, str]:
    digests = fields.string_map("digest")
    for algorithm, digits in digests.items():
        if algorithm in LENGTHS:
            try:
                Digest.parse(f"{algorithm}:{digits}")
            except DocumentError as error:
                raise DocumentError(f"{fields.source}: digest: {error.message}") from None
    return digests


@dataclass(frozen=True, slots=True)
class Statement:
    """Says that `predicate`, which `predicate_type` explains, holds of every subject."""

    subjects: tuple[Subject, ...]
    predicate_type: str
    predicate: Mapping[str, object] = field(default_factory=dict[str, object], hash=False)

    @classmethod
    def parse(cls, raw: bytes, source: str = "statement") -> Statement:
        """From the payload of an envelope. A subject without a digest is refused; no subject proves nothing."""
        fields = Fields(parse(raw, source, limit=MAX_SIZE), source)
        kind = fields.text("_type")
        if kind not in (TYPE, TYPE_V01):
            raise DocumentError(f"{source}: _type is {kind!r}, only in-toto statements v1 and v0.1 are read")
        statement = cls(
            subjects=fields.each("subject", Subject.parse),
            predicate_type=fields.text("predicateType"),
            predicate=fields.mapping("predicate"),
        )
        if len(statement.subjects) > _MAX_SUBJECTS:
            raise DocumentError(f"{source}: more than {_MAX_SUBJECTS} subjects")
        if any(not subject.digest for subject in statement.subjects):
            raise DocumentError(f"{source}: a subject has no digest")
        return statement

    def raw(self) -> bytes:
        """Statement v1, canonical."""
        return canonical(
            {
                "_type": TYPE,
                "subject": [subject.json() for subject in self.subjects],
                "predicateType": self.predicate_type,
                "predicate": dict(self.predicate),
            }
        )

    def about(self, digest: Digest) -> bool:
        """Whether one of the subjects has `digest`."""
        return any(subject.matches(digest) for subject in self.subjects)

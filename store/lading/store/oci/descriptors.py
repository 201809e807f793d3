"""Descriptors and platforms (image-spec 1.1.1, descriptor.md and image-index.md)."""

from __future__ import annotations

from collections.abc import Mapping

from lading.store.errors import DocumentError
from lading.store.fastclass import dataclass, field
from lading.store.oci.digests import Digest
from lading.store.oci.json import Fields


@dataclass(frozen=True, slots=True)
class Platform:
    """What an image runs on, in the words of Go's GOOS and GOARCH."""

    os: str
    architecture: str
    variant: str | None = None
    os_version: str | None = None
    os_features: tuple[str, ...] = ()

    @classmethod
    def read(cls, fields: Fields) -> Platform:
        """From a ``platform`` object; unknown members are ignored, as the specification asks."""
        return cls(
            os=fields.text("os"),
            architecture=fields.text("architecture"),
            variant=fields.optional_text("variant"),
            os_version=fields.optional_text("os.version"),
            os_features=fields.strings("os.features"),
        )

    def json(self) -> dict[str, object]:
        """As it stands in an index."""
        value: dict[str, object] = {"architecture": self.architecture, "os": self.os}
        if self.variant:
            value["variant"] = self.variant
        if self.os_version:
            value["os.version"] = self.os_version
        if self.os_features:
            value["os.features"] = list(self.os_features)
        return value

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What content is, by media type, digest and size in bytes."""

    media_type: str
    digest: Digest
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
    artifact_type: str | None = None
    platform: Platform | None = None

    @classmethod
    def parse(cls, value: object, source: str) -> Descriptor:
        """From JSON. Embedded ``data`` and foreign ``urls`` are never used: content comes by digest."""
        fields = Fields(value, source)
        size = fields.integer("size")
        if size < 0:
            raise DocumentError(f"{source}: size: negative")
        platform = fields.optional_fields("platform")
        return cls(
            media_type=fields.text("mediaType"),
            digest=Digest.parse(fields.text("digest")),
            size=size,
            annotations=fields.string_map("annotations"),
            artifact_type=fields.optional_text("artifactType") or None,
            platform=Platform.read(platform) if platform else None,
        )

    @classmethod
    def of(cls, data: bytes, media_type: str) -> Descriptor:
        """The descriptor of `data`."""
        return cls(media_type, Digest.of(data), len(data))

    def json(self) -> dict[str, object]:
        """As it stands in a manifest or an index."""
        value: dict[str, object] = {
            "mediaType": self.media_type,
            "digest": str(self.digest),
            "size": self.size,
        }
        if self.annotations:
            value["annotations"] = dict(self.annotations)
        if self.artifact_type:
            value["artifactType"] = self.artifact_type
        if self.platform:
            value["platform"] = self.platform.json()
        return value

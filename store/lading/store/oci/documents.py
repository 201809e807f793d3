"""Image manifests, indexes and configs (image-spec 1.1.1: manifest.md, image-index.md, config.md).

A document keeps the bytes it was read from: its digest is the digest of those, whatever they contain beside
what is understood here. Docker's schema 2 types are read as their OCI equals; schema 1 is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lading.store.errors import DocumentError
from lading.store.fastclass import dataclass, replace
from lading.store.oci.descriptors import Descriptor, Platform
from lading.store.oci.digests import Digest
from lading.store.oci.json import MAX_SIZE, Fields, parse

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
CONFIG: Final = "application/vnd.oci.image.config.v1+json"
EMPTY: Final = "application/vnd.oci.empty.v1+json"
LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP: Final = LAYER + "+gzip"
LAYER_ZSTD: Final = LAYER + "+zstd"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"

MANIFESTS: Final = frozenset({MANIFEST, DOCKER_MANIFEST})
INDEXES: Final = frozenset({INDEX, DOCKER_INDEX})
DOCUMENTS: Final = MANIFESTS | INDEXES
CONFIGS: Final = frozenset({CONFIG, DOCKER_CONFIG})

_MAX_CHILDREN: Final = 4096


@dataclass(frozen=True, slots=True)
class Manifest:
    """One image or artifact: a config and layers."""

    raw: bytes
    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    subject: Descriptor | None
    artifact_type: str | None
    annotations: Mapping[str, str]

    @property
    def descriptor(self) -> Descriptor:
        """Of this document."""
        return Descriptor.of(self.raw, self.media_type)

    @property
    def is_image(self) -> bool:
        """Whether it holds a container image, as opposed to another artifact."""
        return self.config.media_type in CONFIGS


@dataclass(frozen=True, slots=True)
class Index:
    """Several manifests under one digest, most often one per platform."""

    raw: bytes
    media_type: str
    manifests: tuple[Descriptor, ...]
    subject: Descriptor | None
    artifact_type: str | None
    annotations: Mapping[str, str]

    @property
    def descriptor(self) -> Descriptor:
        """Of this document."""
        return Descriptor.of(self.raw, self.media_type)


def artifact_type_of(document: Manifest | Index) -> str | None:
    """What a list of referrers says that a document is: a manifest that names no type is of its config's."""
    return document.artifact_type or (document.config.media_type if isinstance(document, Manifest) else None)


def as_referrer(document: Manifest | Index) -> Descriptor:
    """As a list of referrers has it: with artifact type and annotations (distribution-spec, "Listing Referrers")."""
    kind, annotations = artifact_type_of(document), document.annotations
    return replace(document.descriptor, artifact_type=kind, annotations=annotations)


def parse_document(raw: bytes, media_type: str | None, source: str) -> Manifest | Index:
    """The manifest or index in `raw`.

    `media_type` is what the outside (a Content-Type, a descriptor) says it is: it must agree with the
    document's own ``mediaType`` where both are there, and a document that could be read as the other kind
    is refused (CVE-2021-41190).
    """
    fields = Fields(parse(raw, source, limit=MAX_SIZE), source)
    own = fields.optional_text("mediaType")
    if own and media_type and own != media_type:
        raise DocumentError(f"{source}: says it is {own!r}, but was announced as {media_type!r}")
    kind = own or media_type
    if fields.integer("schemaVersion", default=0) != 2:
        raise DocumentError(f"{source}: schemaVersion must be 2; older images have to be converted first")
    if kind in MANIFESTS:
        return _manifest(raw, kind, fields)
    if kind in INDEXES:
        return _index(raw, kind, fields)
    raise DocumentError(f"{source}: neither an image manifest nor an image index, but {kind or 'untyped'!r}")


def kind_of(raw: bytes, source: str) -> str | None:
    """The media type of a manifest or index of which nothing but the bytes is known; None where it is neither.

    It is the document's own ``mediaType``, else told by its members: a config and layers, or manifests.
    """
    try:
        fields = Fields(parse(raw, source, limit=MAX_SIZE), source)
        kind = fields.optional_text("mediaType") or (INDEX if "manifests" in fields else MANIFEST)
        return parse_document(raw, kind, source).media_type
    except DocumentError:
        return None


def parse_manifest(raw: bytes, media_type: str | None, source: str) -> Manifest:
    """As `parse_document`, and an index is refused."""
    document = parse_document(raw, media_type, source)
    if not isinstance(document, Manifest):
        raise DocumentError(f"{source}: expected an image manifest, found an image index")
    return document


def _manifest(raw: bytes, kind: str, fields: Fields) -> Manifest:
    if "manifests" in fields or "fsLayers" in fields:
        raise DocumentError(f"{fields.source}: a manifest must not list other manifests")
    layers = fields.each("layers", Descriptor.parse)
    if len(layers) > _MAX_CHILDREN:
        raise DocumentError(f"{fields.source}: more than {_MAX_CHILDREN} layers")
    return Manifest(
        raw=raw,
        media_type=kind,
        config=Descriptor.parse(fields.any("config"), f"{fields.source}: config"),
        layers=layers,
        subject=_subject(fields),
        artifact_type=fields.optional_text("artifactType") or None,
        annotations=fields.string_map("annotations"),
    )


def _index(raw: bytes, kind: str, fields: Fields) -> Index:
    if any(name in fields for name in ("config", "layers", "fsLayers")):
        raise DocumentError(f"{fields.source}: an index must not have a config or layers")
    manifests = fields.each("manifests", Descriptor.parse)
    if len(manifests) > _MAX_CHILDREN:
        raise DocumentError(f"{fields.source}: more than {_MAX_CHILDREN} manifests")
    return Index(
        raw=raw,
        media_type=kind,
        manifests=manifests,
        subject=_subject(fields),
        artifact_type=fields.optional_text("artifactType") or None,
        annotations=fields.string_map("annotations"),
    )


def _subject(fields: Fields) -> Descriptor | None:
    value = fields.any("subject")
    return None if value is None else Descriptor.parse(value, f"{fields.source}: subject")


@dataclass(frozen=True, slots=True)
class History:
    """How one layer, or an empty step, came about."""

    created: str | None = None
    created_by: str | None = None
    author: str | None = None
    comment: str | None = None
    empty_layer: bool = False

    @classmethod
    def parse(cls, value: object, source: str) -> History:
        """From JSON."""
        fields = Fields(value, source)
        return cls(
            fields.optional_text("created"),
            fields.optional_text("created_by"),
            fields.optional_text("author"),
            fields.optional_text("comment"),
            fields.boolean("empty_layer"),
        )

    def json(self) -> dict[str, object]:
        """As it stands in a config."""
        value: dict[str, object] = {
            name: item
            for name in ("created", "created_by", "author", "comment")
            if (item := getattr(self, name)) is not None
        }
        if self.empty_layer:
            value["empty_layer"] = True
        return value


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What an image runs and of which uncompressed layers it is made."""

    raw: bytes
    platform: Platform
    diff_ids: tuple[Digest, ...]
    history: tuple[History, ...]
    created: str | None
    author: str | None
    entrypoint: tuple[str, ...] | None
    cmd: tuple[str, ...] | None
    env: tuple[str, ...]
    working_dir: str
    user: str
    exposed_ports: tuple[str, ...]
    volumes: tuple[str, ...]
    labels: Mapping[str, str]
    stop_signal: str | None
    healthcheck: Mapping[str, object] | None
    shell: tuple[str, ...] | None
    on_build: tuple[str, ...]


def parse_config(raw: bytes, source: str) -> ImageConfig:
    """The image config in `raw`, docker's extensions (Healthcheck, Shell, OnBuild) included."""
    fields = Fields(parse(raw, source), source)
    root = fields.fields("rootfs")
    if root.text("type") != "layers":
        raise DocumentError(f"{source}: rootfs.type must be 'layers'")
    run = fields.optional_fields("config") or Fields({}, source)
    return ImageConfig(
        raw=raw,
        platform=Platform.read(fields),
        diff_ids=tuple(Digest.parse(text) for text in root.strings("diff_ids")),
        history=fields.each("history", History.parse),
        created=fields.optional_text("created"),
        author=fields.optional_text("author"),
        entrypoint=_argv(run, "Entrypoint"),
        cmd=_argv(run, "Cmd"),
        env=run.strings("Env"),
        working_dir=run.optional_text("WorkingDir") or "",
        user=run.optional_text("User") or "",
        exposed_ports=tuple(run.mapping("ExposedPorts")),
        volumes=tuple(run.mapping("Volumes")),
        labels=run.string_map("Labels"),
        stop_signal=run.optional_text("StopSignal"),
        healthcheck=run.mapping("Healthcheck") or None,
        shell=_argv(run, "Shell"),
        on_build=run.strings("OnBuild"),
    )


def _argv(fields: Fields, name: str) -> tuple[str, ...] | None:
    return fields.strings(name) if name in fields else None


def layers_with_diff_ids(manifest: Manifest, config: ImageConfig) -> list[tuple[Descriptor, Digest]]:
    """The layers and their diff IDs, bottom up. Raises `DocumentError` where their numbers differ."""
    if len(manifest.layers) != len(config.diff_ids):
        raise DocumentError(
            f"{manifest.descriptor.digest}: {len(manifest.layers)} layers, but its config lists {len(config.diff_ids)}"
        )
    return list(zip(manifest.layers, config.diff_ids, strict=True))


def chain_ids(diff_ids: tuple[Digest, ...]) -> tuple[Digest, ...]:
    """The chain ID of every layer from the bottom up (config.md, "Layer ChainID")."""
    chain: list[Digest] = []
    for diff_id in diff_ids:
        chain.append(Digest.of(f"{chain[-1]} {diff_id}".encode()) if chain else diff_id)
    return tuple(chain)

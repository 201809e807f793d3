"""SLSA provenance v1 (slsa.dev/spec/v1.1/provenance): how an image was built, from what, by whom.

The model is the predicate; the members that a build of ours fills beyond it have names here: build arguments,
of which some are named and their values withheld, the bases with their status, the DAG artifact among the
byproducts. Members that nobody knows are ignored, so other builders' provenance is read as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lading.store.errors import DocumentError
from lading.store.fastclass import dataclass, field
from lading.store.oci.digests import Digest
from lading.store.oci.json import Fields
from lading.verify.documents.bases import Base, BaseStatus, bases_of, weakest
from lading.verify.documents.media_types import DAG, NETWORK
from lading.verify.documents.statements import PROVENANCE, ResourceDescriptor, Statement, Subject

DOCKERFILE_BUILD: Final = "urn:lading:build:dockerfile:1"
DEBIAN_BUILD: Final = "urn:lading:build:debian:1"
BUILD_TYPES: Final = (DOCKERFILE_BUILD, DEBIAN_BUILD)
LOCAL_BUILDER: Final = "urn:lading:builder:local"
ARGUMENTS: Final = "buildArgs"
"""The external parameter that holds `arguments`."""
DAG_NAME: Final = "dag"
"""The name of the DAG artifact among the byproducts."""

_WITHHELD: Final = "withheld"


def arguments(values: Mapping[str, str | None]) -> dict[str, object]:
    """Build arguments as external parameters have them; None is a value that is withheld."""
    return {name: {_WITHHELD: True} if value is None else value for name, value in values.items()}


def dag_byproduct(artifact: Digest) -> ResourceDescriptor:
    """The byproduct that names the DAG artifact by the digest of its manifest."""
    return ResourceDescriptor(DAG_NAME, {artifact.algorithm: artifact.hex}, media_type=DAG)


def network_byproduct(artifact: Digest) -> ResourceDescriptor:
    """The byproduct that names the artifact of a recorded network by the digest of its manifest."""
    return ResourceDescriptor("network", {artifact.algorithm: artifact.hex}, media_type=NETWORK)


@dataclass(frozen=True, slots=True)
class Provenance:
    """The predicate. Times are RFC 3339 text; `builder_version` maps a component to its version."""

    build_type: str
    builder_id: str
    external: Mapping[str, object] = field(default_factory=dict[str, object], hash=False)
    internal: Mapping[str, object] = field(default_factory=dict[str, object], hash=False)
    dependencies: tuple[ResourceDescriptor, ...] = ()
    builder_version: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
    builder_dependencies: tuple[ResourceDescriptor, ...] = ()
    invocation_id: str | None = None
    started: str | None = None
    finished: str | None = None
    byproducts: tuple[ResourceDescriptor, ...] = ()

    @classmethod
    def parse(cls, statement: Statement, source: str = "provenance") -> Provenance:
        """Raises `DocumentError` unless `statement` is a SLSA provenance v1."""
        if statement.predicate_type != PROVENANCE:
            raise DocumentError(
                f"{source}: a statement of the type {statement.predicate_type!r}, not SLSA provenance v1"
            )
        fields = Fields(dict(statement.predicate), source)
        definition, run = fields.fields("buildDefinition"), fields.fields("runDetails")
        builder = run.fields("builder")
        metadata = run.optional_fields("metadata") or Fields({}, source)
        return cls(
            build_type=definition.text("buildType"),
            builder_id=builder.text("id"),
            external=definition.mapping("externalParameters"),
            internal=definition.mapping("internalParameters"),
            dependencies=definition.each("resolvedDependencies", ResourceDescriptor.parse),
            builder_version=builder.string_map("version"),
            builder_dependencies=builder.each("builderDependencies", ResourceDescriptor.parse),
            invocation_id=metadata.optional_text("invocationId"),
            started=metadata.optional_text("startedOn"),
            finished=metadata.optional_text("finishedOn"),
            byproducts=run.each("byproducts", ResourceDescriptor.parse),
        )

    def statement(self, subjects: tuple[Subject, ...]) -> Statement:
        """What is signed."""
        return Statement(subjects, PROVENANCE, self.predicate())

    def predicate(self) -> dict[str, object]:
        """As JSON; what is absent is left out, but for the parameters, which SLSA requires."""
        definition = {
            "buildType": self.build_type,
            "externalParameters": dict(self.external),
            "internalParameters": dict(self.internal) or None,
            "resolvedDependencies": [item.json() for item in self.dependencies] or None,
        }
        builder = {
            "id": self.builder_id,
            "version": dict(self.builder_version) or None,
            "builderDependencies": [item.json() for item in self.builder_dependencies] or None,
        }
        metadata = _present(
            {"invocationId": self.invocation_id, "startedOn": self.started, "finishedOn": self.finished}
        )
        run = {
            "builder": _present(builder),
            "metadata": metadata or None,
            "byproducts": [item.json() for item in self.byproducts] or None,
        }
        return {"buildDefinition": _present(definition), "runDetails": _present(run)}

    @property
    def arguments(self) -> Mapping[str, str | None]:
        """The build arguments; None for a withheld value. Raises `DocumentError` for another shape."""
        held = Fields(dict(self.external), "externalParameters").mapping(ARGUMENTS)
        return {name: _argument(value, name) for name, value in held.items()}

    @property
    def bases(self) -> tuple[Base, ...]:
        """The images it stands on, as recorded. Raises `DocumentError` for a malformed record."""
        return bases_of(self.dependencies, "resolvedDependencies")

    @property
    def base_status(self) -> BaseStatus:
        """Of its weakest base; ``unknown`` where another kind of build keeps no such record."""
        return weakest(base.status for base in self.bases) if self.build_type in BUILD_TYPES else "unknown"

    @property
    def dag_artifact(self) -> Digest | None:
        """The digest of the manifest of the DAG artifact."""
        return next((item.sha256 for item in self.byproducts if item.media_type == DAG), None)

    @property
    def network_artifact(self) -> Digest | None:
        """The digest of the manifest of its recorded network."""
        return next((item.sha256 for item in self.byproducts if item.media_type == NETWORK), None)


def _argument(value: object, name: str) -> str | None:
    match value:
        case str():
            return value
        case {"withheld": True}:
            return None
        case _:
            raise DocumentError(f"{ARGUMENTS}: {name}: neither a text nor marked withheld")


def _present(value: Mapping[str, object | None]) -> dict[str, object]:
    return {name: item for name, item in value.items() if item is not None}

"""in-toto link predicates v0.3 (in-toto attestation framework, spec/predicates/link.md), as a build writes them.

A link speaks of trees only: its subject is the root of what a step made, its materials are what the step was
given. Step numbers, platforms and layers are in the DAG document, so a link holds wherever its step moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from lading.store.errors import DocumentError
from lading.store.fastclass import dataclass, field
from lading.store.oci.digests import Digest
from lading.store.oci.json import Fields
from lading.verify.documents.statements import LINK, ResourceDescriptor, Statement

TREE: Final = "tree"
CONTEXT: Final = "context"
PREFIXES: Final = ("image:", "mount:", "url:")
"""What the name of a material that is neither a tree nor the context begins with."""
CONTACTED: Final = "contacted"
"""The byproduct of a RUN that says what it contacted of the network (`contacts`)."""
UNTRUSTED: Final = "untrusted"
"""The annotation of a material of which only the name is known: a folder that other steps have written to."""
NETWORK_USED: Final = "network"
"""The byproduct of a RUN that names the network it had."""
RECORDED: Final = "recorded"
"""That of a step which reached the web by way of a recorder alone."""
UNRECORDED: Final = "unrecorded"
"""The byproduct of a recorded RUN that names the requests whose answers it may have read and that were not kept."""
UNLISTED: Final = "unlisted"
"""The byproduct of a recorded RUN that says how many answers are no materials: the recording alone has them."""

MAX_MATERIALS: Final = 4096


@dataclass(frozen=True, slots=True)
class Link:
    """Says that the step `name`, run as `command` on `materials`, made the tree `product`.

    `environment` holds the names of the variables the step saw, never their values. `byproducts` is what else
    is known of the execution: the network it had, its isolation. Values of build arguments that may not be
    shown stand in `command` as their names.
    """

    name: str
    product: Digest
    materials: tuple[ResourceDescriptor, ...] = ()
    command: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    byproducts: Mapping[str, object] = field(default_factory=dict[str, object], hash=False)

    def statement(self) -> Statement:
        """What is signed."""
        predicate: dict[str, object] = {
            "name": self.name,
            "command": list(self.command),
            "materials": [material.json() for material in self.materials],
            "environment": {"variables": list(self.environment)},
        }
        if self.byproducts:
            predicate["byproducts"] = dict(self.byproducts)
        return Statement((ResourceDescriptor.of(self.product, TREE),), LINK, predicate)

    @property
    def is_recorded(self) -> bool:
        """Whether all that it read of the web is on record by digest."""
        return self.byproducts.get(NETWORK_USED) == RECORDED and not self.byproducts.get(UNRECORDED)

    @property
    def is_lent(self) -> bool:
        """Whether it was given what no digest is on record of: a secret, an agent, a folder that others wrote to."""
        given = (value for name in ("secrets", "ssh") for value in _ids(self.byproducts.get(name)).values())
        return any(given) or any(one.annotations.get(UNTRUSTED) for one in self.materials)

    @classmethod
    def parse(cls, statement: Statement, source: str = "link") -> Link:
        """Raises `DocumentError` unless `statement` is a link in the form that a build writes."""
        if statement.predicate_type != LINK:
            raise DocumentError(f"{source}: a statement of the type {statement.predicate_type!r}, not a link")
        fields = Fields(dict(statement.predicate), source)
        link = cls(
            name=fields.text("name"),
            product=_product(statement, source),
            materials=fields.each("materials", _material),
            command=fields.strings("command"),
            environment=_variables(fields),
            byproducts=fields.mapping("byproducts"),
        )
        fields.close()
        if len(link.materials) > MAX_MATERIALS:
            raise DocumentError(f"{source}: more than {MAX_MATERIALS} materials")
        return link


def _product(statement: Statement, source: str) -> Digest:
    match statement.subjects:
        case (ResourceDescriptor(name="tree", sha256=Digest() as product),):
            return product
        case _:
            raise DocumentError(f"{source}: its subject must be one 'tree' with a SHA-256 digest")


def _material(value: object, where: str) -> ResourceDescriptor:
    material = ResourceDescriptor.parse(value, where)
    name = material.name or ""
    if name not in (TREE, CONTEXT) and not name.startswith(PREFIXES):
        raise DocumentError(f"{where}: {name!r} is none of 'tree', 'context', 'image:', 'mount:' and 'url:'")
    if not material.digest and not material.annotations.get(UNTRUSTED):
        raise DocumentError(f"{where}: {name!r} has no digest")
    return material


def _ids(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}


def _variables(fields: Fields) -> tuple[str, ...]:
    environment = fields.optional_fields("environment")
    if environment is None:
        return ()
    names = environment.strings("variables")
    environment.close()
    return names

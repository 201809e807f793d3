"""The layer DAG of an image: which steps made it, from what, and which layer each became.

A canonical JSON document of its own media type. A node is a step; its `tree` is the root of the listing of what
the step made, its `layer` how that was rendered into the image, its `link` the place of the signed statement
about its execution among the links of the same artifact. An edge says which node used another's product, and
as what. Nodes are in topological order: edges go from a lower to a higher number.
"""

from __future__ import annotations

from typing import Final

from lading.store.errors import DocumentError
from lading.store.fastclass import dataclass
from lading.store.oci.digests import Digest
from lading.store.oci.json import Fields, canonical, parse
from lading.verify.documents.media_types import DAG
from lading.verify.documents.statements import ResourceDescriptor

MAX_NODES: Final = 10_000
_MAX_EDGES: Final = 100_000
_SETTINGS: Final = frozenset(
    {"FROM", "ARG", "ENV", "CMD", "ENTRYPOINT", "LABEL", "EXPOSE", "USER", "VOLUME", "STOPSIGNAL", "HEALTHCHECK"}
    | {"SHELL", "ONBUILD", "MAINTAINER"}
)
"""The first words of nodes that a build does not count among its steps."""


@dataclass(frozen=True, slots=True)
class LayerRef:
    """A layer of the image: its blob, and the digest of its uncompressed archive."""

    digest: Digest
    diff_id: Digest

    @classmethod
    def read(cls, fields: Fields) -> LayerRef:
        """From the ``layer`` of a node."""
        layer = cls(Digest.parse(fields.text("digest")), Digest.parse(fields.text("diffId")))
        fields.close()
        return layer

    def json(self) -> dict[str, object]:
        """As it stands in a node."""
        return {"digest": str(self.digest), "diffId": str(self.diff_id)}


@dataclass(frozen=True, slots=True)
class DagNode:
    """One step. `step` is its text for people; `stage` and `line` are where it stands in the build file.

    `platform` is that of the programs it executed, `emulated` says that no machine of that platform did.

    `inputs` are what it was given, named as a link's materials. A step without a product (CMD, ENV) has no
    tree, no layer and no link; a step of a stage that is not the image has a tree and no layer.
    """

    step: str
    platform: str
    inputs: tuple[ResourceDescriptor, ...] = ()
    tree: Digest | None = None
    layer: LayerRef | None = None
    link: int | None = None
    stage: str | None = None
    line: int | None = None
    emulated: bool = False

    @classmethod
    def parse(cls, value: object, where: str) -> DagNode:
        """Raises `DocumentError`."""
        fields = Fields(value, where)
        tree, layer = fields.optional_text("tree"), fields.optional_fields("layer")
        node = cls(
            step=fields.text("step"),
            platform=fields.text("platform"),
            inputs=fields.each("inputs", ResourceDescriptor.parse),
            tree=Digest.parse(tree) if tree is not None else None,
            layer=LayerRef.read(layer) if layer is not None else None,
            link=fields.integer("link") if "link" in fields else None,
            stage=fields.optional_text("stage"),
            line=fields.integer("line") if "line" in fields else None,
            emulated=fields.boolean("emulated"),
        )
        fields.close()
        if node.tree is None and (node.layer is not None or node.link is not None):
            raise DocumentError(f"{where}: has a layer or a link, but no tree")
        return node

    def json(self) -> dict[str, object]:
        """As it stands in the document."""
        value: dict[str, object | None] = {
            "step": self.step,
            "platform": self.platform,
            "inputs": [item.json() for item in self.inputs] or None,
            "tree": None if self.tree is None else str(self.tree),
            "layer": None if self.layer is None else self.layer.json(),
            "link": self.link,
            "stage": self.stage,
            "line": self.line,
            "emulated": self.emulated or None,
        }
        return {name: item for name, item in value.items() if item is not None}


@dataclass(frozen=True, slots=True)
class Edge:
    """Node `target` used the product of node `source` as its input `role` (``tree``, ``mount:/src``)."""

    source: int
    target: int
    role: str

    @classmethod
    def parse(cls, value: object, where: str) -> Edge:
        """Raises `DocumentError`."""
        fields = Fields(value, where)
        edge = cls(fields.integer("from"), fields.integer("to"), fields.text("role"))
        fields.close()
        return edge

    def json(self) -> dict[str, object]:
        """As it stands in the document."""
        return {"from": self.source, "to": self.target, "role": self.role}


@dataclass(frozen=True, slots=True)
class Dag:
    """The whole document."""

    nodes: tuple[DagNode, ...]
    edges: tuple[Edge, ...] = ()

    @classmethod
    def parse(cls, raw: bytes, source: str = "layer DAG") -> Dag:
        """Raises `DocumentError` for anything that `raw` of a sound DAG would not give."""
        fields = Fields(parse(raw, source), source)
        if (kind := fields.text("mediaType")) != DAG:
            raise DocumentError(f"{source}: is a {kind!r}, not a {DAG!r}")
        dag = cls(fields.each("nodes", DagNode.parse), fields.each("edges", Edge.parse))
        fields.close()
        dag.check(source)
        return dag

    @property
    def numbers(self) -> tuple[int | None, ...]:
        """The number of each node among the steps, from 1, as a build for one platform tells them.

        None for what is none: it only says something of the config.
        """
        count, found = 0, list[int | None]()
        for node in self.nodes:
            is_step = node.tree is not None or (
                node.step.split(" ", 1)[0] not in _SETTINGS and node.step != "WORKDIR /"
            )
            count += is_step
            found.append(count if is_step else None)
        return tuple(found)

    def raw(self) -> bytes:
        """The canonical document."""
        self.check("layer DAG")
        return canonical(
            {
                "mediaType": DAG,
                "nodes": [node.json() for node in self.nodes],
                "edges": [edge.json() for edge in self.edges],
            }
        )

    @property
    def link_count(self) -> int:
        """How many links the artifact must hold."""
        return max((node.link + 1 for node in self.nodes if node.link is not None), default=0)

    def check(self, source: str) -> None:
        """Raises `DocumentError` unless edges ascend between nodes and every link number is used."""
        if len(self.nodes) > MAX_NODES or len(self.edges) > _MAX_EDGES:
            raise DocumentError(f"{source}: more than {MAX_NODES} nodes or {_MAX_EDGES} edges")
        for at, edge in enumerate(self.edges):
            if not 0 <= edge.source < edge.target < len(self.nodes):
                raise DocumentError(f"{source}: edges[{at}]: goes from {edge.source} to {edge.target}")
        used = {node.link for node in self.nodes if node.link is not None}
        if used != set(range(len(used))):
            raise DocumentError(f"{source}: the links are not numbered from 0 without a gap")

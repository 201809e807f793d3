"""Links, the layer DAG and its artifact, provenance."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from hypothesis import given, settings
from hypothesis import strategies as st
from in_toto_attestation.predicates.link.v0 import link_pb2
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import statement as oracle_statement
from in_toto_attestation.v1 import statement_pb2

from lading.store.errors import DocumentError
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import MANIFEST, parse_manifest
from lading.verify.documents import dag_artifact, envelopes, provenance
from lading.verify.documents.bases import Base, weakest
from lading.verify.documents.dag import Dag, DagNode, Edge, LayerRef
from lading.verify.documents.evidence_kinds import evidence_kind
from lading.verify.documents.links import Link
from lading.verify.documents.media_types import DAG
from lading.verify.documents.provenance import Provenance
from lading.verify.documents.statements import LINK, ResourceDescriptor, Statement, Subject
from suites.papers import image, key

TREE, OTHER = Digest.of(b"tree"), Digest.of(b"other")
LINKED = Link(
    "RUN",
    TREE,
    (
        ResourceDescriptor.of(OTHER, "image:docker.io/library/debian:13"),
        ResourceDescriptor.of(OTHER, "tree"),
        ResourceDescriptor.of(OTHER, "context"),
        ResourceDescriptor.of(OTHER, "mount:/src"),
        ResourceDescriptor.of(OTHER, "url:https://example.com/x"),
    ),
    ("/bin/sh", "-c", "make ${TOKEN}"),
    ("PATH", "TOKEN"),
    {"network": "none"},
)
NODES = (
    DagNode("FROM debian:13", "linux/amd64"),
    DagNode("RUN make", "linux/amd64", LINKED.materials, TREE, LayerRef(OTHER, TREE), 0, "build", 3),
    DagNode("CMD make", "linux/amd64", line=4),
)
GRAPH = Dag(NODES, (Edge(0, 1, "tree"), Edge(1, 2, "tree")))


def signed(link: Link) -> envelopes.Envelope:
    return envelopes.sign(link.statement().raw(), key("own"))


def test_a_link_round_trips_through_its_statement() -> None:
    read = Link.parse(Statement.parse(LINKED.statement().raw()))
    assert read == LINKED
    assert read.byproducts == {"network": "none"}
    assert Link.parse(Link("COPY", TREE).statement()) == Link("COPY", TREE)


def test_the_in_toto_library_reads_our_links() -> None:
    raw = LINKED.statement().raw()
    oracle_statement.Statement.copy_from_pb(ParseDict(json.loads(raw), statement_pb2.Statement())).validate()
    read = ParseDict(json.loads(raw)["predicate"], link_pb2.Link())
    assert list(read.command) == list(LINKED.command)
    assert [material.name for material in read.materials] == [material.name for material in LINKED.materials]
    assert MessageToDict(read) == json.loads(raw)["predicate"]


def test_a_link_names_variables_and_never_their_values() -> None:
    assert json.loads(LINKED.statement().raw())["predicate"]["environment"] == {"variables": ["PATH", "TOKEN"]}


@pytest.mark.parametrize(
    "change",
    [
        {"name": None},
        {"command": "make"},
        {"materials": [{"name": "file:x", "digest": {"sha256": TREE.hex}}]},
        {"materials": [{"name": "tree"}]},
        {"materials": [{"digest": {"sha256": TREE.hex}}]},
        {"environment": {"PATH": "/bin"}},
        {"environment": []},
        {"more": 1},
    ],
)
def test_other_link_predicates_are_refused(change: dict[str, Any]) -> None:
    made = LINKED.statement()
    with pytest.raises(DocumentError):
        Link.parse(replace(made, predicate=dict(made.predicate) | change))


@pytest.mark.parametrize(
    "subjects",
    [
        (),
        (Subject("tree", {"sha256": TREE.hex}),) * 2,
        (Subject("blob", {"sha256": TREE.hex}),),
        (Subject("tree", {"sha512": Digest.of(b"", "sha512").hex}),),
    ],
)
def test_a_link_is_about_one_tree(subjects: tuple[Subject, ...]) -> None:
    with pytest.raises(DocumentError, match="tree"):
        Link.parse(replace(LINKED.statement(), subjects=subjects))
    with pytest.raises(DocumentError, match="not a link"):
        Link.parse(replace(LINKED.statement(), predicate_type="https://in-toto.io/Link/v1"))


def test_the_dag_round_trips_and_is_canonical() -> None:
    assert Dag.parse(GRAPH.raw()) == GRAPH
    assert Dag.parse(GRAPH.raw()).raw() == GRAPH.raw()
    assert json.loads(GRAPH.raw())["nodes"][2] == {"line": 4, "platform": "linux/amd64", "step": "CMD make"}


@pytest.mark.parametrize(
    "graph",
    [
        Dag(NODES, (Edge(1, 0, "tree"),)),
        Dag(NODES, (Edge(1, 1, "tree"),)),
        Dag(NODES, (Edge(-1, 1, "tree"),)),
        Dag(NODES, (Edge(0, 3, "tree"),)),
        Dag((replace(NODES[1], link=1),)),
        Dag((replace(NODES[1], link=-1),)),
        Dag(NODES[:1] * 10_001),
    ],
)
def test_a_graph_that_does_not_hang_together_is_refused(graph: Dag) -> None:
    with pytest.raises(DocumentError):
        graph.raw()


@pytest.mark.parametrize(
    ("where", "change"),
    [
        ((), {"mediaType": "application/json"}),
        ((), {"more": 1}),
        (("nodes", 0), {"more": 1}),
        (("nodes", 0), {"step": None}),
        (("nodes", 0), {"link": 0}),
        (("nodes", 1), {"link": True}),
        (("nodes", 1), {"tree": "sha256:x"}),
        (("nodes", 1), {"tree": None}),
        (("nodes", 1, "layer"), {"diffId": None}),
        (("edges", 0), {"role": None}),
        (("edges", 0), {"to": 0.5}),
    ],
)
def test_malformed_dag_documents_are_refused(where: tuple[str | int, ...], change: dict[str, Any]) -> None:
    value = json.loads(GRAPH.raw())
    place = value
    for step in where:
        place = place[step]
    place.update(change)
    with pytest.raises(DocumentError):
        Dag.parse(json.dumps(value).encode())


def take_apart(made: dag_artifact.Artifact) -> dag_artifact.DagArtifact:
    blobs = {Digest.of(data): data for data in made.blobs}
    manifest = parse_manifest(made.manifest, MANIFEST, "artifact")
    return dag_artifact.read_artifact(manifest, lambda descriptor, limit: blobs[descriptor.digest][:limit])


def test_the_artifact_carries_dag_and_links() -> None:
    made = dag_artifact.artifact(image().descriptor, GRAPH, [signed(LINKED)])
    read = take_apart(made)
    assert read.dag == GRAPH
    assert read.links == (LINKED,)
    assert read.envelopes[0].signed_by(key("own").public)
    manifest = parse_manifest(made.manifest, MANIFEST, "artifact")
    assert manifest.subject == Descriptor(MANIFEST, image().descriptor.digest, image().descriptor.size)
    assert manifest.artifact_type == manifest.layers[0].media_type == DAG
    assert evidence_kind(manifest) == "dag"


def test_an_original_link_is_carried_byte_for_byte() -> None:
    raw = json.dumps(signed(LINKED).json(), indent=2).encode()
    assert raw in dag_artifact.artifact(image().descriptor, GRAPH, [raw]).blobs


@pytest.mark.parametrize(
    "links", [[], [signed(LINKED)] * 2, [signed(Link("RUN", OTHER))], [envelopes.sign(b"{}", key("own"))]]
)
def test_nodes_and_links_must_agree(links: list[envelopes.Envelope]) -> None:
    with pytest.raises(DocumentError):
        dag_artifact.artifact(image().descriptor, GRAPH, links)


def test_an_artifact_with_a_stranger_among_its_layers_is_none() -> None:
    made = dag_artifact.artifact(image().descriptor, GRAPH, [signed(LINKED)])
    value = json.loads(made.manifest)
    value["layers"].append(Descriptor.of(b"x", "application/vnd.oci.image.layer.v1.tar").json())
    manifest = parse_manifest(json.dumps(value).encode(), MANIFEST, "artifact")
    assert evidence_kind(manifest) is None
    with pytest.raises(DocumentError, match="not a layer DAG"):
        dag_artifact.read_artifact(manifest, lambda *_: b"")


BASE = Base("docker.io/library/debian:13", TREE, "verified", OTHER, "linux/amd64", OTHER, "accepted by key")
FULL = Provenance(
    provenance.DOCKERFILE_BUILD,
    provenance.LOCAL_BUILDER,
    {"buildArgs": provenance.arguments({"VERSION": "1", "TOKEN": None}), "target": "app"},
    {"compression": "zstd"},
    (BASE.resource(), ResourceDescriptor.of(TREE, "context")),
    {"lading": "0.1.0"},
    (ResourceDescriptor.of(OTHER, "lading"),),
    "id",
    "2026-01-02T03:04:05Z",
    "2026-01-02T03:04:06Z",
    (provenance.dag_byproduct(OTHER),),
)
ABOUT = (Subject("docker.io/library/app", {"sha256": TREE.hex}),)


def test_provenance_round_trips() -> None:
    read = Provenance.parse(Statement.parse(FULL.statement(ABOUT).raw()))
    assert read == FULL
    assert read.external == FULL.external
    assert read.internal == FULL.internal
    assert read.builder_version == FULL.builder_version
    assert read.dag_artifact == OTHER
    assert read.arguments == {"VERSION": "1", "TOKEN": None}
    assert read.bases == (BASE,)
    assert read.base_status == "verified"


def test_the_in_toto_library_reads_our_provenance() -> None:
    raw = FULL.statement(ABOUT).raw()
    oracle_statement.Statement.copy_from_pb(ParseDict(json.loads(raw), statement_pb2.Statement())).validate()
    predicate = json.loads(raw)["predicate"]
    read = ParseDict(predicate, provenance_pb2.Provenance())
    assert MessageToDict(read) == predicate
    assert read.run_details.builder.id == provenance.LOCAL_BUILDER


def test_a_withheld_value_leaves_no_trace() -> None:
    raw = FULL.statement(ABOUT).raw()
    assert json.loads(raw)["predicate"]["buildDefinition"]["externalParameters"]["buildArgs"]["TOKEN"] == {
        "withheld": True
    }


@pytest.mark.parametrize("wrong", [{"TOKEN": {"withheld": False}}, {"TOKEN": 1}, {"TOKEN": None}, []])
def test_malformed_arguments_are_refused(wrong: object) -> None:
    with pytest.raises(DocumentError):
        _ = replace(FULL, external={"buildArgs": wrong}).arguments


@pytest.mark.parametrize(
    ("statuses", "wanted"),
    [
        ([], "none"),
        (["verified"], "verified"),
        (["verified", "unverified"], "unverified"),
        (["verified", "unknown"], "unknown"),
        (["unknown", "unverified"], "unverified"),
        (["none", "verified"], "verified"),
    ],
)
def test_the_weakest_base_decides(statuses: list[Any], wanted: str) -> None:
    assert weakest(statuses) == wanted
    bases = tuple(replace(BASE, status=status).resource() for status in statuses)
    assert replace(FULL, dependencies=bases).base_status == wanted


def test_bases_that_others_record_are_of_unknown_status() -> None:
    plain = ResourceDescriptor.of(TREE, "image:docker.io/library/debian:13")
    assert replace(FULL, dependencies=(plain,)).base_status == "unknown"
    assert replace(FULL, build_type="https://example.com/build").base_status == "unknown"
    strange = replace(plain, annotations={"urn:lading:standing": "blessed"})
    with pytest.raises(DocumentError, match="blessed"):
        _ = replace(FULL, dependencies=(strange,)).base_status


@pytest.mark.parametrize(
    "predicate",
    [
        {},
        {"buildDefinition": {}, "runDetails": {}},
        {"buildDefinition": {"buildType": "x"}, "runDetails": {"builder": {}}},
        {"buildDefinition": {"buildType": "x", "externalParameters": []}, "runDetails": {"builder": {"id": "x"}}},
        {"buildDefinition": {"buildType": "x", "resolvedDependencies": [1]}, "runDetails": {"builder": {"id": "x"}}},
        {"buildDefinition": {"buildType": "x"}, "runDetails": {"builder": {"id": "x", "version": {"a": 1}}}},
    ],
)
def test_malformed_provenance_is_refused(predicate: dict[str, Any]) -> None:
    with pytest.raises(DocumentError):
        Provenance.parse(Statement(ABOUT, provenance.PROVENANCE, predicate))
    with pytest.raises(DocumentError, match="not SLSA"):
        Provenance.parse(Statement(ABOUT, LINK, predicate))


def test_other_builders_provenance_is_read() -> None:
    predicate = {
        "buildDefinition": {"buildType": "https://example.com/b", "externalParameters": {"source": "git"}, "more": 1},
        "runDetails": {"builder": {"id": "https://example.com/builder"}, "metadata": {"more": True}},
    }
    read = Provenance.parse(Statement(ABOUT, provenance.PROVENANCE, predicate))
    assert read.builder_id == "https://example.com/builder"


names = st.text(min_size=1, max_size=8).filter(lambda text: text.isprintable())
digests = st.binary(max_size=4).map(Digest.of)


@given(
    st.builds(
        Link,
        name=names,
        product=digests,
        materials=st.lists(st.builds(ResourceDescriptor.of, digests, st.just("tree")), max_size=3).map(tuple),
        command=st.lists(names, max_size=3).map(tuple),
        environment=st.lists(names, max_size=3).map(tuple),
    )
)
@settings(max_examples=50)
def test_any_link_round_trips(link: Link) -> None:
    assert Link.parse(Statement.parse(link.statement().raw())) == link

"""Images that carry the cache entries of their own layers: what another machine takes from their names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lading.build.graph.cache_places import SharedCaches
from lading.build.solver.entry_places import FolderPlace
from lading.build.solver.inline_entries import ACTIONS, InlineEntries, inline_artifact
from lading.build.solver.shared_caches import FoundElsewhere
from lading.build.solver.shared_entries import SharedEntry, manifest_of, sealed, tag_of
from lading.registry.client.client import Client
from lading.registry.reference import Reference
from lading.store.content.blobs import Blobs, write_blob
from lading.store.content.memory import MemoryBlobs
from lading.store.errors import DocumentError
from lading.store.exchange.rewritten_layers import rewrite_layer
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import INDEX, MANIFEST
from lading.store.oci.json import canonical
from lading.store.store import Store
from lading.verify.documents.attach import EMPTY_CONFIG, Artifact, compose
from lading.verify.keys.keys import PrivateKey
from suites.action_cache import KEY, result_of
from suites.commands import Lading, another, context
from suites.machine import needs
from suites.registry_hostile import hostile
from suites.registry_server import running_server

pytestmark = needs("root", "overlay")

TEXT = "FROM scratch AS a\nCOPY f /f\nFROM scratch\nCOPY --from=a /f /g\nCOPY f /h\n"
"""Two layers, and a stage whose layer is in no image."""


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with running_server(tmp_path / "registry") as address:
        yield address


@pytest.fixture
def client() -> Iterator[Client]:
    with Client() as client:
        yield client


@pytest.fixture
def first(tmp_path: Path) -> Lading:
    made = Lading(tmp_path / "first")
    made.ok("keygen")
    return made


@pytest.mark.parametrize(
    ("option", "variables"),
    [((), {}), (("--compression", "gzip"), {}), ((), {"SOURCE_DATE_EPOCH": "1700000000"})],
    ids=["plain", "gzip", "dated"],
)
def test_another_machine_executes_none_of_the_images_steps(
    first: Lading, address: str, tmp_path: Path, option: tuple[str, ...], variables: dict[str, str]
) -> None:
    folder, name = context(tmp_path / "c", TEXT, f="x"), f"{address}/app:main"
    plain = first.ok("build", "-q", *option, folder, **variables)
    push = ("build", "-q", "-t", name, "--push", "--cache-to", "type=inline", *option)
    assert first.ok(*push, folder, **variables) == plain
    second = another(first, tmp_path / "second")
    said = second.call("build", "--cache-from", f"type=registry,ref={name}", *option, folder, **variables)
    assert (said.code, said.out.strip()) == (0, plain)
    assert [line for line in said.err.splitlines() if line.endswith("  cached")] == [
        "[2/3] stage-1  COPY --from=a /f /g  cached",
        "[3/3] stage-1  COPY f /h  cached",
    ]


def test_the_images_of_an_index_carry_their_own(first: Lading, address: str, tmp_path: Path) -> None:
    folder, name = context(tmp_path / "c", "FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /f\n"), f"{address}/app"
    for architecture in ("amd64", "arm64"):
        (folder / architecture).write_text(architecture)
    both = ("build", "--platform", "linux/amd64,linux/arm64")
    digest = first.ok(*both, "-q", "-t", name, "--push", "--cache-to", "type=inline", folder)
    said = another(first, tmp_path / "second").call(*both, "--cache-from", name, folder)
    assert (said.code, said.out.strip()) == (0, digest)
    assert said.err.count("  cached\n") == 2, said.err


def test_a_strangers_entries_are_misses_and_said(first: Lading, address: str, tmp_path: Path) -> None:
    folder, name = context(tmp_path / "c", TEXT, f="x"), f"{address}/app"
    digest = first.ok("build", "-q", "-t", name, "--push", "--cache-to", "type=inline", folder)
    other = Lading(tmp_path / "other")
    other.ok("keygen")
    said = other.call("build", "--cache-from", name, folder)
    assert (said.code, said.out.strip()) == (0, digest)
    assert said.err.count("the entry is signed by no key of the policy's cache section, nor by your own") == 2
    assert "  cached\n" not in said.err


def test_docker_builds_argument_asks_for_it(first: Lading, address: str, tmp_path: Path, client: Client) -> None:
    folder, name = context(tmp_path / "c", TEXT, f="x"), f"{address}/app"
    first.ok("build", "-q", "-t", name, "--push", "--build-arg", "BUILDKIT_INLINE_CACHE=0", folder)
    assert not _attached(client, name)
    first.ok("build", "-q", "-t", name, "--push", "--build-arg", "BUILDKIT_INLINE_CACHE=1", folder)
    assert len(_attached(client, name)) == 1


def test_an_unchanged_build_attaches_nothing_again(first: Lading, address: str, tmp_path: Path, client: Client) -> None:
    folder, name = context(tmp_path / "c", TEXT, f="x"), f"{address}/app"
    for _ in range(2):
        said = first.call("build", "-t", name, "--push", "--cache-to", "type=inline,mode=max", folder)
        assert "mode=max: an image carries the entries of its own layers alone" in said.err
    assert len(_attached(client, name)) == 1


def test_entries_have_signed_links_whatever_was_signed_before(first: Lading, address: str, tmp_path: Path) -> None:
    folder = context(tmp_path / "c", TEXT, f="x")
    first.ok("build", "-q", folder)
    first.ok("build", "-q", "--no-cache", "--cache-to", f"type=registry,ref={address}/app/cache", folder)
    said = another(first, tmp_path / "second").call("build", "--cache-from", f"{address}/app/cache", folder)
    assert said.err.count("  cached\n") == 2, said.err


def test_what_others_attach_is_passed_over(first: Lading, address: str, tmp_path: Path, client: Client) -> None:
    folder, name = context(tmp_path / "c", TEXT, f="x"), f"{address}/app"
    first.ok("build", "-q", "-t", name, "--push", "--cache-to", "type=inline", folder)
    image = client.resolve(Reference.parse(name))
    for layers in ([(ACTIONS, b"{}")], [(ACTIONS, b"[")], [("text/plain", b"x")], [(ACTIONS, b"{}"), (ACTIONS, b"[]")]):
        _attach(client, name, compose(image, ACTIONS, layers, {}))
    _attach(client, name, inline_artifact(image, {tag_of("f" * 64): b'{"payload": 1}'}))
    said = another(first, tmp_path / "second").call("build", "--cache-from", name, folder)
    assert said.err.count("  cached\n") == 2, said.err
    assert said.err.count(f"cache {name}:latest: sha256:") == 5, said.err


@dataclass
class Envelopes:
    """A source of these, whatever is asked for."""

    given: tuple[bytes, ...]
    title: str = "envelopes"

    def entries(self, tag: str) -> Iterator[bytes]:
        del tag
        yield from self.given

    def take(self, blob: Descriptor, blobs: Blobs) -> None:
        pytest.fail(f"{blob.digest} is there")


@pytest.mark.parametrize("stranger_first", [True, False])
def test_an_entry_of_another_key_does_not_hide_the_right_one(tmp_path: Path, *, stranger_first: bool) -> None:
    with Store.open(tmp_path / "root") as store:
        entry = SharedEntry(result_of(store.blobs, b"layer"))
        both = (sealed("key", entry, PrivateKey.generate()), sealed("key", entry, KEY))
        source = Envelopes(both if stranger_first else both[::-1])
        found = FoundElsewhere(source, store, SharedCaches(keys=lambda: (KEY.public,)))
        assert found.find("key") == entry.result


def test_a_name_that_nothing_has_is_no_matter(client: Client, address: str) -> None:
    assert InlineEntries(client, Reference.parse(f"{address}/none"), pytest.fail).of("ac-1") == ()


def test_what_cannot_be_read_is_none_and_said_once(client: Client) -> None:
    said: list[str] = []
    with hostile() as server:
        server.put("latest", b"[]")
        entries = InlineEntries(client, Reference.parse(f"{server.host}/app"), said.append)
        assert [entries.of("ac-1"), entries.of("ac-2")] == [(), ()]
        assert len(server.asked("GET .*/manifests/latest")) == 1
    assert len(said) == 1


def test_what_is_not_looked_at_is_said(first: Lading, address: str, tmp_path: Path, client: Client) -> None:
    folder, name = context(tmp_path / "c", TEXT, f="x"), f"{address}/app"
    first.ok("build", "-q", "-t", name, "--push", folder)
    image = client.resolve(Reference.parse(name))
    for number in range(9):
        envelope = sealed("key", SharedEntry(result_of(MemoryBlobs(), b"%d" % number)), KEY)
        _attach(client, name, inline_artifact(image, {"ac-1": envelope}))
    said: list[str] = []
    entries = InlineEntries(client, Reference.parse(name), said.append)
    assert len(entries.of("ac-1")) == 8
    short = image.digest.short
    assert said == [f"cache {name}:latest: of 9 documents about {short} the first 8 are looked at"]


def test_images_of_an_index_that_are_not_looked_at_are_said(client: Client) -> None:
    said: list[str] = []
    with hostile() as server:
        images = [Descriptor(MANIFEST, Digest.of(b"%d" % number), 10).json() for number in range(33)]
        server.put("latest", canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": images}), INDEX)
        reference = Reference.parse(f"{server.host}/app")
        InlineEntries(client, reference, said.append).of("ac-1")
    assert said[0] == f"cache {reference}: of 33 images the first 32 are looked at"


def _attached(client: Client, name: str) -> tuple[Descriptor, ...]:
    reference = Reference.parse(name)
    return client.referrers(reference, client.resolve(reference).digest, ACTIONS)


def _attach(client: Client, name: str, artifact: Artifact) -> None:
    blobs, reference = MemoryBlobs(), Reference.parse(name)
    for blob in artifact.blobs:
        digest = write_blob(blobs, blob)
        client.push_blob(reference, Descriptor("", digest, len(blob)), blobs)
    client.push_manifest(reference.at(artifact.descriptor.digest), artifact.manifest, MANIFEST)


def test_the_images_layer_is_held_to_the_entry(tmp_path: Path) -> None:
    with Store.open(tmp_path / "root") as store:
        result, other = result_of(store.blobs, b"layer"), result_of(store.blobs, b"other")
        assert result.layer
        assert other.layer
        place, keys = FolderPlace(tmp_path / "entries"), SharedCaches(keys=lambda: (KEY.public,))
        right = rewrite_layer(
            store.blobs, result.layer.descriptor, result.layer.diff_id, epoch=1_700_000_000, compression="gzip"
        )
        wrong = (other.layer.descriptor, other.layer.diff_id)
        for key, rendered in (("right", right), ("wrong", wrong), ("odd", (right[0], wrong[1]))):
            envelope = sealed(key, SharedEntry(result, rendered), KEY)
            raw, blobs = manifest_of(envelope, rendered[0])
            for data in (envelope, EMPTY_CONFIG):
                write_blob(store.blobs, data)
            place.put(tag_of(key), raw, blobs, store.blobs)
    with Store.open(tmp_path / "empty") as store:
        found = FoundElsewhere(place, store, keys)
        for key, said in (("wrong", "another one than the entry is about"), ("odd", "not the archive")):
            with pytest.raises(DocumentError, match=said):
                found.find(key)
        assert found.find("right") == result

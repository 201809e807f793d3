"""Push and pull between real stores through real registries: Debian's, which has no referrers API, and our own."""

from __future__ import annotations

import threading
from collections.abc import Generator
from pathlib import Path

import pytest

from lading.registry.client.client import Client
from lading.registry.client_config import ClientConfig, Retry
from lading.registry.errors import NotFoundError, ProtocolError, RegistryError
from lading.registry.reference import Reference
from lading.registry.transfer.limits import EvidenceLimits
from lading.registry.transfer.pull import pull
from lading.registry.transfer.push import push
from lading.store.content.blobs import read_blob
from lading.store.errors import InputError
from lading.store.oci.descriptors import Descriptor, Platform
from lading.store.store import Store
from suites.machine import present
from suites.registry_hostile import hostile
from suites.registry_images import (
    AMD64,
    ARM64,
    content,
    noise,
    open_store,
    put_image,
    put_index,
    put_legacy,
    put_paper,
)
from suites.registry_peers import docker_registry
from suites.registry_server import running_server

Stores = tuple[Store, Store]


@pytest.fixture(scope="module", params=["docker-registry", "lading"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[str, None, None]:
    folder = tmp_path_factory.mktemp("registry")
    if request.param == "lading":
        with running_server(folder) as host:
            yield host
        return
    if not present("docker-registry"):
        pytest.skip("needs docker-registry")
    with docker_registry(folder) as host:
        yield host


@pytest.fixture
def stores(tmp_path: Path) -> Generator[Stores, None, None]:
    with open_store(tmp_path / "here") as here, open_store(tmp_path / "there") as there:
        yield here, there


@pytest.fixture
def client() -> Generator[Client, None, None]:
    with Client() as client:
        yield client


@pytest.fixture
def ref(host: str, request: pytest.FixtureRequest) -> Reference:
    """A repository of this test's own."""
    name = request.node.originalname.lower().replace("_", "-")
    return Reference.parse(f"{host}/test/{name}:1")


def digests(descriptors: object) -> set[str]:
    return {str(item.digest) for item in descriptors}  # type: ignore[attr-defined]


def test_an_image_arrives_with_its_papers(ref: Reference, stores: Stores, client: Client) -> None:
    here, there = stores
    image = put_image(here)
    paper = put_paper(here, image)
    pushed = push(client, ref, here, image)
    pulled = pull(client, ref, there)
    assert digests(pushed.evidence) == digests(pulled.evidence) == {str(paper.digest)}
    assert pulled.descriptor == pulled.manifest == image
    assert content(there, image) == content(here, image)
    assert digests(there.referrers(image.digest)) == {str(paper.digest)}
    known = there.reference(ref.name)
    assert known
    assert known.descriptor.digest == image.digest
    assert known.origins == (ref.name,)
    assert pulled.notes == pushed.notes == ()


def test_papers_about_papers_arrive(ref: Reference, stores: Stores, client: Client) -> None:
    here, there = stores
    image = put_image(here)
    paper = put_paper(here, image)
    about = put_paper(here, paper, "about")
    push(client, ref, here, image)
    assert digests(pull(client, ref, there).evidence) == digests([paper, about])
    assert digests(there.referrers(paper.digest)) == digests([about])


def test_the_older_form_of_evidence_arrives(ref: Reference, stores: Stores, client: Client) -> None:
    here, there = stores
    image = put_image(here)
    both = [put_legacy(here, image), put_legacy(here, image, ("att",), ".att")]
    push(client, ref, here, image)
    assert digests(pull(client, ref, there).evidence) == digests(both)
    assert here.legacy_tags(image.digest) == there.legacy_tags(image.digest)
    assert len(there.legacy_tags(image.digest)) == 2


def test_signatures_of_others_are_not_overwritten(
    ref: Reference, stores: Stores, client: Client, tmp_path: Path
) -> None:
    here, there = stores
    image = put_image(here)
    theirs = put_legacy(here, image, ("theirs",))
    push(client, ref, here, image)
    put_image(there)
    put_legacy(there, image, ("mine",))
    pushed = push(client, ref, there, image)
    assert len(pushed.notes) == 1
    assert digests(f.descriptor for f in client.legacy_evidence(ref, image.digest).values()) == digests([theirs])
    with open_store(tmp_path / "third") as third:
        put_image(third)
        both = put_legacy(third, image, ("theirs", "mine"))
        assert push(client, ref, third, image).notes == ()
    assert push(client, ref, here, image).notes == ()
    assert digests(f.descriptor for f in client.legacy_evidence(ref, image.digest).values()) == digests([both])


def test_an_index_arrives_with_the_image_for_the_platform(ref: Reference, stores: Stores, client: Client) -> None:
    here, there = stores
    images = {AMD64: put_image(here, "amd"), ARM64: put_image(here, "arm")}
    index = put_index(here, images)
    papers = [put_paper(here, index), put_paper(here, images[ARM64], "child"), put_paper(here, images[AMD64], "other")]
    pushed = push(client, ref, here, index)
    assert digests(pushed.evidence) == digests(papers)
    pulled = pull(client, ref, there, ARM64)
    assert (pulled.descriptor, pulled.manifest.digest) == (index, images[ARM64].digest)
    assert pulled.platform == ARM64
    assert read_blob(there.blobs, index.digest) == read_blob(here.blobs, index.digest)
    assert there.blobs.size(images[AMD64].digest) is None
    assert digests(pulled.evidence) == digests(papers[:2])


def test_a_platform_that_is_not_there(ref: Reference, stores: Stores, client: Client) -> None:
    here, there = stores
    push(client, ref, here, put_index(here, {AMD64: put_image(here)}))
    with pytest.raises(InputError, match="no image for linux/s390x") as refused:
        pull(client, ref, there, Platform("linux", "s390x"))
    assert refused.value.hint == "it has linux/amd64"
    assert there.references() == []


def test_an_index_of_which_only_a_part_is_here(ref: Reference, stores: Stores, client: Client) -> None:
    here, there = stores
    index = put_index(here, {AMD64: put_image(here, "amd"), ARM64: put_image(here, "arm")})
    push(client, ref, here, index)
    pull(client, ref, there, AMD64)
    other = Reference(ref.registry, f"{ref.repository}-copy", "1")
    with pytest.raises(InputError, match="the image for linux/arm64 is neither"):
        push(client, other, there, index)
    assert push(client, ref.tagged("2"), there, index).changed  # there the registry has the rest
    assert client.resolve(ref.tagged("2")).digest == index.digest


def test_a_missing_blob_is_refused_before_anything_is_sent(ref: Reference, stores: Stores, client: Client) -> None:
    here, _ = stores
    image = put_image(here)
    here.blobs.delete(next(iter(here.document(image).layers)).digest)  # type: ignore[union-attr]
    with pytest.raises(InputError, match="not in the local store"):
        push(client, ref, here, image)
    with pytest.raises(NotFoundError):
        client.tags(ref)


def test_pushing_again_sends_nothing(ref: Reference, stores: Stores, client: Client) -> None:
    here, _ = stores
    image = put_image(here)
    put_paper(here, image)
    first, second = push(client, ref, here, image), push(client, ref, here, image)
    assert first.changed
    assert first.sent > 0
    assert not second.changed
    assert second.sent == 0
    assert len(client.referrers(ref, image.digest)) == 1


def test_new_evidence_of_an_image_that_is_there_is_pushed(ref: Reference, stores: Stores, client: Client) -> None:
    here, _ = stores
    image = put_image(here)
    push(client, ref, here, image)
    paper = put_paper(here, image)
    assert not push(client, ref, here, image).changed
    (listed,) = client.referrers(ref, image.digest)
    assert listed.digest == paper.digest
    assert listed.artifact_type == "application/vnd.example.paper+json"
    assert listed.annotations == {"com.example.word": "paper"}


def test_evidence_is_asked_for_anew(ref: Reference, stores: Stores, client: Client) -> None:
    here, there = stores
    image = put_image(here)
    push(client, ref, here, image)
    assert pull(client, ref, there).fetched > 0
    paper = put_paper(here, image)
    push(client, ref, here, image)
    again = pull(client, ref, there)
    assert digests(again.evidence) == digests([paper])
    assert digests(there.referrers(image.digest)) == digests([paper])


def test_a_tag_moves_and_the_image_with_it(ref: Reference, stores: Stores, client: Client) -> None:
    here, there = stores
    first, second = put_image(here, "one"), put_image(here, "two")
    for image in (first, second):
        push(client, ref, here, image)
        assert pull(client, ref, there).descriptor == image
    assert [item.descriptor.digest for item in there.references()] == [second.digest]


def test_by_digest(ref: Reference, stores: Stores, client: Client) -> None:
    here, there = stores
    image = put_image(here)
    push(client, ref, here, image)
    by_digest = Reference.parse(f"{ref.repository_name}:other@{image.digest}")
    assert pull(client, by_digest, there).descriptor == image
    assert [item.name for item in there.references()] == [f"{ref.repository_name}@{image.digest}"]


def test_many_pushes_at_once(ref: Reference, stores: Stores, client: Client) -> None:
    here, there = stores
    image = put_image(here)
    papers = [put_paper(here, image, f"paper {at}") for at in range(6)]
    push(client, ref, here, image)
    errors: list[BaseException] = []

    def work(at: int) -> None:
        try:
            push(client, ref.tagged(f"t{at}"), here, put_image(here, f"app{at}", layers=4))
            client.publish_referrers(ref, image.digest, client.referrers(ref, image.digest))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(at,)) for at in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert {f"t{at}" for at in range(6)} <= set(client.tags(ref))
    assert digests(pull(client, ref, there).evidence) == digests(papers)


def test_large_blobs_arrive(ref: Reference, stores: Stores, client: Client) -> None:
    here, there = stores
    image = put_image(here, "large", layers=5, size=3_000_000)
    push(client, ref, here, image)
    pull(client, ref, there)
    assert content(there, image) == content(here, image)


def test_an_upload_in_pieces(ref: Reference, stores: Stores) -> None:
    from lading.registry.client.outgoing import Outgoing
    from lading.registry.client.uploads import Upload
    from lading.store.progress import QUIET

    here, _ = stores
    data = noise("pieces", 900_000)
    with here.blobs.writer() as writer:
        writer.write(data)
        writer.commit()
    descriptor = Descriptor.of(data, "application/octet-stream")
    with Client(ClientConfig(chunk=200_000)) as client:
        upload = Upload(client.session(ref.registry), client.config, ref, descriptor, here.blobs, QUIET.task(""))
        with Outgoing(here.blobs, descriptor, upload.task, upload.stop) as content:
            upload._in_pieces(content, upload._start(), 0)
        assert client.blob(ref, descriptor) == data


def test_a_blob_is_mounted_from_where_the_image_came(ref: Reference, stores: Stores, client: Client) -> None:
    here, there = stores
    push(client, ref, here, put_image(here))
    image = pull(client, ref, there).descriptor
    assert push(client, Reference(ref.registry, f"{ref.repository}-copy", "1"), there, image).sent == 0


def test_delete(ref: Reference, stores: Stores, client: Client) -> None:
    here, _ = stores
    image = put_image(here)
    push(client, ref, here, image)
    assert client.delete(ref.at(image.digest))
    assert not client.delete(ref.at(image.digest))
    with pytest.raises(NotFoundError):
        client.resolve(ref)


# What goes wrong halfway


def test_nothing_is_tagged_before_all_is_here(stores: Stores) -> None:
    here, there = stores
    image = put_image(here, layers=6)
    with hostile() as bad, Client(ClientConfig(retry=Retry(attempts=2, base=0.01))) as client:
        ref = Reference.parse(f"{bad.host}/app:1")
        push(client, ref, here, image)
        bad.trick("GET .*/blobs/", lambda h: h.answer(500))
        with pytest.raises(RegistryError):
            pull(client, ref, there)
        bad.tricks.clear()
        bad.trick("/referrers/", lambda h: h.answer(403))
        with pytest.raises(RegistryError):
            pull(client, ref, there)
        assert there.references() == []
        bad.tricks.clear()
        assert pull(client, ref, there).descriptor == image


def test_the_tag_does_not_move_before_all_is_there(stores: Stores) -> None:
    here, _ = stores
    with hostile() as bad, Client(ClientConfig(retry=Retry(attempts=2, base=0.01))) as client:
        ref = Reference.parse(f"{bad.host}/app:1")
        image = put_image(here)
        put_paper(here, image)
        bad.trick(f"PUT .*/manifests/sha256-{image.digest.hex}", lambda h: (h.body(), h.answer(403))[1])
        with pytest.raises(RegistryError):
            push(client, ref, here, image)
        assert "1" not in bad.manifests


def test_stale_and_foreign_entries_of_the_stand_in_tag_are_said(stores: Stores) -> None:
    here, there = stores
    with hostile() as bad, Client() as client:
        ref = Reference.parse(f"{bad.host}/app:1")
        image = put_image(here)
        paper = put_paper(here, image)
        foreign = put_paper(here, put_image(here, "other"), "foreign")
        push(client, ref, here, image)
        push(client, ref.tagged("foreign"), here, foreign)
        gone = Descriptor.of(b"gone", paper.media_type)
        broken = put_paper(here, image, "broken")
        push(client, ref.tagged("broken"), here, broken)
        bad.manifests[str(broken.digest)] = (broken.media_type, b"{}")
        half = put_paper(here, image, "half")
        push(client, ref.tagged("half"), here, half)
        del bad.blobs[str(Descriptor.of(b"half", "x").digest)]
        client.publish_referrers(ref, image.digest, [gone, foreign, broken, half])
        pulled = pull(client, ref, there)
        assert digests(pulled.evidence) == digests([paper])
        assert len(pulled.notes) == 4


def test_a_child_that_is_not_as_listed(stores: Stores) -> None:
    here, there = stores
    with hostile() as bad, Client() as client:
        ref = Reference.parse(f"{bad.host}/app:1")
        image = put_image(here)
        listed = Descriptor(image.media_type, image.digest, image.size + 1)
        push(client, ref, here, image)
        index = put_index(here, {AMD64: listed})
        bad.put("2", read_blob(here.blobs, index.digest), index.media_type)
        with pytest.raises(ProtocolError, match="listed as"):
            pull(client, ref.tagged("2"), there, AMD64)


def test_evidence_beyond_bounds_is_left_and_said(stores: Stores) -> None:
    here, there = stores
    with hostile() as bad, Client() as client:
        ref = Reference.parse(f"{bad.host}/app:1")
        image = put_image(here)
        subject = image
        for at in range(4):
            subject = put_paper(here, subject, f"paper {at}")
        put_paper(here, image, "large" * 1000)
        push(client, ref, here, image)
        pulled = pull(client, ref, there, limits=EvidenceLimits(depth=3, blob=1000))
        assert len(pulled.evidence) == 3
        assert len(pulled.notes) == 2

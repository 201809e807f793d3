"""Every misbehaviour of a registry, and every oddity it has a right to, against every verb: all end right."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from lading.registry.client.client import Client
from lading.registry.client.evidence import RegistryEvidence
from lading.registry.client_config import ClientConfig, Retry, Timeouts
from lading.registry.credentials.files import Credential, Given
from lading.registry.errors import RegistryError
from lading.registry.reference import Reference
from lading.registry.transfer.pull import pull
from lading.registry.transfer.push import push
from lading.store.content.blobs import write_blob
from lading.store.content.memory import MemoryBlobs
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.documents import LAYER, Manifest
from lading.store.store import Store
from suites.patience import PATIENCE
from suites.registry_hostile import Handler, Hostile, hostile
from suites.registry_images import content, open_store, put_image, put_paper
from suites.registry_moods import MOODS, refuses

SIZE = 60_000
PATIENT = Retry(attempts=4, base=0.02)


class Scene:
    """A registry that is in no mood yet, and a store with an image and a paper about it."""

    def __init__(self, registry: Hostile, folder: Path, store: Store) -> None:
        self.registry = registry
        self.folder = folder
        self.store = store
        self.image = put_image(self.store, size=SIZE)
        self.paper = put_paper(self.store, self.image)
        given = Given(registry.host, Credential("ada", "word"))
        self.client = Client(ClientConfig(credentials=given, retry=PATIENT, chunk=25_000))

    def ref(self, name: str = "a/dst:1") -> Reference:
        return Reference.parse(f"{self.registry.host}/{name}")

    def fill(self) -> None:
        """The registry has it all; before that is in a mood."""
        for item in (self.image, self.paper):
            document = self.store.document(item)
            assert isinstance(document, Manifest)
            self.registry.put(str(item.digest), document.raw)
            for blob in (document.config, *document.layers):
                with self.store.blobs.open(blob.digest) as reader:
                    self.registry.put_blob(reader.read())
        self.registry.put("1", self.store.document(self.image).raw)
        if not self.registry.referrers_api:
            with Client() as plain:
                plain.publish_referrers(self.ref(), self.image.digest, [self.paper])
        self.registry.seen.clear()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Generator[Store, None, None]:
    with open_store(tmp_path_factory.mktemp("here")) as made:
        yield made


@pytest.fixture
def scene(tmp_path: Path, store: Store) -> Generator[Scene, None, None]:
    with hostile() as registry:
        made = Scene(registry, tmp_path, store)
        yield made
        made.client.close()


def pulls(scene: Scene) -> None:
    with open_store(scene.folder / "there") as there:
        pulled = pull(scene.client, scene.ref(), there)
        assert content(there, scene.image) == content(scene.store, scene.image)
        assert [item.digest for item in pulled.evidence] == [scene.paper.digest]


def arrived(scene: Scene) -> None:
    raw = scene.store.document(scene.image).raw
    assert scene.registry.manifests["1"][1] == raw
    assert content(scene.store, scene.image) <= scene.registry.blobs.keys()
    assert content(scene.store, scene.paper) <= scene.registry.blobs.keys()
    scene.registry.tricks.clear()
    with Client() as plain:
        assert [item.digest for item in plain.referrers(scene.ref(), scene.image.digest)] == [scene.paper.digest]


def pushes(scene: Scene) -> None:
    push(scene.client, scene.ref(), scene.store, scene.image)
    arrived(scene)


def pushes_what_may_be_mounted(scene: Scene) -> None:
    scene.store.tag(scene.ref().name, scene.image, [scene.ref("a/src:1").name])
    push(scene.client, scene.ref(), scene.store, scene.image)
    assert scene.registry.asked("mount=|a%2Fsrc")
    arrived(scene)


def verifies(scene: Scene) -> None:
    place = RegistryEvidence(scene.client, scene.ref())
    found = place.referrers(scene.image)
    assert found.complete, found.reason
    assert [item.digest for item in found.descriptors] == [scene.paper.digest]
    assert place.read(found.descriptors[0], limit=1 << 20) == scene.store.document(scene.paper).raw


VERBS: dict[str, Callable[[Scene], None]] = {
    "pull": pulls,
    "push": pushes,
    "push with mounts": pushes_what_may_be_mounted,
    "verify": verifies,
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("mood", MOODS)
def test_every_transfer_ends_right(scene: Scene, mood: str, verb: str) -> None:
    scene.registry.referrers_api = not mood.startswith("referrers")
    if verb in ("pull", "verify"):
        scene.fill()
    MOODS[mood](scene.registry)
    VERBS[verb](scene)


@pytest.mark.parametrize("status", [403, 429, 500])
def test_what_could_not_be_listed_is_an_error_to_a_verdict_and_a_note_to_a_pull(scene: Scene, status: int) -> None:
    scene.fill()
    scene.registry.trick("/referrers/", refuses(status))
    assert not RegistryEvidence(scene.client, scene.ref()).referrers(scene.image).complete
    with open_store(scene.folder / "there") as there:
        with pytest.raises(RegistryError):
            pull(scene.client, scene.ref(), there)
        pulled = pull(scene.client, scene.ref(), there, required=False)
        assert content(there, scene.image) == content(scene.store, scene.image)
    assert not pulled.complete
    assert any("could not be learnt" in note for note in pulled.notes)


class Counting:
    """A progress that counts."""

    def __init__(self) -> None:
        self.done_of: dict[str, list[int]] = {}
        self.words: list[str] = []

    def task(self, label: str, total: int | None = None) -> Count:
        self.done_of[label] = [0, total or 0]
        return Count(self, label)


class Count:
    def __init__(self, counting: Counting, label: str) -> None:
        self.counting, self.label = counting, label

    def advance(self, amount: int, /) -> None:
        self.counting.done_of[self.label][0] += amount

    def say(self, note: str, /) -> None:
        self.counting.words.append(note)

    def done(self, note: str = "", /) -> None:
        pass


@pytest.mark.parametrize(
    "mood", [mood for mood in MOODS if "breaks" in mood or "commit" in mood or "PATCH" in mood or "large" in mood]
)
def test_no_more_bytes_are_shown_than_there_are(scene: Scene, mood: str) -> None:
    MOODS[mood](scene.registry)
    counting = Counting()
    push(scene.client, scene.ref(), scene.store, scene.image, counting)
    known = [(count, total) for count, total in counting.done_of.values() if total]
    assert len(known) == 2  # a row a layer; of evidence nobody knows how much there is
    assert all(count == total for count, total in known)


@pytest.mark.parametrize("mood", ["the answer to a commit is lost", "a commit outlasts its gateway"])
def test_nothing_is_sent_again_that_came_to_be_there(scene: Scene, mood: str) -> None:
    MOODS[mood](scene.registry)
    push(scene.client, scene.ref(), scene.store, scene.image)
    puts = [seen.path for seen in scene.registry.asked("PUT .*/uploads/")]
    assert len(puts) == len(set(puts)) == len(scene.registry.blobs)
    assert not scene.registry.asked("PATCH")


def test_one_push_asks_for_one_token(scene: Scene) -> None:
    MOODS["tokens"](scene.registry)
    push(scene.client, scene.ref(), scene.store, scene.image)
    (asked,) = scene.registry.asked("GET /token")
    assert "scope=repository%3Aa%2Fdst%3Apull%2Cpush" in asked.path


def test_who_waits_for_a_commit_is_told(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lading.registry.http.wire._BEAT", 0.05)
    counting, told = Counting(), threading.Event()

    class Telling(Count):
        def say(self, note: str, /) -> None:
            super().say(note)
            told.set()

    def slow(handler: Handler) -> None:
        told.wait(PATIENCE)  # until it was said, and no longer
        handler.honest(handler.registry.seen[-1])

    scene.registry.trick("PUT .*/uploads/", slow)
    data = b"slow"
    blobs = MemoryBlobs()
    write_blob(blobs, data)
    counting.done_of["it"] = [0, len(data)]
    patient = ClientConfig(timeouts=Timeouts(read=PATIENCE, commit=2 * PATIENCE))
    with Client(patient) as client:
        outcome = client.push_blob(scene.ref(), Descriptor.of(data, LAYER), blobs, Telling(counting, "it"))
    assert outcome == "pushed"
    assert set(counting.words) == {"waiting for the registry to store it"}
    assert counting.done_of["it"] == [len(data), len(data)]

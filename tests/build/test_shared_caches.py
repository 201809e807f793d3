"""Action caches in a folder and in a registry: what was given is found, and only what a believed key signed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lading.build.graph.action import ActionCache, ActionResult
from lading.build.graph.cache_places import EntryPlace, SharedCaches
from lading.build.graph.steps.network_recording import NetworkUse
from lading.build.solver.entry_places import FolderPlace, RegistryPlace
from lading.build.solver.shared_caches import SharedCache
from lading.build.solver.shared_entries import tag_of
from lading.registry.client.client import Client
from lading.registry.reference import Reference
from lading.store.content.blobs import Blobs, write_blob
from lading.store.errors import DocumentError
from lading.store.fastclass import replace
from lading.store.store import Store
from lading.verify.keys.keys import PrivateKey
from lading.verify.observations.contacts import unobserved
from lading.verify.observations.exchanges import StepTape, WebAsked, WebExchange
from suites.action_cache import KEY, ActionCacheContract, result_of
from suites.commands import Lading, another, busybox, context
from suites.machine import needs
from suites.registry_server import running_server

pytestmark = needs("root", "overlay")


@pytest.fixture(params=["folder", "registry"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EntryPlace]:
    if request.param == "folder":
        yield FolderPlace(tmp_path / "entries")
        return
    with running_server(tmp_path / "registry") as address, Client() as client:
        yield RegistryPlace(client, Reference.parse(f"{address}/app/cache"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "root") as store:
        yield store


def cache_of(place: EntryPlace, store: Store, signer: PrivateKey = KEY, believed: PrivateKey = KEY) -> SharedCache:
    return SharedCache(place, store, SharedCaches(keys=lambda: (believed.public,)), lambda: signer)


class TestSharedCache(ActionCacheContract):
    is_local = False

    @pytest.fixture
    def blobs(self, store: Store) -> Blobs:
        return store.blobs

    @pytest.fixture
    def cache(self, place: EntryPlace, store: Store) -> ActionCache:
        return cache_of(place, store)


def test_what_another_key_signed_is_not_believed(place: EntryPlace, store: Store) -> None:
    other = PrivateKey.generate()
    cache_of(place, store, signer=other).keep("key", result_of(store.blobs, b"layer"))
    with pytest.raises(DocumentError, match="the entry is signed by no key"):
        cache_of(place, store).find("key")
    with pytest.raises(DocumentError, match="the link is signed by no key"):
        cache_of(place, store, believed=other).find("key")


def _unlinked(result: ActionResult, other: ActionResult) -> ActionResult:
    del other
    return replace(result, envelope=None)


def _another_link(result: ActionResult, other: ActionResult) -> ActionResult:
    return replace(result, envelope=other.envelope)


def _another_statement(result: ActionResult, other: ActionResult) -> ActionResult:
    return replace(result, envelope=other.envelope, statement=other.statement)


def _another_tree(result: ActionResult, other: ActionResult) -> ActionResult:
    assert result.layer
    assert other.layer
    return replace(other, layer=replace(result.layer, tree=other.layer.tree))


def _another_diff_id(result: ActionResult, other: ActionResult) -> ActionResult:
    assert result.layer
    assert other.layer
    return replace(result, layer=replace(result.layer, diff_id=other.layer.diff_id))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_unlinked, "no signed link"),
        (_another_link, "about something else"),
        (_another_statement, "about something else"),
        (_another_tree, "does not unpack to the tree"),
        (_another_diff_id, "not the archive"),
    ],
)
def test_every_part_is_held_to_the_others(
    place: EntryPlace, store: Store, change: Callable[[ActionResult, ActionResult], ActionResult], said: str
) -> None:
    cache = cache_of(place, store)
    cache.keep("key", change(result_of(store.blobs, b"layer"), result_of(store.blobs, b"other")))
    with pytest.raises(DocumentError, match=said):
        cache.find("key")


def test_an_entry_is_for_one_key_alone(store: Store, tmp_path: Path) -> None:
    cache = cache_of(FolderPlace(tmp_path / "entries"), store)
    cache.keep("one", result_of(store.blobs, b"layer"))
    index = tmp_path / "entries/index.json"
    index.write_text(index.read_text().replace(tag_of("one"), tag_of("two")))
    with pytest.raises(DocumentError, match="about another action"):
        cache.find("two")


def test_a_recorded_step_counts_where_the_answers_are(place: EntryPlace, store: Store, tmp_path: Path) -> None:
    asked = WebAsked("GET", "http://example.com/")
    exchange = WebExchange(asked, 200, (), write_blob(store.blobs, b"answer"), 6)
    used = NetworkUse(unobserved("it is a test"), StepTape(("make",), (exchange,)))
    result = replace(result_of(store.blobs, b"layer"), used=used)
    cache_of(place, store).keep("key", result)
    assert cache_of(place, store).find("key") == result
    with Store.open(tmp_path / "another") as another, pytest.raises(DocumentError, match="of the web is not here"):
        cache_of(place, another).find("key")


TEXT = "FROM scratch AS a\nCOPY f /f\nFROM scratch\nCOPY --from=a /f /g\n"


@pytest.fixture
def first(tmp_path: Path) -> Lading:
    made = Lading(tmp_path / "first")
    made.ok("keygen")
    return made


@pytest.fixture(params=["folder", "registry"])
def names(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """What --cache-to and --cache-from are given."""
    if request.param == "folder":
        folder = tmp_path / "entries"
        yield f"type=local,dest={folder},mode=max", f"type=local,src={folder}"
        return
    with running_server(tmp_path / "registry") as address:
        yield f"type=registry,ref={address}/app/cache,mode=max", f"{address}/app/cache"


def test_another_machine_executes_nothing_again(first: Lading, names: tuple[str, str], tmp_path: Path) -> None:
    folder = context(tmp_path / "c", TEXT, f="x")
    digest = first.ok("build", "-q", "--cache-to", names[0], folder)
    second = another(first, tmp_path / "second")
    said = second.call("build", "--cache-from", names[1], folder)
    assert (said.code, said.out.strip()) == (0, digest)
    assert said.err.count("  cached\n") == 2


@needs("crun", "conmon", "busybox")
def test_steps_that_remove_are_taken_as_well(first: Lading, tmp_path: Path) -> None:
    """Names, whole folders, and a folder that is made again, which hides the old one."""
    removing = "RUN rm /bin/touch\nRUN rm -r /d/one && echo 1 > /new\nRUN rm -r /d && mkdir /d && echo 2 > /d/three\n"
    folder = busybox(tmp_path / "c", f"RUN mkdir -p /d/one /d/two; echo x > /d/one/f\n{removing}")
    (folder / "bin/rm").symlink_to("busybox")
    (folder / "bin/mkdir").symlink_to("busybox")
    digest = first.ok("build", "-q", "--cache-to", f"type=local,dest={tmp_path}/entries,mode=max", folder)
    second = another(first, tmp_path / "second")
    said = second.call("build", "--cache-from", f"type=local,src={tmp_path}/entries", folder)
    assert (said.code, said.out.strip()) == (0, digest)
    assert said.err.count("  cached\n") == 5, said.err


def test_a_stranger_believes_nothing_until_the_policy_says_so(
    first: Lading, names: tuple[str, str], tmp_path: Path
) -> None:
    folder = context(tmp_path / "c", TEXT, f="x")
    first.ok("build", "-q", "--cache-to", names[0], folder)
    other = Lading(tmp_path / "other")
    other.ok("keygen")
    said = other.call("build", "--cache-from", names[1], folder)
    assert said.code == 0
    assert said.err.count("the entry is signed by no key of the policy's cache section, nor by your own") == 2
    assert "  cached\n" not in said.err
    other = Lading(tmp_path / "friend")
    other.ok("keygen")
    policy = other.root / "policy.yaml"
    public = "".join(f"    {line}\n" for line in (first.root / "keys/cosign.pub").read_text().splitlines())
    text = policy.read_text().replace("keys:\n", f"keys:\n  theirs: |\n{public}", 1)
    policy.write_text(f"{text}\ncache:\n  signed_by:\n    keys: [theirs]\n")
    said = other.call("build", "--cache-from", names[1], folder)
    assert said.err.count("  cached\n") == 2, said.err


def test_a_place_that_does_not_answer_ends_no_build(first: Lading, tmp_path: Path) -> None:
    folder = context(tmp_path / "c", TEXT, f="x")
    nowhere = "127.0.0.1:9/app/cache"
    said = first.call("build", "--cache-from", nowhere, "--cache-to", nowhere, folder)
    assert said.code == 0
    assert said.err.count(f"cache {nowhere}: ") == 2


def test_a_place_that_must_be_given_to_ends_a_build(first: Lading, tmp_path: Path) -> None:
    folder = context(tmp_path / "c", TEXT, f="x")
    nowhere = "type=registry,ref=127.0.0.1:9/app/cache,ignore-error"
    said = first.fails(1, "build", "-t", "app:1", "--cache-to", f"{nowhere}=false", folder)
    assert "cache 127.0.0.1:9/app/cache: not written: " in said
    assert "app" not in first.ok("images")
    said = first.call("build", "-t", "app:1", "--cache-to", f"{nowhere}=true", folder).err
    assert said.count("  cached\n") == 2, said
    assert "app" in first.ok("images")


def test_a_folder_that_is_not_there_is_said(first: Lading, tmp_path: Path) -> None:
    folder, entries = context(tmp_path / "c", TEXT, f="x"), tmp_path / "entries"
    both = ("--cache-from", f"type=local,src={entries}", "--cache-to", f"type=local,dest={entries}")
    assert f"cache {entries}: there is none\n" in first.call("build", *both, folder).err
    assert "there is none" not in first.call("build", *both, folder).err


def test_a_folder_that_is_damaged_ends_no_build(first: Lading, tmp_path: Path) -> None:
    folder, entries = context(tmp_path / "c", TEXT, f="x"), tmp_path / "entries"
    digest = first.ok("build", "-q", "--cache-to", f"type=local,dest={entries}", folder)
    assert len(json.loads((entries / "index.json").read_text())["manifests"]) == 1  # of the image alone
    for blob in (entries / "blobs/sha256").iterdir():
        blob.chmod(0o600)
        blob.write_bytes(os.urandom(64))
    second = Lading(tmp_path / "second")
    second.ok("keygen")
    said = second.call("build", "--cache-from", f"type=local,src={entries}", folder)
    assert (said.code, said.out.strip()) == (0, digest)
    assert "  cached\n" not in said.err


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("type=gha", "type=gha is not supported: expected local or registry or inline"),
        ("type=s3,bucket=b", "type=s3 is not supported"),
        ("type=inline,ref=localhost/x", "ref is not known"),
        ("type=local", "needs dest="),
        ("type=registry,ref=localhost/x,mode=most", "mode=most: expected min or max"),
        ("type=local,dest=d,a=b", "a is not known"),
        ("type=local,dest=d,ignore-error=no", "ignore-error=no: expected true or false"),
    ],
)
def test_what_is_refused(first: Lading, tmp_path: Path, word: str, said: str) -> None:
    assert said in first.fails(2, "build", "--cache-to", word, context(tmp_path / "c", TEXT, f="x"))

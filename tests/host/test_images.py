"""How images are addressed, named, unnamed and loaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.host.configuration import Configuration
from lading.host.host import Host
from lading.host.images.images import Images, Listed
from lading.host.images.loading import load
from lading.host.upkeep.pruning import prune_images
from lading.store.content.blobs import write_blob
from lading.store.errors import InputError
from lading.store.exchange import layouts
from lading.store.gc import collect, collect_due
from lading.store.store import Store
from suites.images import blobs_of, put_image, put_index, put_referrer

APP = "docker.io/library/app:latest"
OWN = "docker.io/library/own:latest"
ORIGIN = "registry.example.com/app:1"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "root") as store:
        yield store


def test_a_child_is_judged_under_the_names_of_the_indexes_that_list_it(store: Store) -> None:
    child = put_image(store, b"layer")
    store.tag(APP, put_index(store, put_index(store, child)), [ORIGIN])
    located = Images(store).get(child.digest.hex[:12])
    assert (located.descriptor, located.names, located.origins) == (child, (APP,), (ORIGIN,))
    assert located.own == ()
    store.tag(OWN, child)
    assert [found.name for found in store.names_reaching(child.digest)] == [OWN, APP]
    assert Images(store).get(str(child.digest)).own == (OWN,)


def test_a_child_of_an_index_is_not_removed_alone(store: Store) -> None:
    child = put_image(store, b"layer")
    store.tag(APP, put_index(store, child))
    images = Images(store)
    for force in (False, True):
        with pytest.raises(InputError, match=f"is part of {APP}"):
            images.remove(child.digest.hex, force=force)
    images.tag(child.digest.hex, "own")
    names, collected = images.remove(child.digest.hex)
    assert names == [OWN]
    assert collected.blobs == ()
    assert blobs_of(store, child) <= set(store.blobs)
    images.remove("app")
    assert list(store.blobs) == []


def test_a_new_name_inherits_the_origins_of_an_index(store: Store) -> None:
    child = put_image(store, b"layer")
    store.tag(APP, put_index(store, child), [ORIGIN])
    Images(store).tag(str(child.digest), "own")
    found = store.reference(OWN)
    assert found is not None
    assert found.origins == (ORIGIN,)


def test_loading_names_what_is_there_in_full(store: Store, tmp_path: Path) -> None:
    image = put_image(store, b"layer")
    put_referrer(store, image, b"signed")
    layouts.write_layout(store, image, tmp_path / "layout", ["app", "localhost/x:1"], evidence=True)
    layouts.write_oci_archive(store, image, tmp_path / "a.tar", [])
    with Store.open(tmp_path / "other") as other:
        for source in (f"oci:{tmp_path / 'layout'}", str(tmp_path / "layout")):
            loaded = load(other, source)
            assert [found.name for found in loaded] == [APP, "localhost/x:1"]
        assert len(other.referrers(image.digest)) == 1
        (unnamed,) = load(other, str(tmp_path / "a.tar"))
        assert (unnamed.name, unnamed.descriptor.digest) == ("", image.digest)
        assert [found.name for found in load(other, f"oci-archive:{tmp_path / 'a.tar'}", "own")] == [OWN]


def test_nothing_is_named_where_one_name_is_bad(store: Store, tmp_path: Path) -> None:
    image = put_image(store, b"layer")
    layouts.write_layout(store, image, tmp_path / "layout", ["app", "NOT A NAME"])
    with Store.open(tmp_path / "other") as other:
        with pytest.raises(InputError, match="cannot be used"):
            load(other, str(tmp_path / "layout"))
        assert other.references() == []


def test_what_is_due_waits_for_work_and_is_done_once(store: Store) -> None:
    image = put_image(store, b"layer")
    store.tag(APP, image)
    loose = write_blob(store.blobs, b"of a killed download")
    with Store.open(store.root) as other, other.writing():
        assert Images(store).remove("app")[1].deferred
        assert collect(store).deferred
        collect_due(store)  # still in the way
        assert store.is_due()
        assert blobs_of(store, image) <= set(store.blobs)
    collect_due(store)
    assert not store.is_due()
    assert loose not in store.blobs
    assert list(store.blobs) == []


def test_pruning_leaves_a_name_that_means_another_image_by_now(tmp_path: Path) -> None:
    """A build or a pull moves it between the look at the images and the removal."""
    with Host(Configuration(tmp_path / "root", tmp_path / "run")) as host:
        old, new = put_image(host.store, b"old"), put_image(host.store, b"new")
        host.store.tag(APP, old)
        host.store.tag(OWN, old)

        def chosen(row: Listed) -> bool:
            if row.name == APP:
                host.store.tag(APP, new)
            return True

        assert prune_images(host, every=True, chosen=chosen).names == (OWN,)
        found = host.store.reference(APP)
        assert found is not None and found.descriptor == new
        assert blobs_of(host.store, new) <= set(host.store.blobs)
        assert host.store.untag(APP, old.digest) is None
        assert host.store.untag(APP, new.digest) == found

"""What of the build cache goes first, what never, and what a kill leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.build.graph.action import ActionLayer, ActionResult
from lading.build.solver.cache_trimming import CacheEntry, bound, choose, entries, note_use, remove
from lading.build.solver.local_cache import LocalCache
from lading.store.content.blobs import write_blob
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.documents import LAYER
from lading.store.store import Store
from suites.images import blobs_of, put_image

TESTS = Path(__file__).resolve().parents[1]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "root") as store:
        yield store


def step(store: Store, key: str, content: bytes, used: float) -> None:
    """A row of a step whose layer is `content`, last used then."""
    digest = write_blob(store.blobs, content)
    layer = ActionLayer(digest, Descriptor(LAYER, digest, len(content)), digest)
    LocalCache.of(store).keep(key, ActionResult(layer))
    store.index.run("UPDATE cache SET used = ? WHERE key = ?", (used, key))


def debian(store: Store, *names: str) -> list[Path]:
    """Files of the Debian front end, each of 1000 bytes."""
    paths = [store.root / "cache/debian" / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 1000)
    return paths


def keys(store: Store) -> list[str]:
    return [entry.key for entry in entries(store)]


def test_what_was_used_least_recently_goes_first(store: Store) -> None:
    for number in range(4):
        step(store, f"step {number}", b"%d" % number * 10_000, used=number)
    chosen = choose(entries(store), everything=True, limit=25_000)
    assert [entry.key for entry in chosen] == ["step 0", "step 1"]
    freed = remove(store, chosen)
    assert freed.size == 20_000
    assert keys(store) == ["step 2", "step 3"]
    assert len(list(store.blobs)) == 2
    assert [entry.key for entry in choose(entries(store), everything=True, before=2.5)] == ["step 2"]


def test_what_an_image_has_is_not_counted_and_stays_unless_all_goes(store: Store) -> None:
    image = put_image(store, b"layer" * 1000)
    store.keep(image)
    step(store, "shared", b"layer" * 1000, used=1)
    step(store, "alone", b"x" * 1000, used=2)
    found = {entry.key: entry for entry in entries(store)}
    assert found["shared"].shared
    assert found["shared"].size < 1000
    remove(store, choose(entries(store), everything=False))
    assert keys(store) == ["shared"]
    remove(store, choose(entries(store), everything=True))
    assert keys(store) == []
    assert set(store.blobs) == blobs_of(store, image)


def test_what_two_steps_share_is_counted_once(store: Store) -> None:
    for number in range(2):
        step(store, f"step {number}", b"x" * 10_000, used=number)
    sizes = [entry.size for entry in entries(store)]
    assert sizes[0] < 1000 < 10_000 < sizes[1]


def test_packages_and_lists_have_a_remover(store: Store) -> None:
    old, new, lists, complete = debian(store, "debs/old.deb", "debs/new.deb", "0123/lists/a", "0123/lists/complete")
    for path, moment in ((old, 1), (lists.parents[1], 2), (new, 3)):
        os.utime(path, (moment, moment))
    (store.root / "cache/debian/.going-0123").mkdir()  # of a removal that was killed
    assert keys(store) == ["old.deb", "0123", "new.deb"]
    assert {entry.kind for entry in entries(store)} == {"package", "package lists"}
    note_use([old])
    assert keys(store) == ["0123", "new.deb", "old.deb"]
    freed = remove(store, choose(entries(store), everything=False, limit=1000))
    assert freed.size == 3000
    assert not complete.exists()
    assert sorted(os.listdir(store.root / "cache/debian")) == ["debs"]
    assert os.listdir(store.root / "cache/debian/debs") == ["old.deb"]


def test_the_bound_spares_what_the_build_used_and_waits_for_other_builds(store: Store) -> None:
    for number in range(4):
        step(store, f"step {number}", b"%d" % number * 1000, used=number)
    with Store.open(store.root) as other, other.writing():
        bound(store, 0, begun=2)
        assert len(keys(store)) == 4
    bound(store, 1 << 40, begun=2)
    assert len(keys(store)) == 4
    bound(store, 0, begun=2)
    assert keys(store) == ["step 2", "step 3"]
    assert len(list(store.blobs)) == 2


def test_beside_other_work_content_goes_when_that_has_ended(store: Store) -> None:
    step(store, "step", b"x" * 1000, used=1)
    package = debian(store, "debs/a.deb")[0]
    with Store.open(store.root) as other, other.writing():
        removed = remove(store, choose(entries(store), everything=True))
        assert removed.collected.deferred
        assert len(list(store.blobs)) == 1
        assert package.exists()  # a build that is under way may be unpacking it
        assert store.is_due()
    assert keys(store) == ["a.deb"]


_ENTRIES = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 1000), st.booleans()), max_size=20)


@given(
    rows=_ENTRIES,
    everything=st.booleans(),
    before=st.none() | st.integers(0, 50),
    limit=st.none() | st.integers(0, 9000),
)
def test_choosing(rows: list[tuple[int, int, bool]], everything: bool, before: int | None, limit: int | None) -> None:
    cache = [
        CacheEntry("step", str(number), used, 0 if shared else size, shared)
        for number, (used, size, shared) in enumerate(sorted(rows))
    ]
    chosen = choose(cache, everything=everything, before=before, limit=limit)
    assert all(before is None or entry.used < before for entry in chosen)
    assert everything or not any(entry.shared for entry in chosen)
    allowed = [e for e in cache if (before is None or e.used < before) and (everything or not e.shared)]
    assert chosen == allowed[: len(chosen)]  # the least recently used, in order
    left = sum(entry.size for entry in cache) - sum(entry.size for entry in chosen)
    if limit is None or left > limit:
        assert chosen == allowed
    elif chosen:
        assert left + chosen[-1].size > limit  # and no more than needed


# Dies at the Nth line of our own that it comes to; without N it says how many there are.
_DYING = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import lading.build.solver.cache_trimming as trimming
from lading.store import gc
from lading.store.snapshots import snapshots
from lading.store.system import removal
from lading.store.oci.digests import Digest
from lading.store.store import Store
wanted, count = int(sys.argv[3]), 0
def trace(frame, event, argument):
    global count
    if "/lading/" not in frame.f_code.co_filename:
        return None
    if event == "line":
        count += 1
        if count == wanted:
            os.kill(os.getpid(), signal.SIGKILL)
    return trace
store = Store.open(Path(sys.argv[2]))
sys.settrace(trace)
store.untag("docker.io/library/goes:latest")
store.give_up(Digest.parse(sys.argv[4]))
gc.collect(store, everything=False)
trimming.remove(store, trimming.choose(trimming.entries(store), everything=False))
store.close()
sys.settrace(None)
print(count)
"""


def _prepare(root: Path) -> tuple[str, set[str]]:
    with Store.open(root) as store:
        stays, goes = put_image(store, b"stays", b"both"), put_image(store, b"goes", b"both")
        store.tag("docker.io/library/stays:latest", stays)
        store.tag("docker.io/library/goes:latest", goes)
        step(store, "step", b"cached", used=1)
        debian(store, "debs/a.deb", "0123/lists/complete")
        return str(goes.digest), {str(digest) for digest in blobs_of(store, stays)}


def _die(root: Path, line: int, digest: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-c", _DYING, str(TESTS), str(root), str(line), digest]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_killed_at_any_line_a_removal_keeps_what_stays_and_is_finished_by_the_next(tmp_path: Path) -> None:
    digest, _ = _prepare(tmp_path / "whole")
    whole = _die(tmp_path / "whole", 0, digest)
    lines = int(whole.stdout)
    for number in range(1, lines, max(1, lines // 16)):
        root = tmp_path / str(number)
        digest, kept = _prepare(root)
        assert _die(root, number, digest).returncode == -signal.SIGKILL
        with Store.open(root) as store:
            assert kept <= {str(found) for found in store.blobs}
            assert store.reference("docker.io/library/stays:latest")
        again = _die(root, 0, digest)
        assert again.returncode == 0, again.stderr
        with Store.open(root) as store:
            assert {str(found) for found in store.blobs} == kept
            assert [found.name for found in store.references()] == ["docker.io/library/stays:latest"]
            assert not store.is_due()
        assert not any(path.is_file() for path in (root / "cache/debian").rglob("*"))

"""The store under kills, rivals, damage and odd places."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.store.content.blobs import read_blob, write_blob
from lading.store.errors import LadingError, MachineError
from lading.store.exchange import layouts
from lading.store.gc import DamagedError, collect
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import CONFIG, EMPTY, LAYER, MANIFEST
from lading.store.oci.json import canonical
from lading.store.store import Store
from suites import dying
from suites.images import blobs_of, put_image, put_index, put_manifest, remove
from suites.machine import needs
from suites.patience import PATIENCE

APP = "docker.io/library/app:latest"
TESTS = str(Path(__file__).resolve().parents[1])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "root")
    yield store
    store.index.close()


def start(code: str, *arguments: object, die_at: int = 0) -> subprocess.Popen[str]:
    """Another process that runs `code`, with `root` and the imports it needs; `die_at` is the step that kills it."""
    head = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from lading.store.store import Store\n"
        "from lading.store.gc import collect\n"
        "from suites.images import blobs_of, put_image, put_referrer\n"
        "root = Path(sys.argv[2])\n"
    )
    pipe = subprocess.PIPE
    return dying.start(head + code, TESTS, *arguments, at=die_at, stdin=pipe, stderr=pipe)


def whole(store: Store) -> None:
    """Asserts that every name means an image that is here, all of it as its digests say."""
    for reference in store.references():
        for digest in blobs_of(store, reference.descriptor):
            assert Digest.of(read_blob(store.blobs, digest)) == digest


CHURN = """
with Store.open(root) as store:
    for turn in range(100_000):
        name = f"docker.io/library/app:{turn % 5}"
        with store.writing():
            image = put_image(store, bytes([turn % 7]) * 50_000, b"shared")
            put_referrer(store, image, b"signed %d" % turn)
            store.tag(name, image)
        print(name, image.digest, flush=True)
        if turn % 3 == 0:
            collect(store)
        if turn % 4 == 0:
            store.untag("docker.io/library/app:4")
"""


def test_kills_at_any_moment_lose_nothing_that_was_said(tmp_path: Path) -> None:
    for at in range(400, 2400, 97):
        worker = start(CHURN, tmp_path, die_at=at)
        said = worker.communicate()[0].splitlines()
        assert worker.returncode == -signal.SIGKILL
        assert said
        with Store.open(tmp_path) as store:
            whole(store)
            if said and len(said[-1].split()) == 2:
                name, digest = said[-1].split()
                kept = store.reference(name)
                # The worker may have gone on to the next name, or have taken app:4 away again.
                assert name.endswith(":4") or (kept is not None and str(kept.descriptor.digest) == digest)
    with Store.open(tmp_path) as store:
        collect(store)
        whole(store)
        assert list((tmp_path / "tmp").iterdir()) == []
        reached = {digest for found in store.references() for digest in blobs_of(store, found.descriptor)}
        assert reached <= set(store.blobs)
        assert collect(store).blobs == ()


def test_processes_that_write_collect_and_tag_at_once(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    code = """
with Store.open(root) as store:
    for turn in range(15):
        with store.writing():
            image = put_image(store, sys.argv[3].encode() * 1000 + b"%d" % turn, b"shared")
            store.tag(f"docker.io/library/app:{sys.argv[3]}", image)
        collect(store)
        missing = blobs_of(store, image) - set(store.blobs)
        assert not missing, missing
"""
    workers = [start(code, tmp_path, number) for number in range(4)]
    for worker in workers:
        _, said = worker.communicate(timeout=PATIENCE)
        assert worker.returncode == 0, said
    with Store.open(tmp_path) as store:
        whole(store)
        named = {str(reference.descriptor.digest) for reference in store.references()}
    assert len(named) == 4
    assert {entry["digest"] for entry in json.loads((tmp_path / "index.json").read_text())["manifests"]} >= named


def test_a_live_writer_elsewhere_is_not_swept(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    code = """
with Store.open(root) as store, store.blobs.writer() as writer:
    writer.write(b"half"); print("ready", flush=True); sys.stdin.readline()
    writer.write(b" and half"); print(writer.commit(), flush=True)
"""
    worker = start(code, tmp_path)
    assert worker.stdout is not None
    assert worker.stdout.readline() == "ready\n"
    with Store.open(tmp_path) as store:
        store.blobs.sweep()
        said, _ = worker.communicate("go on\n", timeout=PATIENCE)
        assert read_blob(store.blobs, Digest.parse(said.strip())) == b"half and half"


def test_a_dead_writer_is_swept(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    code = """
import os, signal
writer = Store.open(root).blobs.writer(); writer.write(b"half"); os.kill(os.getpid(), signal.SIGKILL)
"""
    start(code, tmp_path).communicate(timeout=PATIENCE)
    assert len(list((tmp_path / "tmp").iterdir())) == 1
    with Store.open(tmp_path) as store:
        collect(store)
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_reader_finishes_what_is_deleted_under_it(store: Store) -> None:
    data = os.urandom(3_000_000)
    digest = write_blob(store.blobs, data)
    with store.blobs.open(digest) as reader:
        first = reader.read(1000)
        collect(store)
        assert store.blobs.size(digest) is None
        assert first + reader.read() == data


def test_a_blob_is_read_only_and_writing_it_again_mends_it(store: Store) -> None:
    digest = write_blob(store.blobs, b"content")
    path = store.blobs.path(digest)
    assert path.stat().st_mode & 0o777 == 0o444
    path.chmod(0o644)
    path.write_bytes(b"CONTENT")
    with pytest.raises(LadingError, match="was changed"):
        read_blob(store.blobs, digest)
    assert write_blob(store.blobs, b"content") == digest
    assert read_blob(store.blobs, digest) == b"content"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 600 KiB."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@needs("root")
def test_a_full_disk_is_one_line_and_leaves_nothing(small: Path) -> None:
    with Store.open(small / "root") as store:
        image = put_image(store, b"layer")
        store.tag(APP, image)
        before = set(store.blobs)
        with pytest.raises(MachineError, match="No space left on device") as caught:
            write_blob(store.blobs, b"x" * 2_000_000)
        assert "\n" not in str(caught.value)
        assert str(small) in str(caught.value)
        assert list((small / "root/tmp").iterdir()) == []
        assert set(store.blobs) == before
        whole(store)


@needs("root")
def test_a_store_that_cannot_be_written(tmp_path: Path) -> None:
    root = tmp_path / "root"
    with Store.open(root) as store, store.writing():
        store.tag(APP, put_image(store, b"layer"))
    subprocess.run(["mount", "--bind", str(root), str(root)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(root)], check=True)
        with Store.open(root) as store:
            whole(store)
            with pytest.raises(MachineError, match=r"root/index.db: attempt to write a readonly database"):
                store.untag(APP)
            reference = store.reference(APP)
            assert reference is not None
            layouts.write_layout(store, reference.descriptor, tmp_path / "copy", [APP])
    finally:
        subprocess.run(["umount", "-l", str(root)], check=True)


def test_an_image_cannot_have_anothers_content_collected(store: Store) -> None:
    victim = put_image(store, b"layer")
    disguised = Descriptor("application/x-opaque", victim.digest, victim.size).json()
    other = put_manifest(store, b"{}", EMPTY, [disguised], artifactType="application/x-thing")
    wanted = blobs_of(store, victim)
    # Both orders of age, since the older is visited first.
    for first, second in ((other, victim), (victim, other)):
        store.tag("docker.io/library/first:1", first)
        store.tag("docker.io/library/second:1", second)
        collect(store)
        assert wanted <= set(store.blobs)


def test_a_holder_keeps_a_manifest_that_does_not_say_what_it_is(store: Store) -> None:
    config = canonical({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": []}})
    parts = {
        "config": Descriptor(CONFIG, write_blob(store.blobs, config), len(config)).json(),
        "layers": [Descriptor(LAYER, write_blob(store.blobs, b"layer"), 5).json()],
    }
    image = store.put_manifest(canonical({"schemaVersion": 2, **parts}), MANIFEST)
    store.lease("container", [image.digest])
    collect(store)
    assert blobs_of(store, image) <= set(store.blobs)


def test_a_damaged_manifest_does_not_cost_its_layers(store: Store) -> None:
    image = put_image(store, b"layer")
    store.tag(APP, image)
    wanted = blobs_of(store, image)
    path = store.blobs.path(image.digest)
    path.chmod(0o644)
    path.write_bytes(b"{}")
    with contextlib.suppress(LadingError):
        collect(store)
    assert wanted <= set(store.blobs)


def test_a_committed_blob_cannot_be_written_to(store: Store) -> None:
    with store.blobs.writer() as writer:
        writer.write(b"a")
        digest = writer.commit()
        with contextlib.suppress(Exception):
            writer.write(b"b")
    assert store.blobs.path(digest).read_bytes() == b"a"


def test_a_full_database_is_a_machine_error(store: Store) -> None:
    image = put_image(store, b"x")
    store.index.run("PRAGMA max_page_count = 1")
    with pytest.raises(MachineError, match="full"):
        for number in range(200):
            store.tag(f"docker.io/library/{number}:{'y' * 2000}", image)


def test_index_json_is_brought_up_to_date_after_a_kill(tmp_path: Path) -> None:
    code = """
import os, signal
store = Store.open(root); store.tag("docker.io/library/app:1", put_image(store, b"1")); os.kill(os.getpid(), 9)
"""
    start(code, tmp_path).communicate(timeout=PATIENCE)
    with Store.open(tmp_path) as store:
        assert len(store.references()) == 1
    assert len(json.loads((tmp_path / "index.json").read_text())["manifests"]) == 1


def test_a_name_needs_an_image(store: Store) -> None:
    with pytest.raises(LadingError):
        store.tag(APP, Descriptor(MANIFEST, Digest.of(b"elsewhere"), 9))


def test_what_a_killed_export_left_is_swept(store: Store) -> None:
    left = store.root / "tmp/export-0123456789ab"
    left.mkdir(parents=True)
    (left / "part").write_bytes(b"x")
    collect(store)
    assert not left.exists()


def test_what_is_no_blob_is_left_alone(store: Store) -> None:
    odd = store.root / "blobs/sha256" / ("z" * 64)
    odd.mkdir(parents=True)
    collect(store)
    assert odd.is_dir()


def test_closing_closes_the_database_whatever_happens(store: Store) -> None:
    store.tag(APP, put_image(store, b"x"))
    (store.root / "index.json").unlink()
    (store.root / "index.json").mkdir()
    with contextlib.suppress(LadingError, OSError):
        store.close()
    with pytest.raises(sqlite3.ProgrammingError):
        store.index.one("SELECT 1")


def test_an_image_whose_layers_do_not_match_its_config(store: Store, tmp_path: Path) -> None:
    config = canonical({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": []}})
    image = put_manifest(store, config, CONFIG, [Descriptor(LAYER, write_blob(store.blobs, b"x"), 1).json()])
    with pytest.raises(LadingError):
        layouts.write_docker_archive(store, image, tmp_path / "a.tar", [])


@pytest.mark.parametrize("entry", [{"digest": f"sha256:{'0' * 64}", "annotations": [1]}, {"mediaType": MANIFEST}])
def test_a_foreign_layout_that_is_malformed(store: Store, tmp_path: Path, entry: dict) -> None:
    folder = tmp_path / "layout"
    folder.mkdir()
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    with pytest.raises(LadingError):
        layouts.write_layout(store, put_image(store, b"x"), folder, ["a"], evidence=True)


def test_half_a_blob_in_the_target_is_replaced(store: Store, tmp_path: Path) -> None:
    place = tmp_path / "layout/blobs/sha256" / Digest.of(b"layer").hex
    place.parent.mkdir(parents=True)
    place.write_bytes(b"la")
    layouts.write_layout(store, put_image(store, b"layer"), tmp_path / "layout", ["a"])
    assert place.read_bytes() == b"layer"


def test_an_archive_does_not_depend_on_the_umask(store: Store, tmp_path: Path) -> None:
    image = put_image(store, b"layer")
    written = []
    for mask in (0o022, 0o077):
        before = os.umask(mask)
        try:
            layouts.write_oci_archive(store, image, tmp_path / f"{mask}.tar", ["a"])
        finally:
            os.umask(before)
        written.append((tmp_path / f"{mask}.tar").read_bytes())
    assert written[0] == written[1]


def test_an_archive_holds_a_layout_and_nothing_else(store: Store, tmp_path: Path) -> None:
    layouts.write_oci_archive(store, put_image(store, b"layer"), tmp_path / "a.tar", ["a"])
    with tarfile.open(tmp_path / "a.tar") as archive:
        tops = {name.split("/")[0] for name in archive.getnames()}
    assert tops == {"blobs", "index.json", "oci-layout"}


def test_finding_reads_each_manifest_once(store: Store) -> None:
    image = put_image(store, b"layer")
    store.tag(APP, put_index(store, *[image] * 50))
    reads = 0
    document = store.document

    def counted(wanted: Descriptor) -> object:
        nonlocal reads
        reads += 1
        return document(wanted)

    store.document = counted  # type: ignore[method-assign, assignment]
    assert store.find(image.digest.hex[:12]) == [image]
    assert reads <= 2


def damage(store: Store, digest: Digest) -> None:
    path = store.blobs.path(digest)
    path.chmod(0o644)
    path.write_bytes(b"{}")


def test_what_is_damaged_can_be_given_up_or_mended(store: Store) -> None:
    image, other = put_image(store, b"layer"), put_image(store, b"other")
    raw = store.document(image).raw
    index = put_index(store, image)
    for name, descriptor in ((APP, image), ("docker.io/library/index:1", index), ("docker.io/library/o:1", other)):
        store.tag(name, descriptor)
    store.lease("0123456789abcdef", [index.digest])
    damage(store, image.digest)
    for name in (APP, "docker.io/library/index:1"):
        with pytest.raises(DamagedError, match="nothing can be collected") as caught:
            collect(store)
        assert "gives it up" in (caught.value.hint or "")
        remove(store, name)
    with pytest.raises(DamagedError, match="container 0123456789ab") as caught:
        collect(store)
    assert caught.value.remedy is not None
    assert (caught.value.remedy.name, caught.value.remedy.about) == ("give up container", ("0123456789ab",))
    write_blob(store.blobs, raw)
    collect(store)
    assert blobs_of(store, image) <= set(store.blobs)
    damage(store, image.digest)
    store.release("0123456789abcdef")
    collect(store)
    assert set(store.blobs) == blobs_of(store, other)


def test_what_was_never_a_manifest_stops_nothing(store: Store) -> None:
    image = put_image(store, b"layer")
    store.tag(APP, image)
    layer = Descriptor(MANIFEST, Digest.of(b"layer"), 5)
    store.tag("docker.io/library/evil:1", put_index(store, layer))
    write_blob(store.blobs, b"garbage")
    assert collect(store).blobs == (Digest.of(b"garbage"),)


def test_a_missing_manifest_of_a_name_stops_collection(store: Store) -> None:
    image = put_image(store, b"layer")
    store.tag(APP, image)
    store.blobs.delete(image.digest)
    with pytest.raises(DamagedError, match="is not here any more"):
        collect(store)
    remove(store, APP)
    collect(store)
    assert list(store.blobs) == []


def test_collecting_passes_on_what_its_body_raises(store: Store) -> None:
    with pytest.raises(BlockingIOError), store.collecting() as alone:
        assert alone
        raise BlockingIOError


def test_a_damaged_database_is_a_machine_error(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    (tmp_path / "index.db").write_bytes(b"no database, but long enough to be looked at" * 100)
    with pytest.raises(MachineError, match=r"index\.db: file is not a database") as caught:
        Store.open(tmp_path)
    assert caught.value.hint


def test_a_failed_rollback_does_not_hide_why(store: Store) -> None:
    with pytest.raises(KeyError), store.index.transaction():
        store.index.run("ROLLBACK")
        raise KeyError
    assert store.index.one("SELECT 1") == (1,)


def test_a_blob_that_cannot_be_read(store: Store) -> None:
    digest = Digest.of(b"x")
    store.blobs.path(digest).mkdir(parents=True)
    with pytest.raises(MachineError, match="Is a directory"):
        read_blob(store.blobs, digest)
    with pytest.raises(MachineError, match="Is a directory"):
        store.blobs.delete(digest)
    folder = store.root / "blobs/sha512"
    folder.write_bytes(b"")
    with pytest.raises(MachineError, match="Not a directory"):
        store.blobs.size(Digest.of(b"x", "sha512"))


def test_many_open_a_new_store_at_once(tmp_path: Path) -> None:
    code = """
sys.stdin.readline()
for number in range(20):
    with Store.open(root / str(number)) as store:
        store.tag("docker.io/library/app:1", put_image(store, b"1"))
"""
    workers = [start(code, tmp_path) for _ in range(6)]
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("\n")
        worker.stdin.flush()
    for worker in workers:
        _, said = worker.communicate(timeout=PATIENCE)
        assert worker.returncode == 0, said


def test_exports_to_one_folder_lose_nothing(tmp_path: Path) -> None:
    code = """
from lading.store.exchange import layouts
with Store.open(root) as store:
    for number in range(5):
        name = f"{sys.argv[3]}-{number}"
        with store.writing():
            image = put_image(store, name.encode())
            store.tag(f"docker.io/library/{name}:1", image)
        layouts.write_layout(store, image, root / "layout", [name])
"""
    Store.open(tmp_path).close()
    workers = [start(code, tmp_path, number) for number in range(4)]
    for worker in workers:
        _, said = worker.communicate(timeout=PATIENCE)
        assert worker.returncode == 0, said
    assert len(json.loads((tmp_path / "layout/index.json").read_text())["manifests"]) == 20
    assert {path.name for path in (tmp_path / "layout").iterdir()} == {"blobs", "index.json", "oci-layout"}


def test_a_living_export_is_not_swept(store: Store) -> None:
    with store.blobs.temporary_directory() as folder:
        (folder / "file").touch()
        store.blobs.sweep()
        assert (folder / "file").exists()
    assert list((store.root / "tmp").iterdir()) == []


def test_threads_share_a_store(store: Store) -> None:
    faults: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(10):
                with store.writing():
                    store.tag(f"docker.io/library/app:{number}", put_image(store, b"%d %d" % (number, turn)))
                collect(store)
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    whole(store)

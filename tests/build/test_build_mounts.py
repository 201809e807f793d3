"""What the mounts of a RUN mean for its key, its link and the disk."""

from __future__ import annotations

import base64
import json
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from lading.build.errors import DockerfileError
from lading.build.graph.halt import Halt, HaltedError
from lading.build.graph.request import Built
from lading.build.graph.steps.mount_requests import CacheMount, CacheSharing
from lading.build.graph.steps.step import Step
from lading.build.graph.steps.step_operations import StepSettings
from lading.build.operations.root_filesystems import RootFilesystems
from lading.build.operations.running.cache_mounts import CacheMounts
from lading.build.solver.cache_trimming import choose, entries, remove
from lading.store.archives.any_compression import uncompressed
from lading.store.content.blobs import read_blob
from lading.store.oci.descriptors import Descriptor
from lading.verify.documents.links import Link
from lading.verify.documents.statements import Statement
from lading.verify.keys.keys import PrivateKey
from suites.building import Key, Recorder, write
from suites.machine import needs
from suites.runs import Case, SandboxBench, context

pytestmark = needs("root", "overlay", "busybox", "crun")
_PAYLOAD = re.compile(rb'"payload":"([A-Za-z0-9+/=]+)"')
VALUE = "hidden-7d1f3a5e-value"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[SandboxBench]:
    bench = SandboxBench(tmp_path / "store")
    bench.environment = replace(bench.environment, key=Key(PrivateKey.generate()))
    yield bench
    bench.close()


def folder(tmp_path: Path, text: str) -> Path:
    return context(tmp_path / "context", Case("", text))


def cached(built: Built) -> bool:
    """Whether the last step was found."""
    return built.steps[-1].cached


def links(bench: SandboxBench, image: Descriptor) -> list[Link]:
    """The links of an image, in their order."""
    for one in bench.store.referrers(image.digest):
        raw = read_blob(bench.store.blobs, one.digest)
        if b"vnd.lading.dag" in raw:
            manifest = bench.store.document(one)
            layers = [read_blob(bench.store.blobs, layer.digest) for layer in manifest.layers]  # type: ignore[union-attr]
            return [Link.parse(statement(raw)) for raw in layers[1:]]
    raise AssertionError("no DAG artifact")


def statement(envelope: bytes) -> Statement:
    return Statement.parse(base64.b64decode(json.loads(envelope)["payload"]))


def said(bench: SandboxBench) -> bytes:
    """All that is attached to the images of a store."""
    return b"".join(everything(bench.root / "blobs", False))


def everything(root: Path, unpack: bool = True) -> Iterator[bytes]:
    """Every file below a folder, what is compressed in it, and what its statements say; nothing that lies in memory."""
    device = os.stat(root).st_dev
    for path in root.rglob("*"):
        if path.is_symlink() or not path.is_file() or path.stat().st_dev != device:
            continue
        content = path.read_bytes()
        yield content
        yield from map(base64.b64decode, _PAYLOAD.findall(content))
        if unpack:
            with path.open("rb") as stream:
                try:
                    yield uncompressed(stream, path.name).read(-1)
                except Exception:  # not compressed
                    continue


def test_a_bind_counts_by_the_part_that_is_bound(bench: SandboxBench, tmp_path: Path) -> None:
    made = folder(tmp_path, "RUN --mount=source=dir,target=/m cat /m/a > /r\n")
    assert not cached(bench.build(made))
    write(made, {"file": "another"})
    assert cached(bench.build(made))
    write(made, {"dir/sub/b": "another"})
    assert not cached(bench.build(made))
    (made / "dir").chmod(0o700)
    assert not cached(bench.build(made))


def test_a_bind_of_a_stage_counts_by_its_part(bench: SandboxBench, tmp_path: Path) -> None:
    text = "HEAD\nFROM base AS one\nCOPY dir /out/dir\nCOPY file /file\nFROM base\n"
    made = folder(tmp_path, f"{text}RUN --mount=from=one,source=/out,target=/m cat /m/dir/a > /r\n")
    assert not cached(bench.build(made))
    write(made, {"file": "another"})
    again = bench.build(made)
    assert cached(again)
    assert not all(report.cached for report in again.steps)
    write(made, {"dir/a": "another"})
    assert not cached(bench.build(made))


def test_what_is_in_a_cache_does_not_count(bench: SandboxBench, tmp_path: Path) -> None:
    made = folder(tmp_path, "RUN --mount=type=cache,target=/m cat /m/n > /r; echo x >> /m/n; true\n")
    first = bench.build(made)
    assert cached(bench.build(made))
    again = bench.build(made, no_cache=True)
    assert (bench.files(first.descriptor)["r"][3], bench.files(again.descriptor)["r"][3]) == (b"", b"x\n")


def test_a_secret_counts_by_its_id_alone(bench: SandboxBench, tmp_path: Path) -> None:
    made = folder(tmp_path, "RUN --mount=type=secret,id=tok wc -c < /run/secrets/tok > /r || true\n")
    bench.lend({"tok": b"1"})
    bench.build(made)
    bench.lend({"tok": b"22"})
    assert cached(bench.build(made))
    bench.lend({})
    assert cached(bench.build(made))


def test_what_the_call_says_of_steps_counts(bench: SandboxBench, tmp_path: Path) -> None:
    script = "cat /etc/hosts > /r; df -k /dev/shm | tail -1 | tr -s ' ' | cut -d' ' -f2 >> /r; ulimit -n >> /r"
    made = folder(tmp_path, f"RUN {script}\n")
    bench.build(made)
    settings = StepSettings((("app.example", "192.0.2.7"),), 8 << 20, (("nofile", 99, 99),))
    built = bench.build(made, settings=settings)
    assert not cached(built)
    told = bench.files(built.descriptor)["r"][3]
    assert isinstance(told, bytes)
    assert b"192.0.2.7\tapp.example\n" in told
    assert told.endswith(b"8192\n99\n")
    assert links(bench, built.descriptor)[-1].byproducts["hosts"] == [["app.example", "192.0.2.7"]]
    assert b'"shmSize":8388608' in said(bench)


def test_the_network_of_the_call_is_for_steps_that_name_none(bench: SandboxBench, tmp_path: Path) -> None:
    made = folder(tmp_path, "RUN ls /sys/class/net > /r\nRUN --network=none ls /sys/class/net > /s\n")
    files = bench.files(bench.build(made, network="none").descriptor)
    assert (files["r"][3], files["s"][3]) == (b"lo\n", b"lo\n")


def test_links_name_what_was_mounted(bench: SandboxBench, tmp_path: Path) -> None:
    text = "HEAD\nFROM base AS one\nRUN mkdir /out && echo 1 > /out/f\nFROM base\n"
    mounts = "--mount=source=dir,target=/a --mount=from=one,source=/out,target=/b --mount=from=one,target=/c"
    lent = "--mount=type=cache,id=C,target=/d --mount=type=secret,id=tok --mount=type=secret,id=no --mount=type=ssh"
    made = folder(tmp_path, f"{text}RUN {mounts} {lent} <<EOF\n#!/bin/sh\necho 1 > /r\nEOF\n")
    bench.lend({"tok": VALUE.encode()})
    link = links(bench, bench.build(made).descriptor)[-1]
    found = {material.name: material for material in link.materials if str(material.name).startswith("mount:")}
    assert set(found) == {"mount:/a", "mount:/b", "mount:/c", "mount:/d"}
    assert all(found[f"mount:/{name}"].sha256 for name in "abc")
    assert found["mount:/d"].annotations == {"cache": "/C", "sharing": "shared", "untrusted": True}
    assert link.byproducts["secrets"] == {"tok": True, "no": False}
    assert b'"secrets":["tok"]' in said(bench)
    assert link.byproducts["ssh"] == {"default": False}
    assert list(link.byproducts["documents"]) == ["EOF"]  # type: ignore[call-overload]


def test_a_step_without_limits_exposes_the_key(bench: SandboxBench, tmp_path: Path) -> None:
    made = folder(tmp_path, "RUN --security=insecure echo 1 > /r\n")
    with pytest.raises(DockerfileError, match=r"security\.insecure is not allowed") as caught:
        bench.build(made)
    assert caught.value.hint == "allow security.insecure in the call"
    built = bench.build(made, allow=frozenset({"security.insecure"}))
    link = links(bench, built.descriptor)[-1]
    assert link.byproducts["security"] == "insecure"
    assert "capabilities" not in link.byproducts
    assert b'"keyExposed":true' in said(bench)


class _Looking(Recorder):
    """Looks through what lies on the disk while a step runs."""

    def __init__(self, *roots: Path) -> None:
        super().__init__()
        self.roots, self.looked, self.found = roots, 0, False

    def wrote(self, step: Step, data: bytes, stream: Literal["stdout", "stderr"]) -> None:
        super().wrote(step, data, stream)
        if b"ready" in data:
            self.looked += 1
            for root in self.roots:
                self.found |= any(VALUE.encode() in content for content in everything(root, False))


@pytest.mark.parametrize("words", ["", ",env=TOK", ",env=TOK,target=/m/s"])
def test_no_disk_sees_a_secret(bench: SandboxBench, tmp_path: Path, words: str) -> None:
    """Neither while the step runs nor afterwards, be it a file, a variable or both."""
    looking = _Looking(tmp_path)
    bench.environment = replace(bench.environment, listener=looking)
    bench.listener = looking
    script = 'echo ready; cat /run/secrets/tok /m/s 2>/dev/null | wc -c; echo "$TOK" | wc -c > /r'
    made = folder(tmp_path, f"RUN --mount=type=secret,id=tok{words} {script}\n")
    bench.lend({"tok": VALUE.encode()})
    built = bench.build(made, names=("localhost/app:latest",))
    assert looking.looked == 1
    assert not looking.found
    assert not any(VALUE.encode() in content for content in everything(tmp_path))
    assert VALUE.encode() not in looking.output
    assert VALUE not in repr(built)
    assert VALUE not in repr(bench.environment)
    expected = len(VALUE) + 1 if words else 1
    assert bench.files(built.descriptor)["r"][3] == f"{expected}\n".encode()


def test_the_search_finds_what_a_step_leaves(bench: SandboxBench, tmp_path: Path) -> None:
    """What a command does with a secret is its own affair; and the tests above would see it."""
    made = folder(tmp_path, "RUN --mount=type=secret,id=tok cp /run/secrets/tok /leak\n")
    bench.lend({"tok": VALUE.encode()})
    bench.build(made)
    assert any(VALUE.encode() in content for content in everything(bench.root / "blobs"))


def mount(sharing: CacheSharing, name: str = "/x", target: str = "/m") -> CacheMount:
    return CacheMount(target, name, sharing, None, "/", None, False)


@pytest.fixture
def caches(bench: SandboxBench) -> Iterator[CacheMounts]:
    with RootFilesystems(bench.store) as roots:
        yield CacheMounts(bench.root, roots, Halt())


def test_who_shares_a_cache(caches: CacheMounts) -> None:
    with caches.held([(mount("shared"), ())]) as one, caches.held([(mount("shared"), ())]) as two:
        assert one == two
        with caches.held([(mount("private"), ())]) as three:
            assert three != one
    with caches.held([(mount("private"), ())]) as four:
        assert four == one
    with caches.held([(mount("locked", target="/m"), ()), (mount("locked", target="/n"), ())]) as five:
        assert five["/m"] == five["/n"] == one["/m"]


def test_who_locks_a_cache_waits_for_the_others(caches: CacheMounts) -> None:
    order: list[str] = []
    waiting = threading.Event()

    def second() -> None:
        waiting.set()
        with caches.held([(mount("locked"), ())]):
            order.append("second")

    with caches.held([(mount("locked"), ())]):
        thread = threading.Thread(target=second)
        thread.start()
        waiting.wait()
        with caches.held([(mount("shared"), ())]):  # another folder, and nobody waits
            order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_build_that_ends_waits_for_no_cache(caches: CacheMounts) -> None:
    with caches.held([(mount("locked"), ())]):
        caches.halt.give()
        with pytest.raises(HaltedError), caches.held([(mount("locked"), ())]):
            raise AssertionError


def test_caches_are_seen_and_pruned(bench: SandboxBench, tmp_path: Path) -> None:
    made = folder(tmp_path, "RUN --mount=type=cache,target=/m head -c 70000 /dev/zero > /m/a\n")
    bench.build(made)
    (found,) = [entry for entry in entries(bench.store) if entry.kind == "cache mount"]
    assert 70000 <= found.size < 80000
    remove(bench.store, choose(entries(bench.store), everything=True))
    assert not [entry for entry in entries(bench.store) if entry.kind == "cache mount"]
    assert not any((bench.root / "cache/mounts").iterdir())
    assert not cached(bench.build(made))


def test_caches_of_other_names_are_apart(bench: SandboxBench, tmp_path: Path) -> None:
    made = folder(tmp_path, "RUN --mount=type=cache,target=/m ls /m > /r; echo x > /m/a\n")
    bench.build(made)
    built = bench.build(made, arguments={"BUILDKIT_CACHE_MOUNT_NS": "other"}, no_cache=True)
    assert bench.files(built.descriptor)["r"][3] == b""
    assert not built.warnings


def test_a_failing_step_with_mounts_leaves_nothing(bench: SandboxBench, tmp_path: Path) -> None:
    made = folder(tmp_path, "RUN --mount=target=/m,rw --mount=type=secret,id=tok --mount=type=tmpfs,target=/t false\n")
    bench.lend({"tok": b"1"})
    with pytest.raises(DockerfileError, match="exit code 1"):
        bench.build(made)
    assert not [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(tmp_path) in line]
    assert not list((bench.root / "cache/work").iterdir())
    assert not bench.store.index.all("SELECT key FROM snapshot WHERE committed = 0")
    assert not list((tmp_path / "run" / "sandboxes").iterdir())

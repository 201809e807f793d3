"""Builds that meet other builds, kills, other clocks, and the runtime's own sandbox."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lading.store.errors import LadingError
from lading.store.snapshots.mounts import unmount
from suites import dying
from suites.building import Bench, busybox, write
from suites.machine import needs

pytestmark = needs("root", "overlay", "busybox")

PROGRAM = """
import sys
from pathlib import Path
from lading.store.errors import LadingError
from lading.store.snapshots.mounts import unmount
from suites import dying
from suites.building import Bench
bench = Bench(Path(sys.argv[1]))
print(bench.build(Path(sys.argv[2]), names=("localhost/app:latest",)).descriptor.digest)
bench.close()
"""
TEXT = """\
FROM base
COPY files /files/
RUN cp -r /files /more && echo x > /x
FROM base
COPY --from=0 /more /m/
RUN ls /m > /l
"""


def _start(root: Path, context: Path, *before: str, **environment: str) -> subprocess.Popen[str]:
    path = str(Path(__file__).parents[1])
    command = [*before, sys.executable, "-c", dying.HOOK + PROGRAM, str(root), str(context)]
    return subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": path, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.fixture
def context(tmp_path: Path) -> Path:
    files = {f"files/{number}": f"{number}" * 100 for number in range(200)}
    return write(tmp_path / "context", {"Dockerfile": TEXT, **files})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    bench = Bench(tmp_path / "store")
    bench.build(busybox(tmp_path / "base"), names=("localhost/base:latest",))
    bench.close()
    return tmp_path / "store"


def test_several_at_once_agree(root: Path, context: Path) -> None:
    running = [_start(root, context) for _ in range(4)]
    done = [process.communicate() for process in running]
    assert all(process.returncode == 0 for process in running), done
    assert len({out for out, _ in done}) == 1
    bench = Bench(root)
    assert not bench.store.index.all("SELECT key FROM snapshot WHERE committed = 0")
    assert bench.build(context).steps[0].cached
    bench.close()


def test_a_kill_at_any_moment_costs_nothing(root: Path, context: Path) -> None:
    write(context, {"files/changing": "whole"})
    counted = root.parent / "steps"
    _start(root, context, STEPS_FILE=str(counted)).communicate()
    steps, chance = int(counted.read_text()), random.Random(7)
    hits = 0
    for attempt in range(8):
        write(context, {"files/changing": str(attempt)})
        process = _start(root, context, DIE_AT=str(chance.randrange(1, steps)))
        process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        hits += process.returncode == -signal.SIGKILL
    assert hits >= 4  # what the cache has takes fewer steps than the first build took
    done = _start(root, context)
    out, error = done.communicate()
    assert done.returncode == 0, error
    assert not [line for line in Path("/proc/self/mounts").read_text().split("\n") if str(root) in line]
    bench = Bench(root)
    assert not bench.store.index.all("SELECT key FROM snapshot WHERE committed = 0 AND key LIKE 'tmp:build%'")
    assert not list((root / "cache" / "work").iterdir())
    found = bench.build(context)
    assert str(found.descriptor.digest) == out.strip()
    for base in ("m/changing", "m/7"):
        assert base in bench.files(found.descriptor)
    bench.close()


@needs("faketime")
def test_clock_home_zone_and_locale_do_not_matter(root: Path, context: Path, tmp_path: Path) -> None:
    here = _start(root, context)
    first, error = here.communicate()
    assert here.returncode == 0, error
    shutil.rmtree(root)
    bench = Bench(root)
    bench.build(busybox(tmp_path / "base again"), names=("localhost/base:latest",))
    bench.close()
    copy = tmp_path / "elsewhere" / "context"
    shutil.copytree(context, copy)
    there = _start(root, copy, "faketime", "2031-05-06 07:08:09", HOME="/nonexistent", TZ="Asia/Tokyo", LC_ALL="C")
    second, error = there.communicate()
    assert there.returncode == 0, error
    assert first == second


@needs("crun")
def test_in_the_sandbox_of_the_runtime(root: Path, context: Path, tmp_path: Path) -> None:
    from lading.runtime.lifecycle.lifecycle import RuntimeConfig
    from lading.runtime.sandbox import Sandbox

    bench = Bench(root)
    plain = bench.build(context).descriptor
    run_dir = Path(f"/run/lading-t{os.getpid()}")
    run_dir.mkdir()
    sandbox = Sandbox(RuntimeConfig(root=tmp_path / "root", run_dir=run_dir), None)
    bench.environment = replace(bench.environment, executor=sandbox)
    try:
        built = bench.build(context)
        assert not built.steps[1].cached
        assert bench.files(built.descriptor) == bench.files(plain)
        assert built.descriptor == plain
        write(context, {"Dockerfile": "FROM base\nUSER web\nRUN --network=none id; echo out; exit 4\n"})
        with pytest.raises(Exception, match="exit code 4") as caught:
            bench.build(context)
        assert caught.value.log == ("uid=1000(web) gid=1001(web) groups=1001(web)", "out")  # type: ignore[attr-defined]
        write(context, {"Dockerfile": "FROM base\nRUN true\nRUN touch /etc/passwd && chmod 644 /etc/group\n"})
        built = bench.build(context)
        assert len(bench.manifest(built.descriptor).layers) == 2, "merely touched is not changed"
    finally:
        shutil.rmtree(run_dir, ignore_errors=True)
        bench.close()


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    root = tmp_path / "small"
    root.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(root)], check=True)
    try:
        context = write(tmp_path / "context", {"Dockerfile": "FROM scratch\nCOPY small /\nCOPY big /\n", "small": "s"})
        (context / "big").write_bytes(os.urandom(20 << 20))
        bench = Bench(root / "store")
        with pytest.raises(LadingError, match="No space left on device"):
            bench.build(context, names=("localhost/x:latest",))
        assert not bench.store.references()
        assert not bench.store.index.all("SELECT key FROM snapshot WHERE committed = 0")
        (context / "big").write_bytes(b"")
        assert bench.build(context).steps[0].cached
        bench.close()
    finally:
        unmount(root)

"""Control groups of v1 whose hierarchy is not mounted where a container is started."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from lading.runtime.cgroups.groups import Cgroups
from lading.runtime.oci import processes
from suites.executor_images import Harbour
from suites.machine import needs
from suites.patience import PATIENCE

pytestmark = needs("root", "overlay", "crun", "conmon", "busybox", "unshare")

_TOP = Path("/sys/fs/cgroup/hugetlb")
_BEFORE_AND_AFTER = f"""
while mountpoint -q {_TOP}; do umount {_TOP}; done
"$@" && mountpoint -q {_TOP} && umount {_TOP} && ls {_TOP}
"""
_SCRIPT = """
    import sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[3])
    from lading.store.system.syscalls import private_mounts
    from suites.executor_images import Harbour
    top = Path("/sys/fs/cgroup/hugetlb")
    private_mounts()
    harbour = Harbour(Path(sys.argv[1]), Path(sys.argv[2]))
    container = harbour.start("sleep", "600").id
    print(top.is_mount(), (top / "lading" / container).exists())
    harbour.runtime.remove(container, force=True)
    print([entry for entry in Path("/sys/fs/cgroup").glob(f"*/lading/{container}")])
"""


def test_a_hierarchy_that_is_not_mounted_here_is_mounted(harbour: Harbour) -> None:
    """Also where the caller sees it; plain folders in its place would stay for ever."""
    if Cgroups.detect().mode == "unified" or not _TOP.is_dir():
        pytest.skip("needs cgroup v1")
    harbour.run("true", remove=True)
    words = [sys.executable, "-c", textwrap.dedent(_SCRIPT), harbour.root, harbour.run_dir, Path(__file__).parents[1]]
    command = ["unshare", "-m", "sh", "-c", _BEFORE_AND_AFTER, "sh", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert (done.returncode, done.stdout.splitlines()) == (0, ["True True", "[]"]), done.stderr


def test_the_oci_runtime_is_started_twice_for_a_run(
    harbour: Harbour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, log, own = processes.find("crun"), tmp_path / "log", tmp_path / "bin/crun"
    own.parent.mkdir()
    own.write_text(f'#!/bin/sh\necho "$@" >> {log}\nexec {real} "$@"\n')
    own.chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setattr(processes, "PATH", f"{own.parent}:{processes.PATH}")
        harbour.run("true", remove=True)
    verbs = {"create", "start", "delete", "kill", "state"}
    assert [word for word in log.read_text().split() if word in verbs] == ["create", "start"]

"""How a sandbox's processes end."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from lading.runtime.cgroups.groups import Cgroups
from lading.runtime.lifecycle import sandboxes
from lading.runtime.oci.oci_runtime import OciRuntime
from suites.machine import needs

pytestmark = needs("root")

# Numbers come in an order of their own from a set: so many rounds have the shell's after its command's.
ROUNDS = 16


def test_no_process_sees_another_end(tmp_path: Path) -> None:
    """A shell whose command is killed goes on to the next, unless it is killed first."""
    cgroups, oci = Cgroups.detect(), OciRuntime("/usr/bin/crun", tmp_path / "oci")
    cgroups.prepare()
    for _ in range(ROUNDS):
        name = f"build-{os.urandom(8).hex()}"
        for group in cgroups.folders_of(name):
            group.mkdir(parents=True)
        joined = next(group for group in cgroups.folders_of(name) if "cpuset" not in group.parts)
        script = f"echo $$ > {joined}/cgroup.procs; exec unshare --pid --fork sh -c 'echo go; sleep 600; : > late'"
        with subprocess.Popen(["sh", "-c", script], cwd=tmp_path, stdout=subprocess.PIPE) as step:
            assert step.stdout
            assert step.stdout.readline() == b"go\n"
            sandboxes.remove(name, tmp_path / name, oci, cgroups, None)
        assert not any(group.exists() for group in cgroups.folders_of(name))
    assert not (tmp_path / "late").exists()

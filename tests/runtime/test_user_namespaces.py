"""Steps of somebody who is root of a user namespace alone: the contract, held there by a pytest of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from lading.build.graph.executor import Executor
from lading.runtime.sandbox import Sandbox
from lading.store.snapshots.kind_choice import in_user_namespace
from lading.store.snapshots.mounts import mount_overlay, unmount
from suites.executor_contract import ExecutorContract
from suites.executor_images import Harbour, fill
from suites.machine import needs
from suites.ordinary_user import HOUSE, as_root_of_a_namespace

pytestmark = needs("root", "overlay", "crun", "busybox")

if in_user_namespace():

    @pytest.fixture
    def executor(tmp_path: Path) -> Executor:
        (tmp_path / "run").mkdir()
        return Sandbox(Harbour(tmp_path / "root", tmp_path / "run").config, None, user_namespace=True)

    @pytest.fixture
    def rootfs(tmp_path: Path) -> Generator[Path, None, None]:
        for folder in ("upper", "work", "merged"):
            (tmp_path / folder).mkdir()
        lower = fill(tmp_path / "lower")
        mount_overlay([lower], tmp_path / "upper", tmp_path / "work", tmp_path / "merged", user=True)
        yield tmp_path / "merged"
        unmount(tmp_path / "merged")

    class TestUserNamespace(ExecutorContract):
        """What the sandbox owes, in a user namespace."""

else:

    def test_the_contract_is_kept_in_a_user_namespace(tmp_path: Path) -> None:
        own = ("-q", "-p", "no:cacheprovider", "--basetemp", str(tmp_path / "t"), os.path.abspath(__file__))
        done = as_root_of_a_namespace(
            "sh", "-c", f'cd {HOUSE} && exec "$@"', "sh", sys.executable, "-m", "pytest", *own, folder=tmp_path
        )
        assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
        assert "passed" in done.stdout
        assert "skipped" not in done.stdout

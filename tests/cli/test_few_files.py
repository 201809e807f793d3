"""A process that may have few files open: it is said before anything is begun, and where it is met later."""

from __future__ import annotations

import gc
import os
import resource
import subprocess
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial, wraps
from pathlib import Path
from typing import ParamSpec

import pytest

from lading.networking.routed.records import NetworkRecords
from lading.runtime.oci.processes import capture
from lading.store.content.files import FileBlobs
from lading.store.errors import MachineError
from lading.store.oci.digests import Digest
from lading.store.system.locks import is_locked
from suites.commands import LADING, Lading
from suites.machine import needs

P = ParamSpec("P")
VERBS = [
    *(["keygen"], ["build", "."], ["pull", "a"], ["push", "a"], ["run", "a"], ["images"], ["verify", "a"]),
    *(["bake"], ["ps"], ["exec", "a", "b"], ["rm", "a"], ["rmi", "a"], ["system", "prune", "-f"], ["--version"]),
    *(["registry", "serve"], ["lock", "a"], ["save", "a"], ["load"], ["login", "a"], ["no-verb"], ["--help"]),
]


@pytest.mark.parametrize("count", [8, 16, 24, 40])
def test_every_verb_says_so_in_a_line_and_begins_nothing(tmp_path: Path, count: int) -> None:
    root = tmp_path / "root"
    for words in VERBS:
        done = subprocess.run(
            [LADING, *words],
            preexec_fn=partial(resource.setrlimit, resource.RLIMIT_NOFILE, (count, count)),
            env=Lading(root).variables(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == (125 if words[0] in ("run", "exec") else 1)
        assert done.stderr.splitlines() == [
            f"lading: a process may have {count} files open here (ulimit -n), and lading needs 64",
            "  hint: `ulimit -n 1024` allows that, where the hard limit is not lower",
        ]
        assert done.stdout == ""
    assert not root.exists()


def apart(test: Callable[P, None]) -> Callable[P, None]:
    """`test` in a process of its own: there no thread that another test began closes a file meanwhile."""

    @wraps(test)
    def in_child(*words: P.args, **named: P.kwargs) -> None:
        child = os.fork()
        if not child:
            try:
                test(*words, **named)
            except BaseException:
                os.write(2, traceback.format_exc().encode())
                os._exit(1)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    return in_child


@contextmanager
def room_for(count: int) -> Generator[int, None, None]:
    """This process can open so many files more, whose numbers follow on one another; the limit.

    What others left open goes before, and not on the way.
    """
    gc.collect()
    gc.disable()
    highest = max(map(int, os.listdir("/proc/self/fd")))
    files = [os.open(os.devnull, os.O_RDONLY)]
    while files[-1] < highest + count:
        files.append(os.open(os.devnull, os.O_RDONLY))
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = files[-1] + 1
    for _ in range(count):
        os.close(files.pop())
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, before[1]))
    try:
        yield limit
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for file in files:
            os.close(file)
        gc.enable()


@apart
def test_a_network_is_not_left_locked_by_who_could_not_use_it(tmp_path: Path) -> None:
    records = NetworkRecords(tmp_path / "state", "default")
    with room_for(1) as limit, pytest.raises(MachineError) as failed, records.gate():
        pass
    assert failed.value.message.endswith(f"Too many open files: a process may have {limit} here (ulimit -n)")
    assert not is_locked(records.folder / "lock")
    with records.gate():
        pass


@apart
def test_many_small_blobs_need_few_files(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    contents = [b"%d" % number for number in range(100)]
    blobs.write_all(contents[:1])  # makes the folders, and loads what it needs
    with room_for(20):
        assert blobs.write_all(contents) == [Digest.of(content) for content in contents]


@needs("root")
@apart
def test_a_program_is_not_told_of_as_a_bad_descriptor() -> None:
    with room_for(4) as limit, pytest.raises(MachineError) as failed:
        capture(["/bin/true"], {})
    assert f"/bin/true cannot be started: Too many open files: a process may have {limit}" in failed.value.message

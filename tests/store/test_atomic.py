"""Files that appear whole or not at all, and what a kill leaves of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lading.store.system.atomic import new_file, write_atomically
from suites.patience import PATIENCE

HOLD = """
import sys
from pathlib import Path
from lading.store.system.atomic import new_file
with new_file(Path(sys.argv[1]), 0o600) as stream:
    stream.write(b"half")
    stream.flush()
    print("held", flush=True)
    sys.stdin.read()
"""


def parts(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name.startswith(".")}


def test_what_a_kill_leaves_goes_with_the_next_write_and_what_is_being_written_stays(tmp_path: Path) -> None:
    path = tmp_path / "cosign.key"
    words = [sys.executable, "-c", HOLD, str(path)]
    child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    (part,) = parts(tmp_path)
    write_atomically(path, b"one")
    assert parts(tmp_path) == {part}
    child.kill()
    child.communicate(timeout=PATIENCE)
    write_atomically(tmp_path / "other", b"else")
    assert parts(tmp_path) == {part}
    with pytest.raises(FileExistsError), new_file(path, over=False):
        pass
    assert not parts(tmp_path)
    assert path.read_bytes() == b"one"


def test_what_is_called_alike_and_is_not_of_our_making_stays(tmp_path: Path) -> None:
    path, name = tmp_path / "config.json", ".config.json.0123456789ab"
    kept = {name + "c", name[:-1], name.upper(), ".config.json.0123456789ax", ".config.json.bak.0123456789ab"}
    for other in kept:
        (tmp_path / other).touch()
    (tmp_path / f"{name[:-1]}0").mkdir()
    (tmp_path / f"{name[:-1]}1").symlink_to("config.json")
    os.mkfifo(tmp_path / f"{name[:-1]}2")
    before = parts(tmp_path)
    (tmp_path / name).touch()
    write_atomically(path, b"{}")
    assert parts(tmp_path) == before


def test_two_writers_of_one_file_do_not_disturb_each_other(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with new_file(path) as first:
        first.write(b"first")
        with new_file(path) as second:
            second.write(b"second")
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first"
    assert not parts(tmp_path)

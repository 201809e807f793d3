"""The base images in examples/: their locks are whole, of these sets, and name archives without an address."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from lading.build.debian.debian_spec import read_spec
from lading.build.debian.locks.lock_changes import check_agreement
from lading.build.debian.locks.lock_file import lock_path, read_lock, render_lock

BASES = Path(__file__).resolve().parents[3] / "examples/bases"
SETS = sorted(BASES.glob("*/packages.toml"))


def test_there_are_as_many_as_the_script_builds() -> None:
    named = re.findall(r"^    (\w+)\) ", (BASES / "build").read_text(), re.MULTILINE)
    assert sorted(named) == [file.parent.name for file in SETS]


@pytest.mark.parametrize("file", SETS, ids=lambda file: file.parent.name)
def test_the_lock_is_of_this_set_and_names_archives_alone(file: Path) -> None:
    spec, _ = read_spec(file)
    found = read_lock(lock_path(file))
    assert found is not None
    lock, data = found
    check_agreement(lock, spec, lock_path(file), file)
    assert lock.suite == spec.suite
    assert render_lock(lock) == data
    text = data.decode()
    assert set(re.findall(r'"archive": "([^"]+)"', text)) <= {"archive:debian", "archive:debian-security"}
    assert set(re.findall(r'"url": "([^/"]+)/', text)) <= {"archive:debian", "archive:debian-security"}
    assert "://" not in text
    names = {package.name for package in lock.architectures["amd64"].packages}
    assert set(spec.packages) <= names


@pytest.mark.parametrize(
    ("program", "names", "code"),
    [
        ("/bin/false", ["python", "perl"], 2),
        ("/bin/false", ["python", "../bases/go"], 2),
        ("/bin/false", ["python", "go"], 1),
        ("here/true", ["python", "go"], 0),
        ("here/nothing", ["python"], 127),
    ],
)
def test_nothing_is_built_before_every_name_is_known(tmp_path: Path, program: str, names: list[str], code: int) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here/true").symlink_to("/bin/true")
    done = subprocess.run(
        [BASES / "build", *names],
        env={"PATH": "/usr/bin:/bin", "LADING": program},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert len(done.stderr.splitlines()) == (code > 1)

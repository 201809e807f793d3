"""The base images in examples/: their locks are whole, of these sets, and name archives without an address."""

from __future__ import annotations

import re
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

"""The place in a hosts file that is ours, whatever stands around it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from lading.runtime.spec import etc_files
from suites.machine import needs
from suites.small_disk import fill, small_disk

LINES = st.lists(st.from_regex(r"[0-9a-f.:]{1,15}\t[a-z]{1,8}", fullmatch=True), max_size=20).map(
    lambda lines: "".join(f"{line}\n" for line in lines)
)
AROUND = st.binary(max_size=200).filter(lambda data: b"Lading" not in data)


@given(AROUND, AROUND, st.lists(LINES, min_size=1, max_size=4))
def test_what_stands_around_stays(before: bytes, after: bytes, rounds: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "hosts"
        place = etc_files.hosts(shared=True).encode()
        file.write_bytes(before + b"\n" + place + after)
        for others in rounds:
            etc_files.renew(file, others)
            text = file.read_bytes()
            assert text.startswith(before + b"\n")
            assert text.endswith(after)
            assert others.encode() in text
        etc_files.renew(file, "")
        assert file.read_bytes() == before + b"\n" + place + after


def test_a_file_without_our_place_is_the_containers(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    for text in (
        "",
        "192.0.2.1 mine\n",
        etc_files.hosts("x\n"),
        etc_files.hosts(shared=True).partition("# Lading's")[0],
    ):
        file.write_text(text)
        etc_files.renew(file, "192.0.2.2\tother\n")
        assert file.read_text() == text
    etc_files.renew(tmp_path / "gone", "x\n")
    (tmp_path / "link").symlink_to(file)
    file.write_text(etc_files.hosts(shared=True))
    etc_files.renew(tmp_path / "link", "192.0.2.2\tother\n")
    assert file.read_text() == etc_files.hosts(shared=True)


@needs("root")
def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", "100k") as place:
        file = place / "hosts"
        etc_files.write(file, etc_files.hosts(shared=True))
        fill(place)
        etc_files.renew(file, "192.0.2.2\tother\n" * 1000)
        assert file.read_text() == etc_files.hosts(shared=True)

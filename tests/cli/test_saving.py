"""`save` and `load` through pipes and files, among peers."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from suites.commands import LADING, Lading, context
from suites.machine import needs
from suites.patience import PATIENCE
from suites.screen import lading_at


@pytest.fixture(scope="module")
def lading(tmp_path_factory: pytest.TempPathFactory) -> Lading:
    folder = tmp_path_factory.mktemp("saving")
    made = Lading(folder / "root")
    made.ok("keygen")
    for name in ("one", "two"):
        dockerfile = f'FROM scratch\nCOPY f /{name}\nCMD ["/{name}"]\n'
        made.ok("build", "-q", "-t", name, context(folder / name, dockerfile, f=name))
    return made


def piped(lading: Lading, *words: object, into: Path | None = None, out_of: Path | None = None) -> bytes:
    """Runs `lading WORDS` with its standard input or output at a file."""
    environment = {"PATH": os.environ["PATH"], "LADING_ROOT": str(lading.root), "HOME": str(lading.root.parent)}
    data = out_of.read_bytes() if out_of else b""
    done = subprocess.run(
        [LADING, *map(str, words)], env=environment, input=data, capture_output=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    if into:
        into.write_bytes(done.stdout)
    return done.stdout


def digests(lading: Lading) -> dict[str, str]:
    rows = lading.ok("images", "--format", "{{.Repository}} {{.Digest}}").splitlines()
    return dict(row.split() for row in rows)


def test_through_a_pipe_and_back(lading: Lading, tmp_path: Path) -> None:
    piped(lading, "save", "--evidence", "one", "two", into=tmp_path / "a.tar")
    other = Lading(tmp_path / "root")
    assert piped(other, "load", out_of=tmp_path / "a.tar") == b"Loaded image: one:latest\nLoaded image: two:latest\n"
    assert piped(other, "load", "-q", "-i", "-", out_of=tmp_path / "a.tar").count(b"Loaded image: ") == 2
    assert digests(other) == digests(lading)
    assert other.ok("inspect", "-f", "{{len .Referrers}}", "one") == "3"


def test_an_image_without_a_name_is_loaded_by_its_digest(lading: Lading, tmp_path: Path) -> None:
    one = digests(lading)["one"]
    lading.ok("save", "-o", f"oci:{tmp_path / 'dir'}", "one")
    index = tmp_path / "dir/index.json"
    text = index.read_text()
    index.write_text(
        text.replace('"io.containerd.image.name"', '"a"').replace('"org.opencontainers.image.ref.name"', '"b"')
    )
    other = Lading(tmp_path / "root")
    assert other.ok("load", "-i", f"oci:{tmp_path / 'dir'}") == f"Loaded image ID: {one}"
    assert other.ok("inspect", "-f", "{{.Id}}", one[7:19]) == one


@pytest.mark.parametrize("words", [[], ["--format", "docker-archive"], ["--format", "oci-archive"]])
def test_all_or_nothing(lading: Lading, tmp_path: Path, words: list[str]) -> None:
    target = tmp_path / "a.tar"
    said = lading.call("save", "one", "nothing", "two", "none", *words, "-o", target)
    assert said.code == 1
    told = [line.split(" here")[0] for line in said.err.splitlines() if line.startswith("lading: ")]
    assert told == ["lading: no image 'nothing'", "lading: no image 'none'"]
    assert list(tmp_path.iterdir()) == []
    assert lading.call("save", "one", "nothing").out == ""


def test_a_terminal_gets_no_archive_and_gives_none(lading: Lading) -> None:
    for words in (("save", "one"), ("load",)):
        with lading_at(lading, *words) as shown:
            assert shown.end() == 2
            assert "redirect" in shown.text


def test_a_pipe_that_has_a_name_is_written_as_it_is(lading: Lading, tmp_path: Path) -> None:
    plain = piped(lading, "save", "one")
    assert piped(lading, "save", "-o", "/dev/stdout", "one") == plain
    os.mkfifo(tmp_path / "fifo")
    with subprocess.Popen(["cat", tmp_path / "fifo"], stdout=subprocess.PIPE) as reader:
        lading.ok("save", "-o", tmp_path / "fifo", "one")
        assert reader.communicate(timeout=PATIENCE)[0] == plain
    lading.ok("save", "-o", tmp_path / "file", "one")
    assert (tmp_path / "file").read_bytes() == plain


def test_what_cannot_be_asked_for(lading: Lading, tmp_path: Path) -> None:
    lading.fails(2, "save", "one", "--format", "cake", "-o", tmp_path / "a")
    lading.fails(2, "save", "one", "--compression", "xz", "-o", tmp_path / "a")
    lading.fails(2, "save", "one", "--format", "oci-dir")
    lading.fails(2, "save", "one", "--format", "oci-archive", "-o", f"oci:{tmp_path / 'a'}")
    lading.fails(2, "save", "one", "two", "-o", f"oci:{tmp_path / 'a'}:name")
    lading.fails(1, "save", "one", "-o", tmp_path)
    lading.fails(1, "load", "-i", "/dev/null")


def test_another_compression_is_another_image_and_says_so(lading: Lading, tmp_path: Path) -> None:
    said = lading.call("save", "--compression", "gzip", "--evidence", "-o", tmp_path / "a.tar", "one")
    assert said.code == 0
    assert "is another image, sha256:" in said.err
    other = Lading(tmp_path / "root")
    other.ok("load", "-i", tmp_path / "a.tar")
    shown = other.ok("inspect", "-f", "{{.Id}} {{len .Referrers}} {{(index .Layers 0).mediaType}}", "one").split()
    assert shown[0] in said.err
    assert shown[1:] == ["0", "application/vnd.oci.image.layer.v1.tar+gzip"]
    same = "{{index .RootFS.Layers 0}} {{.ConfigDigest}}"
    assert other.ok("inspect", "-f", same, "one") == lading.ok("inspect", "-f", same, "one")
    assert "another image" not in lading.call("save", "--compression", "zstd", "-o", tmp_path / "b.tar", "one").err
    assert len(lading.ok("images", "-aq").split()) == 2  # what was made for the archive is no image of this store


@needs("podman", "root")
@pytest.mark.parametrize(
    "words", [[], ["--compression", "gzip"], ["--format", "docker-archive"], ["--format", "oci-archive"]]
)
def test_podman_loads_it(lading: Lading, tmp_path: Path, words: list[str]) -> None:
    names = ["one"] if "oci-archive" in words else ["one", "two"]  # podman takes one image of a layout
    lading.ok("save", *words, "-o", tmp_path / "a.tar", *names)
    with tempfile.TemporaryDirectory() as short:  # podman takes no long path
        podman = ["podman", "--root", f"{short}/p", "--runroot", f"{short}/r", "--storage-driver", "vfs"]
        done = subprocess.run([*podman, "load", "-i", tmp_path / "a.tar"], check=True, capture_output=True, text=True)
    loaded = [line for line in done.stdout.splitlines() if line.startswith("Loaded image: ")]
    assert loaded == [f"Loaded image: docker.io/library/{name}:latest" for name in names]


@needs("crane")
@pytest.mark.parametrize(
    "words", [["--compression", "gzip"], ["--compression", "none"], ["--format", "docker-archive"]]
)
def test_crane_reads_it(lading: Lading, tmp_path: Path, words: list[str]) -> None:
    lading.ok("save", *words, "-o", tmp_path / "a.tar", "one")
    subprocess.run(["crane", "validate", "--tarball", tmp_path / "a.tar"], check=True, capture_output=True)


@needs("skopeo")
@pytest.mark.parametrize("transport", ["oci-archive", "docker-archive"])
def test_skopeo_reads_the_default_as_either(lading: Lading, tmp_path: Path, transport: str) -> None:
    lading.ok("save", "-o", tmp_path / "a.tar", "one")
    copy = [
        "skopeo",
        "copy",
        "-q",
        f"{transport}:{tmp_path / 'a.tar'}:docker.io/library/one:latest",
        f"dir:{tmp_path / 'd'}",
    ]
    subprocess.run(copy, check=True, capture_output=True)

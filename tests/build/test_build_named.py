"""Which file is the Dockerfile and which the ignore file, and that neither is ever a file from outside, or a pipe."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from lading.store.errors import InputError
from suites.building import Bench, write
from suites.commands import LADING, Lading, context
from suites.machine import needs

pytestmark = needs("root", "overlay")

DOCKERFILE = "FROM scratch\nCOPY . /\n"
SECRET = "TOKEN secret-of-the-host\n"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    return write(tmp_path / "outside", {"secret": SECRET}) / "secret"


def _names(bench: Bench, context: Path, file: Path | None = None) -> set[str]:
    return set(bench.files(bench.build(context, file=file).descriptor))


def test_a_lower_case_name_will_do(bench: Bench, tmp_path: Path) -> None:
    context = write(tmp_path / "c", {"dockerfile": DOCKERFILE, "dockerfile.dockerignore": "b\n", "a": "", "b": ""})
    assert _names(bench, context) == {"dockerfile", "dockerfile.dockerignore", "a"}
    write(context, {"Dockerfile": "FROM scratch\nCOPY a /only\n"})
    assert _names(bench, context) == {"only"}


@pytest.mark.parametrize("target", ["sub/real", "/sub/real", "./sub/../sub/real", "../../../../sub/real"])
def test_a_link_inside_the_context_is_followed(bench: Bench, tmp_path: Path, target: str) -> None:
    """An absolute link, and one with too many dots, means the context: as for what a COPY names."""
    context = write(tmp_path / "c", {"sub/real": "FROM scratch\nCOPY sub /s\n", "sub/patterns": "sub/x\n", "sub/x": ""})
    (context / "Dockerfile").symlink_to(target)
    (context / ".dockerignore").symlink_to("sub/patterns")
    assert _names(bench, context) == {"s", "s/real", "s/patterns"}
    assert _names(bench, context, context / "Dockerfile") == {"s", "s/real", "s/patterns"}


@pytest.mark.parametrize("way", ["absolute", "relative", "by a folder"])
@pytest.mark.parametrize("name", ["Dockerfile", ".dockerignore", "Dockerfile.dockerignore"])
def test_no_word_of_a_file_outside_is_read(bench: Bench, tmp_path: Path, outside: Path, way: str, name: str) -> None:
    context = write(tmp_path / "c", {"Dockerfile": DOCKERFILE, "a": ""})
    (context / name).unlink(missing_ok=True)
    target = {"absolute": str(outside), "relative": f"../outside/{outside.name}", "by a folder": f"up/{outside.name}"}
    if way == "by a folder":
        (context / "up").symlink_to(outside.parent)
    (context / name).symlink_to(target[way])
    for file in (None, context / "Dockerfile"):
        with pytest.raises(InputError, match="a link that leads out of") as caught:
            bench.build(context, file=file)
        assert "TOKEN" not in caught.value.message


def test_a_dockerfile_beside_the_context_is_read_below_its_own_folder(
    bench: Bench, tmp_path: Path, outside: Path
) -> None:
    context = write(tmp_path / "c", {"a": ""})
    beside = write(tmp_path / "beside", {"real": DOCKERFILE, "D.dockerignore": "a\n"})
    (beside / "D").symlink_to("real")
    assert _names(bench, context, beside / "D") == set()
    (beside / "E").symlink_to(outside)
    with pytest.raises(InputError, match="E: a link that leads out of"):
        bench.build(context, file=beside / "E")


@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "folder"])
@pytest.mark.parametrize("name", ["Dockerfile", ".dockerignore", "Dockerfile.dockerignore"])
def test_what_is_no_file_is_not_waited_for(bench: Bench, tmp_path: Path, kind: str, name: str) -> None:
    context = write(tmp_path / "c", {"Dockerfile": DOCKERFILE})
    (context / name).unlink(missing_ok=True)
    _make(context / name, kind)
    with pytest.raises(InputError, match=rf"^{name}: cannot be read: "):
        bench.build(context)


def _make(path: Path, kind: str) -> None:
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.close()
    elif kind == "device":
        os.mknod(path, 0o20666, os.makedev(1, 5))
    else:
        path.mkdir()


@pytest.fixture(scope="module")
def lading(tmp_path_factory: pytest.TempPathFactory) -> Lading:
    made = Lading(tmp_path_factory.mktemp("named") / "root")
    made.ok("keygen")
    return made


@pytest.mark.parametrize(
    "line",
    [
        "$LADING build -q -f <(cat D) c",
        "cat D | $LADING build -q -f /dev/stdin c",
        "$LADING build -q -f /dev/stdin c <D",
        "$LADING build -q -f - c <D",
        "mkfifo fifo; cat D >fifo & $LADING build -q -f fifo c",
    ],
)
def test_what_the_caller_names_may_be_a_pipe(lading: Lading, tmp_path: Path, line: str) -> None:
    context(tmp_path / "c", "FROM nothing-here\n", a="")
    (tmp_path / "D").write_text("FROM scratch\nCOPY a /\n")
    environment = lading.variables(LADING=str(LADING))
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stderr, done.stdout[:7]) == (0, b"", b"sha256:")


def test_a_pipe_in_the_context_is_none_of_the_callers(lading: Lading, tmp_path: Path) -> None:
    folder = context(tmp_path / "c", DOCKERFILE)
    os.mkfifo(folder / "fifo")
    assert "fifo: cannot be read: is a pipe" in lading.fails(1, "build", "-q", "-f", folder / "fifo", folder)


def test_a_layout_to_load_is_files(lading: Lading, tmp_path: Path, outside: Path) -> None:
    folder = context(tmp_path / "c", "FROM scratch\nCOPY a /\n", a="")
    lading.ok("build", "-q", "-o", f"oci:{tmp_path}/layout", folder)
    index, digests = tmp_path / "layout/index.json", sorted((tmp_path / "layout/blobs/sha256").iterdir())
    text = index.read_bytes()
    index.unlink()
    os.mkfifo(index)
    assert "is a pipe" in lading.fails(1, "load", "-i", f"oci:{tmp_path}/layout")
    index.unlink()
    index.symlink_to(outside)
    assert "TOKEN" not in lading.fails(1, "load", "-i", f"oci:{tmp_path}/layout")
    index.unlink()
    index.write_bytes(text)
    for blob in digests:
        blob.unlink()
        os.mkfifo(blob)
    other = Lading(tmp_path / "root")
    assert "is a pipe" in other.fails(1, "load", "-i", f"oci:{tmp_path}/layout", "--tag", "x")

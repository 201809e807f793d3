"""What of a folder is a context, and what of it must never be in an image."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lading.build.context.folders import Folder, follow
from lading.build.errors import DockerfileError
from lading.verify.keys.keys import PrivateKey
from suites.building import Bench, write
from suites.machine import needs

pytestmark = needs("root", "overlay")


def _names(bench: Bench, context: Path, **options: object) -> set[str]:
    return set(bench.files(bench.build(context, **options).descriptor))


def test_ignores(bench: Bench, tmp_path: Path) -> None:
    context = write(
        tmp_path / "c",
        {
            "Dockerfile": "FROM scratch\nCOPY . /\n",
            ".dockerignore": "# no\n*.log\n!keep.log\nsecret\n**/*.tmp\nnode/*\n!node/dist/x\nDockerfile\n.docker*\n",
            "a.log": "",
            "keep.log": "",
            "sub/b.log": "",
            "sub/x.tmp": "",
            "secret/key": "",
            "node/a": "",
            "node/dist/x": "",
            "node/dist/y": "",
        },
    )
    assert _names(bench, context) == {"keep.log", "sub", "sub/b.log", "node", "node/dist", "node/dist/x"}
    with pytest.raises(DockerfileError, match=r'D:2: COPY: "/secret" not found'):
        bench.build(write(context, {"D": "FROM scratch\nCOPY secret /\n"}), file=context / "D")
    write(context, {"D.dockerignore": "*\n!a.log\n", "D": "FROM scratch\nCOPY . /\n"})
    assert _names(bench, context, file=context / "D") == {"a.log"}


def test_links_do_not_lead_out(bench: Bench, tmp_path: Path) -> None:
    write(tmp_path, {"outside": "secret", "etc/passwd": "secret"})
    context = write(tmp_path / "c", {"Dockerfile": "FROM scratch\nCOPY up abs /\n", "etc/hosts": "inside"})
    (context / "up").symlink_to("../outside")
    (context / "abs").symlink_to("/etc/hosts")
    with pytest.raises(DockerfileError, match='"/up" not found'):
        bench.build(context)
    write(context, {"Dockerfile": "FROM scratch\nCOPY abs /\nCOPY ../etc /x/\n"})
    files = bench.files(bench.build(context).descriptor)
    assert files["abs"][3] == b"inside"
    assert files["x/hosts"][3] == b"inside"
    (context / "loop").symlink_to("loop")
    with pytest.raises(Exception, match="too many levels"):
        bench.build(write(context, {"Dockerfile": "FROM scratch\nCOPY loop /\n"}))


def test_keys_state_and_sockets_stay_out(bench: Bench, tmp_path: Path) -> None:
    context = write(tmp_path / "c", {"Dockerfile": "FROM scratch\nCOPY . /all/\n", "a": "", "state/x": ""})
    key = PrivateKey.generate()
    write(context, {"cosign.key": key.write(b""), "cosign.pub": key.public.pem})
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(context / "socket"))
    names = _names(bench, context, private=(context / "state",))
    assert names == {"all", "all/Dockerfile", "all/a", "all/cosign.pub"}
    assert bench.listener.warnings == [
        "cosign.key: left out of the context: a private signing key",
        "socket: left out of the context: a socket",
        "state: left out of the context: state of lading",
    ]
    with pytest.raises(DockerfileError, match=r"Dockerfile:2: COPY: cosign\.key: is a private signing key"):
        bench.build(write(context, {"Dockerfile": "FROM scratch\nCOPY cosign.key /\n"}))
    assert _names(bench, write(context, {"Dockerfile": "FROM scratch\nCOPY cosign.* socket /\n"})) == {"cosign.pub"}
    assert bench.listener.warnings[0] == "cosign.key: left out of the context: a private signing key"
    with pytest.raises(DockerfileError, match='"/state/x" not found'):
        bench.build(write(context, {"Dockerfile": "FROM scratch\nCOPY state/x /\n"}), private=(context / "state",))


def test_the_store_inside_the_context_stays_out(tmp_path: Path) -> None:
    context = write(tmp_path / "c", {"Dockerfile": "FROM scratch\nCOPY . /\n"})
    inner = Bench(context / "root")
    assert _names(inner, context) == {"Dockerfile"}
    assert _names(inner, context) == {"Dockerfile"}
    inner.close()


def test_devices_and_pipes_are_refused(bench: Bench, tmp_path: Path) -> None:
    context = write(tmp_path / "c", {"Dockerfile": "FROM scratch\nCOPY d /\n", "d/a": ""})
    os.mkfifo(context / "d/pipe")
    with pytest.raises(DockerfileError, match=r"Dockerfile:2: COPY: d/pipe: is a named pipe") as caught:
        bench.build(context)
    assert caught.value.hint
    assert ".dockerignore" in caught.value.hint


def test_names_that_are_not_utf8(bench: Bench, tmp_path: Path) -> None:
    context = write(tmp_path / "c", {"Dockerfile": "FROM scratch\nCOPY d /\n", "d/%41": "p"})
    Path(os.fsdecode(bytes(context / "d") + b"/caf\xe9")).write_bytes(b"c")
    files = bench.files(bench.build(context).descriptor)
    assert files[os.fsdecode(b"caf\xe9")][3] == b"c"
    assert files["%41"][3] == b"p"


ODD = os.fsdecode(b"caf\xe9")


@pytest.mark.parametrize("pattern", ["caf*", "*", "[a-z]*", "?*", "."])
def test_names_that_are_not_utf8_by_any_pattern(bench: Bench, tmp_path: Path, pattern: str) -> None:
    context = write(tmp_path / ODD, {"Dockerfile": f"FROM scratch\nCOPY {pattern} /one/\n", ODD: "1"})
    (context / f"{ODD}-link").symlink_to(ODD)
    built = bench.build(context)
    files = bench.files(built.descriptor)
    assert files[f"one/{ODD}"][3] == b"1"
    assert all(report.cached for report in bench.build(context).steps)
    (context / ODD).write_text("2")
    assert bench.files(bench.build(context).descriptor)[f"one/{ODD}"][3] == b"2"


def test_names_that_are_not_utf8_in_everything_else(bench: Bench, tmp_path: Path) -> None:
    """Two names that differ in such a byte alone are two names, and a Dockerfile may have one."""
    other = os.fsdecode(b"caf\xe8")
    context = write(tmp_path / "c", {f"D{ODD}": "FROM scratch\nCOPY caf? /\n", ODD: "1", other: "2"})
    (context / ".dockerignore").write_bytes(b"caf\xe8\n")
    file = context / f"D{ODD}"
    assert set(bench.files(bench.build(context, file=file).descriptor)) == {ODD}
    (context / ".dockerignore").write_bytes(b"caf\xe9\n")
    assert set(bench.files(bench.build(context, file=file).descriptor)) == {other}
    (context / f"D{ODD}.dockerignore").write_bytes(b"caf*\n")
    assert set(bench.files(bench.build(context, file=file).descriptor)) == set()
    assert any("matches nothing" in warning for warning in bench.listener.warnings)


def test_a_name_that_a_layer_cannot_hold(bench: Bench, tmp_path: Path) -> None:
    context = write(tmp_path / "c", {"Dockerfile": "FROM scratch\nCOPY d /\n", "d/.wh.a": ""})
    with pytest.raises(DockerfileError, match=r"Dockerfile:2: COPY: \.wh\.a: a layer cannot hold"):
        bench.build(context)
    assert not bench.store.index.all("SELECT key FROM snapshot")


def test_normal_modes(bench: Bench, tmp_path: Path) -> None:
    context = write(tmp_path / "c", {"Dockerfile": "FROM scratch\nCOPY d /\n", "d/a": "", "d/run": "", "d/e/f": ""})
    os.chmod(context / "d/a", 0o600)
    os.chmod(context / "d/run", 0o700)
    os.chmod(context / "d/e", 0o700)
    files = bench.files(bench.build(context, normal_modes=True).descriptor)
    assert [files[name][0] for name in ("a", "run", "e")] == ["0o100644", "0o100755", "0o40755"]
    files = bench.files(bench.build(context).descriptor)
    assert [files[name][0] for name in ("a", "run", "e")] == ["0o100600", "0o100700", "0o40700"]


@settings(max_examples=60)
@given(st.lists(st.sampled_from(["a", "b", "..", ".", "l", "m", "n"]), max_size=7))
def test_following_stays_inside(parts: list[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        root = write(Path(folder) / "root", {"a/b/x": "", "b/a": ""})
        (root / "l").symlink_to("../../..")
        (root / "a/m").symlink_to("/b/../../a")
        (root / "a/b/n").symlink_to("../m/../l")
        with Folder(root) as view:
            found = follow(view, "/".join(parts))
            assert not found.startswith("/")
            assert ".." not in found.split("/")
            real = os.path.realpath(root / found)
            assert real == os.path.join(os.path.realpath(root), found).rstrip("/")

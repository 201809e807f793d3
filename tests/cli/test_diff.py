"""`lading diff` names what differs, whoever made the images and wherever they lie."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from suites.commands import Lading, context
from suites.machine import needs
from suites.registry_hostile import hostile


@pytest.fixture
def lading(tmp_path: Path) -> Lading:
    lading = Lading(tmp_path / "root")
    lading.ok("keygen")
    return lading


def build(lading: Lading, folder: Path, name: str, *words: str, **files: str) -> None:
    text = 'FROM scratch\nCOPY a /etc/a\nENV WORD=one\nCOPY b c /srv/\nCMD ["/x"]\n'
    made = context(folder / name, text, **{"a": "first", "b": "second", "c": "third", **files})
    lading.ok("build", "-q", "-t", f"localhost/{name}", *words, made)


def differ(lading: Lading, *words: str) -> str:
    """What is said of images that differ."""
    said = lading.call("diff", *words)
    assert (said.code, said.err) == (1, "")
    return said.out


def parsed(lading: Lading, *words: str) -> dict[str, list[dict[str, object]]]:
    return json.loads(differ(lading, "--format", "json", *words))


def test_what_differs_is_told_with_its_layer(lading: Lading, tmp_path: Path) -> None:
    build(lading, tmp_path, "one")
    build(lading, tmp_path, "two", "--label", "x=y", b="SECOND", c="")
    assert lading.ok("diff", "localhost/one", "localhost/one").startswith("same")
    lines = differ(lading, "localhost/one", "localhost/two").splitlines()
    assert lines[0].endswith(": 2 files differ, 1 field of the config, 1 layer")
    assert lines[1] == "  file    /srv/b  content (6 bytes each); layer 2 (COPY b c /srv/)"
    assert lines[2] == "  file    /srv/c  content (5 bytes and 0 bytes); layer 2 (COPY b c /srv/)"
    assert '  config  config.Labels: nothing and {"x": "y"}' in lines
    found = parsed(lading, "localhost/one", "localhost/two")
    assert [item["path"] for item in found["files"]] == ["srv/b", "srv/c"]
    assert found["counts"] == {"files": 2, "config": 1, "manifest": 0, "layers": 1}


def test_many_files_are_counted_and_not_all_named(lading: Lading, tmp_path: Path) -> None:
    for name in ("few", "many"):
        made = context(tmp_path / name, "FROM scratch\nCOPY . /\n")
        for number in range(1500 if name == "many" else 1):
            (made / f"file{number:04}").write_text("")
        lading.ok("build", "-q", "-t", f"localhost/{name}", made)
    lines = differ(lading, "localhost/few", "localhost/many").splitlines()
    assert "1,499 files are in B alone" in lines[0]
    assert "  file    and 1,479 more: --limit 0 shows all" in lines
    assert len(lines) < 30
    assert len(differ(lading, "--limit", "0", "localhost/few", "localhost/many").splitlines()) > 1500
    assert "expected a number" in lading.fails(2, "diff", "--limit", "-1", "localhost/few", "localhost/many")


def test_the_same_files_compressed_otherwise_are_another_image(lading: Lading, tmp_path: Path) -> None:
    build(lading, tmp_path, "one")
    build(lading, tmp_path, "two", "--compression", "gzip")
    out = differ(lading, "localhost/one", "localhost/two")
    assert out.splitlines()[0].endswith(": 2 layers compressed otherwise")


def test_in_a_registry_and_in_a_layout(lading: Lading, tmp_path: Path) -> None:
    build(lading, tmp_path, "one")
    build(lading, tmp_path, "two", "-o", f"oci:{tmp_path}/layout:two", a="other")
    with hostile() as registry:
        lading.ok("tag", "localhost/two", f"{registry.host}/team/two")
        lading.ok("push", "-q", f"{registry.host}/team/two")
        lading.ok("rmi", f"{registry.host}/team/two")
        out = differ(lading, "localhost/one", f"{registry.host}/team/two")
        assert "/etc/a  content (5 bytes each); layer 1" in out
        lading.ok("diff", "localhost/two", f"{registry.host}/team/two")
    lading.ok("diff", "localhost/two", f"oci:{tmp_path}/layout:two")
    assert "holds 0 images" in lading.fails(1, "diff", "localhost/two", f"oci:{tmp_path}/layout:three")


def test_a_container_is_not_compared_yet(lading: Lading) -> None:
    assert "name two images" in lading.fails(2, "diff", "localhost/one")


def run(*words: object) -> None:
    subprocess.run([str(word) for word in words], check=True, capture_output=True)


def on_disk(root: Path) -> dict[str, tuple[object, ...]]:
    """What umoci unpacked: path to all that a difference can be of."""
    found: dict[str, tuple[object, ...]] = {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = Path(folder, name)
            info = path.lstat()
            link = os.readlink(path) if path.is_symlink() else ""
            data = path.read_bytes() if stat.S_ISREG(info.st_mode) else b""
            names = os.listxattr(path, follow_symlinks=False)
            attributes = {key: os.getxattr(path, key, follow_symlinks=False) for key in names}
            found[str(path.relative_to(root))] = (info.st_mode, info.st_uid, info.st_gid, link, data, attributes)
    return found


@needs("root", "umoci", "skopeo")
def test_a_variant_that_umoci_makes_is_told_file_by_file(lading: Lading, tmp_path: Path) -> None:
    build(lading, tmp_path, "one", "--compression", "gzip", "-o", f"oci:{tmp_path}/layout:one")
    layout = f"{tmp_path}/copy"  # without containerd's name, which umoci would give to what it makes of it
    run("skopeo", "copy", f"oci:{tmp_path}/layout:one", f"oci:{layout}:one")
    lading.ok("diff", "localhost/one", f"oci:{layout}:one")
    bundle = tmp_path / "bundle"
    run("umoci", "unpack", "--image", f"{layout}:one", bundle)
    before = on_disk(bundle / "rootfs")
    etc, srv = bundle / "rootfs/etc", bundle / "rootfs/srv"
    (etc / "a").write_text("other content")
    (srv / "b").unlink()
    (srv / "c").chmod(0o4711)
    os.chown(etc, 7, 8)
    (srv / "deep/er").mkdir(parents=True)
    (srv / "deep/er/link").symlink_to("../c")
    (srv / "deep/attribute").write_text("")
    os.setxattr(srv / "deep/attribute", "user.word", b"value")
    after = on_disk(bundle / "rootfs")
    run("umoci", "repack", "--image", f"{layout}:two", bundle)
    run("umoci", "config", "--image", f"{layout}:two", "--config.user", "web", "--config.env", "WORD=two")
    found = parsed(lading, "--limit", "0", f"oci:{layout}:one", f"oci:{layout}:two")
    told = {str(item["path"]) for item in found["files"] if item["what"] != ["time"]}
    assert told == {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert len(told) == 8
    assert {str(item["field"]) for item in found["config"]} >= {"config.User", "config.Env.WORD"}
    removed = next(item for item in found["files"] if item["path"] == "srv/b")
    assert removed["second"] is None

"""`build -o`, `--metadata-file`, `--annotation`: what a build leaves beside the store."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from suites.commands import LADING, Lading, context
from suites.machine import needs
from suites.patience import PATIENCE
from suites.screen import lading_at

DOCKERFILE = """FROM scratch AS base
COPY a /d/a
COPY --chown=5:6 --chmod=4755 a /d/lends
FROM base
COPY b /d/a
COPY b /b
"""


@pytest.fixture(scope="module")
def lading(tmp_path_factory: pytest.TempPathFactory) -> Lading:
    made = Lading(tmp_path_factory.mktemp("outputs") / "root")
    made.ok("keygen")
    return made


@pytest.fixture(scope="module")
def folder(lading: Lading) -> Path:
    return context(lading.root.parent / "context", DOCKERFILE, a="first", b="second")


def streamed(lading: Lading, *words: object) -> tuple[bytes, str]:
    done = subprocess.run(
        [LADING, *map(str, words)], env=lading.variables(), capture_output=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.err
    return done.stdout, done.stderr.decode()


@needs("root")
def test_a_folder_gets_the_files_over_what_is_in_it(lading: Lading, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out/d").mkdir(parents=True)
    (tmp_path / "out/d/kept").write_text("mine")
    (tmp_path / "outside").mkdir()
    (tmp_path / "out/b").symlink_to(tmp_path / "outside/b")
    lading.ok("build", "-q", "-o", tmp_path / "out", folder)
    assert sorted(os.listdir(tmp_path / "out")) == ["b", "d"]
    found = {path.name: path.read_text() for path in (tmp_path / "out/d").iterdir()}
    assert found == {"a": "second", "lends": "first", "kept": "mine"}
    assert (tmp_path / "out/b").read_text() == "second"
    assert not list((tmp_path / "outside").iterdir())  # a link in the way is replaced, not followed
    lends = (tmp_path / "out/d/lends").stat()
    assert (lends.st_uid, lends.st_gid, stat.S_IMODE(lends.st_mode)) == (os.geteuid(), os.getegid(), 0o755)


@needs("root")
def test_a_new_folder_is_made_with_those_above_it(lading: Lading, folder: Path, tmp_path: Path) -> None:
    lading.ok("build", "-q", "--output", f"type=local,dest={tmp_path}/x/y", folder)
    assert (tmp_path / "x/y/d/a").read_text() == "second"


@needs("root")
def test_a_tar_holds_the_merged_tree(lading: Lading, folder: Path, tmp_path: Path) -> None:
    lading.ok("build", "-q", "-o", f"type=tar,dest={tmp_path}/a.tar", folder)
    out, _ = streamed(lading, "build", "-q", "-o", "-", folder)
    assert out == (tmp_path / "a.tar").read_bytes()
    words = ["tar", "--numeric-owner", "--full-time", "--utc", "-tvf", tmp_path / "a.tar"]
    listed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    assert [(row[0], row[1], row[-1]) for row in rows] == [
        ("-rw-r--r--", "0/0", "b"),
        ("drwxr-xr-x", "0/0", "d/"),
        ("-rw-r--r--", "0/0", "d/a"),
        ("-rwsr-xr-x", "5/6", "d/lends"),
    ]
    assert {row[3] for row in rows} == {"1980-01-01"}


@needs("root")
def test_what_goes_to_standard_output_is_alone_there(lading: Lading, folder: Path, tmp_path: Path) -> None:
    out, said = streamed(lading, "build", "-o", "type=oci,dest=-", "-t", "piped", folder)
    (tmp_path / "a.tar").write_bytes(out)
    assert "piped:latest" in said
    lading.ok("rmi", "piped")
    assert lading.ok("load", "-i", tmp_path / "a.tar") == "Loaded image: piped:latest"
    with lading_at(lading, "build", "-o", "-", folder) as shown:
        assert shown.end() == 2
        assert "standard output is a terminal" in shown.text


def test_types_of_buildx(lading: Lading, folder: Path) -> None:
    lading.ok("build", "-q", "--load", "--rm", "-o", "type=image,name=localhost/one", "-o", "type=cacheonly", folder)
    lading.ok("build", "-q", "-o", "type=docker", "-o", '"type=image","name=localhost/two,localhost/three"', folder)
    assert {"localhost/one", "localhost/two", "localhost/three"} <= set(
        lading.ok("images", "--format", "{{.Repository}}").split()
    )


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("type=s3,dest=x", "-o type=s3,dest=x: expected type=local|tar|oci|docker,dest=PATH"),
        ("type=local", "-o type=local: expected type=local|tar|oci|docker,dest=PATH"),
        ("type=image,push=maybe", "expected type=local"),
        ("type=tar,dest=-,tar=false", "expected type=local"),
        ("dir:x", "-o dir:x: expected oci:DIR, oci-archive:FILE or docker-archive:FILE"),
        ("type=registry", "--push needs a name to push to"),
    ],
)
def test_what_is_no_output(lading: Lading, folder: Path, word: str, reason: str) -> None:
    assert reason in lading.fails(2, "build", "-o", word, folder)


def test_two_streams_are_one_too_many(lading: Lading, folder: Path) -> None:
    said = lading.fails(2, "build", "-o", "-", "-o", "type=oci,dest=-", folder)
    assert "two outputs to standard output" in said


def test_metadata_and_annotations(lading: Lading, folder: Path, tmp_path: Path) -> None:
    words = ["--metadata-file", tmp_path / "m.json", "--annotation", "a=1", "--annotation", "manifest:b=x=y"]
    digest = lading.ok("build", "-q", *words, "-t", "noted", folder)
    found = json.loads((tmp_path / "m.json").read_text())
    manifest = json.loads(lading.ok("inspect", "--raw", "noted"))
    assert manifest["annotations"] == {"a": "1", "b": "x=y"}
    assert found["containerimage.digest"] == found["containerimage.descriptor"]["digest"] == digest
    assert found["containerimage.config.digest"] == manifest["config"]["digest"]
    assert found["image.name"] == "docker.io/library/noted:latest"
    assert digest != lading.ok("build", "-q", folder)


def test_only_a_manifest_is_annotated(lading: Lading, folder: Path) -> None:
    assert "no index is made of one platform" in lading.fails(2, "build", "--annotation", "index:a=1", folder)

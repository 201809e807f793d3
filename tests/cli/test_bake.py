"""`lading bake`: images of a bake file, built together, signed each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from suites.commands import Lading, context
from suites.machine import needs

pytestmark = needs("root", "overlay")

TWO = {
    "group": {"default": {"targets": ["one", "two"]}},
    "variable": {"TAG": {"default": "v"}},
    "target": {
        "one": {"context": "a", "tags": ["localhost/one:1"], "labels": {"kind": "${TAG}"}},
        "two": {"context": "b", "contexts": {"base": "target:one"}, "tags": ["localhost/two:${TAG}"]},
    },
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Lading:
    lading = Lading(tmp_path_factory.mktemp("bake") / "root")
    lading.ok("keygen")
    return lading


@pytest.fixture
def lading(made: Lading, tmp_path: Path) -> Lading:
    context(tmp_path / "a", "FROM scratch\nCOPY f /f\n", f="first")
    context(tmp_path / "b", "FROM base\nCOPY g /g\n", g="second")
    return Lading(made.root, folder=tmp_path)


def written(lading: Lading, text: str, name: str = "docker-bake.hcl") -> Lading:
    assert lading.folder is not None
    (lading.folder / name).write_text(text)
    return lading


def built(said: str) -> dict[str, str]:
    """Digests by target."""
    return {line.split()[1]: line.split()[0] for line in said.splitlines()}


def test_two_targets_are_built_and_signed_and_one_stands_on_the_other(lading: Lading) -> None:
    written(lading, json.dumps(TWO), "docker-bake.json")
    digests = built(lading.ok("bake", "--metadata-file", "out.json", TAG="w"))
    assert set(digests) == {"one", "two"}
    lading.ok("verify", "localhost/one:1", "localhost/two:w")
    (two,) = json.loads(lading.ok("inspect", "localhost/two:w"))
    assert two["Id"] == digests["two"] or two["Digest"] == digests["two"]
    assert lading.folder is not None
    told = json.loads((lading.folder / "out.json").read_text())
    assert {name: one["containerimage.digest"] for name, one in told.items()} == digests
    (one,) = json.loads(lading.ok("inspect", "localhost/one:1"))
    assert two["RootFS"]["Layers"][:1] == one["RootFS"]["Layers"]
    assert built(lading.ok("bake", "two", TAG="w")) == {"two": digests["two"]}


def test_a_failure_is_told_with_its_place(lading: Lading) -> None:
    written(lading, 'target "default" {\n  context = "a"\n  tags = [nothing]\n}\n')
    said = lading.fails(1, "bake")
    assert said == "lading: docker-bake.hcl:3:11: there is no variable named 'nothing'"


def test_no_file_and_no_target(lading: Lading) -> None:
    assert "there is no bake file here" in lading.fails(1, "bake")
    written(lading, 'target "app" {\n  context = "a"\n}\n')
    assert "there is no target 'default'" in lading.fails(1, "bake")
    assert "there is no target 'apq' (did you mean app?)" in lading.fails(1, "bake", "apq")


def test_what_lies_outside_is_for_the_caller_to_allow(lading: Lading, tmp_path: Path) -> None:
    outside = context(tmp_path.parent / f"{tmp_path.name}-outside", "FROM scratch\nCOPY f /f\n", f="x")
    written(lading, f'target "default" {{\n  context = "{outside}"\n}}\n')
    assert "wants to read" in lading.fails(1, "bake")
    assert set(built(lading.ok("bake", "--allow", f"fs.read={outside}"))) == {"default"}


def test_outputs_are_written_and_bounded(lading: Lading, tmp_path: Path) -> None:
    written(lading, 'target "default" {\n  context = "a"\n  output = ["type=local,dest=out"]\n}\n')
    lading.ok("bake")
    assert (tmp_path / "out/f").read_text() == "first"
    written(lading, 'target "default" {\n  context = "a"\n  output = ["type=local,dest=/elsewhere"]\n}\n')
    assert "wants to write /elsewhere" in lading.fails(1, "bake")


def test_what_targets_share_is_executed_once(lading: Lading, tmp_path: Path) -> None:
    """Also where nothing of the cache may be used."""
    context(
        tmp_path / "c",
        "FROM scratch AS shared\nCOPY f /f\nFROM shared AS x\nCOPY f /x\nFROM shared AS y\nCOPY f /y\n",
        f="c",
    )
    written(
        lading,
        'group "default" {\n  targets = ["x", "y"]\n}\n'
        'target "x" {\n  context = "c"\n  target = "x"\n}\n'
        'target "y" {\n  context = "c"\n  target = "y"\n}\n',
    )
    said = lading.call("bake", "--no-cache", "--progress", "json").err
    events = [json.loads(line) for line in said.splitlines()]
    started = [event["text"] for event in events if event["event"] == "started"]
    assert len([text for text in started if "/f" in text]) == 1, started

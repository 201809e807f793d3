"""`lading build --check`, and what a build says of the checks at its end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from suites.commands import Lading, context
from suites.registry_server import running_server

FINDING = "Dockerfile:2: JSONArgsRecommended: a shell stands between CMD and signals: "


@pytest.fixture
def lading(tmp_path: Path) -> Lading:
    return Lading(tmp_path / "root")


def test_a_check_prints_what_it_finds_and_builds_nothing(lading: Lading, tmp_path: Path) -> None:
    folder = context(tmp_path / "context", "FROM scratch\nCMD x\nRUN false\n")
    said = lading.call("build", "--check", folder)
    assert said.code == 1
    assert said.out.startswith(FINDING)
    assert said.err == ""
    assert lading.ok("images", "-aq") == ""


def test_a_check_that_finds_nothing_says_so(lading: Lading, tmp_path: Path) -> None:
    folder = context(tmp_path / "context", "FROM scratch\nCOPY nothing /\n")
    said = lading.call("build", "--check", folder)
    assert (said.code, said.out, said.err) == (0, "", "the checks found nothing\n")
    assert lading.call("build", "--check", "-q", folder).err == ""


def test_programs_are_told_in_the_form_that_they_know(lading: Lading, tmp_path: Path) -> None:
    folder = context(tmp_path / "context", "FROM scratch\nCMD x\nWORKDIR ${\n")
    said = lading.call("build", "--check", "--format", "json", folder)
    document = json.loads(said.out)
    assert said.code == 1
    assert [(one["ruleName"], one["location"]["ranges"][0]["start"]) for one in document["warnings"]] == [
        ("JSONArgsRecommended", {"line": 2})
    ]
    assert document["buildError"]["location"]["ranges"] == [{"start": {"line": 3}, "end": {"line": 3}}]
    events = [json.loads(line) for line in lading.call("build", "--check", "--progress=json", folder).err.splitlines()]
    assert [(event["event"], event.get("rule"), event.get("line")) for event in events] == [
        ("finding", "JSONArgsRecommended", 2),
        ("error", None, None),
    ]


def test_an_error_of_the_file_ends_a_check_like_a_build(lading: Lading, tmp_path: Path) -> None:
    folder = context(tmp_path / "context", "FROM scratch\nCMD x\nNOPE\n")
    assert lading.fails(1, "build", "--check", folder).startswith("lading: Dockerfile:3: unknown instruction: NOPE")


def test_a_package_set_has_no_checks(lading: Lading, tmp_path: Path) -> None:
    (tmp_path / "set.toml").write_text("")
    assert lading.fails(2, "build", "--check", "-f", tmp_path / "set.toml", tmp_path).startswith(
        "lading: checks are for Dockerfiles: "
    )
    assert lading.fails(2, "build", "--format", "x", tmp_path) == "lading: --format x: expected one of text, json"


def test_a_build_says_them_in_short_at_its_end(lading: Lading, tmp_path: Path) -> None:
    lading.ok("keygen")
    folder = context(tmp_path / "context", "FROM scratch\nCMD x\nENV A b\n")
    said = lading.call("build", folder)
    assert said.code == 0
    head, *lines = said.err.splitlines()[-4:]
    assert head == "2 warnings of the build checks (# check=skip=RULE silences one):"
    assert lines[0].startswith(f"  {FINDING}")
    assert "check" not in lading.call("build", "-q", folder).err


def test_a_check_asks_a_registry_for_the_config_of_a_base_alone(lading: Lading, tmp_path: Path) -> None:
    lading.ok("keygen")
    base = "FROM scratch\nCOPY f /f\nENV HOME=/home TOKEN_FILE=/x\nONBUILD WORKDIR relative\n"
    checked = Lading(tmp_path / "other")
    with running_server(tmp_path / "registry") as address:
        digest = lading.ok("build", "-q", "-t", f"{address}/base", "--push", context(tmp_path / "b", base, f="x"))
        layer = json.loads(lading.ok("inspect", "--raw", digest))["layers"][0]["digest"].removeprefix("sha256:")
        (blob,) = (tmp_path / "registry").rglob(f"*{layer}*")
        blob.unlink()
        folder = context(tmp_path / "c", f"FROM {address}/base\nCOPY --from={address}/base f $HOME/$TOKEN_FILE/$NO\n")
        said = checked.call("build", "--check", folder)
        assert said.code == 1
        assert [line.split(": ")[1] for line in said.out.splitlines()] == ["WorkdirRelativePath", "UndefinedVar"]
        assert said.err.count(f"base image {address}/base:latest is unverified") == 1
        assert checked.ok("images", "-aq") == ""
        checked.ok("keygen")
        policy = checked.root / "policy.yaml"
        policy.write_text(policy.read_text().replace("    allow_unverified: true\n", ""))
        assert "refused by scope default (from" in checked.fails(3, "build", "--check", folder)

"""The build checks find what BuildKit's find, on the same lines (`checks/answers.json` is recorded of it)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lading.build.checks.ruleset import EXPERIMENTAL, RULES
from lading.build.errors import DockerfileError
from suites.building import Bench, write
from suites.buildkit import BuildKit, buildkit
from suites.check_cases import BASE, CASES, base, checked, rows, split
from suites.machine import needs

ANSWERS: dict[str, Any] = json.loads((Path(__file__).parent / "checks/answers.json").read_text())


@pytest.fixture(scope="module")
def daemon() -> Iterator[BuildKit]:
    with buildkit() as daemon:
        yield daemon


@pytest.mark.parametrize("title", CASES)
def test_finds_what_the_reference_finds(title: str) -> None:
    text, ignore = split(CASES[title])
    report, answer = checked(text.encode(), ignore, base(CASES[title])), ANSWERS[title]
    assert rows(report) == answer["found"]
    # Where the file makes an error of what is found, the report says it once.
    assert (report.error is not None or (title == "error" and bool(report.findings))) == answer["refused"]


def test_every_rule_speaks_in_some_case_and_no_other_does() -> None:
    assert {rule for answer in ANSWERS.values() for rule, _ in answer["found"]} == set(RULES)
    assert len(RULES) == 22
    assert set(RULES) >= EXPERIMENTAL
    assert ANSWERS.keys() == CASES.keys()


@needs("root", "buildkitd", "runc")
def test_the_recording_is_what_the_daemon_says(daemon: BuildKit, tmp_path: Path) -> None:
    for title, case in CASES.items():
        if base(case) is None:
            text, ignore = split(case)
            context = write(tmp_path / title, {"Dockerfile": text, ".dockerignore": ignore})
            assert daemon.checks(context) == ANSWERS[title]["found"], title


def test_a_finding_says_where_and_what_to_do() -> None:
    report = checked(b'FROM scratch\nENV PATH=$PAHT\nWORKDIR a\nCMD ["a"]\nCMD ["b"]\n')
    assert [str(finding) for finding in report.findings] == [
        "Dockerfile:2: UndefinedVar: $PAHT is not set here (did you mean PATH?): declare it with ARG or ENV, "
        "or escape the $",
        "Dockerfile:3: WorkdirRelativePath: 'a' depends on where the base image ends: begin it with /",
        "Dockerfile:4: MultipleInstructionsDisallowed: another CMD follows in this stage, and only the last one "
        "counts: take this one out",
    ]


def test_what_a_base_sets_is_known() -> None:
    assert not checked(b"FROM base\nENV A=$LANG\nCMD a\n", config=BASE).findings


def test_a_build_says_them_and_goes_on(bench: Bench, tmp_path: Path) -> None:
    built = bench.build(write(tmp_path / "context", {"Dockerfile": "FROM scratch\nCMD x\nFROM scratch\nENV A b\n"}))
    assert [(finding.rule, finding.place.line) for finding in built.findings] == [("LegacyKeyValueFormat", 4)]


def test_a_build_ends_where_the_file_says_so(bench: Bench, tmp_path: Path) -> None:
    text = "# check=error=true\nFROM scratch\nCOPY nothing /\nCMD x\n"
    with pytest.raises(DockerfileError, match=r"^Dockerfile:4: JSONArgsRecommended: ") as caught:
        bench.build(write(tmp_path / "context", {"Dockerfile": text}))
    assert caught.value.hint


@pytest.mark.parametrize(
    ("directive", "message"),
    [
        ("skip", "Dockerfile:1: # check=: 'skip' is not known"),
        ("error=x", "Dockerfile:1: # check=: error=x: expected "),
    ],
)
def test_a_directive_that_says_nothing_is_refused(bench: Bench, tmp_path: Path, directive: str, message: str) -> None:
    with pytest.raises(DockerfileError, match=f"^{message}"):
        bench.build(write(tmp_path / "context", {"Dockerfile": f"# check={directive}\nFROM scratch\n"}))


@pytest.mark.parametrize(
    "image",
    [
        *("docker/dockerfile", "docker/dockerfile:1", "docker/dockerfile:1.26-labs", "docker/dockerfile:latest"),
        *("docker.io/docker/dockerfile:1.7.1", f"docker/dockerfile:1@sha256:{'0' * 64}"),
    ],
)
@pytest.mark.parametrize("mark", ["#", "//"])
def test_the_front_end_that_is_understood_is_taken(image: str, mark: str) -> None:
    report = checked(f"{mark} syntax={image} and more\n# a comment\nFROM scratch\n".encode())
    assert report.error is None if mark == "#" else "unknown instruction: //" in str(report.error)


@pytest.mark.parametrize(
    "image", ["docker/dockerfile-upstream:master", "example.com/docker/dockerfile:1", "docker/dockerfile:2", "x"]
)
@pytest.mark.parametrize(
    "form", ["# syntax={}\nFROM scratch\n", "#!/x\n// syntax = {}\nFROM a\n", '{{"syntax": "{}"}}']
)
def test_another_front_end_is_refused_by_name(image: str, form: str) -> None:
    error = checked(form.format(image).encode()).error
    assert isinstance(error, DockerfileError)
    assert f": the front end {image} is not known here" in error.message
    assert error.hint


def test_the_front_end_may_come_from_the_call(bench: Bench, tmp_path: Path) -> None:
    context = write(tmp_path / "context", {"Dockerfile": "FROM scratch\nENV A=1\n"})
    bench.build(context, arguments={"BUILDKIT_SYNTAX": "docker/dockerfile:1"})
    with pytest.raises(DockerfileError, match=r"^Dockerfile:1: the front end example/x is not known"):
        bench.build(context, arguments={"BUILDKIT_SYNTAX": "example/x"})

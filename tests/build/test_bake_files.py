"""What bake files come to is what buildx prints for them, or a refusal where that refuses.

Its answers were recorded (`bake/record.py`); where there is a `buildx` a few are asked for again, all of them with
LADING_CORPUS=all.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from suites.bake_cases import BAKE_CASES, DIFFERENCES, FOLDER, BakeCase, printed
from suites.commands import LADING, Lading
from suites.machine import BIN, needs

RECORD: dict[str, Any] = json.loads((FOLDER / "answers.json").read_text())
ANSWERS: dict[str, Any] = RECORD["answers"]
_USED = 'target "default" {\n  args = { A = a }\n}\n'
_DOUBLED = "v0 = [1, 2]\n" + "".join(f"v{n + 1} = concat(v{n}, v{n})\n" for n in range(40)) + "a = v40\n"
_STACKED = "".join(f"v{n} = v{n + 1}\n" for n in range(3000)) + "v3000 = 1\na = v0\n"
ASKED_AGAIN = BAKE_CASES if os.environ.get("LADING_CORPUS") == "all" else BAKE_CASES[::20]


def test_every_case_is_recorded() -> None:
    assert list(ANSWERS) == [case.name for case in BAKE_CASES]
    assert set(DIFFERENCES) <= set(ANSWERS)


@pytest.mark.parametrize("case", BAKE_CASES, ids=lambda case: case.name)
def test_as_recorded(case: BakeCase, tmp_path: Path) -> None:
    """A known difference that is none any more fails."""
    found = printed([str(LADING)], case, case.write(tmp_path / "work"), tmp_path)
    assert (found == ANSWERS[case.name]) == (case.name not in DIFFERENCES), (found, ANSWERS[case.name])


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("compose.yaml", "services:\n  a:\n    build:\n    - context: [a]\n", "expected a section"),
        ("docker-bake.hcl", 'target "a${null}" {}\n', "docker-bake.hcl:1:8: label: string required"),
        ("docker-bake.hcl", "a = " + "(" * 1000, "nested more than 100 deep"),
        ("docker-bake.hcl", "a = " + "-" * 1000 + "1", "nested more than 100 deep"),
        ("docker-bake.hcl", 'target "default" {\n  args = { A = 1e99999 }\n}\n', "a number of more than 1000 digits"),
        ("docker-bake.hcl", "a = 1e999999999\n" + _USED, "is not a number"),
        ("docker-bake.hcl", "a = 1e900000 % 7\n" + _USED, "a number that is too large"),
        ("docker-bake.hcl", 'a = bcrypt("a", 31)\n' + _USED, "a cost between 4 and 16"),
        ("docker-bake.hcl", 'a = bcrypt("a", "x")\n' + _USED, "'x' is not a number"),
        ("docker-bake.hcl", _DOUBLED + _USED, "concat: a list of more than 1048576 items"),
        ("docker-bake.hcl", _STACKED + _USED, "more deeply than can be followed"),
        (
            "docker-bake.hcl",
            'target "default" {\n  name = "a"\n  matrix = { a = range(999), b = range(999), c = range(999) }\n}\n',
            "more than 10000 combinations",
        ),
        (
            "docker-bake.hcl",
            'function "f" {\n  params = []\n  result = f()\n}\na = f()\nb = a\ntarget "default" {\n'
            "  args = { A = a }\n}\n",
            "functions that call each other without end",
        ),
        *(
            ("docker-bake.hcl", f'target "default" {{\n  args = {{ A = {written} }}\n}}\n', said)
            for written, said in (
                ('"\\UFFFFFFFF"', "is no character"),
                ('"\\uD800"', "is no character"),
                ("1e999999 * 1e999999", "a number that is too large, or none"),
                ("1e999999 % 7", "a number that is too large, or none"),
                ('format("%d", 1e99999999999999999999)', "is not a number"),
                ("multiply(1e999999, 1e999999)", "multiply: an argument that it cannot work with"),
                ('regexall("a{99999999999}", "a")', "is no regular expression: {99999999999}"),
                (f'regex("(a+)+$", "{"a" * 4000}b")', "is not in"),
                (f'regexall("(a.*b)?", "{"a" * 40000}")', "more matches than are looked for"),
                ('indent(1000000000, "a\\nb")', "indent: a string of more than 16 MiB"),
                ('replace(indent(1000000, "\\n"), " ", "0123456789 123456789")', "replace: a string of more than 16"),
                ('join(indent(1000000, "\\n"), range(100))', "join: a string of more than 16 MiB"),
                ("setproduct(range(1024), range(1024))", "setproduct: more than 65536 combinations"),
            )
        ),
        ("compose.yaml", "a: &a [*a]\nservices: {b: {build: .}}\n", "compose.yaml:1: "),
    ],
)
def test_what_nobody_should_write_is_refused_in_a_line(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    told = Lading(tmp_path / "root", folder=tmp_path).fails(1, "bake", "--print")
    assert said in told


@pytest.mark.parametrize("word", ["190:20:30.15", "!!float e5", "+.inf", "1.0e+400"])
def test_what_is_no_fraction_of_ours_is_text(tmp_path: Path, word: str) -> None:
    (tmp_path / "compose.yaml").write_text(f"services: {{a: {{build: {{context: ., args: {{A: {word}}}}}}}}}\n")
    told = Lading(tmp_path / "root", folder=tmp_path).call("bake", "--print", "a")
    assert json.loads(told.out)["target"]["a"]["args"] == {"A": word.rpartition(" ")[2]}


def test_a_pipe_that_a_compose_file_names_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "compose.yaml").write_text("services:\n  a:\n    build: .\n    env_file: pipe\n")
    assert "pipe: not a regular file" in Lading(tmp_path / "root", folder=tmp_path).fails(1, "bake", "--print")


@needs("buildx")
@pytest.mark.parametrize("case", ASKED_AGAIN, ids=lambda case: case.name)
def test_the_record_is_buildxs(case: BakeCase, tmp_path: Path) -> None:
    assert printed([str(BIN / "buildx")], case, case.write(tmp_path / "work"), tmp_path) == ANSWERS[case.name]

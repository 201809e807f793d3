"""`--format` takes Go's templates: held against what Go's own text/template writes for the same template and data.

`templates/expected.json` was recorded from `templates/oracle.go`; where Go is there, random ones are tried too.
"""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.cli.templates.executing import Template
from lading.cli.templates.go_values import document
from lading.store.errors import InputError, LadingError, UsageError
from suites.machine import needs
from suites.patience import PATIENCE

FOLDER = Path(__file__).with_name("templates")
GIVEN: dict[str, Any] = json.loads((FOLDER / "templates.json").read_text())
EXPECTED: dict[str, str | None] = json.loads((FOLDER / "expected.json").read_text())
OURS = {
    # What is not there has no length, letters or members: docker's typed data behaves like that.
    "{{len .Missing}}": "0",
    "{{len nil}}": "0",
    "{{upper .Missing}}": "",
    "{{.Null.Nope}}": "<no value>",
    # Go takes it by accident; templates within templates are refused.
    "{{.Name |}}": None,
    # Named as not supported.
    '{{printf "%[2]v" 1 2}}': None,
    '{{printf "%#v" .Name}}': None,
    '{{printf "%x" 0.5}}': None,
    '{{define "x"}}a{{end}}{{.Name}}': None,
}


def ours(template: str) -> str | None:
    try:
        return Template(template).render(GIVEN["data"])
    except LadingError as error:
        assert error.message
        return None


def test_every_template_is_recorded() -> None:
    assert set(GIVEN["templates"]) == set(EXPECTED)


@pytest.mark.parametrize("template", GIVEN["templates"])
def test_as_go(template: str) -> None:
    assert ours(template) == OURS.get(template, EXPECTED[template])


PATHS = [
    ".",
    ".ID",
    ".Name",
    ".Empty",
    ".Count",
    ".Zero",
    ".Rate",
    ".On",
    ".Off",
    ".Null",
    ".List",
    ".Numbers",
    ".None",
]
# Without maps of texts alone: what they lack is "" here and no value in Go's untyped data.
PATHS += [
    "$i",
    "$e",
    "$x",
    ".Config",
    ".Config.Cmd",
    ".Mounts",
    ".Ports",
    ".State.Running",
    ".Nested.Deep",
    "$.Name",
    "$.List",
]
LITERALS = [
    '"a"',
    '"%s-%v|"',
    '"%*d"',
    '"%5d|%-5s|%05.1f|%q"',
    '"%.*f %T %U"',
    "`b`",
    "0",
    "1",
    "3",
    "-7",
    "2.5",
    "true",
    "false",
    "'x'",
    '""',
]
CALLS = [
    "len",
    "not",
    "json",
    "print",
    "println",
    "upper",
    "lower",
    "title",
    "index",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
]
CALLS += ["and", "or", "printf", "slice", "split", "join", "truncate", "pad"]


def value(draw: random.Random, depth: int) -> str:
    if depth and draw.random() < 0.4:
        return f"({pipeline(draw, depth - 1)})"
    return draw.choice(PATHS if draw.random() < 0.7 else LITERALS)


def pipeline(draw: random.Random, depth: int) -> str:
    if draw.random() < 0.3:
        return value(draw, depth)
    words = [draw.choice(CALLS), *(value(draw, depth) for _ in range(draw.randint(1, 2)))]
    return " ".join(words) + (f" | {draw.choice(CALLS)}" if draw.random() < 0.3 else "")


def node(draw: random.Random, depth: int) -> str:
    begin, end = draw.choice(["{{", "{{- "]), draw.choice(["}}", " -}}"])
    choice = draw.random()
    if not depth or choice < 0.4:
        return draw.choice([" a\n", " "]) + begin + pipeline(draw, depth) + end
    word = draw.choice(["if", "with", "range", "range $i, $e :=", "range $e :=", "if $x :=", "with $x :="])
    inner = body(draw, depth - 1)
    other = f"{{{{else}}}}{body(draw, depth - 1)}" if draw.random() < 0.4 else ""
    return f"{begin}{word} {pipeline(draw, depth - 1)}{end}{inner}{other}{{{{end}}}}"


def body(draw: random.Random, depth: int) -> str:
    return "".join(node(draw, depth) for _ in range(draw.randint(1, 2)))


@needs("go")
@pytest.mark.parametrize("seed", range(2))
def test_random_templates_as_go(seed: int) -> None:
    draw = random.Random(seed)
    templates = [body(draw, 3) for _ in range(1500)]
    given = json.dumps({"data": GIVEN["data"], "templates": templates})
    argv = ["go", "run", FOLDER / "oracle.go"]
    done = subprocess.run(argv, input=given, capture_output=True, text=True, check=True, timeout=PATIENCE)
    expected = json.loads(done.stdout)
    # Where Go fails for a type that our plain data does not tell apart, another answer does no harm.
    wrong = {text: (expected[text], ours(text)) for text in templates if expected[text] not in (None, ours(text))}
    assert not wrong


@given(st.text(alphabet='{}.-|()$:= "`\\ABjsonifendrange\n*/', max_size=40))
def test_any_text_is_rendered_or_refused(text: str) -> None:
    ours(text)
    ours("{{" + text + "}}")


def test_a_document_names_its_fields_and_a_map_does_not() -> None:
    data = document({"Id": "x", "Config": {"Labels": {"Id": "label"}}}, frozenset({"Labels"}))
    assert Template("{{.ID}} {{.Config.Labels.Id}} {{.Config.Labels.ID}}").render(data) == "x label <no value>"
    with pytest.raises(InputError, match=r"no field \.Name") as caught:
        Template("{{.Name}}").render(data)
    assert caught.value.hint == "there are Config, Id"


@pytest.mark.parametrize(
    "template", ["{{.__class__}}", "{{.Name.upper}}", "{{.List.__len__}}", "{{.keys}}", '{{printf "%999999d" 1}}']
)
def test_python_and_memory_are_out_of_reach(template: str) -> None:
    with pytest.raises(LadingError):
        Template(template).render(document(GIVEN["data"], frozenset()))


def test_what_runs_is_bounded() -> None:
    with pytest.raises(InputError, match="steps"):
        Template("{{range 1000000}}{{range 1000000}}{{end}}{{end}}").render({})
    with pytest.raises(InputError, match="characters"):
        Template('{{range 100000}}{{printf "%4000d" 1}}{{end}}').render({})
    with pytest.raises(UsageError, match="deep"):
        Template("{{" + "(" * 1000 + "1" + ")" * 1000 + "}}")

"""What is said of a value that is none of its option's."""

from __future__ import annotations

from pathlib import Path

import pytest

from lading.cli.calls.command_table import COMMANDS
from lading.cli.calls.forms import FORMS
from suites.commands import Lading

_NUMBERS = {"int": "a whole number", "float": "a number"}
_VERBS = {
    inner_entry.module or inner: (name, inner) if inner else (name,)
    for name, entry in COMMANDS.items()
    for inner, inner_entry in (entry.commands or {"": entry}).items()
}


def _numeric() -> list[tuple[str, str, str]]:
    """Module, option and kind of every option that takes a number; of those with two spellings, the last."""
    found = {
        (module, target): (module, option, kind)
        for module, (options, _, _) in FORMS.items()
        for option, (target, kind, _) in options.items()
        if kind in _NUMBERS
    }
    return sorted(found.values())


@pytest.mark.parametrize(("module", "option", "kind"), _numeric())
def test_an_option_that_takes_a_number_says_so(tmp_path: Path, module: str, option: str, kind: str) -> None:
    verb = _VERBS[module]
    for value in ("two", "o'clock", ""):
        said = Lading(tmp_path).call(*verb, option, value, "x", "x")
        assert said.code == (125 if verb[-1] == "run" else 2)
        assert said.err.splitlines() == [
            f"lading: {option} {value}: expected {_NUMBERS[kind]}",
            f"  hint: `lading {' '.join(verb)} --help` shows what it takes",
        ]


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_no_number_that_cannot_be_waited_for(tmp_path: Path, value: str) -> None:
    said = Lading(tmp_path).call("stop", f"--time={value}", "x")
    assert (said.code, said.err) == (2, f"lading: --time {value}: expected a number\n")


def test_choices_are_listed(tmp_path: Path) -> None:
    said = Lading(tmp_path).call("pull", "--evidence", "two", "x")
    assert said.err.splitlines()[0] == "lading: --evidence two: expected one of wanted, required"


def test_an_error_that_quotes_without_an_end_is_told_by_its_ends(tmp_path: Path) -> None:
    text = "${A:-" * 5000 + "x" + "}" * 5000
    (tmp_path / "compose.yaml").write_text(f"services: {{a: {{build: {{context: ., args: {{x: '{text}'}}}}}}}}\n")
    line = Lading(tmp_path / "root", folder=tmp_path).fails(1, "bake", "--print")
    assert line.startswith("lading: compose.yaml: services.a.build.args.x: ")
    assert " … " in line
    assert len(line) < 4100

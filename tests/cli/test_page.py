"""Help and completion without typer say what typer says, to the letter."""

from __future__ import annotations

import io
from contextlib import redirect_stdout

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer._completion_classes import completion_init

from lading.cli.calls import completing, declared_forms
from lading.cli.calls.command_table import COMMANDS
from lading.cli.calls.forms import FORMS, PAGE
from lading.cli.calls.help_page import page
from lading.cli.calls.typer_app import application


def typer_says(words: list[str]) -> tuple[str, int]:
    said = io.StringIO()
    code = 0
    with redirect_stdout(said):
        try:
            application().main(words, prog_name="lading", standalone_mode=False)
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
    return said.getvalue(), code


def test_the_page_is_what_is_declared() -> None:
    assert declared_forms.page() == PAGE, "scripts/forms writes it anew"


@pytest.mark.parametrize("columns", [*range(40, 100), 200])
def test_the_page_is_set_as_typer_sets_it(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert (f"{page()}\n", 0) == typer_says(["--help"])


NAMES = [*COMMANDS, "image", "container", "ls", "prune"]
OPTIONS = [name for form in FORMS.values() for name in form[0]]
WORD = st.one_of(
    st.sampled_from(NAMES), st.sampled_from(OPTIONS), st.sampled_from(["", "x", "-", "--", "ru", "=", "'"])
)


@settings(max_examples=300)
@given(
    words=st.lists(WORD, max_size=3),
    cut=st.integers(0, 8),
    shell=st.sampled_from(["bash", "zsh", "fish", "powershell", "sh"]),
    action=st.sampled_from(["get-args", "is-args", ""]),
    at=st.sampled_from([None, 0, 1, 9]),
)
def test_completion_is_what_typer_answers(words: list[str], cut: int, shell: str, action: str, at: int | None) -> None:
    line = " ".join(["lading", *words])
    line = line[: max(len(line) - cut, 7)]
    environment = {
        "_LADING_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1 if at is None else at),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": action,
    }
    found = completing.answer(environment)
    if found is not None:
        completion_init()
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            assert found == typer_says([])


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(("line", "wanted"), [("lading ", "images"), ("lading ru", "run"), ("lading image ru", None)])
def test_names_of_commands_need_no_typer(shell: str, line: str, wanted: str | None) -> None:
    environment = {
        "_LADING_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    found = completing.answer(environment)
    assert found is None if wanted is None else found is not None and wanted in found[0]


def test_options_in_bash_need_no_typer() -> None:
    environment = {"_LADING_COMPLETE": "complete_bash", "COMP_WORDS": "lading run --sig", "COMP_CWORD": "2"}
    assert completing.answer(environment) == ("--sig-proxy\n", 0)

"""What is read without typer is what typer would have read, and nothing that it refuses is taken."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lading.cli.calls.call_reader import Call, UnsureError
from lading.cli.calls.command_table import COMMANDS
from lading.cli.calls.declared_forms import forms
from lading.cli.calls.forms import FORMS
from lading.cli.calls.typer_app import application, resolved
from lading.cli.cli_session import CliSession
from lading.store.errors import UsageError

PATHS = [
    (name, *([inner] if inner else []))
    for name, entry in COMMANDS.items()
    for inner in (entry.commands or [""])
    if not entry.later
]
VALUES = (
    "",
    "a",
    "x=y",
    "1",
    "1.5",
    "-1",
    "true",
    "no",
    "none",
    "json",
    "auto",
    "always",
    "bash",
    "-",
    "--",
    "=",
    "🙂",
)


def test_the_forms_are_what_the_commands_declare() -> None:
    assert forms() == FORMS, "scripts/forms writes them anew"


def asked_of_typer(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> tuple[object, ...] | None:
    """The command, its values and the session's, as typer hands them over; None where it hands over nothing."""
    found: list[tuple[object, ...]] = []

    def recorded(module: str, function: Callable[..., object]) -> Callable[..., object]:
        @functools.wraps(function)
        def record(ctx: Any, **values: object) -> None:
            found.append((module, values, seen(CliSession.of(ctx))))

        return record

    with monkeypatch.context() as patch:
        for module in FORMS:
            if module:
                home = import_module(f"lading.cli.commands.{module}")
                name = module.rpartition(".")[2]
                patch.setattr(home, name, recorded(module, resolved(getattr(home, name))))
        try:
            application().main(list(words), prog_name="lading", standalone_mode=False)
        except Exception:
            return None
    return found[0] if found else None


def read(words: list[str]) -> tuple[object, ...] | None:
    """The same without typer; None where that is unsure."""
    try:
        call = Call(words)
    except UnsureError:
        return None
    bound = inspect.signature(call.command).bind(None, **call.values)
    bound.apply_defaults()
    values = {name: value for name, value in bound.arguments.items() if name != "ctx"}
    return call.module, values, seen(call.session())


def seen(session: CliSession) -> tuple[object, ...]:
    return session.root, session.run, session.color, session.verbose


def options_of(path: tuple[str, ...]) -> list[str]:
    entry = COMMANDS[path[0]]
    entry = entry.commands[path[1]] if entry.commands and len(path) > 1 else entry
    return list(FORMS.get(entry.module or path[-1], ({}, ()))[0])


@st.composite
def calls(draw: st.DrawFn) -> list[str]:
    """Command lines that mostly make sense: own options, as one word or two, clusters, values, words between."""
    path = draw(st.sampled_from(PATHS))
    names = options_of(path)
    value = st.sampled_from(VALUES)
    name = st.sampled_from([*names, "--help", "--unknown", "-h", "-z"] if names else ["--help", "-h"])
    word = st.one_of(
        name.map(lambda name: [name]),
        st.tuples(name, value).map(list),
        st.tuples(name, value).map(lambda pair: ["=".join(pair)]),
        st.tuples(name, name, value).map(lambda three: [f"{three[0][:2]}{three[1][1:2]}{three[2]}"]),
        value.map(lambda value: [value]),
    )
    outer = st.sampled_from([[], [], ["-v"], ["--root", "/r"], ["--root=/r", "--color", "never"], ["--color=pink"]])
    return [*draw(outer), *path, *(one for words in draw(st.lists(word, max_size=6)) for one in words)]


@settings(max_examples=400)
@given(words=calls())
def test_it_reads_as_typer_does_or_leaves_it_to_typer(words: list[str]) -> None:
    ours = read(words)
    if ours is not None:
        with pytest.MonkeyPatch.context() as patch:
            assert ours == asked_of_typer(patch, words)


@pytest.mark.parametrize("path", PATHS, ids="-".join)
def test_a_plain_call_needs_no_typer(path: tuple[str, ...]) -> None:
    entry = COMMANDS[path[0]]
    entry = entry.commands[path[1]] if entry.commands and len(path) > 1 else entry
    form = FORMS.get(entry.module or path[-1])
    if entry.later or form is None:
        assert read(list(path)) is None
        return
    named = {target: name for name, (target, _, _) in form[0].items()}
    words = [f"{named[name]}=a" for name in form[2] if name in named]
    words += ["bash" if kind.endswith(":CompletionShell") else "a" for name, kind, _ in form[1] if name in form[2]]
    assert read([*path, *words]) is not None


def test_a_file_that_cannot_be_read_is_left_to_typer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "policy.yaml"
    file.touch()
    words = ["run", "--policy", str(file), "image"]
    assert read(words) is not None
    monkeypatch.setattr("os.access", lambda *_: False)
    assert read(words) is None


def test_words_that_no_flag_takes_are_complained_about_by_typer() -> None:
    with pytest.raises(UsageError, match="expected true or false"):
        application().main(["run", "--rm=perhaps", "x"], prog_name="lading", standalone_mode=False)
    assert read(["run", "--rm=perhaps", "x"]) is None

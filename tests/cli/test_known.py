"""An option that others have is said to be not built yet, never taken for another."""

from __future__ import annotations

import re
import subprocess

import pytest

from lading.cli.calls.command_table import COMMANDS
from lading.cli.calls.peer_options import _KNOWN
from lading.cli.calls.typer_app import application
from lading.cli.main import call
from suites.machine import needs

HERE = [verb for verb in _KNOWN if verb in COMMANDS and not COMMANDS[verb].later]


def ours(verb: str) -> set[str]:
    command = application().get_command(None, verb) if verb else application()
    return {name for param in command.params for name in (*param.opts, *param.secondary_opts)} | {"--help", "-h"}


def check(verb: str, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The call fails at once, with that."""
    code = call([*([verb] if verb else []), option])
    assert code == (COMMANDS[verb].failure or 2 if verb else 2)
    assert capsys.readouterr().err.startswith(f"lading: {option} is not built yet\n")


@pytest.mark.parametrize("verb", ["", *HERE])
def test_every_option_of_the_table(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    for name in _KNOWN[verb].split():
        option = f"-{name}" if len(name) == 1 else f"--{name}"
        if option not in ours(verb):
            check(verb, option, capsys)


def options(*words: str) -> set[str]:
    """Those that the help of another program lists."""
    text = subprocess.run([*words, "--help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"(?m)^ +(?:-\w, )?(--[\w-]+)", text)) | set(re.findall(r"(?m)^ +(-\w)\b", text))


@needs("podman", "buildah", "skopeo")
@pytest.mark.parametrize("verb", [verb for verb in HERE if verb not in ("sign", "attest", "verify", "keygen")])
def test_every_option_of_podman_and_its_kin(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    others = options("podman", verb)
    others |= (
        options("buildah", verb) if verb in ("build", "push", "pull", "images", "rmi", "login", "logout") else set()
    )
    others |= options("skopeo", "inspect") if verb == "inspect" else set()
    for option in sorted(others - ours(verb)):
        check(verb, option, capsys)


@needs("cosign")
@pytest.mark.parametrize("verb", ["sign", "attest", "verify", "keygen"])
def test_every_option_of_cosign(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    others = options("cosign", "generate-key-pair" if verb == "keygen" else verb)
    others |= options("cosign", "verify-attestation") if verb == "verify" else set()
    for option in sorted(others - ours(verb)):
        check(verb, option, capsys)


@pytest.mark.parametrize("words", [("container", "run"), ("image", "ls"), ("image", "rm")])
def test_under_groups_too(words: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    option = {"run": "--gpus", "ls": "--tree", "rm": "--no-prune"}[words[1]]
    assert call([*words, option]) == (125 if "run" in words else 2)
    assert capsys.readouterr().err.startswith(f"lading: {option} is not built yet\n")


def test_what_nobody_has_gets_what_was_perhaps_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["run", "--hostnme", "x", "image"]) == 125
    said = capsys.readouterr().err
    assert said.startswith("lading: no such option: --hostnme\n")
    assert "did you mean --hostname" in said


@needs("podman")
@pytest.mark.parametrize("words", [("image", "prune"), ("system", "prune"), ("system", "df")])
def test_every_option_of_podmans_groups(words: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    group = application().get_command(None, words[0])
    own = {name for param in group.get_command(None, words[1]).params for name in param.opts} | {"--help", "-h"}
    for option in sorted(options("podman", *words) - own):
        assert call([*words, option]) == 2
        assert capsys.readouterr().err.startswith(f"lading: {option} is not built yet\n")


@pytest.mark.parametrize(
    "words", [("image", "prune"), ("system", "prune"), ("builder", "prune"), *((verb,) for verb in HERE)]
)
def test_no_option_stands_for_two(words: tuple[str, ...]) -> None:
    command = application()
    for word in words:
        command = command.get_command(None, word)
    names = [name for param in command.params for name in (*param.opts, *param.secondary_opts)]
    assert len(names) == len(set(names))

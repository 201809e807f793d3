"""Keys from files, pipes and variables; passwords from variables, files and the terminal."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest

from suites.commands import LADING, Lading, context
from suites.machine import needs
from suites.screen import terminal


@pytest.fixture
def lading(tmp_path: Path) -> Lading:
    lading = Lading(tmp_path / "root")
    lading.ok("keygen")
    return lading


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return context(tmp_path / "c", "FROM scratch\nCOPY file /file\n", file="x")


def test_a_key_whose_policy_was_not_written_yet_gets_one(lading: Lading) -> None:
    policy, key = lading.root / "policy.yaml", lading.root / "keys/cosign.key"
    wanted, before = policy.read_text(), key.read_bytes()
    policy.unlink()  # as after a kill between the two
    assert "(trusts this key)" in lading.ok("keygen")
    assert (policy.read_text(), key.read_bytes()) == (wanted, before)
    assert "cosign.key exists" in lading.fails(1, "keygen")


def test_a_pair_of_its_own_signs_and_verifies(lading: Lading, folder: Path, tmp_path: Path) -> None:
    said = lading.ok("keygen", "-o", tmp_path / "team")
    assert said.splitlines() == [f"private key: {tmp_path}/team.key", f"public key: {tmp_path}/team.pub"]
    before = (tmp_path / "team.key").read_bytes()
    lading.fails(1, "keygen", "-o", tmp_path / "team")
    assert (tmp_path / "team.key").read_bytes() == before
    lading.ok("build", "-q", "-t", "app", "--sign-key", tmp_path / "team.key", folder)
    lading.fails(3, "verify", "app")
    assert "accepted" in lading.ok("verify", "--key", tmp_path / "team.pub", "app")


@pytest.mark.parametrize("word", ["env:SIGNING_KEY", "env://SIGNING_KEY", "/dev/stdin", "<(cat $key)"])
def test_a_key_need_not_be_a_file(lading: Lading, folder: Path, tmp_path: Path, word: str) -> None:
    lading.ok("keygen", "-o", tmp_path / "team")
    key = tmp_path / "team.key"
    done = subprocess.run(
        ["bash", "-c", f"key={key}; exec {LADING} build -q -t app --sign-key {word} {folder} <$key"],
        env=lading.variables(SIGNING_KEY=key.read_text()), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "accepted" in lading.ok("verify", "--key", tmp_path / "team.pub", "app")
    assert "PRIVATE KEY" not in lading.ok("provenance", "app")


def test_a_variable_that_is_not_there_is_named(lading: Lading, folder: Path) -> None:
    assert "'NOWHERE'" in lading.fails(1, "build", "--sign-key", "env:NOWHERE", folder)


def test_the_password_in_a_file(lading: Lading, folder: Path, tmp_path: Path) -> None:
    lading.environment["LADING_PASSWORD"] = ""
    del lading.environment["LADING_PASSWORD"]
    secret = tmp_path / "secret"
    secret.write_text("pw\n")
    variables = {name: value for name, value in lading.variables().items() if name != "LADING_PASSWORD"}
    for content, code in (("pw\n", 0), ("pw", 0), ("wrong\n", 1)):
        secret.write_text(content)
        done = subprocess.run(
            [LADING, "build", "-q", "--label", f"a={len(content)}", folder],
            env={**variables, "LADING_PASSWORD_FILE": str(secret)}, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
    assert "the password in LADING_PASSWORD_FILE does not open this key" in done.stderr
    done = subprocess.run(
        [LADING, "build", "-q", "--label", "a=x", folder], env=variables, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 1
    assert "has a password, and none was given" in done.stderr


@needs("root", "overlay", "crun")
def test_a_wrong_password_ends_a_build_before_its_first_step(lading: Lading, tmp_path: Path) -> None:
    folder = context(tmp_path / "never", 'FROM scratch\nRUN ["/never"]\n')
    assert "does not open" in lading.fails(1, "build", folder, LADING_PASSWORD="wrong")
    assert "/never" in lading.fails(1, "build", folder)


def test_at_a_terminal_it_is_asked_for_and_again_after_a_wrong_one(lading: Lading, folder: Path) -> None:
    variables = {name: value for name, value in lading.variables().items() if name != "LADING_PASSWORD"}
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(LADING, [str(LADING), "build", "-t", "app", str(folder)], variables)
    shown = b""
    for wanted, typed in ((b"Password of", b"wrong\n"), (b"does not open it", b"pw\n")):
        while wanted not in shown:
            shown += os.read(terminal, 4096)
        shown = shown[shown.index(wanted) :]
        while b": " not in shown:
            shown += os.read(terminal, 4096)
        os.write(terminal, typed)
        shown = b""
    try:
        while data := os.read(terminal, 4096):
            shown += data
    except OSError:
        pass  # the other end is closed
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, shown
    assert b"wrong" not in shown and b"pw" not in shown
    os.close(terminal)


def test_for_a_key_without_a_password_nobody_is_asked(lading: Lading, folder: Path, tmp_path: Path) -> None:
    lading.ok("keygen", "-o", tmp_path / "open", LADING_PASSWORD="")
    variables = {name: value for name, value in lading.variables().items() if name != "LADING_PASSWORD"}
    with terminal([LADING, "build", "--sign-key", tmp_path / "open.key", folder], variables) as shown:
        assert shown.end() == 0
    assert "Password" not in shown.text


def test_rotation_is_told(lading: Lading, folder: Path) -> None:
    lading.ok("build", "-q", "-t", "old", folder)
    said = lading.ok("key", "rotate")
    assert "(trusts both)" in said
    lading.ok("build", "-q", "-t", "new", "--label", "a=b", folder)
    for name in ("old", "new"):
        assert "accepted" in lading.ok("verify", name)
    (lading.root / "policy.yaml").write_text("# mine\n" + (lading.root / "policy.yaml").read_text())
    assert "was edited and is left as it is" in lading.call("key", "rotate").err

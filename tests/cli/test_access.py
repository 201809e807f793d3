"""Passwords for registries: by `login`, from a file, in the call; never in what is said."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest

from suites.commands import Lading, context
from suites.registry_server import running_server

SECRET = "s3cr:et-word"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("guarded")
    hashed = bcrypt.hashpw(SECRET.encode(), bcrypt.gensalt(4)).decode()
    (folder / "passwords").write_text(f"ann:{hashed}\n")
    with running_server(folder / "registry", htpasswd=folder / "passwords") as address:
        yield address


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Lading:
    folder = tmp_path_factory.mktemp("made")
    lading = Lading(folder / "root")
    lading.ok("keygen")
    lading.ok("build", "-q", "-t", "app", context(folder / "c", "FROM scratch\nCOPY f /f\n", f="x"))
    return lading


def auth_file(file: Path, registry: str, password: str = SECRET) -> Path:
    auth = base64.b64encode(f"ann:{password}".encode()).decode()
    file.write_text(json.dumps({"auths": {registry: {"auth": auth}}}))
    return file


def test_credentials_of_the_call(made: Lading, guarded: str, tmp_path: Path) -> None:
    name = f"{guarded}/team/app:1"
    for words in (["push", "app", name], ["pull", name], ["verify", "--remote", name], ["sign", "--remote", name]):
        said = made.call(*words, "--creds", "ann:wrong")
        assert said.code == (5 if words[0] == "verify" else 1)
        assert "wrong" not in said.out + said.err
        made.fails(said.code, *words)
        said = made.call(*words, "--creds", f"ann:{SECRET}", LADING_DEBUG="1")
        assert said.code == 0, said.err
        assert SECRET not in said.out + said.err
    digest = made.ok("images", "-q", "--no-trunc", name)
    attest = ["attest", "--remote", "--predicate", "-", name, "--creds", f"ann:{SECRET}"]
    assert made.call(*attest, stdin="{}").out.strip() == digest
    assert "nobody" not in made.ok("provenance", "--remote", name, "--creds", f"ann:{SECRET}")
    made.ok("build", "-q", "--push", "-t", f"{guarded}/team/built", "--creds", f"ann:{SECRET}", made.root.parent / "c")
    assert not any(SECRET.encode() in file.read_bytes() for file in made.root.rglob("*.json"))


def test_credentials_are_for_one_registry(made: Lading, guarded: str) -> None:
    for words in (["pull", f"{guarded}/a", "localhost:1/b"], ["build", made.root.parent / "c"]):
        assert "a password is for one" in made.fails(2, *words, "--creds", f"ann:{SECRET}")
    assert SECRET not in made.fails(2, "pull", f"{guarded}/a", "--creds", f":{SECRET}")
    made.fails(2, "pull", f"{guarded}/a", "--creds", "ann")  # there is no terminal to ask at


def test_a_file_of_the_call_and_of_the_environment(made: Lading, guarded: str, tmp_path: Path) -> None:
    name = f"{guarded}/team/filed:1"
    good, bad = auth_file(tmp_path / "good", guarded), auth_file(tmp_path / "bad", guarded, "other")
    made.ok("push", "-q", "app", name, "--authfile", good)
    made.ok("pull", "-q", name, REGISTRY_AUTH_FILE=str(good))
    made.ok("pull", "-q", name, "--authfile", good, REGISTRY_AUTH_FILE=str(bad))
    made.fails(1, "pull", name, "--authfile", bad, REGISTRY_AUTH_FILE=str(good))
    made.ok("pull", "-q", name, "--authfile", bad, "--creds", f"ann:{SECRET}")
    assert "no such file" in made.fails(1, "pull", name, "--authfile", tmp_path / "none")


def test_login_keeps_it_where_it_is_told(made: Lading, guarded: str, tmp_path: Path) -> None:
    file = tmp_path / "auth.json"
    login = ["login", "-u", "ann", "--password-stdin", guarded]
    made.fails(1, "login", "--get-login", guarded)
    assert str(file) in made.call(*login, "--authfile", file, stdin=SECRET).out
    assert str(tmp_path / "env") in made.call(*login, stdin=SECRET, REGISTRY_AUTH_FILE=str(tmp_path / "env")).out
    for stored in (file, tmp_path / "env"):
        assert stored.stat().st_mode & 0o777 == 0o600
        assert made.ok("login", "--get-login", "--authfile", stored, guarded) == "ann"
    made.fails(1, "login", "--get-login", guarded)
    made.ok("logout", "--authfile", file, guarded)
    made.fails(1, "login", "--get-login", "--authfile", file, guarded)
    said = made.call("login", "-u", "ann", "-p", "wrong", "--authfile", file, guarded)
    assert said.code == 1
    assert "--password-stdin" in said.err
    assert not said.err.count("wrong")


def test_the_rest_is_done_where_one_is_unknown(made: Lading, guarded: str, tmp_path: Path) -> None:
    file = auth_file(tmp_path / "auth", guarded)
    names = [f"{guarded}/team/{name}:1" for name in ("p", "missing", "q")]
    for name in (names[0], names[2]):
        made.ok("push", "-q", "app", name, "--authfile", file)
    said = made.call("pull", "-q", "--authfile", file, *names)
    assert (said.code, len(said.out.split())) == (1, 2)
    assert said.err.count("lading: ") == 1
    assert "missing" in said.err
    said = made.call("sign", names[0], "nothing", "app")
    assert (said.code, len(said.out.split()), said.err.count("lading: ")) == (1, 2, 1)
    said = made.call("verify", "--local", names[0], "nothing", "app")
    assert (said.code, said.out.count("accepted"), said.err.count("lading: ")) == (5, 2, 1)
    said = made.call("rmi", names[0], "nothing", names[2])
    assert (said.code, said.out.count("Untagged: "), said.err.count("lading: ")) == (1, 2, 1)

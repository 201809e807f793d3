"""What `build` takes for its steps: secrets, agents, networks, hosts and limits, as docker writes them."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path

import pytest

from lading.cli.calls.step_options import allowances, step_network, step_secrets, step_settings
from lading.store.errors import UsageError
from suites.commands import Lading, busybox, context
from suites.copied_programs import copy_programs
from suites.machine import needs

OUTSIDE = {"TOK": "of-the-variable", "EMPTY": ""}


def secret(tmp_path: Path, word: str) -> dict[str, bytes]:
    (tmp_path / "file").write_bytes(b"of-the-file\n")
    return dict(step_secrets([word.replace("FILE", str(tmp_path / "file"))], None, OUTSIDE).values)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("id=x,src=FILE", b"of-the-file\n"),
        ("id=x,source=FILE", b"of-the-file\n"),
        ("type=file,id=x,src=FILE", b"of-the-file\n"),
        ("ID=x,SRC=FILE", b"of-the-file\n"),
        ('id=x,"src=FILE"', b"of-the-file\n"),
        ("id=x,env=TOK", b"of-the-variable"),
        ("type=env,id=x,env=TOK", b"of-the-variable"),
        ("type=env,id=x,src=TOK", b"of-the-variable"),
        ("id=x,env=EMPTY", b""),
    ],
)
def test_a_secret_is_given(tmp_path: Path, word: str, value: bytes) -> None:
    assert secret(tmp_path, word) == {"x": value}


def test_a_secret_by_its_id_alone(tmp_path: Path) -> None:
    assert secret(tmp_path, "id=TOK") == {"TOK": b"of-the-variable"}
    assert secret(tmp_path, "id=FILE") == {str(tmp_path / "file"): b"of-the-file\n"}


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("", "there is nothing in it"),
        ("x", "'x' must be a key=value pair"),
        ("id=", "it needs an id"),
        ("src=FILE", "it needs an id"),
        ("id=x,file=FILE", "unexpected key 'file'"),
        ("id=x,type=pipe,src=FILE", "unsupported secret type 'pipe'"),
        ("id=x,src=/nowhere", "/nowhere: No such file or directory"),
        ("id=x,src=/", "/: Is a directory"),
        ("id=x,env=NOWHERE", "there is no variable NOWHERE"),
        ("id=x,src=/dev/zero", "more than the 512000 bytes"),
        ('id=x,"src=FILE', "are not in pairs"),
    ],
)
def test_a_secret_is_refused(tmp_path: Path, word: str, said: str) -> None:
    with pytest.raises(UsageError, match=r"^--secret ") as caught:
        secret(tmp_path, word)
    assert said in caught.value.message
    assert "of-the" not in caught.value.message


def test_agents(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        environment = {"SSH_AUTH_SOCK": str(tmp_path / "s")}
        found = step_secrets(None, ["default", f"other={tmp_path / 's'}"], environment).agents
        assert found == {"default": str(tmp_path / "s"), "other": str(tmp_path / "s")}
        with pytest.raises(UsageError, match="default is given twice"):
            step_secrets(None, ["default", "default"], environment)
    with pytest.raises(UsageError, match="no agent is running for you"):
        step_secrets(None, ["default"], {})
        (tmp_path / "key").write_text("x")
        for word, said in (
            ("default=KEY", "KEY: neither the socket of an agent nor a private key in OpenSSH's form or PEM"),
            ("default=SOCKET,SOCKET", "expected one socket of an agent, or files of keys"),
            ("default=SOCKET,KEY", "expected one socket of an agent, or files of keys"),
            ("default=nowhere", "nowhere: No such file or directory"),
            ("default=.", ".: Is a directory"),
            ("=KEY", "expected default, or ID= and the socket of an agent or files of keys"),
        ):
            line = word.replace("KEY", str(tmp_path / "key")).replace("SOCKET", str(tmp_path / "s"))
            with pytest.raises(UsageError) as caught:
                step_secrets(None, [line], {})
            assert said.replace("KEY", str(tmp_path / "key")) in caught.value.message


def test_networks_and_what_is_allowed() -> None:
    assert [step_network(word) for word in ("default", "none", "host")] == ["default", "none", "host"]
    assert allowances(["network.host,security.insecure"], "none") == {"network.host", "security.insecure"}
    assert allowances(None, "host") == {"network.host"}
    for word in ("bridge", "", "container:x"):
        with pytest.raises(UsageError, match=r"^--network .*: expected one of default, none, host"):
            step_network(word)
    with pytest.raises(UsageError, match=r"--allow device: expected network\.host or security\.insecure"):
        allowances(["device"], "none")


def test_hosts_and_limits() -> None:
    found = step_settings(["a:192.0.2.1", "b=::1", "c:[2001:db8::1]"], "64m", ["nofile=10:20", "core=-1", "nproc=5:-1"])
    assert found.hosts == (("a", "192.0.2.1"), ("b", "::1"), ("c", "2001:db8::1"))
    assert found.shm_size == 64 << 20
    assert found.ulimits == (("nofile", 10, 20), ("core", -1, -1), ("nproc", 5, -1))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"hosts": ["a"]}, "--add-host a: expected HOST=IP"),
        ({"hosts": ["a:b"]}, "--add-host a:b: 'b' is not an IP address"),
        ({"hosts": ["a b=::1"]}, "--add-host a b=::1: expected HOST=IP"),
        ({"hosts": ["a:host-gateway"]}, "host-gateway is not supported yet"),
        ({"shm_size": "x"}, "--shm-size: not a size: 'x'"),
        ({"ulimits": ["nofile"]}, "--ulimit nofile: expected NAME=SOFT"),
        ({"ulimits": ["files=1"]}, "--ulimit files=1: 'files' is none of"),
        ({"ulimits": ["nofile=2:1"]}, "the soft limit is at most the hard one"),
        ({"ulimits": ["nofile=-1:5"]}, "the soft limit is at most the hard one"),
    ],
)
def test_refused(words: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        step_settings(**{"hosts": None, "shm_size": None, "ulimits": None, **words})  # type: ignore[arg-type]
    assert said in caught.value.message


@needs("root", "overlay", "crun", "busybox")
def test_from_the_call_to_the_step(tmp_path: Path) -> None:
    lading = Lading(tmp_path / "root")
    lading.ok("keygen")
    lading.ok("build", "-q", "-t", "localhost/base", busybox(tmp_path / "base"))
    mounted = "--mount=type=secret,id=tok,required=true"
    text = f"RUN {mounted} cat /run/secrets/tok >/out; cat /etc/hosts >>/out\n"
    made = context(tmp_path / "app", f"FROM localhost/base\n{text}")
    line = lading.call("build", "-q", made)
    assert line.code == 1
    assert line.err.splitlines()[-2:] == [
        "lading: Dockerfile:2: RUN: secret tok: not found",
        "  hint: --secret id=tok,src=FILE or --secret id=tok,env=NAME gives it",
    ]
    words = ("--secret", "id=tok,env=TOK", "--add-host", "db=192.0.2.9", "-t", "localhost/app")
    lading.ok("build", "-q", *words, made, TOK="given")
    shown = lading.ok("run", "--rm", "--unsafe-unverified", "localhost/app", "cat", "/out")
    assert shown.startswith("given127.0.0.1")
    assert "192.0.2.9\tdb" in shown
    papers = json.loads(lading.ok("provenance", "--json", "localhost/app"))
    external = next(
        item["statement"]["predicate"]["buildDefinition"]["externalParameters"]
        for item in papers
        if "buildDefinition" in item["statement"]["predicate"]
    )
    assert external["secrets"] == ["tok"]
    assert external["hosts"] == [["db", "192.0.2.9"]]
    made = context(tmp_path / "more", "FROM localhost/base\nRUN --security=insecure id >/out\n")
    line = lading.call("build", "-q", made)
    assert "lading: Dockerfile:2: RUN --security=insecure: security.insecure is not allowed\n" in line.err
    lading.ok("build", "-q", "--allow", "security.insecure", made)
    assert "cache mount" not in lading.ok("system", "df", "-v")
    made = context(tmp_path / "cached", "FROM localhost/base\nRUN --mount=type=cache,target=/c touch /c/a\n")
    lading.ok("build", "-q", made)
    assert "cache mount" in lading.ok("system", "df", "-v")
    lading.ok("builder", "prune", "-f")
    assert "cache mount" not in lading.ok("system", "df", "-v")


@needs("root", "overlay", "crun", "busybox", "ssh-keygen")
@pytest.mark.parametrize("isolation", ["oci", "chroot"])
def test_a_step_is_lent_the_keys_of_files(tmp_path: Path, isolation: str) -> None:
    lading = Lading(tmp_path / "root")
    lading.ok("keygen")
    base = busybox(tmp_path / "base", "COPY programs /\n")
    copy_programs(base / "programs", "ssh-add")
    lading.ok("build", "-q", "-t", "localhost/base", base)
    for name in ("one", "two"):
        subprocess.run(["ssh-keygen", "-q", "-N", "", "-t", "ed25519", "-f", tmp_path / name], check=True)
    made = context(tmp_path / "app", "FROM localhost/base\nRUN --mount=type=ssh ssh-add -L >/keys; ssh-add -D; true\n")
    agent = f"default={tmp_path / 'one'},{tmp_path / 'two'}"
    lading.ok("build", "-q", "--isolation", isolation, "--ssh", agent, "-o", tmp_path / "out", made)
    lines = [line.split()[:2] for line in (tmp_path / "out/keys").read_text().splitlines()]
    assert lines == [(tmp_path / f"{name}.pub").read_text().split()[:2] for name in ("one", "two")]
    everything = b"".join(path.read_bytes() for path in (tmp_path / "root").rglob("*") if path.is_file())
    assert (tmp_path / "one").read_bytes().splitlines()[2] not in everything

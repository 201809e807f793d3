"""Files of ssh keys that a call lends to its steps: an agent that OpenSSH's own programs believe."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lading.build.errors import TextError
from lading.build.operations.running.key_agent import KeyAgent
from lading.build.operations.running.ssh_keys import SshKey, string
from lading.runtime.lifecycle.ssh_relay import lent_agent
from suites.machine import needs

KINDS = (
    ("ed25519",),
    ("rsa", "-b", "2048"),
    *(("ecdsa", "-b", bits) for bits in ("256", "384", "521")),
    *(
        (kind, "-b", bits, "-m", form)
        for kind, bits in (("rsa", "2048"), ("ecdsa", "256"))
        for form in ("PEM", "PKCS8")
    ),
)
FAILURE = b"\5"


def made(folder: Path, *words: str, password: str = "") -> Path:
    """A key file of ssh-keygen's; its public half lies beside it."""
    path = folder / f"key{len(list(folder.iterdir()))}"
    done = ["ssh-keygen", "-q", "-N", password, "-C", "", "-f", str(path), "-t", *words]
    subprocess.run(done, check=True, capture_output=True)
    return path


def agent(*paths: Path) -> KeyAgent:
    return KeyAgent(tuple(SshKey.parse(path.read_bytes()) for path in paths))


def asked(place: Path, *words: str, text: str = "") -> str:
    """What a program says that has the agent at `place`."""
    environment = {**os.environ, "SSH_AUTH_SOCK": str(place)}
    done = subprocess.run(words, env=environment, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs("ssh-keygen", "root")
@pytest.mark.parametrize("kind", KINDS, ids=" ".join)
def test_openssh_lists_and_uses_its_keys(tmp_path: Path, kind: tuple[str, ...]) -> None:
    path, other = made(tmp_path, *kind), made(tmp_path, "ed25519")
    public = path.with_suffix(".pub").read_text().split()[:2]
    place = tmp_path / "agent"
    with lent_agent(place, agent(other, path).answer, 0, 0, 0o600):
        assert [line.split()[:2] for line in asked(place, "ssh-add", "-L").splitlines()][1] == public
        path.unlink()
        signature = asked(
            place, "ssh-keygen", "-Y", "sign", "-q", "-n", "file", "-f", str(path.with_suffix(".pub")), text="text"
        )
    (tmp_path / "signature").write_text(signature)
    (tmp_path / "allowed").write_text(f"me {' '.join(public)}\n")
    words = ("-n", "file", "-I", "me", "-f", str(tmp_path / "allowed"), "-s", str(tmp_path / "signature"))
    assert "Good" in asked(place, "ssh-keygen", "-Y", "verify", *words, text="text")


@needs("ssh-keygen")
def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    for form in ("PEM", "PKCS8", "RFC4716"):
        with pytest.raises(TextError, match="a passphrase"):
            agent(made(tmp_path, "rsa", "-m", form, password="secret"))
    for data in (b"", b"x" * 1000, made(tmp_path, "ed25519").with_suffix(".pub").read_bytes(), b"\xff\0" * 99):
        with pytest.raises(TextError, match="neither the socket of an agent nor a private key"):
            SshKey.parse(data)
    whole = made(tmp_path, "ed25519").read_bytes()
    for at in range(0, len(whole) - 40, 7):
        with pytest.raises(TextError):
            SshKey.parse(whole[:at] + whole[at + 9 :])


@needs("ssh-keygen")
def test_an_agent_does_nothing_else(tmp_path: Path) -> None:
    rsa = SshKey.parse(made(tmp_path, "rsa", "-b", "2048").read_bytes())
    answer = KeyAgent((SshKey.parse(made(tmp_path, "ed25519").read_bytes()), rsa)).answer
    wanted = b"\x0d" + string(rsa.blob) + string(b"data")
    assert answer(wanted + b"\0\0\0\2")[:1] == b"\x0e"
    assert answer(wanted + b"\0\0\0\0") == FAILURE  # by SHA-1
    assert answer(b"\x0d" + string(rsa.blob + b"x") + string(b"data") + b"\0\0\0\2") == FAILURE
    for kind in {*range(256)} - {11, 13}:
        assert answer(bytes([kind]) + wanted[1:]) == FAILURE
    for end in range(1, len(wanted) + 3):
        assert answer((wanted + b"\0\0\0\2")[:end]) == FAILURE
    assert answer(b"\x0d" + b"\xff" * 40) == FAILURE
    assert KeyAgent(()).answer(b"\x0b") == b"\x0c\0\0\0\0"

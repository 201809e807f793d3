"""Keys: named, opened, made and rotated."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.host.building import BuildKey
from lading.host.trust import rotation
from lading.host.trust.keyring import KMS, Keyring, read_file, write_pair
from lading.host.trust.signing_keys import NoKeyError, NoPasswords, SigningKeyText
from lading.store.errors import InputError
from lading.verify.keys.keyfiles import PasswordError
from lading.verify.keys.keys import PrivateKey
from lading.verify.policy.yaml_reader import parse_policy


class Typist:
    """Somebody at a terminal who types these passwords, one after the other."""

    def __init__(self, *words: str, given: str | None = None) -> None:
        self._words = iter(words)
        self._given = given
        self.prompts: list[str] = []

    def given(self) -> tuple[bytes, str] | None:
        return None if self._given is None else (self._given.encode(), "A_VARIABLE")

    def ask(self, prompt: str) -> bytes | None:
        self.prompts.append(prompt)
        return next(self._words).encode()


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    made = Keyring(tmp_path / "root")
    made.generate(b"first")
    return made


@pytest.mark.parametrize("scheme", KMS)
def test_a_key_that_is_no_file_is_refused_by_name(scheme: str) -> None:
    with pytest.raises(InputError, match=f"^{scheme}: keys in a KMS"):
        read_file(Path(f"{scheme}:///alias/build"), "a hint")


def test_a_key_is_missed_when_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        SigningKeyText.read(tmp_path / "missing.key")
    with pytest.raises(NoKeyError, match="no key to sign with"):
        SigningKeyText.own(Keyring(tmp_path))


def test_a_wrong_password_may_be_typed_again(keyring: Keyring) -> None:
    typist = Typist("wrong", "first")
    assert SigningKeyText.own(keyring).open(typist).public == keyring.public()
    assert [prompt.startswith("That does not open it") for prompt in typist.prompts] == [False, True]
    with pytest.raises(PasswordError, match="3 tries"):
        SigningKeyText.own(keyring).open(Typist("a", "b", "c", "first"))


@pytest.mark.parametrize("left", ["cosign.pub", "cosign.key"])
def test_half_a_pair_is_named_as_what_it_is(keyring: Keyring, left: str) -> None:
    for file in (keyring.private_file, keyring.public_file):
        if file.name != left:
            file.unlink()
    kept = (keyring.public_file.parent / left).read_bytes()
    with pytest.raises(InputError, match=f"{left} exists") as caught:
        keyring.generate(b"")
    assert ("without cosign.key" in caught.value.message) is (left == "cosign.pub")
    assert "remove it if nobody needs it" in str(caught.value.hint) or left == "cosign.key"
    assert (keyring.public_file.parent / left).read_bytes() == kept


def test_no_password_is_told_from_a_wrong_one(keyring: Keyring) -> None:
    with pytest.raises(PasswordError, match="none was given"):
        SigningKeyText.own(keyring).open(NoPasswords())
    with pytest.raises(PasswordError, match="the password in A_VARIABLE does not open"):
        SigningKeyText.own(keyring).open(Typist(given="other"))


def test_a_key_without_a_password_needs_nobody(tmp_path: Path) -> None:
    public = write_pair(tmp_path / "a.key", tmp_path / "a.pub", b"")
    assert SigningKeyText.read(tmp_path / "a.key").open(NoPasswords()).public == public


def test_a_build_asks_once_and_only_when_it_must(keyring: Keyring) -> None:
    typist = Typist("first")
    key = BuildKey(SigningKeyText.own(keyring), typist)
    assert key.fingerprint == keyring.public().fingerprint
    assert typist.prompts == []
    threads = [threading.Thread(target=key.open) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert key.open().public == keyring.public()
    assert len(typist.prompts) == 1


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Path]:
    """What a shell makes of <(cat the.key)."""
    reading, writing = os.pipe()
    os.write(writing, PrivateKey.generate().write(b""))
    os.close(writing)
    yield Path(f"/dev/fd/{reading}")
    os.close(reading)


def test_a_key_in_a_pipe_is_read_once(pipe: Path) -> None:
    key = BuildKey(SigningKeyText.read(pipe), NoPasswords())
    assert key.fingerprint == key.open().public.fingerprint


def test_a_rotated_key_signs_and_both_are_trusted(keyring: Keyring, tmp_path: Path) -> None:
    policy = tmp_path / "root/policy.yaml"
    publics = [keyring.public()]
    for at in range(3):
        done = rotation.rotate(keyring, f"next {at}".encode(), policy)
        assert done.policy_changed
        assert SigningKeyText.own(keyring).open(Typist(given=f"next {at}")).public == keyring.public() == done.public
        former = SigningKeyText.read(done.former).open(Typist(given="first" if at == 0 else f"next {at - 1}"))
        assert former.public == publics[0]
        publics.insert(0, done.public)
        rule = parse_policy(policy.read_text(), "p").rule_for("example.com/x:1")
        assert rule is not None and [named.key for named in rule.keys] == publics
        base = parse_policy(policy.read_text(), "p").base_rule_for("example.com/x:1")
        assert base is not None and base.allow_unverified and [named.key for named in base.keys] == publics
    assert {file.stat().st_mode & 0o777 for file in keyring.private_file.parent.glob("*.key")} == {0o600}


def test_a_policy_that_was_edited_is_left_alone(keyring: Keyring, tmp_path: Path) -> None:
    policy = tmp_path / "root/policy.yaml"
    policy.write_text(policy.read_text() + "unsafe_unverified: forbid\n")
    before = policy.read_text()
    assert not rotation.rotate(keyring, b"", policy).policy_changed
    assert policy.read_text() == before


@pytest.mark.parametrize("at", range(8))
def test_a_rotation_killed_anywhere_leaves_a_trusted_key_and_can_go_on(
    keyring: Keyring, tmp_path: Path, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each change of the folder the process is gone."""
    policy = tmp_path / "root/policy.yaml"
    pid = os.fork()
    if pid == 0:
        left = [at]

        def counted(event: str, _: object) -> None:
            if event in ("os.link", "os.rename"):
                if left[0] == 0:
                    os._exit(9)
                left[0] -= 1

        sys.addaudithook(counted)
        rotation.rotate(keyring, b"first", policy)
        os._exit(0)
    os.waitpid(pid, 0)
    signer = SigningKeyText.own(keyring).open(Typist(given="first"))
    rule = parse_policy(policy.read_text(), "p").rule_for(None)
    assert rule is not None and signer.public in [named.key for named in rule.keys]
    done = rotation.rotate(keyring, b"first", policy)
    assert done.policy_changed
    assert SigningKeyText.own(keyring).open(Typist(given="first")).public == done.public == keyring.public()
    rule = parse_policy(policy.read_text(), "p").rule_for(None)
    assert rule is not None and {signer.public, done.public} <= {named.key for named in rule.keys}


def test_of_calls_that_rotate_at_once_each_replaces_what_the_one_before_made(keyring: Keyring, tmp_path: Path) -> None:
    policy = tmp_path / "root/policy.yaml"
    first = keyring.public()
    begin, go = os.pipe()
    pids: list[int] = []
    for _ in range(4):
        if (pid := os.fork()) == 0:
            os.close(go)
            os.read(begin, 1)  # the end of the file: all begin together
            try:
                rotation.rotate(keyring, b"first", policy)
            finally:
                os._exit(int(sys.exc_info()[0] is not None))
        pids.append(pid)
    os.close(go)
    os.close(begin)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0, 0, 0, 0]
    assert SigningKeyText.own(keyring).open(Typist(given="first")).public == keyring.public()
    rule = parse_policy(policy.read_text(), "p").rule_for(None)
    assert rule is not None
    trusted = [named.key for named in rule.keys]
    assert trusted[0] == keyring.public() and trusted[-1] == first and len(trusted) == 5

"""A new key of one's own in place of the old one, which is kept and still trusted."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from lading.host.trust.keyring import Keyring, write_pair
from lading.host.trust.signing_keys import NoKeyError
from lading.store.errors import LadingError, Remedy
from lading.store.fastclass import dataclass
from lading.store.system.atomic import publish, write_atomically
from lading.store.system.locks import locked, open_folder
from lading.store.system.machine_errors import machine_errors
from lading.verify.keys.keys import PublicKey
from lading.verify.policy.template import default_policy
from lading.verify.policy.yaml_reader import parse_policy


@dataclass(frozen=True, slots=True)
class Rotated:
    """The new key, where the old pair lies now, and whether the policy was ours to change."""

    public: PublicKey
    former: Path
    policy_changed: bool


def rotate(keyring: Keyring, password: bytes, policy: Path) -> Rotated:
    """Makes a new pair, lets the policy that `keygen` wrote trust both, and signs with the new one from now on.

    A policy that somebody edited is left as it is. A kill between any two steps leaves a key that signs and is
    trusted, and calling again goes on from there. Raises `NoKeyError`, `InputError`.
    """
    if not keyring.exists():
        raise NoKeyError("there is no key to rotate", hint=Remedy("make key", "make one"))
    with _alone(keyring.private_file.parent) as folder:
        return _rotate(keyring, folder, password, policy)


def _rotate(keyring: Keyring, folder: Path, password: bytes, policy: Path) -> Rotated:
    private, public = folder / "next.key", folder / "next.pub"
    _finish(private, public, keyring)
    old = keyring.public()
    former = folder / f"cosign-{old.fingerprint[:12]}.key"
    new = write_pair(private, public, password)
    changed = _trust_both(policy, new, old)
    with machine_errors(folder):
        for current, kept in ((keyring.private_file, former), (keyring.public_file, former.with_suffix(".pub"))):
            if not kept.exists():
                os.link(current, kept)
        publish(public, keyring.public_file)
        publish(private, keyring.private_file)
    return Rotated(new, former, changed)


@contextmanager
def _alone(folder: Path) -> Generator[Path, None, None]:
    """The keys' folder, in which no other call rotates: of two at once the second replaces what the first made."""
    with machine_errors(folder):
        lock = open_folder(folder)
    with locked(lock):
        yield folder


def _finish(private: Path, public: Path, keyring: Keyring) -> None:
    """What a killed rotation left: half installed it is finished, else it is begun anew."""
    with machine_errors(private):
        if private.exists() and not public.exists():
            publish(private, keyring.private_file)
        private.unlink(missing_ok=True)
        public.unlink(missing_ok=True)


def _trust_both(policy: Path, new: PublicKey, old: PublicKey) -> bool:
    """Whether the policy is one that `keygen` or this module wrote, which then trusts the new key too."""
    try:
        text = policy.read_text()
        rule = parse_policy(text, str(policy)).rule_for(None)
    except (OSError, UnicodeDecodeError, LadingError):
        return False
    keys = [named.key.pem.decode() for named in rule.keys] if rule else []
    former = list(dict.fromkeys(keys))
    if old.pem.decode() not in former or text != default_policy(former[0], former[1:]):
        return False
    write_atomically(policy, default_policy(new.pem.decode(), former).encode())
    return True

"""The policies that judge: the user's own, or one named in its place, and the administrator's floor."""

from __future__ import annotations

from pathlib import Path

from lading.host.keyring import read_file
from lading.store.errors import InputError
from lading.verify.policy import Policy
from lading.verify.verifier import Verifier

_MISSING = "`lading keygen` makes a key and a policy that trusts it; docs/policy.md says how to write one"


def load(path: Path) -> Policy:
    """Reads a policy file; keys that it names by path are looked for beside it. Raises `PolicyError`."""
    data = read_file(path, _MISSING)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8") from None
    return Policy.parse(text, str(path), lambda name: read_file(path.parent / name, f"{path} names it"))


def verifier(policy: Policy, floor: Path) -> Verifier:
    """A verifier by `policy`, and by the floor where the administrator put one."""
    return Verifier(policy, load(floor) if floor.exists() else None)

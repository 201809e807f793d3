"""The policies that judge: the user's own, or one named in its place, and the administrator's floor."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from lading.host.trust.keyring import read_file
from lading.store.errors import DocumentError, InputError, MachineError, Remedy
from lading.store.index import Index
from lading.store.oci.digests import Digest
from lading.verify.judgement.verifier import Verifier
from lading.verify.policy.canonical import compile_policy, load_policy
from lading.verify.policy.policy import Policy, PolicyError

_MISSING: Final = Remedy(
    "make key and policy", "a new key brings a policy that trusts it; docs/policy.md says how to write one"
)
_UNSURE: Final = "nothing is accepted by a policy that may be there and cannot be read"
_KIND: Final = "policy"
_READER: Final = "1 "
"""Goes up when the reading of YAML changes, so that nothing read by an older rule is used again."""


def load(path: Path) -> Policy:
    """Reads a policy file; keys that it names by path are looked for beside it. Raises `PolicyError`."""
    return _parse(_read(path), path)[0]


def load_own(root: Path, index: Callable[[], Index]) -> Policy:
    """As `load`, of the policy that lies in `root` itself, with its compiled form kept in the index of that root.

    Whoever can write the one can write the other, so the kept form says nothing that they could not say anyway.
    It goes by the digest of the text, and a policy that names key files has none: those may change unseen.
    Raises `PolicyError`.
    """
    path = root / "policy.yaml"
    data = _read(path)
    key = _READER + str(Digest.of(data))
    compiled = index().recall(_KIND, key)
    if compiled is not None:
        try:
            return load_policy(compiled, str(path))
        except DocumentError:
            pass  # of another version, or damaged: the file is there
    policy, alone = _parse(data, path)
    if alone:
        _keep(index(), key, compile_policy(policy))
    return policy


def _read(path: Path) -> bytes:
    try:
        return read_file(path, _MISSING)
    except InputError as error:
        raise PolicyError(error.message, hint=error.hint) from None


def _keep(index: Index, key: str, compiled: bytes) -> None:
    with suppress(MachineError), index.transaction():  # a full or read-only disk: next time then
        index.run("DELETE FROM cache WHERE kind = ?", (_KIND,))
        index.remember(_KIND, key, compiled)


def _parse(data: bytes, path: Path) -> tuple[Policy, bool]:
    """The policy, and whether the text says it all."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise PolicyError(f"{path}: not UTF-8") from None
    named: list[str] = []

    def read(name: str) -> bytes:
        named.append(name)
        return read_file(path.parent / name, f"{path} names it", pipes=False)

    from lading.verify.policy.yaml_reader import parse_policy  # noqa: PLC0415 - brings YAML

    return parse_policy(text, str(path), read), not named


def verifier(policy: Policy, floor: Path) -> Verifier:
    """A verifier by `policy`, and by the floor where the administrator put one."""
    return Verifier(policy, load(floor) if is_there(floor) else None)


def is_there(path: Path) -> bool:
    """Whether a policy of that name is there. What keeps it from being looked at is no "no".

    A link that leads nowhere is there, also in the name of a folder above. Raises `PolicyError`.
    """
    try:
        for place in (path, *path.parents):
            with suppress(FileNotFoundError):
                place.lstat()
                if place != path and not place.is_dir():
                    raise PolicyError(f"{path}: {place} is not a folder", hint=_UNSURE)
                return place == path
    except OSError as error:
        raise PolicyError(f"{path}: cannot be looked at: {error.strerror}", hint=_UNSURE) from None
    return False

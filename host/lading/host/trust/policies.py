"""The policies that judge: the user's own, or one named in its place, and the administrator's floor."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Final

from lading.host.configuration import Configuration
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
_NONE: Final[Mapping[str, str]] = {}
_UNSURE: Final = "nothing is accepted by a policy that may be there and cannot be read"
_KIND: Final = "policy"
_READER: Final = "1 "
"""Goes up when the reading of YAML changes, so that nothing read by an older rule is used again."""


def load(path: Path) -> Policy:
    """Reads a policy file; keys that it names by path are looked for beside it. Raises `PolicyError`."""
    return _parse(_read(path, None), path)[0]


def load_own(root: Path, index: Callable[[], Index]) -> Policy:
    """As `load`, of the policy that lies in `root` itself, with its compiled form kept in the index of that root.

    Whoever can write the one can write the other, so the kept form says nothing that they could not say anyway.
    It goes by the digest of the text, and a policy that names key files has none: those may change unseen.
    Raises `PolicyError`.
    """
    path = root / "policy.yaml"
    data = _read(path, _MISSING)
    key = _READER + str(Digest.of(data))
    compiled = index().recall(_KIND, key)
    if compiled is not None:
        try:
            return load_policy(compiled, str(path))
        except DocumentError:
            pass  # of another version, or damaged: the file is there
    policy, alone = _parse(data, path)
    if alone:
        with suppress(DocumentError):  # it has no compiled form, and is read each time
            _keep(index(), key, compile_policy(policy))
    return policy


def _read(path: Path, hint: str | None) -> bytes:
    try:
        return read_file(path, hint)
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


class Verifiers:
    """The verifiers of one configuration. A policy is read once: make this anew for each request."""

    def __init__(self, configuration: Configuration, index: Callable[[], Index]) -> None:
        self._named = configuration.policy
        self._root = configuration.root
        self._floor = configuration.floor
        self._index = index

    @cached_property
    def own(self) -> Verifier:
        """By the policy of the configuration, and the floor. Raises `InputError` where there is none."""
        return verifier(load(self._named) if self._named else load_own(self._root, self._index), self._floor)

    @contextmanager
    def for_launch(self) -> Generator[Verifier, None, None]:
        """As `own`; where only the root's own policy judges, what held at earlier launches is remembered."""
        if self._named:
            yield self.own
            return
        from lading.host.trust.known_signatures import KnownSignatures  # noqa: PLC0415

        known = KnownSignatures(self._index())
        yield self.own.remembering(known)
        known.keep()

    @cached_property
    def permissive(self) -> Verifier:
        """As `own`, or where there is no such policy by the floor alone."""
        if is_there(self._named or self._root / "policy.yaml"):
            return self.own
        return verifier(Policy("no policy", scopes={}), self._floor)

    def by_key(self, file: Path, types: Sequence[str] = (), annotations: Mapping[str, str] = _NONE) -> Verifier:
        """By one public key in place of a policy, and the floor. `types` of attestations as cosign names them, or URIs.

        Raises `InputError`.
        """
        from lading.verify.documents.statements import predicate_type  # noqa: PLC0415
        from lading.verify.keys.keys import PublicKey  # noqa: PLC0415 - a launch without further keys reads none
        from lading.verify.keys.named_key import NamedKey  # noqa: PLC0415

        public = PublicKey.from_pem(read_file(file, "name a public key"), str(file))
        kinds = tuple(predicate_type(word) for word in types)
        key = NamedKey(str(file), public)
        return verifier(Policy.trusting(key, types=kinds, annotations=annotations, source=str(file)), self._floor)

    def key_name(self, fingerprint: str) -> str | None:
        """What the policy calls a key, None where it does not know it, or where there is no policy."""
        try:
            return self.own.key_name(fingerprint)
        except InputError:
            return None

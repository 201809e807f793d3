"""The keys in the YAML of a policy: by name, as PEM text, in files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from lading.store.errors import LadingError
from lading.store.system.patterns import pattern
from lading.verify.keys.keys import PublicKey
from lading.verify.keys.named_key import NamedKey
from lading.verify.policy.yaml_text import Value

ReadKeyFile = Callable[[str], bytes]
"""Gives the content of a key file, by its path relative to the policy's own place."""

_KEY_NAME: Final = pattern(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}")
_PEM: Final = "-----BEGIN"


class KeyReader:
    """Knows the keys that a policy names, and reads those that it only mentions."""

    def __init__(self, read: ReadKeyFile | None) -> None:
        self._read = read
        self._keys: Mapping[str, PublicKey] = {}

    def define(self, value: Value) -> None:
        """The section of named keys."""
        self._keys = {_key_name(name, item): self._key(item) for name, item in value.section()}

    def listed(self, value: Value) -> tuple[NamedKey, ...]:
        """A list of keys, at least one and none twice."""
        keys = value.each(self._listed_key)
        if not keys:
            raise value.error("names no key")
        seen: dict[bytes, str] = {}
        for key in keys:
            if key.key.der in seen:
                raise value.error(
                    f"{seen[key.key.der]!r} and {key.name!r} are one key; it counts once, so name it once"
                )
            seen[key.key.der] = key.name
        return keys

    def _listed_key(self, value: Value) -> NamedKey:
        if value.is_section:
            key = self._key(value)
            return NamedKey(value.section("file").need("file", Value.text), key)
        name = value.text()
        if name.startswith(_PEM):
            key = self._key(value)
            return NamedKey(key.fingerprint[:16], key)
        if name not in self._keys:
            raise value.error(
                f"no key is named {name!r}", hint="define it under `keys:`, or write {file: PATH} or the PEM text here"
            )
        return NamedKey(name, self._keys[name])

    def _key(self, value: Value) -> PublicKey:
        if not value.is_section:
            return _load(value, value.text().encode())
        path = value.section("file").need("file", Value.text)
        if self._read is None:
            raise value.error("key files cannot be read here", hint="write the PEM text into the policy")
        try:
            return _load(value, self._read(path))
        except (OSError, LadingError) as error:
            raise value.error(f"{path}: cannot be read: {error}") from None


def _load(value: Value, pem: bytes) -> PublicKey:
    try:
        return PublicKey.from_pem(pem)
    except LadingError as error:
        raise value.error(error.message, error.hint) from None


def _key_name(name: str, value: Value) -> str:
    if not _KEY_NAME.fullmatch(name):
        raise value.error("a key's name has letters, digits and . _ @ + - only")
    return name

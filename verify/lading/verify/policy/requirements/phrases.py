"""The words of the judge, in one place: what is asked for, and why something does not count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from lading.verify.documents.statements import short_type
from lading.verify.policy.policy import NamedKey, Require, SignedBy

KEYLESS: Final = "was signed without a key (keyless): not built yet, so it cannot be checked"
_ED25519PH: Final = "; of Ed25519 only the pure form is accepted, not Ed25519ph, which cosign makes"


def signatures(wanted: SignedBy) -> str:
    """What `wanted` asks for."""
    count = "a signature" if wanted.threshold == 1 else f"signatures of {wanted.threshold} keys"
    notes = listed(f"{name}={value}" for name, value in wanted.annotations.items())
    return f"{count} by {either(wanted.keys)}" + (f" with {notes}" if notes else "")


def attestation(wanted: Require) -> str:
    """What `wanted` asks for."""
    builder = f" from the builder {wanted.builder!r}" if wanted.builder else ""
    return f"{short_type(wanted.predicate_type)} by {either(wanted.by)}{builder}"


def signed_by_none(keys: Sequence[NamedKey]) -> str:
    """Why nothing was counted although all else fits."""
    prehashed = _ED25519PH if any(key.key.kind == "Ed25519" for key in keys) else ""
    return f"is not signed by {either(keys)}{prehashed}"


def either(keys: Sequence[NamedKey]) -> str:
    """Keys by name, one of which suffices."""
    return " or ".join(repr(key.name) for key in keys)


def listed(words: Iterable[str]) -> str:
    """Several, with commas."""
    return ", ".join(words)

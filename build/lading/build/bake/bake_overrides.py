"""What a call sets of targets: ``TARGET.FIELD[.NAME][+]=VALUE``, where TARGET may be a pattern."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from lading.build.bake.bake_target import FIELDS, REFUSED, BakeTarget, FieldValue
from lading.build.bake.entries import Entries, boolean, from_texts, normalized
from lading.build.bake.hcl.hcl_source import BakeError
from lading.build.bake.name_patterns import matching
from lading.build.errors import TextError, suggestion
from lading.store.errors import UsageError
from lading.store.fastclass import dataclass

_FIELD: Final = {"platform": "platforms", "secrets": "secret"}
_ADDED: Final = ("entitlements", "annotations", "attest")


@dataclass(frozen=True, slots=True)
class Override:
    """One field of some targets. `name` is that of a member, `added` says that what is there stays."""

    pattern: str
    field: str
    name: str
    value: str | None
    added: bool

    @classmethod
    def parse(cls, word: str, variable: Callable[[str], str | None]) -> Override:
        """Raises `UsageError`. An argument without a value has that of the caller's `variable`."""
        key, equals, value = word.partition("=")
        added = key.endswith("+")
        pattern, _, rest = key.removesuffix("+").partition(".")
        given, _, name = rest.partition(".")
        if not given:
            raise UsageError(f"set {word}: expected TARGET.FIELD=VALUE", option="set")
        if not equals and given != "args":
            raise UsageError(f"set {word}: it has no value", option="set")
        field = _FIELD.get(given, given)
        if field in REFUSED:
            raise UsageError(f"set {word}: {field} is not supported", option="set")
        if field not in (*FIELDS, "push", "load") or field in ("inherits", "description"):
            raise UsageError(f"set {word}: unknown key {given!r}{suggestion(given, FIELDS)}", option="set")
        if FIELDS.get(field) == "map" and not name:
            raise UsageError(f"set {word}: {field} needs a name: {pattern}.{field}.NAME=VALUE", option="set")
        return cls(pattern, field, name, value if equals else variable(name), added)


def overridden(target: BakeTarget, overrides: Iterable[Override]) -> BakeTarget:
    """`target` as the call sets it. Raises `BakeError`."""
    texts: dict[str, list[str]] = {}
    for one in overrides:
        value = one.value
        if value is None:
            continue
        with _told(one):
            if one.field in ("push", "load"):
                target = _sent(target, one.field, on=boolean(value))
            elif FIELDS[one.field] in ("texts", "entries"):
                first = one.field not in texts
                texts.setdefault(one.field, []).append(value)
                if one.field == "secret" and one.name:
                    target = _secret(target, one.name, value)
                else:
                    target = _more(target, one, value, first=first)
            else:
                target = target.having(**{one.field: _value(target, one, value)})
    return target


class _told:  # noqa: N801
    """Says which override cannot be understood."""

    def __init__(self, override: Override) -> None:
        self._override = override

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, TextError):
            raise BakeError(f"set {self._override.pattern}.{self._override.field}: {error}") from None


def _value(target: BakeTarget, one: Override, value: str) -> FieldValue:
    if FIELDS[one.field] == "flag":
        return boolean(value)
    if FIELDS[one.field] == "map":
        members: Mapping[str, str | None] = target.members(one.field)
        return {**members, one.name: value}
    return value


def _more(target: BakeTarget, one: Override, value: str, *, first: bool) -> BakeTarget:
    """Several of one field are all meant; the first takes the place of what is there, unless it is added."""
    keeps = one.added or one.field in _ADDED or not first
    if FIELDS[one.field] == "texts":
        return target.having(**{one.field: (*(target.texts(one.field) if keeps else ()), *((value,) if value else ()))})
    entries: Entries = (*(target.entries(one.field) if keeps else ()), *from_texts(one.field, (value,)))
    return target.having(**{one.field: normalized(one.field, entries)})


def _secret(target: BakeTarget, name: str, value: str) -> BakeTarget:
    (given,) = from_texts("secret", (value,))
    if given.get("id", name) != name:
        raise TextError(f"the id {given['id']!r} is not that of the secret {name!r}")
    found = target.entries("secret")
    if name not in [entry.get("id") for entry in found]:
        raise TextError(f"the target has no secret {name!r}")
    kept = tuple({**given, "id": name} if entry.get("id") == name else entry for entry in found)
    return target.having(secret=kept)


def _sent(target: BakeTarget, what: str, *, on: bool) -> BakeTarget:
    """What --push and --load make of the outputs (buildx's setPushOverride and setLoadOverride)."""
    outputs = list(target.entries("output"))
    if what == "load":
        plain = all(one.get("type") in ("image", "registry", "oci", "docker") for one in outputs)
        there = any(one.get("type") == "docker" and not one.get("dest") for one in outputs)
        return target.having(output=(*outputs, {"type": "docker"})) if on and plain and not there else target
    if not on:
        kept = [one for one in outputs if one.get("type") != "registry"]
        return target.having(output=tuple(_pushed(one, "false") for one in kept))
    added = all(one.get("type") == "docker" for one in outputs)
    found = tuple(_pushed(one, "true") for one in outputs)
    return target.having(output=(*found, {"type": "image", "push": "true"}) if added else found)


def _pushed(entry: Mapping[str, str | bool | tuple[str, ...]], push: str) -> Mapping[str, str | bool | tuple[str, ...]]:
    return {**entry, "push": push} if entry.get("type") == "image" else entry


def for_target(overrides: Iterable[Override], names: Iterable[str]) -> dict[str, list[Override]]:
    """The overrides of each target. Raises `BakeError` for a pattern that none fits."""
    known = tuple(names)
    found: dict[str, list[Override]] = {}
    for one in overrides:
        for name in matching(one.pattern, known):
            found.setdefault(name, []).append(one)
    return found

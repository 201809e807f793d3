"""A target and a group of a bake file, what each field of a target is, and how two of a name are merged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal, TypeAlias, cast

from lading.build.bake.entries import Entries, Entry, from_value, normalized
from lading.build.bake.hcl.hcl_types import STRING, HclType, convert
from lading.build.bake.hcl.hcl_values import HclValue, as_bool, as_items, as_members, as_text, hcl_object
from lading.build.errors import TextError
from lading.store.fastclass import dataclass, field, replace

FieldKind: TypeAlias = Literal["text", "flag", "texts", "map", "entries"]
FieldValue: TypeAlias = "str | bool | tuple[str, ...] | Mapping[str, str | None] | Entries"
FIELDS: Final[dict[str, FieldKind]] = {
    "description": "text",
    "inherits": "texts",
    "annotations": "texts",
    "attest": "entries",
    "context": "text",
    "contexts": "map",
    "dockerfile": "text",
    "dockerfile-inline": "text",
    "args": "map",
    "labels": "map",
    "tags": "texts",
    "cache-from": "entries",
    "cache-to": "entries",
    "target": "text",
    "secret": "entries",
    "ssh": "entries",
    "platforms": "texts",
    "output": "entries",
    "pull": "flag",
    "no-cache": "flag",
    "network": "text",
    "no-cache-filter": "texts",
    "shm-size": "text",
    "ulimits": "texts",
    "call": "text",
    "entitlements": "texts",
    "extra-hosts": "map",
}
"""In the order in which buildx prints them."""
REFUSED: Final = ("policy", "resources")
"""Fields that buildx has and that are not supported here."""
_ADDED: Final = ("inherits", "annotations", "no-cache-filter", "ulimits", "entitlements")
_MERGED: Final = ("attest", "secret", "ssh", "cache-from")


@dataclass(frozen=True, slots=True)
class BakeGroup:
    """Targets, and other groups, under one name."""

    name: str
    targets: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class BakeTarget:
    """What is known of a target: only what was said of it."""

    name: str
    fields: Mapping[str, FieldValue] = field(default_factory=dict[str, FieldValue])
    linked: bool = False
    """Whether it is built for others alone."""

    def text(self, name: str) -> str | None:
        """A field that is text."""
        return cast("str | None", self.fields.get(name))

    def flag(self, name: str) -> bool:
        """A field that is true or false."""
        return bool(self.fields.get(name))

    def texts(self, name: str) -> tuple[str, ...]:
        """A field of several texts."""
        return cast("tuple[str, ...]", self.fields.get(name, ()))

    def members(self, name: str) -> Mapping[str, str | None]:
        """A field of names and values."""
        return cast("Mapping[str, str | None]", self.fields.get(name, {}))

    def entries(self, name: str) -> Entries:
        """A field of entries."""
        return cast("tuple[Entry, ...]", self.fields.get(name, ()))

    def having(self, **fields: FieldValue) -> BakeTarget:
        """The same with other fields; ``no_cache`` is the field ``no-cache``."""
        return replace(self, fields={**self.fields, **{name.replace("_", "-"): v for name, v in fields.items()}})

    def merged(self, other: BakeTarget) -> BakeTarget:
        """This, and over it what `other` says."""
        found = dict(self.fields)
        for name, value in other.fields.items():
            found[name] = _merged(name, found.get(name), value)
        return replace(self, fields=found)


def _merged(name: str, under: FieldValue | None, over: FieldValue) -> FieldValue:
    if isinstance(over, Mapping):
        below = cast("Mapping[str, str | None]", under or {})
        return {**below, **{key: value for key, value in over.items() if value is not None}}
    if name in _ADDED:
        return (*cast("tuple[str, ...]", under or ()), *cast("tuple[str, ...]", over))
    if name in _MERGED:
        return normalized(name, (*cast("Entries", under or ()), *cast("Entries", over)))
    return over or under or "" if name == "description" else over


def each_once(texts: Iterable[str]) -> tuple[str, ...]:
    """Without what is empty, and without what was there before."""
    return tuple(dict.fromkeys(text for text in texts if text))


def decoded(name: str, value: HclValue) -> FieldValue | None:
    """A field as its kind has it; None for null. Raises `TextError`."""
    if value is None:
        if FIELDS[name] == "entries":
            raise TextError("a list is required, and this is null")
        return None
    match FIELDS[name]:
        case "text":
            return as_text(value)
        case "flag":
            return as_bool(value)
        case "texts":
            return tuple(_text(item) for item in as_items(value))
        case "map":
            return _map(name, value)
        case "entries":
            return from_value(name, value)


def _text(item: HclValue) -> str:
    if item is None:
        raise TextError("a list of strings has no null in it")
    return as_text(item)


def _map(name: str, value: HclValue) -> Mapping[str, str | None]:
    found = cast("Mapping[str, str | None]", convert(as_members(value), HclType("map", STRING)))
    if name == "contexts" and None in found.values():
        raise TextError("a context is no null")
    return found


def encoded(name: str, value: FieldValue | None) -> HclValue:
    """A field as an expression sees it that refers to it."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, Mapping):
        return hcl_object(cast("Mapping[str, HclValue]", value))
    if FIELDS[name] == "entries":
        entries = cast("Entries", value)
        return tuple(hcl_object(cast("Mapping[str, HclValue]", entry)) for entry in entries)
    return cast("tuple[str, ...]", value)

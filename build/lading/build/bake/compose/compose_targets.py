"""The services of a Compose model that are built, as targets (buildx's bake/compose.go)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Final, cast

from lading.build.bake.bake_target import BakeGroup, BakeTarget, FieldValue
from lading.build.bake.compose.compose_model import ComposeModel, Members
from lading.build.bake.compose.interpolation import VariableLookup
from lading.build.bake.definitions.definitions import TARGET_NAME
from lading.build.bake.entries import Entries, Entry, from_texts, normalized
from lading.build.bake.hcl.hcl_source import BakeError
from lading.build.dockerfile.instruction_values import parse_bytes
from lading.build.errors import TextError, suggestion
from lading.store.fastclass import dataclass

_TEXTS: Final = {
    "context": "context",
    "dockerfile": "dockerfile",
    "dockerfile_inline": "dockerfile-inline",
    "network": "network",
    "target": "target",
}
_KNOWN: Final = (
    *_TEXTS,
    *("args", "ssh", "labels", "cache_from", "cache_to", "no_cache", "no_cache_filter", "additional_contexts", "pull"),
    *("provenance", "sbom", "shm_size", "extra_hosts", "secrets", "tags", "ulimits", "platforms"),
)
_REFUSED: Final = ("entitlements", "isolation", "privileged")
_EXTENSION: Final = "x-bake"
_LISTS: Final = ("tags", "platforms", "no-cache-filter")
_ENTRIES: Final = ("cache-from", "cache-to", "secret", "ssh", "output")
_FLAGS: Final = ("pull", "no-cache")


def compose_targets(model: ComposeModel, lookup: VariableLookup) -> tuple[list[BakeGroup], list[BakeTarget]]:
    """A target for each service with a build, and the group ``default`` of all. Raises `BakeError`."""
    found: list[BakeTarget] = []
    for name, service in model.services.items():
        if service.get("build") is None:
            continue
        target = name.replace(".", "_")
        if not TARGET_NAME.fullmatch(target):
            raise BakeError(f"services.{name}: only letters, digits, _, - and . are allowed in the name of a target")
        if not isinstance(service["build"], dict):
            raise BakeError(f"services.{name}.build: expected a section, or a folder")
        try:
            fields = _Service(service, cast("Members", service["build"]), model, lookup).fields()
        except TextError as error:
            raise BakeError(f"services.{name}.build: {error}") from None
        found.append(BakeTarget(target, fields))
    return [BakeGroup("default", tuple(target.name for target in found))] if model.services else [], found


def _text(value: object, what: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise TextError(f"{what}: expected a text")


def _list(value: object, what: str) -> list[str]:
    if not isinstance(value, list):
        raise TextError(f"{what}: expected a list")
    return [_text(item, what) for item in cast("list[object]", value)]


def _pairs(value: object, what: str) -> dict[str, str | None]:
    if not isinstance(value, dict):
        raise TextError(f"{what}: expected a list or a mapping")
    members = cast("dict[str, object]", value)
    return {name: None if one is None else _text(one, f"{what}.{name}") for name, one in members.items()}


def _flag(value: object, what: str) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return value == "true"
    raise TextError(f"{what}: expected true or false")


def human_size(count: int) -> str:
    """Bytes as docker writes them: four digits at most, in powers of 1024."""
    size, unit = float(count), 0
    units = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
    while size >= 1024.0 and unit < len(units) - 1:
        size /= 1024.0
        unit += 1
    return f"{size:.4g}{units[unit]}"


@dataclass(frozen=True, slots=True)
class _Service:
    service: Members
    build: Members
    model: ComposeModel
    lookup: VariableLookup

    def fields(self) -> dict[str, FieldValue]:
        """Those of the target. Raises `TextError`."""
        self._check()
        found: dict[str, FieldValue] = {
            field: _text(self.build[name], name) for name, field in _TEXTS.items() if self.build.get(name)
        }
        readers: dict[str, Callable[[object], FieldValue]] = {
            "args": lambda value: self._arguments(_pairs(value, "args")),
            "labels": lambda value: {name: one or "" for name, one in _pairs(value, "labels").items()},
            "contexts": lambda value: _contexts(_pairs(value, "additional_contexts")),
            "extra-hosts": _hosts,
            "ulimits": _ulimits,
            "shm-size": lambda value: human_size(parse_bytes(_text(value, "shm_size"))),
            "tags": lambda value: tuple(_list(value, "tags")),
            "platforms": lambda value: tuple(_list(value, "platforms")),
            "cache-from": lambda value: from_texts("cache-from", _list(value, "cache_from")),
            "cache-to": lambda value: from_texts("cache-to", _list(value, "cache_to")),
            "ssh": lambda value: _agents(_pairs(value, "ssh")),
            "secret": self._secrets,
        }
        names = {"contexts": "additional_contexts", "secret": "secrets"}
        for field, read in readers.items():
            value = self.build.get(names.get(field, field.replace("-", "_")))
            if value is not None:
                found[field] = read(value)
        for name in _FLAGS:
            value = self.build.get(name.replace("-", "_"))
            if value is not None and _flag(value, name):
                found[name] = True
        if attested := self._attested():
            found["attest"] = attested
        return self._extended(self._named(found))

    def _check(self) -> None:
        for name in self.build:
            if name in _REFUSED:
                raise TextError(f"{name} is not supported")
            if name not in _KNOWN and not name.startswith("x-"):
                raise TextError(f"unknown member {name!r}{suggestion(name, _KNOWN)}")

    def _named(self, found: dict[str, FieldValue]) -> dict[str, FieldValue]:
        image = self.service.get("image")
        return {**found, "tags": (_text(image, "image"),)} if image and not found.get("tags") else found

    def _arguments(self, given: Mapping[str, str | None]) -> dict[str, str | None]:
        """A name alone has the service's value, else the caller's; without one it is none."""
        own = _pairs(self.service.get("environment") or {}, "environment")
        found: dict[str, str | None] = {}
        for name, value in given.items():
            known = own.get(name) if value is None else value
            known = self.lookup(name) if known is None else known
            if known is not None:
                found[name] = known
        return found

    def _secrets(self, value: object) -> Entries:
        found: list[Mapping[str, str]] = []
        for item in cast("list[object]", value) if isinstance(value, list) else []:
            name = str(cast("Members", item).get("source", "")) if isinstance(item, dict) else str(item)
            if name not in self.model.secrets:
                raise TextError(f"secrets: there is no secret {name!r}")
            given = self.model.secrets[name]
            if given.get("external"):
                raise TextError(f"secrets: {name} is external, which is not supported")
            entry = {"id": name, "src": _path(given.get("file")), "env": str(given.get("environment") or "")}
            found.append({key: one for key, one in entry.items() if one})
        return tuple(found)

    def _attested(self) -> Entries:
        words: list[str] = []
        for name in ("sbom", "provenance"):
            value = self.build.get(name)
            if value is None or value == "":
                continue
            text = _text(value, name)
            word = {"true": "disabled=false", "false": "disabled=true"}.get(text, text)
            words.append(f"type={name},{word}")
        return from_texts("attest", words)

    def _extended(self, found: dict[str, FieldValue]) -> dict[str, FieldValue]:
        """With what ``x-bake`` says beside."""
        given = self.build.get(_EXTENSION)
        if given is None:
            return found
        if not isinstance(given, dict):
            raise TextError(f"{_EXTENSION}: expected a section")
        for name, value in cast("Members", given).items():
            if name in _LISTS:
                before = cast("tuple[str, ...]", found.get(name, ()))
                found[name] = tuple(dict.fromkeys((*before, *_words(value, name))))
            elif name in _ENTRIES:
                entries: Entries = (*cast("Entries", found.get(name, ())), *from_texts(name, _words(value, name)))
                found[name] = normalized(name, entries)
            elif name in _FLAGS:
                found[name] = _flag(value, name)
            elif name == "contexts":
                found[name] = {**_contexts(_pairs(value, name)), **cast("dict[str, str]", found.get(name, {}))}
        return found


def _path(value: object) -> str:
    return os.path.normpath(str(value)) if value else ""


def _words(value: object, what: str) -> list[str]:
    """A list, or words in one text."""
    if isinstance(value, list):
        return _list(cast("list[object]", value), f"{_EXTENSION}.{what}")
    return _text(value, what).split()


def _contexts(given: Mapping[str, str | None]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in given.items():
        kind, colon, rest = (value or "").partition(":")
        linked = bool(colon) and kind in ("service", "target")
        found[name] = f"target:{rest.replace('.', '_')}" if linked else value or ""
    return found


def _hosts(value: object) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    if isinstance(value, dict):
        for name, one in cast("Members", value).items():
            if isinstance(one, list):
                found[name] = _list(cast("list[object]", one), "extra_hosts")
            else:
                found[name] = [_text(one, "extra_hosts")]
    else:
        for word in _list(value, "extra_hosts"):
            name, equals, address = word.partition("=")
            if not equals:
                name, _, address = word.partition(":")
            found.setdefault(name, []).append(address)
    return {name: ",".join(addresses) for name, addresses in found.items()}


def _ulimits(value: object) -> tuple[str, ...]:
    found: list[str] = []
    for name, one in cast("Members", value).items() if isinstance(value, dict) else ():
        if isinstance(one, dict):
            limits = cast("Members", one)
            found.append(f"{name}={limits.get('soft')}:{limits.get('hard')}")
        else:
            found.append(f"{name}={_text(one, name)}:{_text(one, name)}")
    return tuple(found)


def _agents(given: Mapping[str, str | None]) -> Entries:
    found: list[Entry] = []
    for name, path in sorted(given.items()):
        found.append({"id": name, "paths": (path,)} if path else {"id": name})
    return tuple(found)

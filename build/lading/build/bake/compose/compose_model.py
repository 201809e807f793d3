"""Compose files merged: services with what they extend, as far as their builds need it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias, cast

from lading.build.bake.compose.interpolation import VariableLookup, dotenv, interpolated
from lading.build.bake.hcl.hcl_source import BakeError
from lading.build.errors import TextError
from lading.store.fastclass import dataclass
from lading.verify.policy.yaml_text import YamlError, load

Members: TypeAlias = "dict[str, object]"
ReadFile = Callable[[str], bytes]
_PAIRS: Final = ("args", "labels", "additional_contexts", "environment", "ssh")
_MAX_EXTENDS: Final = 20


@dataclass(frozen=True, slots=True)
class ComposeModel:
    """The services and secrets of all files."""

    services: Mapping[str, Members]
    secrets: Mapping[str, Members]


def read_model(files: list[tuple[str, bytes]], lookup: VariableLookup, read: ReadFile) -> ComposeModel:
    """`files` by name, the later over the earlier; `read` is for those that they extend. Raises `BakeError`."""
    services: dict[str, object] = {}
    secrets: dict[str, object] = {}
    for name, document in _documents(files, lookup, read):
        own = _members(document.get("services") or {}, f"{name}: services")
        for service, value in own.items():
            extended = _Extending(name, own, lookup, read).of(service, value)
            services[service] = _merged(services[service], extended) if service in services else extended
        secrets = cast(
            "dict[str, object]", _merged(secrets, _members(document.get("secrets") or {}, f"{name}: secrets"))
        )
    if not services and not secrets:
        raise BakeError(f"{files[0][0]}: an empty Compose file: no services")
    return ComposeModel(
        {name: _surrounded(_members(value, f"services.{name}"), lookup, read) for name, value in services.items()},
        {name: _members(value or {}, f"secrets.{name}") for name, value in secrets.items()},
    )


def has_services(data: bytes) -> bool:
    """Whether it is YAML with a section of services."""
    try:
        document = load(data.decode(), "").plain()
    except (UnicodeDecodeError, YamlError):
        return False
    return isinstance(document, dict) and isinstance(cast("Members", document).get("services"), dict)


def _documents(
    files: list[tuple[str, bytes]], lookup: VariableLookup, read: ReadFile, depth: int = 0
) -> Iterator[tuple[str, Members]]:
    """Those that are included before the one that includes them."""
    for name, data in files:
        document = _document(name, data, lookup)
        if depth > _MAX_EXTENDS:
            raise BakeError(f"{name}: files that include each other without end")
        paths = [path for one in _items(document.pop("include", None)) for path in _included(one, name)]
        yield from _documents([(path, read(path)) for path in paths], lookup, read, depth + 1)
        yield name, document


def _included(one: object, name: str) -> list[str]:
    """The files of an entry; the first is the one, others go over it."""
    if isinstance(one, dict):
        given = cast("Members", one)
        if set(given) - {"path"}:
            raise BakeError(f"{name}: include: of an entry only its path is supported")
        one = given.get("path")
    return [os.path.join(os.path.dirname(name), str(item)) for item in _items(one)]


def _surrounded(service: Members, lookup: VariableLookup, read: ReadFile) -> Members:
    """With the environment that its files give below its own."""
    given = service.get("env_file")
    if given is None or service.get("build") is None:
        return service
    found: Members = {}
    for item in _items(given):
        path = str(cast("Members", item).get("path")) if isinstance(item, dict) else str(item)
        if isinstance(item, dict) and cast("Members", item).get("required") is False and not os.path.exists(path):
            continue
        try:
            found.update(dotenv(read(path).decode(errors="replace"), lookup))
        except TextError as error:
            raise BakeError(f"{path}: {error}") from None
    return {**service, "environment": _merged(found, _pairs(service.get("environment") or {}))}


def _document(name: str, data: bytes, lookup: VariableLookup) -> Members:
    try:
        document = _members(load(data.decode(), name).plain(), name)
        return _members(interpolated(document, lookup), name)
    except UnicodeDecodeError:
        raise BakeError(f"{name}: not UTF-8 text") from None
    except YamlError as error:
        raise BakeError(str(error), hint=error.hint) from None
    except TextError as error:
        raise BakeError(f"{name}: {error}") from None


def _members(value: object, where: str) -> Members:
    if not isinstance(value, dict):
        raise BakeError(f"{where}: expected a section")
    return cast("Members", value)


@dataclass(frozen=True, slots=True)
class _Extending:
    """The services of one file, among which `extends` finds what it names."""

    file: str
    services: Members
    lookup: VariableLookup
    read: ReadFile

    def of(self, name: str, value: object, depth: int = 0) -> Members:
        """A service with what it extends under it."""
        service = _regular(_members(value or {}, f"{self.file}: services.{name}"))
        extends = service.pop("extends", None)
        if extends is None:
            return service
        if depth > _MAX_EXTENDS:
            raise BakeError(f"{self.file}: services.{name}: extends that go in a circle")
        given = {"service": extends} if isinstance(extends, str) else _members(extends, f"services.{name}.extends")
        other, place = str(given.get("service", "")), self
        if given.get("file"):
            place = self._file(os.path.join(os.path.dirname(self.file), str(given["file"])))
        if other not in place.services:
            raise BakeError(f"{place.file}: there is no service {other!r}, which {name} extends")
        base = place.of(other, place.services[other], depth + 1)
        return _members(_merged(base, service), name)

    def _file(self, path: str) -> _Extending:
        document = _document(path, self.read(path), self.lookup)
        return _Extending(path, _members(document.get("services") or {}, path), self.lookup, self.read)


def _regular(service: Members) -> Members:
    """With short forms as long ones, so that two can be merged."""
    found = dict(service)
    build = found.get("build")
    if isinstance(build, str):
        found["build"] = {"context": build}
    elif isinstance(build, dict):
        found["build"] = _with_pairs(cast("Members", build))
    return _with_pairs(found)


def _with_pairs(members: Members) -> Members:
    return {name: _pairs(value) if name in _PAIRS else value for name, value in members.items()}


def _pairs(value: object) -> object:
    """A list of ``NAME=VALUE`` as a mapping; a name alone has no value."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list):
        return value
    found: Members = {}
    for item in cast("list[object]", value):
        name, equals, rest = str(item).partition("=")
        found[name] = rest if equals else None
    return found


def _merged(under: object, over: object) -> object:
    if over is None:
        return under
    if isinstance(over, dict):
        return _merged_members(under, cast("Members", over))
    return _merged_items(under, cast("list[object]", over)) if isinstance(over, list) else over


def _merged_members(under: object, over: Members) -> Members:
    if not isinstance(under, dict):
        return over
    found = dict(cast("Members", under))
    for name, value in over.items():
        found[name] = _merged(found[name], value) if name in found else value
    return found


def _merged_items(under: object, over: list[object]) -> list[object]:
    items = [*(cast("list[object]", under) if isinstance(under, list) else []), *over]
    return [item for at, item in enumerate(items) if item not in items[:at]]


def _items(value: object) -> list[object]:
    """The items of a list; anything else is one."""
    if value is None:
        return []
    return cast("list[object]", value) if isinstance(value, list) else [value]

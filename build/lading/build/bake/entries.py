"""What a cache, an output, a secret, an agent or an attestation of a target is: names and values, written as
``type=local,dest=out`` or as an object (buildx, util/buildflags)."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias

from lading.build.bake.hcl.hcl_types import HclType, convert
from lading.build.bake.hcl.hcl_values import HclValue, as_items, as_members, as_text
from lading.build.dockerfile.instruction_values import FALSE, TRUE, csv_fields
from lading.build.errors import TextError

Entry: TypeAlias = Mapping[str, "str | bool | tuple[str, ...]"]
Entries: TypeAlias = tuple[Entry, ...]
_SECRET: Final = {"id": "id", "src": "src", "source": "src", "env": "env"}


def boolean(text: str) -> bool:
    """As Go's strconv.ParseBool. Raises `TextError`."""
    if text in TRUE | FALSE:
        return text in TRUE
    raise TextError(f"{text!r} is neither true nor false")


def _pairs(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for field in csv_fields(text):
        name, equals, value = field.partition("=")
        if not equals:
            raise TextError(f"invalid value {field}")
        found[name.strip().lower()] = value
    return found


def _typed(entry: Mapping[str, str], what: str) -> Entry:
    if not entry.get("type"):
        raise TextError(f"type required for {what}")
    return {name: value for name, value in entry.items() if value or name != "dest"}


def _cache(text: str) -> Iterable[Entry]:
    if "=" not in text:
        return [{"type": "registry", "ref": field} for field in csv_fields(text)]
    return [_typed(_pairs(text), f"{text!r}")]


def _output(text: str) -> Iterable[Entry]:
    if not text.startswith("type=") and len(csv_fields(text)) == 1:
        return [{"type": "tar" if text == "-" else "local", "dest": text}]
    return [_typed(_pairs(text), f"output {text!r}")]


def _secret(text: str) -> Iterable[Entry]:
    given, found = _pairs(text), dict[str, str]()
    kind = given.pop("type", "")
    if kind not in ("", "file", "env"):
        raise TextError(f"unsupported secret type {kind!r}")
    for name, value in given.items():
        if name not in _SECRET:
            raise TextError(f"unexpected key {name!r} in secret {text!r}")
        found[_SECRET[name]] = value
    if kind == "env" and not found.get("env"):
        found["env"] = found.pop("src", "")
    return [_secret_of(found)]


def _secret_of(found: Mapping[str, str]) -> Entry:
    return {name: found[name] for name in ("id", "src", "env") if found.get(name)}


def _agent(text: str) -> Iterable[Entry]:
    name, equals, paths = text.partition("=")
    return [{"id": name, "paths": tuple(paths.split(","))} if equals else {"id": name}]


def _attest(text: str) -> Iterable[Entry]:
    return [_attest_of(_pairs(text), f"attestation {text!r}")]


def _attest_of(found: Mapping[str, str], what: str) -> Entry:
    made: dict[str, str | bool | tuple[str, ...]] = dict(_typed(found, what))
    if "disabled" in found:
        del made["disabled"]
        if boolean(found["disabled"]):
            made["disabled"] = True
    return made


_READERS: Final[dict[str, Callable[[str], Iterable[Entry]]]] = {
    "cache-from": _cache,
    "cache-to": _cache,
    "output": _output,
    "secret": _secret,
    "ssh": _agent,
    "attest": _attest,
}


def from_texts(field: str, texts: Iterable[str]) -> Entries:
    """Those that words of a call, or strings of a file, say. Raises `TextError`."""
    return tuple(entry for text in texts if text for entry in _READERS[field](text))


def from_value(field: str, value: HclValue) -> Entries:
    """Those of a list of strings and objects. Raises `TextError`."""
    found: list[Entry] = []
    for item in as_items(value):
        found += from_texts(field, (item,)) if isinstance(item, str) else [_of_members(field, as_members(item))]
    return tuple(found)


def _of_members(field: str, members: Mapping[str, HclValue]) -> Entry:
    if field == "ssh":
        paths = tuple(map(as_text, as_items(members.get("paths") or ())))
        return {"id": as_text(members.get("id") or ""), **({"paths": paths} if paths else {})}
    given = convert({name: value for name, value in members.items() if value is not None}, HclType("map"))
    texts = {name: as_text(value) for name, value in as_members(given).items()}
    if field == "secret":
        return _secret_of(texts)
    return _attest_of(texts, "attestation") if field == "attest" else _typed(texts, field)


def normalized(field: str, entries: Iterable[Entry]) -> Entries:
    """Each once; of secrets, agents and attestations of one name the last, where the first stood."""
    name = {"secret": "id", "ssh": "id", "attest": "type"}.get(field)
    found: dict[object, Entry] = {}
    for entry in entries:
        key = tuple(sorted(entry.items())) if name is None else entry.get(name, "")
        if name is not None or key not in found:
            found[key] = entry
    return tuple(found.values())


def agent_text(entry: Entry) -> str:
    """An entry of `ssh` as a word of a call."""
    paths = entry.get("paths", ())
    assert isinstance(paths, tuple)
    return f"{entry['id']}={','.join(paths)}" if paths else str(entry["id"])


def entry_text(entry: Entry) -> str:
    """An entry of any field but `ssh` as a word of a call."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(f"{name}={value}" for name, value in entry.items())
    return line.getvalue()

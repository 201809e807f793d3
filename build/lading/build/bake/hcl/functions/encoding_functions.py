"""Functions that write values in other forms, and read them: JSON, CSV, base 64, digests, UUIDs."""

from __future__ import annotations

import base64
import binascii
import csv
import hashlib
import json
import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, cast
from urllib.parse import quote_plus

from lading.build.bake.hcl.functions.value_adapters import HclFunction, of_none, of_text
from lading.build.bake.hcl.hcl_values import HclValue, ValueSet, as_items, as_text, as_whole, hcl_object, written
from lading.build.errors import TextError
from lading.store.errors import DocumentError
from lading.store.oci.json import parse

_MAX_COST: Final = 16
"""Seconds of work; each one more doubles them."""
_SPACES: Final = {
    "dns": uuid.NAMESPACE_DNS,
    "url": uuid.NAMESPACE_URL,
    "oid": uuid.NAMESPACE_OID,
    "x500": uuid.NAMESPACE_X500,
}


def to_json(value: HclValue) -> str:
    """JSON as the reference writes it: no spaces, members in order, <, > and & escaped."""
    if isinstance(value, Decimal):
        return written(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{to_json(name)}:{to_json(one)}" for name, one in value.items()) + "}"
    if isinstance(value, tuple | ValueSet):
        return "[" + ",".join(map(to_json, as_items(value))) + "]"
    return escaped(json.dumps(value, ensure_ascii=False))


def escaped(text: str) -> str:
    """JSON as Go writes it, which keeps it from being taken for HTML."""
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def from_json(found: object) -> HclValue:
    """What JSON says, as a value."""
    if isinstance(found, dict):
        members = cast("dict[str, object]", found)
        return hcl_object({name: from_json(one) for name, one in members.items()})
    if isinstance(found, list):
        return tuple(map(from_json, cast("list[object]", found)))
    if isinstance(found, int | float) and not isinstance(found, bool):
        return Decimal(str(found))
    return cast("str | bool | None", found)


def _decoded(text: HclValue) -> HclValue:
    try:
        return from_json(parse(as_text(text).encode(), "jsondecode"))
    except DocumentError as error:
        raise TextError(error.message) from None


def _from_base64(text: HclValue) -> HclValue:
    try:
        return base64.b64decode(as_text(text), validate=True).decode()
    except (binascii.Error, ValueError):
        raise TextError("not base 64 of UTF-8 text") from None


def _from_csv(text: HclValue) -> HclValue:
    try:
        rows = list(csv.reader(as_text(text).splitlines(), strict=True))
    except csv.Error as error:
        raise TextError(f"not CSV: {error}") from None
    if not rows:
        raise TextError("CSV without a line of names")
    if any(len(row) != len(rows[0]) for row in rows):
        raise TextError("a line of CSV has another number of fields than the first")
    return tuple(hcl_object(dict(zip(rows[0], row, strict=True))) for row in rows[1:])


def _digest(name: str) -> HclFunction:
    return of_text(lambda text: hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest())


def _uuid5(space: HclValue, name: HclValue) -> HclValue:
    try:
        within = _SPACES.get(as_text(space)) or uuid.UUID(as_text(space))
    except ValueError:
        raise TextError(f"{as_text(space)!r} is none of {', '.join(_SPACES)}, and no UUID") from None
    return str(uuid.uuid5(within, as_text(name)))


def _bcrypt(text: HclValue, cost: HclValue = None) -> HclValue:
    import bcrypt  # noqa: PLC0415

    rounds = as_whole(cost) if cost is not None else 10
    if not 4 <= rounds <= _MAX_COST:
        raise TextError(f"a cost between 4 and {_MAX_COST} is required")
    return bcrypt.hashpw(as_text(text).encode(), bcrypt.gensalt(rounds)).decode()


def _refused(*_: Any) -> HclValue:
    raise TextError("not supported: a private key has no place in a bake file")


ENCODING_FUNCTIONS: Final[Mapping[str, HclFunction]] = {
    "jsonencode": to_json,
    "jsondecode": _decoded,
    "csvdecode": _from_csv,
    "base64encode": of_text(lambda text: base64.b64encode(text.encode()).decode()),
    "base64decode": _from_base64,
    "urlencode": of_text(lambda text: quote_plus(text, safe="-_.~")),
    "md5": _digest("md5"),
    "sha1": _digest("sha1"),
    "sha256": _digest("sha256"),
    "sha512": _digest("sha512"),
    "bcrypt": _bcrypt,
    "rsadecrypt": _refused,
    "uuidv4": of_none(lambda: str(uuid.uuid4())),
    "uuidv5": _uuid5,
}

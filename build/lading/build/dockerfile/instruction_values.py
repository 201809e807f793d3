"""Values that instructions hold: durations, signals, ports, owners. Errors are without place."""

from __future__ import annotations

import re
import signal as signals
from typing import Final

from lading.build.errors import TextError
from lading.store.fastclass import dataclass
from lading.store.system.patterns import pattern

_UNITS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_LONGEST: Final = 256
"""Characters of a duration: its digits are turned into a number."""
_PART: Final = pattern(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_MAX: Final = 2**63 - 1
TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
FALSE: Final = frozenset({"0", "f", "F", "FALSE", "false", "False"})
"""What Go's ``strconv.ParseBool`` takes."""
_QUOTED_FIELD: Final = pattern(r'"((?:[^"]|"")*)"(?:(,)|\Z)')
_SIZE: Final = pattern(r"([0-9]{1,20}(?:\.[0-9]{0,20})?) ?(?:b|([kmgtp])(?:b|ib)?)?", re.IGNORECASE)
MAX_ID: Final = 2**32 - 2
"""The greatest user or group ID; the number after it means "leave it"."""

_SECRET: Final = pattern(
    r"(?i)(?:_|^)(?:apikey|auth|credential|credentials|key|password|pword|passwd|secret|token)(?:_|$)"
)
_NO_SECRET: Final = pattern(r"(?i)(?:_|^)(?:public|file|version)(?:_|$)")


def sounds_secret(name: str) -> bool:
    """Whether a variable is called as one whose value nobody should see."""
    return bool(_SECRET.search(name)) and not _NO_SECRET.search(name)


def parse_duration(text: str) -> int:
    """Nanoseconds of a Go duration (``1m30s``), 0 or at least one millisecond."""
    parts = list(_PART.finditer(text))
    if text != "0" and (not parts or "".join(part[0] for part in parts) != text.removeprefix("+")):
        raise TextError(f"not a duration: {text!r} (it is written like 30s or 1m30s)")
    if len(text) > _LONGEST:
        raise TextError(f"not a duration: one of {len(text)} characters")
    total = sum(_part(part[1], _UNITS[part[2]]) for part in parts)
    if 0 < total < 1_000_000 or total > _MAX:
        raise TextError(f"{text} is out of range: at least 1ms")
    return total


def _part(number: str, unit: int) -> int:
    whole, _, fraction = number.partition(".")
    return int(whole or 0) * unit + (int(fraction) * unit // 10 ** len(fraction) if fraction else 0)


def check_signal(text: str) -> None:
    """Refuses what is no signal by number or name."""
    if re.fullmatch(r"[+-]?[0-9]+", text):
        if text.strip("+-0"):
            return
        raise TextError(f"invalid signal: {text}")
    name = text.upper().removeprefix("SIG")
    if re.fullmatch(r"RTM(IN(\+([1-9]|1[0-5]))?|AX(-([1-9]|1[0-4]))?)", name):
        return
    if f"SIG{name}" not in signals.Signals.__members__ and name not in ("CLD", "POLL", "IOT", "STKFLT"):
        raise TextError(f"invalid signal: {text}")


def parse_ports(text: str) -> list[str]:
    """``80``, ``80-82/udp`` or the tolerated ``[ip:][host:]80/tcp`` to ``port/protocol`` entries."""
    container, slash, protocol = text.rpartition(":")[2].partition("/")
    if slash and not protocol:
        protocol = "tcp"
    protocol = (protocol or "tcp").lower()
    if protocol not in ("tcp", "udp", "sctp"):
        raise TextError(f"invalid port: {text!r}: invalid proto: {protocol}")
    first, dash, last = container.partition("-")
    start, end = _port(first, text), _port(last if dash else first, text)
    if end < start:
        raise TextError(f"invalid port: {text!r}: the range ends before it begins")
    return [f"{number}/{protocol}" for number in range(start, end + 1)]


def _port(digits: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", digits) or int(digits) > 65535:
        raise TextError(f"invalid port: {text!r}")
    return int(digits)


@dataclass(frozen=True, slots=True)
class Owner:
    """``--chown`` and USER: a user and perhaps a group, each a number or a name in the image."""

    user: str
    group: str | None

    @property
    def numeric(self) -> tuple[int, int] | None:
        """User and group ID where no name has to be looked up; a group left out is the user's number."""
        user = number(self.user, MAX_ID)
        group = user if self.group is None else number(self.group, MAX_ID)
        return None if user is None or group is None else (user, group)

    @property
    def nameless(self) -> bool:
        """Whether nothing of it is looked up in the image: numbers, and root, which is 0 everywhere."""
        return all(part is None or part == "root" or is_number(part) for part in (self.user, self.group))


def parse_owner(text: str) -> Owner:
    """``user[:group]``; a user left out is root, a group left out is the user's own."""
    user, _, group = text.partition(":")
    if ":" in group:
        raise TextError(f"not an owner: {text!r} (it is written user or user:group)")
    for part in (user, group):
        if is_number(part) and number(part, MAX_ID) is None:
            raise TextError(f"not an owner: {text!r}: {part} is out of range")
    return Owner(user or "0", group or None)


def csv_fields(text: str) -> tuple[str, ...]:
    """The fields of one line of comma-separated values, quoted as RFC 4180 has it (tonistiigi/go-csvvalue)."""
    if not text.removesuffix("\n").removesuffix("\r"):
        raise TextError("there is nothing in it")
    fields: list[str] = []
    rest: str | None = text.removesuffix("\n")
    while rest is not None:
        field, rest = _quoted_field(rest) if rest.startswith('"') else _plain_field(rest)
        fields.append(field)
    return tuple(fields)


def _plain_field(text: str) -> tuple[str, str | None]:
    field, comma, rest = text.partition(",")
    if '"' in field:
        raise TextError(f"a quote stands in the middle of {field!r}: the whole field is quoted")
    return field, rest if comma else None


def _quoted_field(text: str) -> tuple[str, str | None]:
    found = _QUOTED_FIELD.match(text)
    if found is None:
        raise TextError(f"the quotes of {text!r} are not in pairs around a field")
    return found[1].replace('""', '"'), text[found.end() :] if found[2] else None


def parse_boolean(text: str) -> bool:
    """As Go's ``strconv.ParseBool``."""
    if text not in TRUE | FALSE:
        raise TextError(f"expected true or false, not {text!r}")
    return text in TRUE


def parse_bytes(text: str) -> int:
    """Bytes of ``64m``, ``1.5GiB`` or a plain number: all units are powers of 1024 (docker/go-units ``RAMInBytes``)."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise TextError(f"not a size: {text!r} (it is written like 64m or 1g)")
    size = float(found[1]) * 1024 ** " kmgtp".index((found[2] or " ").lower())
    if size > _MAX:
        raise TextError(f"not a size: {text!r}: more than any machine has")
    return int(size)


def is_number(text: str) -> bool:
    """Whether `text` is digits as ASCII has them."""
    return text.isascii() and text.isdigit()


def number(text: str, most: int) -> int | None:
    """The number that `text` is, None for anything else and for one beyond `most`, however long it is written."""
    digits = text.lstrip("0") or "0"
    if not is_number(text) or len(digits) > len(str(most)) or int(digits) > most:
        return None
    return int(digits)

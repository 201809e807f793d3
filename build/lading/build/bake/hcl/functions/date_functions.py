"""Functions of times, all in UTC or as RFC 3339 says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from lading.build.bake.hcl.functions.value_adapters import HclFunction, of_none
from lading.build.bake.hcl.hcl_values import HclValue, as_text, as_whole, hcl_object, number_of
from lading.build.errors import TextError

_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
_TOKEN: Final = re.compile(r"'((?:[^']|'')*)'|([a-zA-Z])\2*|[^a-zA-Z']+|'")
_DURATION: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_MONTHS: Final = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_DAYS: Final = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_NOON: Final = 12


def _time(text: HclValue) -> datetime:
    whole = as_text(text)
    if not _RFC3339.fullmatch(whole):
        raise TextError(f"{whole!r} is no time in RFC 3339")
    try:
        return datetime.fromisoformat(whole)
    except ValueError:
        raise TextError(f"{whole!r} is no time in RFC 3339") from None


def rfc3339(when: datetime) -> str:
    """As the reference writes it."""
    return when.replace(microsecond=0).isoformat().replace("+00:00", "Z")


def _zone(when: datetime, colon: str) -> str:
    minutes = int((when.utcoffset() or timedelta()).total_seconds()) // 60
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02}{colon}{abs(minutes) % 60:02}"


def _tokens(when: datetime) -> dict[str, str]:
    hour = when.hour % _NOON or _NOON
    half = "AM" if when.hour < _NOON else "PM"
    utc = not when.utcoffset()
    return {
        "YYYY": f"{when.year:04}",
        "YY": f"{when.year % 100:02}",
        "MMMM": _MONTHS[when.month - 1],
        "MMM": _MONTHS[when.month - 1][:3],
        "MM": f"{when.month:02}",
        "M": str(when.month),
        "DD": f"{when.day:02}",
        "D": str(when.day),
        "EEEE": _DAYS[when.weekday()],
        "EEE": _DAYS[when.weekday()][:3],
        "hh": f"{when.hour:02}",
        "h": str(when.hour),
        "HH": f"{hour:02}",
        "H": str(hour),
        "AA": half,
        "aa": half.lower(),
        "mm": f"{when.minute:02}",
        "m": str(when.minute),
        "ss": f"{when.second:02}",
        "s": str(when.second),
        "ZZZZZ": _zone(when, ":"),
        "ZZZZ": _zone(when, ""),
        "ZZZ": "UTC" if utc else _zone(when, ""),
        "Z": "Z" if utc else _zone(when, ":"),
    }


def _format_date(form: HclValue, time: HclValue) -> HclValue:
    known, found = _tokens(_time(time)), ""
    for token in _TOKEN.finditer(as_text(form)):
        if token[0] == "'":
            raise TextError("a quote without its end")
        if token[2] and token[0] not in known:
            raise TextError(f"{token[0]!r} stands for nothing: other letters go in quotes")
        found += known[token[0]] if token[2] else token[0] if token[1] is None else token[1].replace("''", "'")
    return found


def _unix(number: HclValue) -> datetime:
    try:
        return datetime.fromtimestamp(as_whole(number), UTC)
    except (ValueError, OverflowError, OSError):
        raise TextError("a time beyond the year 9999") from None


def _format_timestamp(form: HclValue, time: HclValue) -> HclValue:
    when = _unix(time) if isinstance(time, Decimal) else _time(time)
    return str(int(when.timestamp())) if form == "X" else _format_date(form, rfc3339(when))


def _add(time: HclValue, duration: HclValue) -> HclValue:
    text = as_text(duration)
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if rest != "0" and (not rest or _DURATION.sub("", rest)):
        raise TextError(f"{text!r} is no duration")
    seconds = sum(float(found[1]) * _UNITS[found[2]] for found in _DURATION.finditer(rest))
    try:
        return rfc3339(_time(time) + timedelta(seconds=sign * seconds))
    except OverflowError:
        raise TextError("a time beyond the year 9999") from None


def _parts(number: HclValue) -> HclValue:
    when = _unix(number)
    year, week, _ = when.isocalendar()
    numbers = {
        "year": when.year,
        "year_day": when.timetuple().tm_yday,
        "day": when.day,
        "month": when.month,
        "weekday": when.isoweekday() % 7,
        "hour": when.hour,
        "minute": when.minute,
        "second": when.second,
        "iso_year": year,
        "iso_week": week,
    }
    words = {"month_name": _MONTHS[when.month - 1], "weekday_name": _DAYS[when.weekday()], "rfc3339": rfc3339(when)}
    return hcl_object({**{name: number_of(value) for name, value in numbers.items()}, **words})


DATE_FUNCTIONS: Final[Mapping[str, HclFunction]] = {
    "timestamp": of_none(lambda: rfc3339(datetime.now(UTC))),
    "formatdate": _format_date,
    "formattimestamp": _format_timestamp,
    "timeadd": _add,
    "unixtimestampparse": _parts,
}

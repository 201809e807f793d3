"""Sizes as the user gives them."""

from __future__ import annotations

import re
from typing import Final

from lading.store.errors import UsageError
from lading.store.system.patterns import pattern

_SIZE: Final = pattern(r"(?P<number>[0-9]{1,12}(?:\.[0-9]{1,6})?) ?(?P<unit>[kmgtp]?)(?P<binary>i?)b?", re.IGNORECASE)


def byte_count(text: str, option: str) -> int:
    """A size: ``20GB`` is a power of a thousand, ``20GiB`` one of 1024. Raises `UsageError`."""
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise UsageError(f"{option}={text}: expected a size, such as 512MB or 20GiB")
    power = "kmgtp".find(found["unit"].lower()) + 1 if found["unit"] else 0
    return int(float(found["number"]) * (1024 if found["binary"] else 1000) ** power)

"""Sizes as the user gives them."""

from __future__ import annotations

import re
from typing import Final

from lading.store.errors import UsageError
from lading.store.system.patterns import pattern

_SIZE: Final = pattern(
    r"(?P<number>[0-9]{1,19}(?:\.[0-9]{0,6})?|\.[0-9]{1,6}) ?(?P<unit>[kmgtp]?)(?P<binary>i?)b?", re.IGNORECASE
)


def byte_count(text: str, option: str, *, base: int = 1000) -> int:
    """A size: ``20GB`` is a power of `base`, ``20GiB`` one of 1024. Raises `UsageError`.

    Memory and logs are counted by 1024, as docker does; what lies on a disk by a thousand.
    """
    found = _SIZE.fullmatch(text.strip())
    if not found:
        if base == 1024:
            raise UsageError(f"{option} {text}: expected a number and b, k, m or g")
        raise UsageError(f"{option}={text}: expected a size, such as 512MB or 20GiB")
    power = "kmgtp".find(found["unit"].lower()) + 1 if found["unit"] else 0
    return int(float(found["number"]) * (1024 if found["binary"] else base) ** power)

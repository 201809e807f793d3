"""Regular expressions that are compiled when they are first used: a call uses few of those that it loads."""

from __future__ import annotations

import re
from typing import Any, AnyStr, cast


class _Later:
    def __init__(self, text: Any, flags: int) -> None:
        self._given = text, flags

    def __getattr__(self, name: str) -> object:
        value: object = getattr(re.compile(*self._given), name)
        setattr(self, name, value)
        return value


def pattern(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """As `re.compile`, for a module's own: a mistake in the text shows at the first use."""
    return cast("re.Pattern[AnyStr]", _Later(text, flags))

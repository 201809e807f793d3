"""How long tests wait for something that has to come: only a test that fails waits so long."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

PATIENCE: Final = 300.0
"""Seconds; more than a machine ten times slower needs for anything here."""


def until(condition: Callable[[], object], what: str = "what was waited for") -> None:
    """Waits until `condition` holds; fails, saying that `what` never came, where it does not."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"{what} never came"
        time.sleep(0.02)

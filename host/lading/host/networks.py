"""The default network's driver, imported when a container first needs it."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lading.networking.driver import Attachment, AttachRequest, Driver


class LazyDriver:
    """A `Driver` that costs nothing until it is used."""

    def __init__(self, state: Path) -> None:
        self._state = state

    @cached_property
    def _driver(self) -> Driver:
        from lading.networking.routed.routed import RoutedDriver  # noqa: PLC0415

        return RoutedDriver(self._state)

    def attach(self, request: AttachRequest) -> Attachment:
        """As `Driver.attach`."""
        return self._driver.attach(request)

    def detach(self, container: str) -> None:
        """As `Driver.detach`."""
        self._driver.detach(container)

    def recover(self, live: Collection[str]) -> tuple[str, ...]:
        """As `Driver.recover`; without a trace of a network there is nothing to do."""
        return self._driver.recover(live) if self._state.exists() else ()

    def attachments(self) -> tuple[Attachment, ...]:
        """As `Driver.attachments`."""
        return self._driver.attachments() if self._state.exists() else ()

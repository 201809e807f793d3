"""The contract of a driver, held to by each that there is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from suites.machine import needs
from suites.nethost import on_a_host

pytestmark = needs("root", "netns", "ip", "nft")


def routed(state: Path, outside: Path) -> dict[str, Any]:
    from lading.networking.routed.routed import RoutedDriver
    from suites.driver_contract import kept_promises

    return kept_promises(RoutedDriver(state))


def test_the_routed_driver(tmp_path: Path) -> None:
    kept = on_a_host(routed, tmp_path)
    assert [promise for promise, is_kept in kept.items() if not is_kept] == []
    assert len(kept) == 15

"""The contract of a driver, held to by each that there is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from suites.driver_contract import DRIVERS
from suites.machine import needs
from suites.nethost import on_a_host

pytestmark = needs("root", "netns", "ip", "nft")


def promises(state: Path, outside: Path, name: str) -> dict[str, Any]:
    from suites.driver_contract import DRIVERS, kept_promises

    return kept_promises(state, DRIVERS[name][0](state))


@pytest.mark.parametrize("name", [pytest.param(name, marks=needs(*needed)) for name, (_, needed) in DRIVERS.items()])
def test_a_driver_keeps_its_promises(tmp_path: Path, name: str) -> None:
    kept = on_a_host(promises, tmp_path, words=(name,))
    assert [promise for promise, is_kept in kept.items() if not is_kept] == []
    assert len(kept) >= 14

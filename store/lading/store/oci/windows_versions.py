"""Which Windows runs which images: by build numbers, as Microsoft's compatibility table and containerd have it."""

from __future__ import annotations

from typing import Final

from lading.store.system.patterns import pattern

_SERVER_2022: Final = 20348
_SERVER_2025: Final = 26100
_VERSION: Final = pattern(r"([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,5})(?:\..*)?")


def runs(image: str | None, host: str | None) -> bool:
    """Whether a host of version `host` runs an image for version `image`; one that is not given takes any.

    Up to Server 2022 the builds must be equal; since then a host runs all back to the long-term release before it.
    """
    wanted = _parts(host)
    if wanted is None or not image:
        return True
    offered = _parts(image) or (0, 0, 0)
    if offered[:2] != wanted[:2]:
        return False
    if wanted[2] < _SERVER_2022:
        return offered[2] == wanted[2]
    oldest = _SERVER_2025 if wanted[2] > _SERVER_2025 else _SERVER_2022
    return oldest <= offered[2] <= wanted[2]


def _parts(version: str | None) -> tuple[int, int, int] | None:
    match = _VERSION.fullmatch(version or "")
    return (int(match[1]), int(match[2]), int(match[3])) if match else None

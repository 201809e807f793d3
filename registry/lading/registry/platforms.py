"""Which image of an index runs here (image-spec 1.1.1, image-index.md; containerd's `platforms` package).

Operating system and architecture must match exactly; a variant matches itself and the older ones it can
run, the newest first.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

from lading.store.errors import InputError
from lading.store.oci.descriptors import Descriptor, Platform
from lading.store.oci.documents import Index
from lading.store.system.patterns import pattern

_ARCHITECTURES: Final = {
    "x86_64": "amd64",
    "x86-64": "amd64",
    "aarch64": "arm64",
    "i386": "386",
    "i486": "386",
    "i586": "386",
    "i686": "386",
    "armhf": "arm",
    "armel": "arm",
}
_ARM: Final = {"armv5l": "v5", "armv6l": "v6", "armv7l": "v7", "armv8l": "v7"}
_DEFAULT_VARIANT: Final = {"arm": "v7", "arm64": "v8", "amd64": "v1"}
_OLDEST: Final = {"arm": 5, "arm64": 8, "amd64": 1}
_EXACT: Final = 1000
_SHOWN: Final = 12
_ATTESTATION: Final = "vnd.docker.reference.type"
_PART: Final = pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VARIANT: Final = pattern(r"v([0-9]{1,2})(?:\.([0-9]{1,2}))?")


def normalise(platform: Platform) -> Platform:
    """The same platform in the words of GOOS and GOARCH, its variant written out where there are several."""
    os_name = {"macos": "darwin"}.get(platform.os.lower(), platform.os.lower())
    machine = platform.architecture.lower()
    architecture = "arm" if machine in _ARM else _ARCHITECTURES.get(machine, machine)
    variant = (platform.variant or "").lower()
    if not variant:
        variant = {"armel": "v6"}.get(machine) or _ARM.get(machine) or _DEFAULT_VARIANT.get(architecture, "")
    if variant[:1].isdigit():
        variant = f"v{variant}"
    return Platform(os_name, architecture, variant or None, platform.os_version, platform.os_features)


def parse_platform(text: str) -> Platform:
    """``os/arch[/variant]`` or ``arch`` alone (then of linux). Raises `InputError`."""
    parts = text.split("/")
    if len(parts) > 3 or not all(_PART.fullmatch(part) for part in parts):
        raise InputError(f"{text!r}: not a platform", hint="write it as linux/amd64 or linux/arm/v7")
    if len(parts) == 1:
        parts = ["linux", *parts]
    return normalise(Platform(parts[0], parts[1], parts[2] if len(parts) == 3 else None))


def host_platform() -> Platform:
    """This machine's, with the oldest variant of amd64, which every such machine runs."""
    machine = os.uname()
    return normalise(Platform(machine.sysname, machine.machine))


def choose(descriptors: Iterable[Descriptor], wanted: Platform) -> Descriptor | None:
    """The best image for `wanted`, the first of equals; None where none runs.

    Attestation manifests (platform unknown/unknown) are no images. Entries without a platform are taken
    only where nothing in the index has one.
    """
    images = [item for item in descriptors if not _is_attestation(item)]
    if images and all(item.platform is None for item in images):
        return images[0]
    ranked = [(rank, -at, item) for at, item in enumerate(images) if (rank := _rank(item.platform, wanted))]
    return max(ranked, key=lambda entry: entry[:2])[2] if ranked else None


def child_for(index: Index, wanted: Platform, source: str) -> Descriptor:
    """The image of an index that `choose` finds best. Raises `InputError`, which names `source` and what it has."""
    child = choose(index.manifests, wanted)
    if child is None:
        names = [str(item.platform) for item in index.manifests if item.platform and item.platform.os != "unknown"]
        offered = ", ".join(names[:_SHOWN]) or "none that names a platform"
        raise InputError(f"{source}: has no image for {wanted}", hint=f"it has {offered}")
    return child


def _rank(offered: Platform | None, wanted: Platform) -> tuple[int, int] | None:
    """How well an offer fits: None not at all, more is better."""
    if offered is None:
        return None
    have, want = normalise(offered), normalise(wanted)
    if (have.os, have.architecture) != (want.os, want.architecture):
        return None
    if have.variant == want.variant:
        return (_EXACT, 0)
    level, limit, oldest = _level(have.variant), _level(want.variant), _OLDEST.get(want.architecture)
    return level if level and limit and oldest and (oldest, 0) <= level <= limit else None


def _level(variant: str | None) -> tuple[int, int] | None:
    match = _VARIANT.fullmatch(variant or "")
    return (int(match[1]), int(match[2] or 0)) if match else None


def _is_attestation(descriptor: Descriptor) -> bool:
    platform = descriptor.platform
    if platform and (platform.os, platform.architecture) == ("unknown", "unknown"):
        return True
    return _ATTESTATION in descriptor.annotations

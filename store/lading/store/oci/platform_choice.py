"""Which image of an index runs here (image-spec 1.1.1, image-index.md), as containerd's `platforms` has it.

A platform takes images for itself, then for what it also runs, the nearest first: older variants, and the 32 bits of
the same family.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from lading.store.errors import InputError
from lading.store.fastclass import replace
from lading.store.oci.descriptors import Descriptor, Platform
from lading.store.oci.documents import Index
from lading.store.oci.platforms import normalise
from lading.store.oci.windows_versions import runs as windows_runs
from lading.store.system.patterns import pattern

_OLDEST_ARM: Final = 5
_NEWEST_ARM64: Final = {8: 9, 9: 7}
"""The last minor version of each."""
_SHOWN: Final = 12
_ATTESTATION: Final = "vnd.docker.reference.type"
_VERSION: Final = pattern(r"v([0-9]{1,2})(?:\.([0-9]{1,2}))?")


def taken(wanted: Platform) -> tuple[Platform, ...]:
    """The platforms whose images `wanted` runs, the best first."""
    own = normalise(wanted)
    if own.architecture == "amd64":
        return (own, *_older(own, _level(own) - 1, 1), replace(own, architecture="386", variant=None))
    if own.architecture == "arm":
        return (own, *_older(own, _level(own) - 1, _OLDEST_ARM))
    if own.architecture == "arm64":
        return _of_arm64(own)
    return (own,)


def _level(platform: Platform) -> int:
    match = _VERSION.fullmatch(platform.variant or "")
    return int(match[1]) if match and match[2] is None else 0


def _older(own: Platform, newest: int, oldest: int) -> list[Platform]:
    return [normalise(replace(own, variant=f"v{level}")) for level in range(newest, oldest - 1, -1)]


def _of_arm64(own: Platform) -> tuple[Platform, ...]:
    """Version 9 has all of version 8 with a minor version higher by five; all run the 32 bits of version 8."""
    match = _VERSION.fullmatch(own.variant or "v8")
    major, minor = (int(match[1]), int(match[2] or 0)) if match else (0, 0)
    if minor > _NEWEST_ARM64.get(major, -1):
        return ()
    levels = [(major, at) for at in range(minor, -1, -1)]
    if major == 9:
        levels += [(8, at) for at in range(min(minor + 5, _NEWEST_ARM64[8]), -1, -1)]
    wide = [normalise(replace(own, variant=f"v{one}.{at}" if at else f"v{one}")) for one, at in levels]
    narrow = replace(own, architecture="arm", variant="v8")
    return (*wide, narrow, *_older(narrow, 7, _OLDEST_ARM))


def matches(offered: Platform, wanted: Platform) -> bool:
    """Whether an image for `offered` is one for exactly `wanted`, however they are spelt."""
    have, want = normalise(offered), normalise(wanted)
    if (have.os, have.architecture, have.variant) != (want.os, want.architecture, want.variant):
        return False
    features = set(have.os_features)
    if want.os == "windows":
        features.discard("win32k")
        if not windows_runs(have.os_version, want.os_version):
            return False
    return features <= set(want.os_features)


def choose(descriptors: Iterable[Descriptor], wanted: Platform) -> Descriptor | None:
    """The best image for `wanted`, the first of equals; None where none runs.

    Attestation manifests (platform unknown/unknown) are no images. Entries without a platform are taken
    only where nothing in the index has one.
    """
    images = [item for item in descriptors if not _is_attestation(item)]
    if images and all(item.platform is None for item in images):
        return images[0]
    for one in taken(wanted):
        found = [(_fit(item.platform), -at, item) for at, item in enumerate(images) if _is_for(item, one)]
        if found:
            return max(found, key=lambda entry: entry[:2])[2]
    return None


def _is_for(item: Descriptor, wanted: Platform) -> bool:
    return item.platform is not None and matches(item.platform, wanted)


def _fit(offered: Platform | None) -> tuple[int, tuple[int, ...]]:
    """Among those for one platform: most features first, then of Windows the newest revision."""
    if offered is None or offered.os.lower() != "windows":
        return (len(offered.os_features) if offered else 0, ())
    parts = (offered.os_version or "").split(".")
    return (len(offered.os_features), tuple(int(part) for part in parts if part.isdecimal()))


def child_for(index: Index, wanted: Platform, source: str) -> Descriptor:
    """The image of an index that `choose` finds best. Raises `InputError`, which names `source` and what it has."""
    child = choose(index.manifests, wanted)
    if child is None:
        named = (str(item.platform) for item in index.manifests if item.platform and item.platform.os != "unknown")
        offered = ", ".join([*dict.fromkeys(named)][:_SHOWN]) or "none that names a platform"
        raise InputError(f"{source}: has no image for {wanted}", hint=f"it has {offered}")
    return child


def _is_attestation(descriptor: Descriptor) -> bool:
    platform = descriptor.platform
    if platform and (platform.os, platform.architecture) == ("unknown", "unknown"):
        return True
    return _ATTESTATION in descriptor.annotations

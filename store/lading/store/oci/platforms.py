"""Platforms in words, as containerd's `platforms` reads them.

The normal form has the words of GOOS and GOARCH, and leaves out the variant that all machines of an architecture have.
"""

from __future__ import annotations

import os
from typing import Final

from lading.store.errors import InputError
from lading.store.fastclass import replace
from lading.store.oci.descriptors import Platform
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
    "armv5l": "arm",
    "armv6l": "arm",
    "armv7l": "arm",
    "armv8l": "arm",
}
_ARM: Final = {"armhf": "v7", "armel": "v6", "armv5l": "v5", "armv6l": "v6", "armv7l": "v7", "armv8l": "v7"}
_IMPLIED: Final = {("amd64", "v1"), ("arm64", "v8"), ("arm64", "v8.0")}
_SYSTEMS: Final = frozenset(
    {"aix", "android", "darwin", "dragonfly", "freebsd", "hurd", "illumos", "ios", "js", "linux", "nacl", "netbsd"}
    | {"openbsd", "plan9", "solaris", "windows", "zos"}
)
_MACHINES: Final = frozenset(
    {"386", "amd64", "amd64p32", "arm", "arm64", "arm64be", "armbe", "loong64", "mips", "mips64", "mips64le"}
    | {"mips64p32", "mips64p32le", "mipsle", "ppc", "ppc64", "ppc64le", "riscv", "riscv64", "s390", "s390x", "sparc"}
    | {"sparc64", "wasm"}
)
"""Those that a word alone may mean; beside a system any other is as good."""
_PART: Final = pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SYSTEM: Final = pattern(
    r"([A-Za-z0-9][A-Za-z0-9_-]{0,63})(?:\(([A-Za-z0-9_.-]{0,63})((?:\+[A-Za-z0-9_.-]{1,63}){0,8})\))?"
)
_NUMBER: Final = pattern(r"[0-9][0-9.]*")


def normalise(platform: Platform) -> Platform:
    """The same platform in its normal form."""
    system = platform.os.lower()
    machine = platform.architecture.lower()
    architecture = _ARCHITECTURES.get(machine, machine)
    variant = (platform.variant or "").lower()
    if architecture.startswith("arm"):
        variant = _ARM.get(machine) or (f"v{variant}" if _NUMBER.fullmatch(variant) else variant)
        variant = variant or ("v7" if architecture == "arm" else "")
    if machine == "i386" or (architecture, variant) in _IMPLIED:
        variant = ""
    if (architecture, variant) == ("arm64", "v9.0"):
        variant = "v9"
    features = tuple(sorted(set(platform.os_features)))
    return Platform(
        {"macos": "darwin"}.get(system, system), architecture, variant or None, platform.os_version, features
    )


def parse_platform(text: str) -> Platform:
    """``os[(version+feature)]/arch[/variant]``, a system alone (on this machine), an architecture alone (of linux).

    In its normal form. Raises `InputError`.
    """
    system, *rest = text.split("/")
    named = _SYSTEM.fullmatch(system)
    if named is None or len(rest) > 2 or not all(_PART.fullmatch(part) for part in rest):
        raise InputError(f"{text!r}: not a platform", hint="write it as linux/amd64 or linux/arm/v7")
    name, version, features = named[1], named[2] or None, tuple((named[3] or "").split("+")[1:])
    if not rest:
        return _alone(text, Platform(name, "", None, version, features))
    return normalise(Platform(name, rest[0], rest[1] if len(rest) == 2 else None, version, features))


def _alone(text: str, named: Platform) -> Platform:
    """What is meant by a system, with a version or without, or by an architecture. Raises `InputError`."""
    own = host_platform()
    system = normalise(replace(named, architecture=own.architecture, variant=own.variant))
    if system.os in _SYSTEMS:
        return system
    machine = normalise(Platform("linux", text))
    if machine.architecture not in _MACHINES:
        hint = "write it as linux/amd64 or linux/arm/v7"
        raise InputError(f"{text!r}: unknown operating system or architecture", hint=hint)
    return machine


def host_platform() -> Platform:
    """This machine's, with the oldest variant of amd64, which every such machine runs."""
    machine = os.uname()
    return normalise(Platform(machine.sysname, machine.machine))

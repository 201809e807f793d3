"""Which platforms a build is for: those that the call names, else this machine's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from lading.store.errors import InputError
from lading.store.oci.descriptors import Platform
from lading.store.oci.platforms import normalise, parse_platform

LOCAL: Final = "local"
"""The word for this machine's own."""


def is_own(text: str, native: Platform) -> bool:
    """Whether `text` (``linux/x86_64``, ``Linux/amd64/v1``) is another word for `native`."""
    try:
        return parse_platform(text) == normalise(native)
    except InputError:
        return False


def targets(texts: Sequence[str], native: Platform) -> tuple[Platform, ...]:
    """The platforms that `texts` name, each once, as they come; without any, `native` alone. Raises `InputError`."""
    named = [native if word == LOCAL else _parsed(word) for word in platform_words(texts)]
    return tuple(dict.fromkeys(named)) or (native,)


def platform_words(texts: Sequence[str]) -> list[str]:
    """Those that stand in words of a call, several of them in one."""
    return [word.strip() for text in texts if text for word in text.split(",")]


def _parsed(text: str) -> Platform:
    try:
        return parse_platform(text)
    except InputError as error:
        raise InputError(f"platform {error.message}", hint=error.hint, option="platform") from error


def platform_arguments(native: Platform, target: Platform, given: Mapping[str, str]) -> dict[str, str]:
    """The variables that tell a Dockerfile where it is built and what for; the call may say otherwise."""
    found: dict[str, str] = {}
    for side, platform in (("BUILD", native), ("TARGET", target)):
        found[f"{side}PLATFORM"] = str(platform)
        found[f"{side}OS"] = platform.os
        found[f"{side}OSVERSION"] = platform.os_version or ""
        found[f"{side}ARCH"] = platform.architecture
        found[f"{side}VARIANT"] = platform.variant or ""
    return {name: given.get(name, value) for name, value in found.items()}


def overridden(config: Platform, target: Platform) -> Platform:
    """What an image is for that was asked to be for `target`, whatever it was made of."""
    same = (config.os, config.architecture) == (target.os, target.architecture)
    return normalise(
        Platform(
            target.os,
            target.architecture,
            config.variant if same and not target.variant else target.variant,
            config.os_version if same and not target.os_version else target.os_version,
            target.os_features or config.os_features,
        )
    )

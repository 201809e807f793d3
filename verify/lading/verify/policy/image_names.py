"""The grammar of image names (distribution/reference, `regexp.go`), for references and for the scopes of a policy."""

from __future__ import annotations

from typing import Final

from lading.store.system.patterns import pattern

_LABEL: Final = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_COMPONENT: Final = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"

DOCKER_HUB: Final = "docker.io"

HOST: Final = pattern(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
PATH: Final = pattern(rf"{_COMPONENT}(?:/{_COMPONENT})*")
TAG: Final = pattern(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}")


def canonical_host(host: str) -> str:
    """One spelling of a registry: lower case, no dot at its end, its port a number and left out where it is HTTPS's."""
    if host.startswith("["):
        name, _, port = host[1:].partition("]")
        name = f"[{_address(name)}]"
        port = port.removeprefix(":")
    else:
        name, _, port = host.lower().partition(":")
        name = name.removesuffix(".")
    number = port.lstrip("0") or port[:1]
    name = DOCKER_HUB if name == f"index.{DOCKER_HUB}" else name
    return name if number in ("", "443") else f"{name}:{number}"


def _address(text: str) -> str:
    from ipaddress import IPv6Address  # noqa: PLC0415 - rarely needed

    try:
        return IPv6Address(text).compressed
    except ValueError:
        return text.lower()

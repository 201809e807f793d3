"""Functions of networks and of versions."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Final

from lading.build.bake.hcl.hcl_values import HclValue, as_text, as_whole
from lading.build.errors import TextError

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_VERSION: Final = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?")
_BOUND: Final = re.compile(r"\s*(=|!=|>=?|=>|<=?|=<|~>?|\^)?\s*v?([\dxX*][^\s,]*)")
_PART: Final = re.compile(r"([\dxX*]+)(?:\.([\dxX*]+))?(?:\.([\dxX*]+))?(?:-([0-9A-Za-z.-]+))?(?:\+\S+)?")
Precedence = tuple[tuple[int, int, int], bool, tuple[tuple[bool, int, str], ...]]


def _network(text: HclValue) -> _Network:
    try:
        return ipaddress.ip_network(as_text(text), strict=False)
    except ValueError:
        raise TextError(f"{as_text(text)!r} is no network in CIDR form") from None


def _subnet(network: _Network, bits: int, number: int) -> _Network:
    length = network.prefixlen + bits
    if length > network.max_prefixlen or not 0 <= number < 1 << bits:
        raise TextError(f"{network} has no part {number} of {bits} bits")
    address = int(network.network_address) + (number << (network.max_prefixlen - length))
    return type(network)((address, length))


def _host(text: HclValue, number: HclValue) -> HclValue:
    network, at = _network(text), as_whole(number)
    if not -network.num_addresses <= at < network.num_addresses:
        raise TextError(f"{network} has no host {at}")
    return str(network[at])


def _subnets(text: HclValue, *bits: HclValue) -> HclValue:
    network, found = _network(text), list[HclValue]()
    place = int(network.network_address)
    for more in bits:
        length = network.prefixlen + as_whole(more)
        size = 1 << (network.max_prefixlen - length)
        place = -(-place // size) * size
        if length > network.max_prefixlen or place + size > int(network.broadcast_address) + 1:
            raise TextError(f"{network} has no room for all of these")
        found.append(str(type(network)((place, length))))
        place += size
    return tuple(found)


def _one_subnet(text: HclValue, bits: HclValue, number: HclValue) -> HclValue:
    return str(_subnet(_network(text), as_whole(bits), as_whole(number)))


def _netmask(text: HclValue) -> HclValue:
    network = _network(text)
    if network.version != 4:
        raise TextError("only networks of IPv4 have a mask")
    return str(network.netmask)


def _precedence(release: tuple[int, int, int], before: str | None) -> Precedence:
    parts = tuple(
        (not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in (before or "").split(".") if part
    )
    return release, not before, parts


def _bounds(sign: str, text: str) -> tuple[Precedence, Precedence | None]:
    """What a constraint's version stands for: from, and up to where places are left open."""
    found = _PART.fullmatch(text)
    if found is None:
        raise TextError(f"{text!r} is no version")
    numbers = [int(part) for part in found.groups()[:3] if part and part.isdigit()]
    low = (*numbers, 0, 0, 0)[:3]
    if sign == "^":
        fixed = next((at + 1 for at, number in enumerate(low) if number), len(numbers))
        fixed = min(fixed, len(numbers))
    elif sign in ("~", "~>"):
        fixed = min(len(numbers), 2)
    else:
        fixed = len(numbers)
    if fixed == 3 and sign not in ("~", "~>", "^"):
        return _precedence((low[0], low[1], low[2]), found[4]), None
    if not fixed:
        return _precedence((0, 0, 0), None), _precedence((1 << 62, 0, 0), None)
    high = [*low[: fixed - 1], low[fixed - 1] + 1, 0, 0, 0][:3]
    return _precedence((low[0], low[1], low[2]), found[4]), _precedence((high[0], high[1], high[2]), "0")


def _holds(version: Precedence, sign: str, text: str) -> bool:
    low, high = _bounds(sign, text)
    if not version[1] and "-" not in text:
        return False  # a version before a release is none of the range's unless it names one
    within = version == low if high is None else low <= version < high
    answers: dict[str, bool] = {
        "!=": not within,
        ">": version > low and not within,
        ">=": version >= low,
        "=>": version >= low,
        "<": version < low,
        "<=": version < low or within,
        "=<": version < low or within,
    }
    return answers.get(sign, within)


def _satisfies(version: HclValue, constraint: HclValue) -> HclValue:
    found = _VERSION.fullmatch(as_text(version))
    if found is None:
        raise TextError(f"{as_text(version)!r} is no semantic version")
    own = _precedence((int(found[1]), int(found[2] or 0), int(found[3] or 0)), found[4])
    text = re.sub(r"(\S+)\s+-\s+(\S+)", r">=\1 <=\2", as_text(constraint))
    return any(_all(own, one) for one in text.split("||"))


def _all(version: Precedence, text: str) -> bool:
    rest = text.replace(",", " ")
    if _BOUND.sub("", rest).strip() or not rest.strip():
        raise TextError(f"{text.strip()!r} is no constraint of versions")
    return all(_holds(version, found[1] or "=", found[2]) for found in _BOUND.finditer(rest))


VERSION_FUNCTIONS: Final[Mapping[str, Callable[..., HclValue]]] = {
    "cidrhost": _host,
    "cidrnetmask": _netmask,
    "cidrsubnet": _one_subnet,
    "cidrsubnets": _subnets,
    "semvercmp": _satisfies,
}

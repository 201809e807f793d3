"""The one nftables table, `inet lading`: loaded whole by `nft`, afterwards changed by element only.

What it does, for links named lad*:

- a packet from a source that is not routed to the link it came by goes no further: the kernel's own routes say who
  may speak where, and there is nothing to keep in step; nor does one from elsewhere that claims to come from a
  container;
- a connection to a published port of the host is sent on to the container (`port4`, `port6`, and `host4`, `host6`
  for ports of one address only);
- connections between containers pass within a network, whose links are one device group (`same`), and not between
  networks;
- what leaves for elsewhere takes the host's address, what comes from the host's loopback the gateway's;
- what who is behind a watched link sends to is kept (`observing`), until the table is replaced.

What passes to a container gets the mark that `fence` asks for. Everything that is not a lad* link is left alone, but
for packets with addresses of the loopback: on a wire they are forged.

A chain named after this text, with a rule in it, tells whether what is loaded is what this code means. A first load
*creates* the table, so that of two at once the second is refused and finds the work done; another version is replaced
in one transaction that carries the published ports over. Where the table was flushed, it comes back with what everybody
has in it, in one transaction: nobody takes a port in between.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Final

from lading.networking.firewall import observing
from lading.networking.firewall.fence import MARK
from lading.networking.kernel import nfnetlink
from lading.networking.kernel.nfnetlink import Element
from lading.networking.kernel.rtnetlink import show
from lading.store.errors import MachineError

NAME: Final = "lading"

_SETS: Final = {
    "same": "set same { type devgroup . devgroup; ",
    "port4": "map port4 { type inet_proto . inet_service : ipv4_addr . inet_service; ",
    "port6": "map port6 { type inet_proto . inet_service : ipv6_addr . inet_service; ",
    "host4": "map host4 { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; ",
    "host6": "map host6 { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; ",
}
_CHAINS: Final = """
  chain guard {
    type filter hook prerouting priority raw; policy accept;
    iifname "lo" accept
    ip saddr 127.0.0.0/8 drop
    ip daddr 127.0.0.0/8 drop
    ip6 saddr ::1 drop
    ip6 daddr ::1 drop
    iifname != "lad*" accept
    fib saddr . iif oif 0 drop
  }
  chain publish {
    type nat hook prerouting priority dstnat; policy accept;
    jump ports
  }
  chain let_in {
    type filter hook prerouting priority dstnat + 10; policy accept;
    iifname "lad*" meta mark set meta mark or OUR_MARK accept
    ct status & (snat | dnat) == 0 accept
    fib daddr oifname != "lad*" accept
    fib saddr oifname "lad*" drop
    meta mark set meta mark or OUR_MARK
  }
  chain publish_local {
    type nat hook output priority -100; policy accept;
    jump ports
  }
  chain ports {
    fib daddr type != local return
    ip6 daddr ::1 return
    dnat ip to ip daddr . meta l4proto . th dport map @host4
    dnat ip6 to ip6 daddr . meta l4proto . th dport map @host6
    dnat ip to meta l4proto . th dport map @port4
    dnat ip6 to meta l4proto . th dport map @port6
  }
  chain pass {
    type filter hook forward priority filter; policy accept;
    iifname != "lad*" oifname != "lad*" accept
    ct state vmap { established : accept, related : accept, invalid : drop }
OBSERVED    ct status dnat accept
    iifname "lad*" oifname != "lad*" accept
    iifgroup . oifgroup @same accept
    reject with icmpx admin-prohibited
  }
  chain leave {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "lad*" ip saddr 127.0.0.0/8 snat ip to 169.254.1.1
    iifname "lad*" oifname "lad*" ct status dnat meta nfproto ipv4 snat ip to 169.254.1.1
    iifname "lad*" oifname "lad*" ct status dnat masquerade
    iifname "lad*" oifname != "lad*" masquerade
  }
""".replace("OUR_MARK", f"{MARK:#x}").replace("OBSERVED", observing.FORWARDED)
_VERSION: Final = f"version_{zlib.crc32(repr((_SETS, _CHAINS, observing.SETS, observing.CHAINS)).encode()):08x}"
_TRIES: Final = 3


def stands() -> bool:
    """Whether this version's table is there, with its rules."""
    return nfnetlink.has_rules(NAME, _VERSION)


def install(due: Callable[[], Sequence[Element]]) -> None:
    """Loads the table with the elements that are `due`, or replaces another version of it or what was left of this one.

    Raises `MachineError`.
    """
    refusal = ""
    for _ in range(_TRIES):
        if stands():
            return
        before = nfnetlink.has_table(NAME)
        kept = [element for name in _SETS for element in nfnetlink.dump(NAME, name)] if before else []
        refusal = _load(_text([*kept, *due()], replace=before))
    if not stands():
        raise MachineError(f"nft could not load the rules of the network: {refusal}")


def _text(elements: Sequence[Element], *, replace: bool) -> str:
    start = f"delete table inet {NAME}\n" if replace else ""
    first = {(element.set_name, element.key): element for element in reversed(elements)}
    sets = "".join(
        f"  {head}{_listed([e for e in first.values() if e.set_name == name])}}}\n" for name, head in _SETS.items()
    )
    version = f"  chain {_VERSION} {{\n    accept\n  }}"
    body = f"{sets}{observing.SETS}{version}{_CHAINS}{observing.CHAINS}"
    return f"{start}create table inet {NAME}\ntable inet {NAME} {{\n{body}}}\n"


def _listed(elements: Sequence[Element]) -> str:
    if not elements:
        return ""
    return f"elements = {{ {', '.join(_written(element) for element in elements)} }}; "


def _written(element: Element) -> str:
    """An element in nft's language; fields are padded to four bytes, ports to the right."""
    if element.value is None:
        return " . ".join(str(group) for group in struct.unpack("=II", element.key))
    number = f"{element.key[-8]} . {_port(element.key)}"
    host = f"{show(element.key[:-8])} . " if len(element.key) > 8 else ""
    return f"{host}{number} : {show(element.value[:-4])} . {_port(element.value)}"


def _port(data: bytes) -> int:
    return int.from_bytes(data[-4:-2], "big")


def _load(rules: str) -> str:
    """What nft complained of, "" where it did not."""
    import subprocess  # noqa: PLC0415 - once in a boot

    try:
        done = subprocess.run(["nft", "-f", "-"], input=rules, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise MachineError("nft is not installed", hint="apt-get install nftables") from None
    if done.returncode == 0:
        return ""
    return next(iter(done.stderr.splitlines()), "without a word")

"""The one nftables table, loaded once; afterwards only elements come and go.

What it does, for links named lad*:

- a packet whose source is not the container's own address goes no further (`bind4`, `bind6`);
- a connection to a published port of the host is sent on to the container (`port4`, `port6`, and `host4`, `host6`
  for ports of one address only);
- connections between containers pass within a network (`same4`, `same6`) and not between networks;
- what leaves for elsewhere takes the host's address.

Everything that is not a lad* link is left alone: the table accepts it without a look.
"""

from __future__ import annotations

import subprocess
from typing import Final

from lading.store.errors import MachineError

NAME: Final = "lading"

_RULES: Final = """
table inet lading
delete table inet lading
table inet lading {
  set bind4 { type ifname . ipv4_addr; }
  set bind6 { type ifname . ipv6_addr; }
  set same4 { type ipv4_addr . ipv4_addr; flags interval; }
  set same6 { type ipv6_addr . ipv6_addr; flags interval; }
  map port4 { type inet_proto . inet_service : ipv4_addr . inet_service; }
  map port6 { type inet_proto . inet_service : ipv6_addr . inet_service; }
  map host4 { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
  map host6 { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }

  chain guard {
    type filter hook prerouting priority raw; policy accept;
    iifname != "lad*" accept
    ip daddr 127.0.0.0/8 drop
    meta nfproto ipv4 iifname . ip saddr != @bind4 drop
    ip6 saddr fe80::/10 accept
    ip6 saddr :: accept
    meta nfproto ipv6 iifname . ip6 saddr != @bind6 drop
  }
  chain publish {
    type nat hook prerouting priority dstnat; policy accept;
    jump ports
  }
  chain publish_local {
    type nat hook output priority -100; policy accept;
    jump ports
  }
  chain ports {
    fib daddr type != local return
    dnat ip to ip daddr . meta l4proto . th dport map @host4
    dnat ip6 to ip6 daddr . meta l4proto . th dport map @host6
    dnat ip to meta l4proto . th dport map @port4
    ip6 daddr ::1 return
    dnat ip6 to meta l4proto . th dport map @port6
  }
  chain pass {
    type filter hook forward priority filter; policy accept;
    iifname != "lad*" oifname != "lad*" accept
    ct state vmap { established : accept, related : accept, invalid : drop }
    ct status dnat accept
    iifname "lad*" oifname != "lad*" accept
    iifname "lad*" oifname "lad*" ip saddr . ip daddr @same4 accept
    iifname "lad*" oifname "lad*" ip6 saddr . ip6 daddr @same6 accept
    reject with icmpx admin-prohibited
  }
  chain leave {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "lad*" ip saddr 127.0.0.0/8 masquerade
    iifname "lad*" oifname "lad*" ct status dnat masquerade
    iifname "lad*" oifname != "lad*" masquerade
  }
}
"""


def install() -> None:
    """Puts the table into the kernel, empty, in one transaction, in place of an earlier one."""
    try:
        done = subprocess.run(["nft", "-f", "-"], input=_RULES, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise MachineError("nft is not installed", hint="apt-get install nftables") from None
    if done.returncode != 0:
        said = next(iter(done.stderr.splitlines()), "without a word")
        raise MachineError(f"nft could not load the rules of the network: {said}")

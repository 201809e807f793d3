"""The rules inside of an enclosure: every TCP connection and every question for a name goes to a listener of ours.

Everything else is refused at once, and kept (`blocked`). They keep nobody in: there is no link that leads out.
"""

from __future__ import annotations

import subprocess
from typing import Final

from lading.networking.kernel import nfnetlink
from lading.networking.kernel.nfnetlink import Element
from lading.store.errors import MachineError

NAME: Final = "enclosed"
_MOST: Final = 1024
BLOCKED: Final = ("blocked4", "blocked6")
_TEXT: Final = f"""
table inet {NAME} {{
  set blocked4 {{ type iface_index . ipv4_addr . inet_proto . inet_service; size {_MOST}; flags dynamic; }}
  set blocked6 {{ type iface_index . ipv6_addr . inet_proto . inet_service; size {_MOST}; flags dynamic; }}
  chain redirected {{
    type nat hook output priority -100; policy accept;
    ip daddr 127.0.0.0/8 return
    ip6 daddr ::1 return
    meta nfproto ipv4 udp dport 53 redirect to :NAMES
    meta nfproto ipv4 meta l4proto tcp redirect to :TCP4
    meta nfproto ipv6 meta l4proto tcp redirect to :TCP6
  }}
  chain others {{
    type filter hook output priority filter; policy accept;
    ct direction reply accept
    ip daddr 127.0.0.0/8 accept
    ip6 daddr ::1 accept
    ip protocol igmp drop
    ip6 daddr ff00::/8 drop
    meta l4proto {{ tcp, udp, udplite, sctp, dccp }} add @blocked4 {{ oif . ip daddr . meta l4proto . th dport }}
    meta l4proto {{ tcp, udp, udplite, sctp, dccp }} add @blocked6 {{ oif . ip6 daddr . meta l4proto . th dport }}
    meta l4proto != {{ tcp, udp, udplite, sctp, dccp }} add @blocked4 {{ oif . ip daddr . meta l4proto . 0 }}
    meta l4proto != {{ tcp, udp, udplite, sctp, dccp }} add @blocked6 {{ oif . ip6 daddr . meta l4proto . 0 }}
    reject with icmpx admin-prohibited
  }}
}}
"""


def load(names: int, tcp4: int, tcp6: int) -> None:
    """Loads the rules in this thread's namespace, with the ports of the listeners. Raises `MachineError`."""
    text = _TEXT.replace(":NAMES", f":{names}").replace(":TCP4", f":{tcp4}").replace(":TCP6", f":{tcp6}")
    try:
        done = subprocess.run(["nft", "-f", "-"], input=text, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise MachineError("nft is not installed", hint="apt-get install nftables") from None
    if done.returncode:
        said = next(iter(done.stderr.splitlines()), "without a word")
        raise MachineError(f"nft could not load the rules of an enclosure: {said}")


def blocked() -> list[Element]:
    """What was refused, in this thread's namespace."""
    return [one for name in BLOCKED for one in nfnetlink.dump(NAME, name)]

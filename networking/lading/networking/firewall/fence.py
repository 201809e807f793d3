"""What keeps neighbours from a container when somebody flushed the firewall's rules: the kernel's own routing.

A packet is routed from or to a container only with the mark that the table gives to what it lets pass (`table`);
without a table nothing has it. (From one, because the kernel looks up the way back to its source as well.) Four
routing rules per family, the same for all roots, come before the host's own: what the host itself sends and what is
marked jumps over the third, which looks into a table of routes where each container's address is prohibited. Where
somebody removes these rules, the table still refuses; where the kernel has no such rules (CONFIG_IP_MULTIPLE_TABLES),
it is the only guard.
"""

from __future__ import annotations

import errno
import socket
import struct
from typing import Final

from lading.networking.kernel.netlink import ACK, CREATE, EXCL, Message, Netlink, NetlinkError, number, text
from lading.networking.kernel.rtnetlink import prohibition

MARK: Final = 0x10000000
"""The one bit of a packet's mark that is ours."""
_TABLE: Final = 1423
_FIRST: Final = 1421

# linux/rtnetlink.h and linux/fib_rules.h
_RTM_NEWRULE: Final = 32
_FR_ACT_TO_TBL, _FR_ACT_GOTO, _FR_ACT_NOP = 1, 2, 3
_FRA_IIFNAME, _FRA_GOTO, _FRA_PRIORITY, _FRA_FWMARK, _FRA_TABLE, _FRA_FWMASK = 3, 4, 6, 10, 15, 16
_UNKNOWN: Final = (errno.EOPNOTSUPP, errno.EAFNOSUPPORT, errno.EINVAL)


def put_up(here: Netlink, *, ipv6: bool) -> None:
    """Makes the routing rules where they are missing, the one that prohibits last. Raises `NetlinkError`."""
    jump = number(_FRA_GOTO, _FIRST + 3)
    rules = (
        (_FIRST + 3, _FR_ACT_NOP, b""),
        (_FIRST, _FR_ACT_GOTO, text(_FRA_IIFNAME, "lo") + jump),
        (_FIRST + 1, _FR_ACT_GOTO, number(_FRA_FWMARK, MARK) + number(_FRA_FWMASK, MARK) + jump),
        (_FIRST + 2, _FR_ACT_TO_TBL, number(_FRA_TABLE, _TABLE)),
    )
    for family in (socket.AF_INET, *([socket.AF_INET6] if ipv6 else [])):
        for priority, action, rest in rules:
            head = struct.pack("=BBBBBBBBI", family, 0, 0, 0, 0, 0, 0, action, 0)
            body = head + number(_FRA_PRIORITY, priority) + rest
            try:
                here.send([Message("add a routing rule", _RTM_NEWRULE, ACK | CREATE | EXCL, body)])
            except NetlinkError as error:
                if error.errno in _UNKNOWN:
                    break
                if error.errno != errno.EEXIST:
                    raise


def around(address: bytes) -> Message:
    """No packet without the mark is routed to this container."""
    return prohibition(address, _TABLE)


def gone(here: Netlink, addresses: list[bytes]) -> None:
    """Takes the fences of a container that is gone away."""
    for address in addresses:
        try:
            here.send([prohibition(address, _TABLE, remove=True)])
        except NetlinkError as error:
            if error.errno not in (errno.ESRCH, errno.ENOENT, *_UNKNOWN):
                raise

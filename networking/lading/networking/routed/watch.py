"""A container's link under observation: elements of the table, and the answers of name servers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from lading.networking import dns
from lading.networking.firewall import observing, table
from lading.networking.kernel import nfnetlink
from lading.networking.kernel.capture import NameAnswers
from lading.networking.kernel.nfnetlink import Element
from lading.networking.observation import Destination, Observation
from lading.store.errors import DocumentError

MOST: Final = 1024
"""Destinations of one observation."""
_MOST_NAMES: Final = 16
"""Of one address."""
_LOST: Final = "somebody took the rules of the network away meanwhile"


class LinkWatch:
    """A `TrafficWatch` of the host's link `link`. Raises `OSError`, `NetlinkError`."""

    def __init__(self, link: str) -> None:
        self._index = socket.if_nametoindex(link)
        self._answers = NameAnswers(link)
        nfnetlink.add(table.NAME, [observing.watched(self._index)])

    def end(self) -> Observation:
        """As the Protocol has it."""
        messages = self._answers.read()
        own = [one for name in observing.SEEN for one in _about(name, {self._index})]
        if not nfnetlink.holds(table.NAME, observing.watched(self._index)):
            self._answers.close()
            return Observation(broken=_LOST)
        whole = not nfnetlink.holds(table.NAME, observing.cut(self._index))
        marks = [observing.watched(self._index), *([] if whole else [observing.cut(self._index)])]
        # The kernel lets packets on their way go by first, which nobody has to wait for; what is left then is swept.
        threading.Thread(target=self._forget, args=([*marks, *own],), daemon=True).start()
        found = sorted(observing.destinations(own))
        names = _names(messages)
        return Observation(
            tuple(Destination(kind, address, port, names.get(address, ())) for kind, address, port in found[:MOST]),
            cut=not whole or len(found) > MOST,
        )

    def _forget(self, elements: list[Element]) -> None:
        with suppress(OSError):
            nfnetlink.delete(table.NAME, elements)
        self._answers.close()


def sweep() -> None:
    """Forgets links that are gone: a killed process could not."""
    marked = [one for name in (observing.WATCHED, observing.CUT) for one in nfnetlink.dump(table.NAME, name)]
    gone = {index for one in marked if not _exists(index := observing.index_of(one))}
    if gone:
        names = (observing.WATCHED, observing.CUT, *observing.SEEN)
        nfnetlink.delete(table.NAME, [one for name in names for one in _about(name, gone)])


def _exists(index: int) -> bool:
    try:
        return bool(socket.if_indextoname(index))
    except OSError:
        return False


def _about(name: str, indices: set[int]) -> list[Element]:
    return [one for one in nfnetlink.dump(table.NAME, name) if observing.index_of(one) in indices]


def _names(messages: Iterable[bytes]) -> dict[str, tuple[str, ...]]:
    """By address the names that it was given for, sorted."""
    found: dict[str, set[str]] = {}
    for message in messages:
        with suppress(DocumentError):
            name, addresses = dns.addresses(message)
            for address in addresses:
                found.setdefault(address, set()).add(name)
    return {address: tuple(sorted(names)[:_MOST_NAMES]) for address, names in found.items()}

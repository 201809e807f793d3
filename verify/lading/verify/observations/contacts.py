"""What a step contacted of the network, as its link and the provenance have it.

It is what was seen, and no part of what the step was given: another execution may contact others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Literal, TypeAlias

from lading.store.errors import DocumentError
from lading.store.fastclass import dataclass, replace
from lading.store.oci.json import Fields

ContactState: TypeAlias = Literal["observed", "cut", "unobserved"]
"""All that was contacted is there, some of it, or nothing is known."""
_STATES: Final[tuple[ContactState, ...]] = ("observed", "cut", "unobserved")
MOST: Final = 4096
"""Destinations of one record."""
_MOST_NAMES: Final = 64


@dataclass(frozen=True, slots=True, order=True)
class Contact:
    """An address that packets were sent to; `port` is 0 where the protocol has none.

    `names` are those for which an answer of a name server gave the address, or that the call gave it.
    """

    protocol: str
    address: str
    port: int
    names: tuple[str, ...] = ()

    def value(self) -> dict[str, object]:
        """As JSON."""
        names = {"names": list(self.names)} if self.names else {}
        return {"protocol": self.protocol, "address": self.address, "port": self.port, **names}

    @classmethod
    def parse(cls, value: object, where: str) -> Contact:
        """Raises `DocumentError`."""
        fields = Fields(value, where)
        found = cls(fields.text("protocol"), fields.text("address"), fields.integer("port"), fields.strings("names"))
        fields.close()
        if len(found.names) > _MOST_NAMES or not 0 <= found.port < 1 << 16:
            raise DocumentError(f"{where}: no destination")
        return found


@dataclass(frozen=True, slots=True)
class Contacts:
    """The destinations of a step, or of a whole build, sorted; `reason` says why nothing is known."""

    state: ContactState
    destinations: tuple[Contact, ...] = ()
    reason: str = ""

    def value(self) -> dict[str, object]:
        """As JSON."""
        found: dict[str, object] = {"state": self.state}
        if self.state != "unobserved":
            found["destinations"] = [one.value() for one in self.destinations]
        return {**found, "reason": self.reason} if self.reason else found

    @classmethod
    def parse(cls, value: object, where: str = "contacts") -> Contacts:
        """Raises `DocumentError`."""
        fields = Fields(value, where)
        found = cls(
            _state(fields.text("state"), where),
            fields.each("destinations", Contact.parse),
            fields.optional_text("reason") or "",
        )
        fields.close()
        if len(found.destinations) > MOST:
            raise DocumentError(f"{where}: more than {MOST} destinations")
        return found


def _state(text: str, where: str) -> ContactState:
    for state in _STATES:
        if state == text:
            return state
    raise DocumentError(f"{where}: state: none of {', '.join(_STATES)}")


NONE: Final = Contacts("observed")
"""There was no network to contact anything by."""


def unobserved(reason: str) -> Contacts:
    """Nothing is known."""
    return Contacts("unobserved", reason=reason)


def named(contacts: Contacts, names: Iterable[tuple[str, str]]) -> Contacts:
    """With the names that a step was given for addresses, each a name and its address."""
    given: dict[str, set[str]] = {}
    for name, address in names:
        given.setdefault(address, set()).add(name)
    return together(
        (
            replace(
                contacts, destinations=tuple(_also(one, given.get(one.address, ())) for one in contacts.destinations)
            ),
        )
    )


def _also(one: Contact, names: Iterable[str]) -> Contact:
    return replace(one, names=(*one.names, *names))


def told(contacts: Contacts, public: Callable[[str], str]) -> Contacts:
    """With names as they may be told."""
    found = [replace(one, names=tuple(sorted(set(map(public, one.names))))) for one in contacts.destinations]
    return replace(contacts, destinations=tuple(found))


def together(every: Iterable[Contacts]) -> Contacts:
    """Those of several steps as one: no better known than the least known of them."""
    names: dict[tuple[str, str, int], set[str]] = {}
    state, reasons = 0, dict[str, None]()
    for contacts in every:
        state = max(state, _STATES.index(contacts.state))
        reasons.update({contacts.reason: None} if contacts.reason else {})
        for one in contacts.destinations:
            names.setdefault((one.protocol, one.address, one.port), set()).update(one.names)
    if len(names) > MOST or any(len(given) > _MOST_NAMES for given in names.values()):
        state = max(state, 1)
    found = sorted(Contact(*place, tuple(sorted(given)[:_MOST_NAMES])) for place, given in names.items())
    return Contacts(_STATES[state], tuple(found[:MOST]), "; ".join(reasons))

"""What every network driver keeps to, whichever way it makes a network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from lading.networking.driver import Attachment, AttachRequest, Driver, PortMapping
from lading.networking.routed.routed import RoutedDriver
from lading.store.errors import InputError, LadingError
from suites.macvlan_driver import MacvlanDriver
from suites.nethost import ask, kernel_state, listen
from suites.patience import until

DRIVERS: Final[dict[str, tuple[Callable[[Path], Driver], tuple[str, ...]]]] = {
    "routed": (RoutedDriver, ()),
    "macvlan": (lambda state: MacvlanDriver(state, "up0", "192.0.2.99/24", first=99), ("macvlan",)),
}
"""How each is made on a host of its own (`nethost`), and what else it needs of the machine."""

_PORTS: Final = (PortMapping("127.0.0.1", 0, 80), PortMapping(None, 0, 53, "udp"))


def kept_promises(state: Path, driver: Driver) -> dict[str, bool]:
    """Runs through a driver's life; each promise, and whether it was kept. `state` holds what it has on disk."""
    nobodys = AttachRequest("a", (), (PortMapping("203.0.113.7", 8080, 80),))
    before = _everything(state)
    kept = {"refuses what is not the host's": _refuses(driver, nobodys)}
    kept["does nothing before it refuses"] = _everything(state) == before
    first = _first(driver, AttachRequest("a" * 64, ("web", "www"), _PORTS))
    second = driver.attach(AttachRequest("b"))
    request = AttachRequest(first.container, first.names)
    before = _everything(state)
    kept |= {
        "answers for the request": first.names == ("web", "www"),
        "binds a namespace": first.netns.exists() and first.netns != second.netns,
        "gives each its own address": first.ipv4 != second.ipv4,
        "reads back what it wrote": Attachment.parse(first.json()) == first,
        "knows who is attached": driver.attachments() == (first, second),
        "refuses a second time": _refuses(driver, request),
        "does nothing before it refuses another": _everything(state) == before,
        "sweeps nobody who lives": driver.recover([first.container, second.container]) == (),
        **_published(driver, first),
    }
    listen(first.netns, 80, "first")
    until(lambda: ask(second.netns, first.ipv4, 80), "an answer of another container")
    driver.detach("b")
    driver.detach("b")
    driver.detach("never")
    kept["detaches, once or twice"] = driver.attachments() == (first,) and not second.netns.exists()
    kept["sweeps the dead and names them"] = driver.recover([]) == (first.container,)
    kept["leaves nothing"] = driver.attachments() == () and not first.netns.exists()
    kept["takes a container back"] = driver.attach(request).container == first.container
    driver.detach(first.container)
    return kept


def _first(driver: Driver, request: AttachRequest) -> Attachment:
    """With the ports that it asks for, or without any by a driver that publishes none."""
    try:
        return driver.attach(request)
    except InputError:
        return driver.attach(AttachRequest(request.container, request.names))


def _published(driver: Driver, attachment: Attachment) -> dict[str, bool]:
    if not attachment.published:
        return {}
    return {
        "settles ports": all(port.host_port and port.host_port_end is None for port in attachment.published),
        "keeps the order of ports": [port.container_port for port in attachment.published] == [80, 53],
        "refuses a port in use": _refuses(driver, AttachRequest("c", (), attachment.published[:1])),
        "knows nothing of what it refused": "c" not in {item.container for item in driver.attachments()},
    }


def _refuses(driver: Driver, request: AttachRequest) -> bool:
    try:
        driver.attach(request)
    except LadingError as error:
        return "\n" not in error.message
    return False


def _everything(state: Path) -> list[str]:
    """What the kernel and the disk have of networks."""
    forwarding = [Path("/proc/sys/net", name).read_text() for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding")]
    return [*kernel_state(), *forwarding, *sorted(str(path) for path in state.rglob("*") if path.name != "lock")]

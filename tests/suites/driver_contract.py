"""What every network driver keeps to, whichever way it makes a network."""

from __future__ import annotations

from lading.networking.driver import Attachment, AttachRequest, Driver, PortMapping
from lading.store.errors import LadingError


def kept_promises(driver: Driver) -> dict[str, bool]:
    """Runs through a driver's life on a host of its own; each promise, and whether it was kept."""
    request = AttachRequest(
        "a" * 64, ("web", "www"), (PortMapping("127.0.0.1", 0, 80), PortMapping(None, 0, 53, "udp"))
    )
    first = driver.attach(request)
    second = driver.attach(AttachRequest("b"))
    kept = {
        "answers for the request": (first.container, first.names) == (request.container, request.names),
        "binds a namespace": first.netns.exists() and first.netns != second.netns,
        "gives each its own address": first.ipv4 != second.ipv4,
        "settles ports": all(port.host_port and port.host_port_end is None for port in first.published),
        "keeps the order of ports": [port.container_port for port in first.published] == [80, 53],
        "reads back what it wrote": Attachment.parse(first.json()) == first,
        "knows who is attached": driver.attachments() == (first, second),
        "refuses a second time": _refuses(driver, request),
        "refuses a port in use": _refuses(driver, AttachRequest("c", (), (first.published[0],))),
        "knows nothing of what it refused": driver.attachments() == (first, second),
        "sweeps nobody who lives": driver.recover([first.container, second.container]) == (),
    }
    driver.detach("b")
    driver.detach("b")
    driver.detach("never")
    kept["detaches, once or twice"] = driver.attachments() == (first,) and not second.netns.exists()
    kept["sweeps the dead and names them"] = driver.recover([]) == (first.container,)
    kept["leaves nothing"] = driver.attachments() == () and not first.netns.exists()
    kept["takes a container back"] = driver.attach(request).container == first.container
    driver.detach(first.container)
    return kept


def _refuses(driver: Driver, request: AttachRequest) -> bool:
    try:
        driver.attach(request)
    except LadingError as error:
        return "\n" not in error.message
    return False

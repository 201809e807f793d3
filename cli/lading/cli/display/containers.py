"""Containers as `ps` lists them: docker's fields, and docker's filters."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, cast

from lading.cli.display.filters import LABELS, Filters, labels_pass
from lading.cli.display.output import age, size, unix_time
from lading.cli.templates.go_values import Lookup
from lading.store.errors import UsageError
from lading.store.fastclass import dataclass
from lading.store.oci.json import Fields

if TYPE_CHECKING:
    from lading.runtime.containers.container import Container
    from lading.store.store import Store

HEADS: Final = {
    "ID": "CONTAINER ID",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "CreatedAt": "CREATED AT",
    "RunningFor": "CREATED",
    "Status": "STATUS",
    "State": "STATE",
    "Ports": "PORTS",
    "Names": "NAMES",
    "Labels": "LABELS",
    "Mounts": "MOUNTS",
    "Networks": "NETWORKS",
    "LocalVolumes": "LOCAL VOLUMES",
    "Size": "SIZE",
}
FILTERS: Final = frozenset(
    {"id", "name", "status", "ancestor", "exited", "network", "volume", "before", "since", "publish", "expose"} | LABELS
)


Test = Callable[["Container"], bool]


@dataclass(frozen=True, slots=True)
class Shown:
    """A container for `ps`; sizes are asked of `store`, where it is given."""

    container: Container
    store: Store | None
    whole: bool

    def row(self) -> dict[str, object]:
        """Docker's fields, and ``Label``, which a template asks for one label."""
        found = self.container
        return {
            "ID": found.id if self.whole else found.short,
            "Image": found.image,
            "Command": f'"{self._command()}"',
            "CreatedAt": found.created,
            "RunningFor": f"{_ago(found.created)} ago",
            "Status": status(found),
            "State": state(found),
            "Ports": ", ".join(ports(found)),
            "Names": found.name,
            "Label": Lookup(labels(found)),
            "Labels": ",".join(f"{name}={value}" for name, value in sorted(labels(found).items())),
            "Mounts": ",".join(self._cut(name) for name in mounts(found)),
            "Networks": found.network,
            "LocalVolumes": str(len(found.volumes)),
            "Size": self._size(),
        }

    def _command(self) -> str:
        shown = Fields(dict(self.container.config), "container")
        return self._cut(shlex.join((*shown.strings("Entrypoint"), *shown.strings("Cmd"))), 20)

    def _cut(self, text: str, length: int = 15) -> str:
        return text if self.whole or len(text) <= length else f"{text[: length - 1]}…"

    def _size(self) -> str:
        if self.store is None or self.store.snapshots.stat(self.container.id) is None:
            return "0B"
        own, total = self.store.snapshots.sizes(self.container.id)
        return f"{size(own)} (virtual {size(total)})"


def state(container: Container) -> str:
    """In docker's one word."""
    return "created" if container.status == "creating" else container.status


def status(container: Container) -> str:
    """As docker words it."""
    if container.status == "running":
        return f"Up {_ago(container.started)}"
    if container.status == "exited":
        return f"Exited ({container.exit_code}) {_ago(container.finished)} ago"
    return container.status.capitalize()


def _ago(moment: str) -> str:
    then = unix_time(moment)
    return "some time" if then is None else age(time.time() - then)


def labels(container: Container) -> Mapping[str, str]:
    """Those of the image and of the call."""
    return Fields(dict(container.config), "container").string_map("Labels")


def mounts(container: Container) -> list[str]:
    """The names of its volumes, and the folders that are bound."""
    shown = (cast("Mapping[str, object]", mount) for mount in container.mounts)
    return [str(mount.get("Name") or mount.get("Source") or "") for mount in shown]


def _published(container: Container) -> Iterator[Fields]:
    yield from Fields(dict(container.attachment or {}), "attachment").each("published", Fields)


def ports(container: Container) -> Iterator[str]:
    """``ADDRESS:PORT->PORT/PROTOCOL`` of each that is published."""
    for port in _published(container):
        address = port.optional_text("hostIP") or "0.0.0.0"  # noqa: S104 - how docker shows every address
        yield f"{address}:{port.integer('hostPort')}->{port.integer('containerPort')}/{port.text('protocol')}"


def matching(found: Sequence[Container], wanted: Filters, every: Sequence[Container]) -> list[Container]:
    """Those for which all filters hold. Raises `UsageError` for a value that makes no sense."""
    tests = [_test(name, values, every) for name, values in wanted.items()]
    return [container for container in found if all(test(container) for test in tests)]


def _test(name: str, values: Sequence[str], every: Sequence[Container]) -> Test:
    if name in ("before", "since"):
        return _when(name, values[-1], every)
    if name in LABELS:
        return lambda container: labels_pass(labels(container), {name: values})
    one: dict[str, Callable[[str], Test]] = {
        "id": lambda value: lambda container: container.id.startswith(value),
        "name": _name,
        "status": _status,
        "ancestor": _ancestor,
        "exited": _exited,
        "network": lambda value: lambda container: container.network == value,
        "volume": _volume,
        "publish": _publishes,
        "expose": _exposes,
    }
    tests = [one[name](value) for value in values]
    return lambda container: any(test(container) for test in tests)


def _name(value: str) -> Test:
    try:
        pattern = re.compile(value)
    except re.error as error:
        raise UsageError(f"--filter name={value}: not a regular expression: {error}") from None
    return lambda container: bool(pattern.search(container.name) or pattern.search(f"/{container.name}"))


def _status(value: str) -> Test:
    known = ("created", "running", "exited", "paused", "restarting", "removing", "dead")
    if value not in known:
        raise UsageError(f"--filter status={value}: expected one of {', '.join(known)}")
    return lambda container: state(container) == value


def _exited(value: str) -> Test:
    if not re.fullmatch(r"\d{1,3}", value):
        raise UsageError(f"--filter exited={value}: expected an exit code")
    return lambda container: container.status == "exited" and container.exit_code == int(value)


def _ancestor(value: str) -> Test:
    """By the name that was run, any other form of it, or the digest or ID of what runs."""
    from lading.registry.reference import InvalidReferenceError, Reference  # noqa: PLC0415

    try:
        full = Reference.parse(value).name
    except InvalidReferenceError:
        full = value
    digest = value.removeprefix("sha256:")

    def test(container: Container) -> bool:
        names = {container.image, *(str(name) for name in cast("list[object]", container.verdict.get("names") or []))}
        digests = (container.manifest, str(container.verdict.get("index") or ""))
        return bool({value, full} & names) or any(
            len(digest) >= 3 and d.partition(":")[2].startswith(digest) for d in digests
        )

    return test


def _volume(value: str) -> Test:
    def test(container: Container) -> bool:
        shown = (cast("Mapping[str, object]", mount) for mount in container.mounts)
        return any(value in (mount.get("Name"), mount.get("Source"), mount.get("Destination")) for mount in shown)

    return test


def _publishes(value: str) -> Test:
    low, high, protocol = _range(value, "publish")

    def test(container: Container) -> bool:
        return any(
            low <= port.integer("hostPort") <= high and port.text("protocol") == protocol
            for port in _published(container)
        )

    return test


def _exposes(value: str) -> Test:
    low, high, protocol = _range(value, "expose")

    def test(container: Container) -> bool:
        exposed = Fields(dict(container.config), "container").mapping("ExposedPorts")
        pairs = (port.partition("/") for port in exposed)
        return any(
            low <= int(port) <= high and (kind or "tcp") == protocol for port, _, kind in pairs if port.isdigit()
        )

    return test


def _range(value: str, name: str) -> tuple[int, int, str]:
    found = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp|sctp))?", value)
    if found is None:
        raise UsageError(f"--filter {name}={value}: expected PORT[-PORT][/PROTOCOL]")
    return int(found[1]), int(found[2] or found[1]), found[3] or "tcp"


def _when(name: str, value: str, every: Sequence[Container]) -> Test:
    """Made before or after another container."""
    others = [one for one in every if value == one.name or one.id.startswith(value)]
    if not others:
        raise UsageError(f"--filter {name}={value}: no such container")
    moment = others[0].created
    return lambda container: container.created < moment if name == "before" else container.created > moment

"""The record of one container: everything a later command, or one after a kill -9, must know.

It lies in ``containers/<id>/state.json`` under the root and is replaced as a whole. `status` is what was last
written; whether the process still lives is asked of the kernel (`processes.Process`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, cast

from lading.runtime.oci.processes import Process
from lading.store.errors import DocumentError
from lading.store.fastclass import dataclass, field
from lading.store.oci.json import Fields, canonical, parse

Status = Literal["creating", "created", "running", "exited"]
"""creating: its maker is at work; created: the runtime made it, its program was not started; then as docker."""

_STATUSES: Final = frozenset({"creating", "created", "running", "exited"})
NEVER: Final = "0001-01-01T00:00:00Z"
"""What docker shows for a time that has not come."""

_Texts = dict[str, object]


@dataclass(frozen=True, slots=True)
class Container:
    """One container. `verdict` is the summary of what let it in; `config`, `host_config` and `mounts` have docker's
    shape and are shown as they are; `volumes` are the names of its anonymous volumes."""

    id: str
    name: str
    image: str
    manifest: str
    verdict: Mapping[str, object]
    created: str
    status: Status = "creating"
    process: Process | None = None
    monitor: Process | None = None
    started: str = NEVER
    finished: str = NEVER
    exit_code: int = 0
    oom: bool = False
    error: str = ""
    remove: bool = False
    network: str = "default"
    attachment: Mapping[str, object] | None = None
    volumes: tuple[str, ...] = ()
    stop_signal: str = "SIGTERM"
    stop_timeout: int = 10
    """Seconds."""
    config: Mapping[str, object] = field(default_factory=_Texts)
    host_config: Mapping[str, object] = field(default_factory=_Texts)
    mounts: tuple[object, ...] = ()

    @property
    def short(self) -> str:
        """The first twelve digits of the id, as tables show it."""
        return self.id[:12]

    @property
    def active(self) -> bool:
        """Whether, by the record, something of it is in the kernel."""
        return self.status != "exited"

    @property
    def tty(self) -> bool:
        """Whether it has a terminal."""
        return bool(self.config.get("Tty"))

    def raw(self) -> bytes:
        """As it lies on disk."""
        value: dict[str, object] = {name: getattr(self, name) for name in self.__match_args__}
        for name in ("process", "monitor"):
            process = cast("Process | None", value[name])
            value[name] = process and {"pid": process.pid, "started": process.started}
        value["volumes"], value["mounts"] = list(self.volumes), list(self.mounts)
        return canonical(value)

    @classmethod
    def parse(cls, raw: bytes, source: str) -> Container:
        """The inverse of `raw`. Raises `DocumentError`."""
        found = Fields(parse(raw, source), source)
        status = found.text("status")
        if status not in _STATUSES:
            raise DocumentError(f"{source}: unknown status {status!r}")
        return cls(
            id=found.text("id"),
            name=found.text("name"),
            image=found.text("image"),
            manifest=found.text("manifest"),
            verdict=found.mapping("verdict"),
            created=found.text("created"),
            status=cast("Status", status),
            process=_process(found.optional_fields("process")),
            monitor=_process(found.optional_fields("monitor")),
            started=found.text("started"),
            finished=found.text("finished"),
            exit_code=found.integer("exit_code"),
            oom=found.boolean("oom"),
            error=found.text("error"),
            remove=found.boolean("remove"),
            network=found.text("network"),
            attachment=found.mapping("attachment") or None,
            volumes=found.strings("volumes"),
            stop_signal=found.text("stop_signal"),
            stop_timeout=found.integer("stop_timeout"),
            config=found.mapping("config"),
            host_config=found.mapping("host_config"),
            mounts=tuple(found.items("mounts")),
        )


def _process(found: Fields | None) -> Process | None:
    return None if found is None else Process(found.integer("pid"), found.integer("started"))

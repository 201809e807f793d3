"""The image config while a stage is evaluated, and its rendering (image-spec 1.1.1, config.md, docker's extensions)."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Final

from lading.store.fastclass import dataclass, field
from lading.store.oci.descriptors import Platform
from lading.store.oci.digests import Digest
from lading.store.oci.documents import History, ImageConfig
from lading.store.oci.json import canonical

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What a process finds programs in where the image does not say."""
COMMENT: Final = "lading.dockerfile.v1"
"""The comment of a history entry that a Dockerfile made."""

UNTOLD: Final = "a layer that the image below says nothing of"
"""The comment where a base has no history."""


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One line of history: its text, and the step whose layer it is about where it can have one."""

    text: str
    step: int | None = None


@dataclass(slots=True)
class Config:
    """What a stage has said so far."""

    platform: Platform
    env: dict[str, str] = field(default_factory=dict[str, str])
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    cmd_is_own: bool = False
    ports: set[str] = field(default_factory=set[str])
    volumes: set[str] = field(default_factory=set[str])
    labels: dict[str, str] = field(default_factory=dict[str, str])
    workdir: str = "/"
    user: str = ""
    stop_signal: str | None = None
    healthcheck: Mapping[str, object] | None = None
    shell: tuple[str, ...] | None = None
    triggers: list[str] = field(default_factory=list[str])
    author: str | None = None
    comment: str = COMMENT
    inherited: tuple[History, ...] = ()
    history: list[HistoryEntry] = field(default_factory=list[HistoryEntry])

    @classmethod
    def scratch(cls, platform: Platform) -> Config:
        """Of nothing: only a PATH, as the reference has it."""
        return cls(platform, env={"PATH": PATH})

    @classmethod
    def of(cls, base: ImageConfig) -> Config:
        """What an image hands down."""
        env = {name: value for entry in base.env for name, _, value in (entry.partition("="),)}
        env.setdefault("PATH", PATH)
        return cls(
            platform=base.platform,
            env=env,
            entrypoint=base.entrypoint,
            cmd=base.cmd,
            ports=set(base.exposed_ports),
            volumes=set(base.volumes),
            labels=dict(base.labels),
            workdir=base.working_dir or "/",
            user=base.user,
            stop_signal=base.stop_signal,
            healthcheck=base.healthcheck,
            shell=base.shell,
            author=base.author,
            inherited=_history(base),
        )

    def copy(self) -> Config:
        """For a stage that begins where this one ended."""
        other = copy.copy(self)
        other.env, other.labels = dict(self.env), dict(self.labels)
        other.ports, other.volumes = set(self.ports), set(self.volumes)
        other.history = list(self.history)
        other.triggers = []
        other.cmd_is_own = False
        return other

    def shelled(self, args: tuple[str, ...]) -> tuple[str, ...]:
        """`args` as one string for the shell of the stage."""
        return (*(self.shell or ("/bin/sh", "-c")), " ".join(args))


def _history(base: ImageConfig) -> tuple[History, ...]:
    """Of an image that says nothing of some layers: with a line for each, so that those that follow are told apart."""
    untold = len(base.diff_ids) - sum(not entry.empty_layer for entry in base.history)
    return (*base.history, *[History(None, None, None, UNTOLD, False)] * untold)


def render(config: Config, diff_ids: tuple[Digest, ...], layered: frozenset[int], created: str) -> bytes:
    """The config document; `layered` are the steps that made a layer, `created` is RFC 3339."""
    document: dict[str, object] = {
        **config.platform.json(),
        "created": created,
        "config": _run_config(config),
        "rootfs": {"type": "layers", "diff_ids": [str(diff_id) for diff_id in diff_ids]},
        "history": [
            *(entry.json() for entry in config.inherited),
            *(
                History(created, entry.text, None, config.comment, entry.step not in layered).json()
                for entry in config.history
            ),
        ],
    }
    if config.author:
        document["author"] = config.author
    return canonical(document)


def _run_config(config: Config) -> dict[str, object]:
    values: dict[str, object | None] = {
        "Env": [f"{name}={value}" for name, value in config.env.items()],
        "Entrypoint": None if config.entrypoint is None else list(config.entrypoint),
        "Cmd": None if config.cmd is None else list(config.cmd),
        "ExposedPorts": {port: {} for port in config.ports} or None,
        "Volumes": {path: {} for path in config.volumes} or None,
        "Labels": config.labels or None,
        "WorkingDir": config.workdir,
        "User": config.user or None,
        "StopSignal": config.stop_signal,
        "Healthcheck": None if config.healthcheck is None else dict(config.healthcheck),
        "OnBuild": config.triggers or None,
        "Shell": None if config.shell is None else list(config.shell),
    }
    return {name: value for name, value in values.items() if value is not None}

"""What a caller asks of a container: the options of run, and the notation of -v and --tmpfs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Final, Literal, Protocol

from lading.runtime.cgroups.groups import ResourceLimits
from lading.store.errors import UsageError
from lading.store.fastclass import dataclass, field, replace
from lading.store.oci.json import is_text

if TYPE_CHECKING:
    from lading.networking.driver import PortMapping

_VOLUME: Final = r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}"
_NAME: Final = r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}"
_MAX_CPUS: Final = 100_000
_MAX_NUMBER: Final = 2**62
_PROPAGATION: Final = frozenset({"shared", "slave", "private", "rshared", "rslave", "rprivate"})
DETACH_KEYS: Final = b"\x10\x11"
"""Ctrl-P, Ctrl-Q: docker's default."""
LOG_LIMIT: Final = 64 << 20
"""Bytes of output that are kept at most, where nothing else is asked for; 0 is any number."""
_LEAST_LOG: Final = 1 << 16
"""A multiple of what the monitor reads at once."""
_LABELS: Final = frozenset({"z", "Z"})


@dataclass(frozen=True, slots=True)
class VolumeMount:
    """One -v: a folder or file of the host (`kind` bind) or a named or, without a source, anonymous volume."""

    kind: Literal["bind", "volume"]
    source: str
    target: str
    readonly: bool = False
    copy: bool = True
    propagation: str = "rprivate"

    @classmethod
    def parse(cls, text: str) -> VolumeMount:
        """``[SOURCE:]TARGET[:ro,...]`` as docker reads it. Raises `UsageError`."""
        parts = text.split(":")
        if len(parts) > 3 or not all(parts):
            raise UsageError(f"volume {text}: expected [SOURCE:]TARGET[:OPTIONS]", option="volume")
        source, target = ("", parts[0]) if len(parts) == 1 else (parts[0], parts[1])
        target = absolute(target, f"volume {text}", option=True)
        if target == "/":
            raise UsageError(f"volume {text}: the target cannot be the container's root", option="volume")
        if (target + "/").startswith("/proc/"):
            raise UsageError(f"volume {text}: the target cannot be inside /proc", option="volume")
        kind: Literal["bind", "volume"] = "bind" if source.startswith(("/", ".")) else "volume"
        if kind == "bind":
            source = os.path.abspath(source)
        elif source and not re.fullmatch(_VOLUME, source):
            raise UsageError(
                f"volume {text}: {source!r} is neither a path nor the name of a volume",
                hint="a path begins with / or ./; a name has letters, digits, dots, dashes and underscores",
                option="volume",
            )
        words = parts[2].split(",") if len(parts) == 3 else []
        return cls(kind, source, target).with_options(words, text)

    def with_options(self, words: list[str], text: str) -> VolumeMount:
        """Itself under the options after the second colon of `text`."""
        volume = self
        for word in words:
            if word in ("ro", "rw"):
                volume = replace(volume, readonly=word == "ro")
            elif word == "nocopy":
                volume = replace(volume, copy=False)
            elif word in _PROPAGATION:
                volume = replace(volume, propagation=word)
            elif word not in _LABELS:
                raise UsageError(
                    f"volume {text}: unknown option {word!r}",
                    hint="known are ro, rw, z, Z, nocopy and rslave's kin",
                    option="volume",
                )
        return volume


def absolute(path: str, source: str, *, option: bool = False) -> str:
    """`path` without dots and double slashes. Raises `UsageError` unless it is absolute.

    `source` is where it stands; with `option` it begins with the name of one.
    """
    if not path.startswith("/"):
        named = source.partition(" ")[0] if option else None
        raise UsageError(f"{source}: {path!r} is not an absolute path in the container", option=named)
    return os.path.normpath("/" + path.lstrip("/"))


def check_words(option: str, words: Iterable[str]) -> None:
    """Raises `UsageError` for bytes that are no text: a container's configuration is JSON, which cannot hold them."""
    for word in words:
        if not is_text(word):
            raise UsageError(f"{option} {word}: a container can be given only UTF-8", option=option)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Everything about one container that its image does not say. None means: as the image has it.

    `image` is the reference as the user wrote it, for people to read. `env` holds ``NAME=VALUE`` (the command line
    resolves bare names). `network` is default, none or host.
    """

    image: str
    command: tuple[str, ...] = ()
    name: str | None = None
    entrypoint: tuple[str, ...] | None = None
    env: tuple[str, ...] = ()
    user: str | None = None
    workdir: str | None = None
    hostname: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    detach: bool = False
    remove: bool = False
    interactive: bool = False
    tty: bool = False
    detach_keys: bytes = DETACH_KEYS
    log_limit: int = LOG_LIMIT
    init: bool = False
    readonly: bool = False
    volumes: tuple[VolumeMount, ...] = ()
    tmpfs: Mapping[str, str] = field(default_factory=dict[str, str])
    network: str = "default"
    publish: tuple[PortMapping, ...] = ()
    limits: ResourceLimits = field(default_factory=ResourceLimits)
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    stop_signal: str | None = None
    stop_timeout: int = 10
    """Seconds."""

    def validate(self) -> None:
        """Raises `UsageError` for what cannot be meant, before anything is done."""
        self._validate_words()
        if self.name is not None and not re.fullmatch(_NAME, self.name):
            raise UsageError(
                f"name {self.name}: not a container name",
                hint="a letter or digit, then letters, digits, dots, dashes and underscores",
                option="name",
            )
        if self.network not in ("default", "none", "host"):
            raise UsageError(f"network {self.network}: only default, none and host exist yet", option="network")
        if self.limits.cpus is not None and not 0.01 <= self.limits.cpus <= _MAX_CPUS:
            raise UsageError(f"cpus: from 0.01 to {_MAX_CPUS}", option="cpus")
        if self.limits.memory is not None and self.limits.memory < 6 << 20:
            raise UsageError("memory: at least 6 MiB", option="memory")
        for name, number in (("memory", self.limits.memory), ("pids-limit", self.limits.pids)):
            if number is not None and number > _MAX_NUMBER:
                raise UsageError(f"{name}: more than any machine has", option=name)
        if self.log_limit and not _LEAST_LOG <= self.log_limit <= _MAX_NUMBER:
            raise UsageError(f"log-opt max-size: at least {_LEAST_LOG} bytes, or -1 for any number", option="log-opt")
        for text in self.env:
            if text.startswith("=") or "=" not in text:
                raise UsageError(f"env {text}: expected NAME=VALUE", option="env")
        self._validate_targets()

    def _validate_words(self) -> None:
        check_words("env", self.env)
        check_words("label", (word for label in self.labels.items() for word in label))
        check_words("volume", (word for volume in self.volumes for word in (volume.source, volume.target)))
        check_words("tmpfs", (word for tmpfs in self.tmpfs.items() for word in tmpfs))
        check_words("entrypoint", self.entrypoint or ())
        check_words("command", self.command)
        for option, word in (("user", self.user), ("workdir", self.workdir), ("hostname", self.hostname)):
            check_words(option, (word or "",))

    def _validate_targets(self) -> None:
        seen: set[str] = set()
        for target in (*(volume.target for volume in self.volumes), *self.tmpfs):
            if absolute(target, "tmpfs", option=True) in seen:
                raise UsageError(f"{target}: two mounts have the same target")
            seen.add(target)
        if self.workdir is not None:
            absolute(self.workdir, "workdir", option=True)


class Caller(Protocol):
    """Whoever called: its signals and its terminal. At first a signal that asks to end raises where it comes."""

    def warn(self, line: str) -> None:
        """Tells something that should be known."""
        ...

    def hold(self) -> None:
        """From now on such a signal waits, for what is going on must not be left half-way."""
        ...

    def release(self) -> None:
        """From now on it raises again, at once if one came meanwhile."""
        ...

    def lend(self, receiver: Callable[[int], None]) -> AbstractContextManager[None]:
        """Inside, the terminal is the container's, and every signal is the receiver's at the moment it comes."""
        ...


class Nobody:
    """A caller without signals: a program that uses Lading keeps its own."""

    def warn(self, line: str) -> None:
        """Nobody is told."""

    def hold(self) -> None:
        """Nothing comes."""

    def release(self) -> None:
        """Nothing came."""

    def lend(self, receiver: Callable[[int], None]) -> AbstractContextManager[None]:
        """Nothing is lent."""
        del receiver
        return nullcontext()


@dataclass(frozen=True, slots=True)
class Streams:
    """File descriptors of the caller, its signals, and the rows and columns of its terminal, if it has one."""

    stdin: int | None = 0
    stdout: int = 1
    stderr: int = 2
    caller: Caller = field(default_factory=Nobody)
    size: Callable[[], tuple[int, int]] | None = None

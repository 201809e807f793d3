"""``RUN --mount``: its keys to a mount (moby/buildkit ``commands_runmount.go``, ``convert_runmount.go``)."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from typing import Final, cast

from lading.build.convert.stage_state import DispatchOptions, StageState
from lading.build.dockerfile.instruction_values import number, parse_boolean, parse_bytes
from lading.build.dockerfile.instructions import MountFlag, Run
from lading.build.errors import TextError, reading, suggestion
from lading.build.graph.steps.chain import Chain
from lading.build.graph.steps.mount_requests import (
    BindMount,
    CacheMount,
    CacheSharing,
    FileAccess,
    RunMount,
    SecretMount,
    SshMount,
    TmpfsMount,
)
from lading.store.fastclass import dataclass

NAMESPACE: Final = "BUILDKIT_CACHE_MOUNT_NS"
"""The build argument that keeps the cache mounts of one project from those of another."""
AGENT: Final = "SSH_AUTH_SOCK"
_TYPES: Final = ("bind", "cache", "tmpfs", "secret", "ssh")
_SHARING: Final = ("shared", "private", "locked")
_ALIASES: Final = {
    "src": "source",
    "dst": "target",
    "destination": "target",
    "ro": "readonly",
    "rw": "readwrite",
}
_KEYS: Final = (
    *("type", "from", "source", "target", "readonly", "readwrite", "id", "sharing", "required"),
    *("size", "mode", "uid", "gid", "env"),
)
_SWITCHES: Final = ("readonly", "readwrite", "required")
_OWNED: Final = ("secret", "ssh", "cache")
_WRITABLE: Final = ("cache", "tmpfs")
_MAX: Final = 2**32 - 1


@dataclass(slots=True)
class _Words:
    """What the fields say, in the order of their coming: a key may depend on the type that was named before it."""

    values: dict[str, str]
    kind: str = "bind"
    readonly: bool | None = None
    required: bool = False
    size: int = 0
    sharing: CacheSharing | None = None

    def take(self, field: str, expand: Callable[[str], str]) -> None:
        written, equals, value = field.partition("=")
        key = written.lower()
        name = _ALIASES.get(key, key)
        if not equals and name not in _SWITCHES:
            raise TextError(f"{field!r} must be a key=value pair")
        value = expand(value) if equals else "true"
        if name not in _KEYS:
            raise TextError(f"unexpected key {key!r} in {field!r}{suggestion(key, (*_KEYS, *_ALIASES))}")
        self._check(key, name, value)
        self.values[name] = value

    def _check(self, key: str, name: str, value: str) -> None:
        if name == "type":
            self.kind = _one_of(value, _TYPES, "mount type")
        elif name in ("readonly", "readwrite"):
            self.readonly = _boolean(key, value) == (name == "readonly")
        elif name == "required":
            self._for(key, "secret", "ssh")
            self.required = _boolean(key, value)
        elif name == "size":
            self._for(key, "tmpfs")
            self.size = parse_bytes(value)
        elif name == "sharing":
            self.sharing = cast("CacheSharing", _one_of(value, _SHARING, "sharing value"))
        elif name in ("mode", "uid", "gid"):
            _ = self.number(name, value)

    def _for(self, key: str, *kinds: str) -> None:
        if self.kind not in kinds:
            raise TextError(f"unexpected key {key!r} for mount type {self.kind!r}")

    def number(self, name: str, value: str) -> int:
        found = _octal(value) if name == "mode" else number(value, _MAX)
        if found is None:
            raise TextError(f"invalid value {value} for {name}")
        return found

    def access(self, mode: int) -> FileAccess | None:
        """Owner and mode where one of them is given; `mode` where it is not. Set-id and sticky bits do not count."""
        given = {name: self.number(name, self.values[name]) for name in ("uid", "gid", "mode") if name in self.values}
        return FileAccess(given.get("uid", 0), given.get("gid", 0), given.get("mode", mode) & 0o777) if given else None

    def check(self) -> None:
        """What cannot be said before all keys are known."""
        for name in ("mode", "uid", "gid"):
            if name in self.values and self.kind not in _OWNED:
                raise TextError(f"{name} is not allowed for mounts of the type {self.kind!r}")
        if self.kind == "secret":
            self._check_secret()
        if self.sharing is not None and self.kind != "cache":
            raise TextError(f"sharing is for cache mounts, not for {self.kind!r}")
        if self.kind == "ssh" and self.values.get("source"):
            raise TextError("ssh does not support source")

    def _check_secret(self) -> None:
        if self.values.get("from"):
            raise TextError("a secret mount has no from")
        if self.sharing is not None:
            raise TextError("a secret mount has no sharing")
        if self.values.get("env") == "":
            raise TextError("env needs the name of a variable")
        if not any(self.values.get(name) for name in ("source", "target", "id")):
            raise TextError("a secret mount needs an id, a source or a target")
        if self.values.get("source") and self.values.get("id"):
            raise TextError("a secret mount has a source or an id, not both")


def _one_of(value: str, known: tuple[str, ...], what: str) -> str:
    if value.lower() not in known:
        raise TextError(f"unsupported {what} {value!r}{suggestion(value, known)}")
    return value.lower()


def _boolean(key: str, value: str) -> bool:
    try:
        return parse_boolean(value)
    except TextError:
        raise TextError(f"invalid value for {key}: {value}") from None


def _octal(text: str) -> int | None:
    if not text or len(text) > 32 or set(text) - set("01234567"):
        return None
    return found if (found := int(text, 8)) <= _MAX else None


def run_mounts(instruction: Run, state: StageState, options: DispatchOptions) -> tuple[RunMount, ...]:
    """What `instruction` has mounted. Raises `DockerfileError`."""
    found: list[RunMount] = []
    with reading(instruction.place, "RUN --mount: "):
        for flag in instruction.mounts:
            words = _Words({})
            for field in flag.fields:
                words.take(field, state.expand)
            words.check()
            agents = sum(isinstance(mount, SshMount) for mount in found)
            found.append(_MountReader(instruction, flag, words, state, options).read(agents))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _MountReader:
    """One flag in its stage."""

    instruction: Run
    flag: MountFlag
    words: _Words
    state: StageState
    options: DispatchOptions

    def read(self, agents: int) -> RunMount:
        words, given = self.words, self.words.values.get
        readonly = words.kind not in _WRITABLE if words.readonly is None else words.readonly
        match words.kind:
            case "secret":
                return self._secret()
            case "ssh":
                target = self._target(given("target") or f"/run/buildkit/ssh_agent.{agents}")
                return SshMount(given("id") or "default", target, words.required, _access(words, 0o600))
            case "tmpfs":
                self._whole()
                return TmpfsMount(self._target(given("target", "")), words.size, readonly)
            case "cache":
                return self._cache(readonly=readonly)
            case _:
                context = not self.flag.origin
                return BindMount(self._target(given("target", "")), self._source(), self._origin(), context, readonly)

    def _secret(self) -> SecretMount:
        given = self.words.values.get
        target, variable = given("target", ""), given("env")
        name = given("source") or given("id") or posixpath.basename(target.rstrip("/"))
        if not target and variable is None:
            target = f"/run/secrets/{posixpath.basename(name)}"
        place = self._target(target) if target else None
        return SecretMount(name, place, variable, self.words.required, _access(self.words, 0o400))

    def _cache(self, *, readonly: bool) -> CacheMount:
        words, given = self.words, self.words.values.get
        access, source = words.access(0o755), self._source()
        name = given("id") or posixpath.normpath(given("target") or ".")
        space = self.options.arguments.given.get(NAMESPACE, "")
        return CacheMount(
            self._target(given("target", "")),
            f"{space}/{name}",
            words.sharing or "shared",
            self._origin(),
            source,
            access if source == "/" else None,
            readonly,
        )

    def _origin(self) -> Chain | None:
        return self.options.mounted(self.flag.origin, self.instruction) if self.flag.origin else None

    def _source(self) -> str:
        return posixpath.normpath("/" + self.words.values.get("source", "")).replace("//", "/")

    def _whole(self) -> None:
        if self._source() != "/":
            raise TextError(f"a tmpfs is empty: there is no {self._source()} in it")

    def _target(self, text: str) -> str:
        target = self.state.resolve(text).rstrip("/")
        if not target:
            raise TextError(f"invalid mount target {text or '/'!r}")
        return target


def _access(words: _Words, mode: int) -> FileAccess:
    return words.access(mode) or FileAccess(0, 0, mode)

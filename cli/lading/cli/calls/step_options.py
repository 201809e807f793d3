"""How a build's options for its steps are written: secrets, ssh agents, networks, hosts, limits (docker's forms)."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from lading.build.dockerfile.instruction_values import csv_fields, parse_bytes
from lading.build.errors import TextError
from lading.build.graph.request import LentKeys, StepSecrets
from lading.build.graph.steps.step_operations import StepSettings
from lading.store.errors import UsageError

if TYPE_CHECKING:
    from lading.build.graph.executor import Network
    from lading.build.operations.running.ssh_keys import SshKey
    from lading.host.configuration import Isolation

_MAX_SECRET: Final = 500 * 1024
_SECRET_KEYS: Final = ("type", "id", "source", "src", "env")
_NETWORKS: Final[dict[str, Network]] = {"default": "default", "none": "none", "host": "host"}
_ISOLATIONS: Final[dict[str, Isolation]] = {
    "auto": "auto",
    "oci": "oci",
    "rootless": "rootless",
    "chroot": "chroot",
}
_ALLOWED: Final = ("network.host", "security.insecure")
_LIMITS: Final = (
    *("core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio"),
    *("rttime", "sigpending", "stack"),
)


def step_secrets(secrets: list[str] | None, agents: list[str] | None, environment: Mapping[str, str]) -> StepSecrets:
    """Values by their ids, read now, and agents: sockets, or key files, read now. Raises `UsageError`."""
    values: dict[str, bytes] = {}
    for word in secrets or ():
        name, value = _secret(word, environment)
        values[name] = value
    lent: dict[str, str | LentKeys] = {}
    for word in agents or ():
        name, agent = _agent(word, environment)
        if name in lent:
            raise UsageError(f"--ssh {word}: {name} is given twice")
        lent[name] = agent
    return StepSecrets(values, lent)


def _secret(word: str, environment: Mapping[str, str]) -> tuple[str, bytes]:
    """Errors say nothing of a value."""
    given = _secret_fields(word)
    kind, name = given.get("type", ""), given.get("id", "")
    source, variable = given.get("source", given.get("src", "")), given.get("env", "")
    if kind not in ("", "file", "env"):
        raise UsageError(f"--secret {word}: unsupported secret type {kind!r}: file and env are")
    if not name:
        raise UsageError(f"--secret {word}: it needs an id")
    if kind == "env" and not variable:
        source, variable = "", source
    if not source and not variable:
        source, variable = ("", name) if name in environment else (name, "")
    if variable and not source:
        if variable not in environment:
            raise UsageError(f"--secret {word}: there is no variable {variable}")
        return name, os.fsencode(environment[variable])
    return name, _secret_content(word, source)


def _secret_fields(word: str) -> dict[str, str]:
    found: dict[str, str] = {}
    try:
        fields = csv_fields(word)
    except TextError as error:
        raise UsageError(f"--secret {word}: {error}") from None
    for field in fields:
        key, equals, value = field.partition("=")
        if not equals:
            raise UsageError(f"--secret {word}: {field!r} must be a key=value pair")
        if key.lower() not in _SECRET_KEYS:
            raise UsageError(f"--secret {word}: unexpected key {key!r} in {field!r}")
        found[key.lower()] = value
    return found


def _secret_content(word: str, source: str) -> bytes:
    try:
        with open(source, "rb") as stream:
            data = stream.read(_MAX_SECRET + 1)
    except OSError as error:
        raise UsageError(f"--secret {word}: {source}: {error.strerror}") from None
    if len(data) > _MAX_SECRET:
        raise UsageError(f"--secret {word}: {source}: more than the {_MAX_SECRET} bytes that a secret may have")
    return data


def _agent(word: str, environment: Mapping[str, str]) -> tuple[str, str | LentKeys]:
    """``ID``, ``ID=SOCKET`` or ``ID=KEY,KEY…``."""
    name, _, places = word.partition("=")
    paths = [path for path in places.split(",") if path] or [environment.get("SSH_AUTH_SOCK", "")]
    if not name:
        raise UsageError(f"--ssh {word}: expected default, or ID= and the socket of an agent or files of keys")
    if not paths[0]:
        raise UsageError(f"--ssh {word}: no agent is running for you (SSH_AUTH_SOCK)", hint="ssh-agent starts one")
    sockets = [path for path in paths if _is_socket(word, path)]
    if not sockets:
        from lading.build.operations.running.key_agent import KeyAgent  # noqa: PLC0415 - few calls name keys

        return name, KeyAgent(tuple(_key(word, path) for path in paths))
    if len(paths) > 1:
        raise UsageError(f"--ssh {word}: expected one socket of an agent, or files of keys")
    return name, os.path.abspath(paths[0])


def _is_socket(word: str, path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError as error:
        raise UsageError(f"--ssh {word}: {path}: {error.strerror}") from None


def _key(word: str, path: str) -> SshKey:
    """A key without a passphrase. Errors say nothing of its content."""
    from lading.build.operations.running.ssh_keys import MAX_FILE, SshKey  # noqa: PLC0415

    try:
        with open(path, "rb") as stream:
            data = stream.read(MAX_FILE + 1)
    except OSError as error:
        raise UsageError(f"--ssh {word}: {path}: {error.strerror}") from None
    try:
        return SshKey.parse(data if len(data) <= MAX_FILE else b"")
    except TextError as error:
        hint = f"ssh-add {path} gives the key to your agent, and --ssh default lends that"
        raise UsageError(f"--ssh {word}: {path}: {error}", hint=hint) from None


def step_network(text: str) -> Network:
    """That of the steps that name none. Raises `UsageError`."""
    if text not in _NETWORKS:
        raise UsageError(f"--network {text}: expected one of {', '.join(_NETWORKS)}")
    return _NETWORKS[text]


def allowances(words: list[str] | None, network: str) -> frozenset[str]:
    """What steps may ask for; who gives all of them the host's network lets each have it. Raises `UsageError`."""
    names = {name for word in words or () for name in word.split(",")}
    for name in sorted(names):
        if name not in _ALLOWED:
            raise UsageError(f"--allow {name}: expected {' or '.join(_ALLOWED)}")
    return frozenset(names | {"network.host"} if network == "host" else names)


def step_isolation(word: str | None, environment: Mapping[str, str]) -> Isolation:
    """As asked for, else as LADING_ISOLATION or BUILDAH_ISOLATION says. Raises `UsageError`."""
    text = word or environment.get("LADING_ISOLATION") or environment.get("BUILDAH_ISOLATION") or "auto"
    if text not in _ISOLATIONS:
        raise UsageError(f"--isolation {text}: expected one of {', '.join(_ISOLATIONS)}")
    return _ISOLATIONS[text]


def step_settings(hosts: list[str] | None, shm_size: str | None, ulimits: list[str] | None) -> StepSettings:
    """Raises `UsageError`."""
    try:
        size = parse_bytes(shm_size) if shm_size else 0
    except TextError as error:
        raise UsageError(f"--shm-size: {error}") from None
    return StepSettings(tuple(map(_host, hosts or ())), size, tuple(map(_ulimit, ulimits or ())))


def _host(word: str) -> tuple[str, str]:
    name, equals, address = word.partition("=")
    if not equals:
        name, _, address = word.partition(":")
    if not name or not address or any(character.isspace() for character in word):
        raise UsageError(f"--add-host {word}: expected HOST=IP or HOST:IP")
    if address == "host-gateway":
        raise UsageError(f"--add-host {word}: host-gateway is not supported yet: give an address")
    plain = address[1:-1] if address.startswith("[") and address.endswith("]") else address
    try:
        ip_address(plain)
    except ValueError:
        raise UsageError(f"--add-host {word}: {address!r} is not an IP address") from None
    return name, plain


def _ulimit(word: str) -> tuple[str, int, int]:
    name, _, values = word.partition("=")
    soft, colon, hard = values.partition(":")
    if name not in _LIMITS:
        raise UsageError(f"--ulimit {word}: {name!r} is none of {', '.join(_LIMITS)}")
    try:
        low, high = int(soft), int(hard if colon else soft)
    except ValueError:
        raise UsageError(f"--ulimit {word}: expected NAME=SOFT[:HARD]") from None
    if not all(-1 <= value < 2**63 for value in (low, high)) or (high != -1 and not -1 < low <= high):
        raise UsageError(f"--ulimit {word}: the soft limit is at most the hard one, and -1 is none")
    return name, low, high

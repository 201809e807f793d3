"""What a client is told by its caller; it asks no environment and no file that is not named here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lading.store.fastclass import dataclass, field

if TYPE_CHECKING:
    from lading.registry.credentials.files import Credentials


def _silent(warning: str) -> None:
    del warning


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how patiently a request is repeated (full jitter, seconds)."""

    attempts: int = 5
    base: float = 0.5
    cap: float = 20.0
    """No pause of our own is longer."""
    longest: float = 120.0
    """A registry that asks for a longer pause (Retry-After) is given up."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds."""

    connect: float = 10.0
    read: float = 60.0
    """For all of an exchange but its bodies, and for each next piece of a body."""
    commit: float = 900.0
    """For the answer to the last byte of an upload, which a registry may have to copy first."""
    document: float = 120.0
    """For a whole manifest, list, token or error, however steadily it dribbles."""
    stall: float = 60.0
    """A blob that brought less than `stall_bytes` in this time is as good as broken off."""
    stall_bytes: int = 64 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What one judgement may ask of registries."""

    requests: int = 2048
    bytes: int = 128 * 1024 * 1024
    seconds: float = 120.0
    raised: str = "a higher limit '{}' allows more"
    """What is said to whoever needs more; this goes into decisions, which keep it as text."""


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """Everything a `Client` needs to know."""

    credentials: Credentials | None = None
    """Where passwords are looked up; None asks anonymously."""
    tls_verify: bool = True
    """False: certificates are not checked, and plain HTTP is used where HTTPS does not answer."""
    ca_files: tuple[Path, ...] = ()
    """PEM certificates trusted beside the system's."""
    certs_dirs: tuple[Path, ...] = ()
    """Folders like ``/etc/docker/certs.d``: ``HOST:PORT/*.crt`` and pairs of ``*.cert`` and ``*.key``."""
    proxies: Mapping[str, str] = field(default_factory=dict[str, str])
    """Scheme (``http``, ``https``) to the URL of its proxy."""
    no_proxy: tuple[str, ...] = ()
    """Hosts, domains, addresses and networks reached directly; loopback always is."""
    user_agent: str = "lading"
    parallel: int = 4
    """Blobs moved at once."""
    chunk: int = 16 * 1024 * 1024
    """Bytes of one PATCH where an upload has to go in pieces."""
    retry: Retry = Retry()
    timeouts: Timeouts = Timeouts()
    limits: Limits = Limits()
    warn: Callable[[str], None] = _silent
    """Told in one line what the user should know, such as a password sent in clear."""

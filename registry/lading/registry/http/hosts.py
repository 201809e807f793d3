"""Where a registry is: origins, loopback addresses, proxies, and which scheme it speaks."""

from __future__ import annotations

import ipaddress
import threading
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urljoin, urlsplit

from lading.registry.errors import ProtocolError
from lading.registry.reference import DEFAULT_REGISTRY
from lading.store.fastclass import dataclass
from lading.store.system.patterns import pattern

if TYPE_CHECKING:
    from lading.registry.client_config import ClientConfig

_HUB: Final = "registry-1.docker.io"
_NETLOC: Final = pattern(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")
"""No user name: what stands before an ``@`` is a password, or a trick."""
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port: what credentials and connections are bound to (RFC 6454)."""

    scheme: str
    host: str
    """Lower case, without brackets."""
    port: int

    @classmethod
    def of(cls, url: str) -> Self:
        """Of an absolute http or https URL without a user name. Raises `ProtocolError`."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ProtocolError(f"{url[:200]!r}: not a URL") from None
        if parts.scheme not in _PORTS or not parts.hostname or not _NETLOC.fullmatch(parts.netloc):
            raise ProtocolError(f"{url[:200]!r}: not an http or https URL of a host")
        return cls(parts.scheme, parts.hostname, port or _PORTS[parts.scheme])

    @property
    def netloc(self) -> str:
        """``host[:port]`` as people write it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """Without a path."""
        return f"{self.scheme}://{self.netloc}"

    @property
    def loopback(self) -> bool:
        """Whether it is this machine by address or by the name localhost."""
        return is_loopback(self.host)


def join(base: str, target: str) -> str:
    """A URL that an answer gave, relative to that of the request, without fragment. Raises `ProtocolError`."""
    try:
        url = urljoin(base, target).partition("#")[0]
    except ValueError:
        raise ProtocolError(f"{target[:200]!r}: not a URL") from None
    Origin.of(url)
    return url


def is_loopback(host: str) -> bool:
    """Whether a host, without port, is localhost or a loopback address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def endpoint(registry: str) -> str:
    """The ``host[:port]`` that serves a registry."""
    return _HUB if registry == DEFAULT_REGISTRY else registry


def proxy_for(origin: Origin, config: ClientConfig) -> str | None:
    """The proxy's URL (``host:port`` is one of HTTP), None where the origin is reached directly."""
    proxy = config.proxies.get(origin.scheme)
    if not proxy or origin.loopback or any(_matches(origin, rule.strip()) for rule in config.no_proxy):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _matches(origin: Origin, rule: str) -> bool:
    if rule in ("*", origin.host, f"{origin.host}:{origin.port}", origin.netloc):
        return True
    try:
        return ipaddress.ip_address(origin.host) in ipaddress.ip_network(rule, strict=False)
    except ValueError:
        domain = rule.lower().removeprefix("*").lstrip(".")
        return bool(domain) and (origin.host == domain or origin.host.endswith(f".{domain}"))


class Schemes:
    """Which registries were found to speak plain HTTP; remembered for the process."""

    def __init__(self) -> None:
        self._plain: set[str] = set()
        self._lock = threading.Lock()

    def candidates(self, registry: str, *, tls_verify: bool) -> tuple[Origin, ...]:
        """Where to look for a registry, in this order."""
        host = endpoint(registry)
        secure, plain = Origin.of(f"https://{host}"), Origin.of(f"http://{host}")
        if tls_verify and not secure.loopback:
            return (secure,)
        with self._lock:
            return (plain, secure) if registry in self._plain else (secure, plain)

    def found(self, registry: str, origin: Origin) -> None:
        """`registry` answered at `origin`."""
        with self._lock:
            if origin.scheme == "http":
                self._plain.add(registry)
            else:
                self._plain.discard(registry)


SCHEMES: Final = Schemes()
"""Of this process."""

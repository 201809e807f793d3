"""What a server is told, and whether that is safe to serve."""

from __future__ import annotations

import socket
from pathlib import Path

from lading.registry.http.hosts import is_loopback
from lading.store.errors import InputError, Remedy
from lading.store.fastclass import dataclass


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Where content is kept, where to listen, and how clients prove who they are and we who we are."""

    storage: Path
    host: str = "127.0.0.1"
    port: int = 5000
    htpasswd: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    insecure_http: bool = False

    @property
    def loopback(self) -> bool:
        """Whether nothing beyond this machine reaches it."""
        return is_loopback(self.host)

    @property
    def anonymous(self) -> bool:
        """Whether nobody is asked who they are."""
        return self.htpasswd is None

    def check(self) -> None:
        """Raises `InputError` for what would be unsafe."""
        if (self.tls_cert is None) != (self.tls_key is None):
            raise InputError("a certificate and its private key go together")
        for file in (self.htpasswd, self.tls_cert, self.tls_key):
            if file is not None and not file.is_file():
                raise InputError(f"{file}: no such file")
        if self.tls_cert is not None and self.tls_key is not None:
            _check_pair(self.tls_cert, self.tls_key)
        if self.loopback:
            return
        if self.anonymous:
            raise InputError(
                f"{self.host} is reached from other machines: the registry does not start there without passwords",
                hint=Remedy("give passwords", "give a file that htpasswd -Bc FILE NAME makes, or listen on 127.0.0.1"),
            )
        if self.tls_cert is None and not self.insecure_http:
            raise InputError(
                f"{self.host} is reached from other machines: the registry does not start there without TLS",
                hint=Remedy(
                    "give certificate", "give one and its key, or allow clear HTTP if the network is yours alone"
                ),
            )


def _check_pair(cert: Path, key: Path) -> None:
    import ssl  # noqa: PLC0415

    def locked() -> str:
        raise InputError(f"{key}: is encrypted", hint="give a key without a password: openssl pkey -in KEY -out PLAIN")

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, locked)
    except (OSError, ValueError):
        raise InputError(
            f"{cert} and {key}: not a certificate and its private key",
            hint="both are PEM; the key is that of the first certificate in the file",
        ) from None


def listen(host: str, port: int) -> socket.socket:
    """A listening probe that tells early whether the address can be had; the caller closes it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    probe = socket.socket(family, socket.SOCK_STREAM)
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind((host, port))
        probe.listen(1)
    except (OSError, OverflowError) as error:
        probe.close()
        raise InputError(
            f"cannot listen on {host}:{port}: {getattr(error, 'strerror', None) or error}",
            hint=Remedy("listen elsewhere", "another registry may be running; name another address or port"),
        ) from None
    return probe

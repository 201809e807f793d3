"""Who asks: nobody in particular on loopback, else a name and password of an htpasswd file (bcrypt)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import threading
import time
from pathlib import Path
from typing import Final, Protocol

from lading.registry.server.config import ServerConfig, is_loopback
from lading.registry.server.failures import Failure
from lading.store.errors import InputError

_REMEMBERED: Final = 60.0
_CHALLENGE: Final = (("www-authenticate", 'Basic realm="lading registry", charset="UTF-8"'),)
_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")


class Headers(Protocol):
    """The headers of a request."""

    def get(self, name: str, /) -> str | None:
        """One by its lower-case name."""
        ...


class Gate(Protocol):
    """Whether a request may go on. One function for every route; what is asked for decides later, too."""

    def admit(self, headers: Headers, authority: str | None) -> str:
        """The name of who asks, "" for nobody. Raises `Failure`."""
        ...


class LoopbackGate:
    """Everybody on this machine: no proxy and no browser page may lend that to others."""

    def admit(self, headers: Headers, authority: str | None) -> str:
        """Raises `Failure` for a forwarded request, or one for a host that is not loopback."""
        if any(headers.get(name) for name in _FORWARDED):
            raise Failure("DENIED", "this registry has no passwords and does not answer through a proxy")
        host = headers.get("host") or authority or ""
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        if not is_loopback(name.strip("[]")):
            raise Failure("DENIED", "this registry has no passwords and answers to loopback names only")
        return ""


class PasswordGate:
    """Basic authentication. A password that was right is remembered for a minute, as a keyed hash."""

    def __init__(self, file: Path) -> None:
        self._hashes = _read(file)
        self._secret = os.urandom(32)
        self._known: dict[bytes, float] = {}
        self._lock = threading.Lock()
        import bcrypt  # noqa: PLC0415

        # An unknown name costs as much as a wrong password, so that names cannot be told by time.
        self._nobody = bcrypt.hashpw(b"nobody", bcrypt.gensalt(10))

    def admit(self, headers: Headers, authority: str | None) -> str:
        """Raises `Failure` UNAUTHORIZED with a challenge."""
        del authority
        scheme, _, text = (headers.get("authorization") or "").partition(" ")
        if scheme.lower() != "basic":
            raise Failure("UNAUTHORIZED", "log in first", headers=_CHALLENGE)
        try:
            name, colon, password = base64.b64decode(text.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            name = colon = password = ""
        if not colon or not self._right(name, password):
            raise Failure("UNAUTHORIZED", "wrong name or password", headers=_CHALLENGE)
        return name

    def _right(self, name: str, password: str) -> bool:
        import bcrypt  # noqa: PLC0415

        mark = hmac.new(self._secret, f"{len(name)}:{name}:{password}".encode(), hashlib.sha256).digest()
        now = time.monotonic()
        with self._lock:
            if self._known.get(mark, 0) > now:
                return True
        expected = self._hashes.get(name)
        # bcrypt looks at no more than 72 bytes; what is longer never matches.
        right = bcrypt.checkpw(password.encode()[:72], expected or self._nobody) and len(password.encode()) <= 72
        if expected is None or not right:
            return False
        with self._lock:
            self._known = {key: until for key, until in self._known.items() if until > now}
            self._known[mark] = now + _REMEMBERED
        return True


def _read(file: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for number, line in enumerate(file.read_text().splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, colon, hashed = text.partition(":")
        if not colon or not hashed.startswith(("$2y$", "$2b$", "$2a$")):
            raise InputError(f"{file}:{number}: only bcrypt is accepted", hint="htpasswd -B writes it")
        found[name] = hashed.encode()
    if not found:
        raise InputError(f"{file}: names nobody", hint=f"htpasswd -Bc {file} NAME adds somebody")
    return found


def gate_for(config: ServerConfig) -> Gate:
    """What suits the configuration."""
    return LoopbackGate() if config.htpasswd is None else PasswordGate(config.htpasswd)

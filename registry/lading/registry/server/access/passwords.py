"""Names and passwords of an htpasswd file (bcrypt), asked for by Basic authentication (RFC 7617)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import threading
import time
from pathlib import Path
from typing import Final

import bcrypt

from lading.registry.server.access.gate import Headers
from lading.registry.server.api_errors import ApiError
from lading.store.errors import InputError
from lading.store.fastclass import dataclass
from lading.store.system.patterns import pattern

_REMEMBERED: Final = 60.0
"""Seconds for which a password that was right is not hashed again."""
_CHALLENGE: Final = (("www-authenticate", 'Basic realm="lading registry", charset="UTF-8"'),)
_BCRYPT: Final = pattern(r"\$2[aby]\$(?P<cost>0[4-9]|1[0-9])\$[./A-Za-z0-9]{53}")
_MAX_PASSWORD: Final = 72
"""Bytes; bcrypt looks at no more, and what is longer never matches."""
_MAX_FILE: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Passwords:
    """The hashes of a file as it was at a time. `nobody` stands in for a name that is not there."""

    hashes: dict[str, bytes]
    nobody: bytes
    stamp: tuple[int, int, int]


class PasswordGate:
    """A password that was right is remembered for a minute, as a keyed hash; the file is read again as it changes."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._passwords = read_passwords(file)
        self._secret = os.urandom(32)
        self._known: dict[bytes, float] = {}
        self._lock = threading.Lock()

    def recall(self, headers: Headers) -> str | None:
        """Raises `ApiError` UNAUTHORIZED with a challenge."""
        name, password = _credentials(headers)
        with self._lock:
            known = self._known.get(self._mark(name, password), 0) > time.monotonic()
        return name if known else None

    def check(self, headers: Headers) -> str:
        """Raises `ApiError` UNAUTHORIZED. Takes as long for an unknown name as for a wrong password."""
        name, password = _credentials(headers)
        self._refresh()
        expected = self._passwords.hashes.get(name)
        text = password.encode()
        right = bcrypt.checkpw(text[:_MAX_PASSWORD], expected or self._passwords.nobody)
        if expected is None or not right or len(text) > _MAX_PASSWORD:
            raise _wrong()
        self._remember(self._mark(name, password))
        return name

    def _mark(self, name: str, password: str) -> bytes:
        return hmac.new(self._secret, f"{len(name)}:{name}:{password}".encode(), hashlib.sha256).digest()

    def _remember(self, mark: bytes) -> None:
        now = time.monotonic()
        with self._lock:
            self._known = {key: until for key, until in self._known.items() if until > now}
            self._known[mark] = now + _REMEMBERED

    def _refresh(self) -> None:
        """A file that cannot be read, or is being written, leaves things as they were."""
        try:
            if _stamp(self._file) != self._passwords.stamp:
                self._passwords = read_passwords(self._file)
        except (OSError, InputError):
            return


def read_passwords(file: Path) -> Passwords:
    """The lines NAME:HASH of a file. Raises `InputError`."""
    found: dict[str, bytes] = {}
    cost = "04"
    stamp, text = _read(file)
    for number, line in enumerate(text.splitlines(), 1):
        name, colon, hashed = line.strip().partition(":")
        if not line.strip() or line.startswith("#"):
            continue
        match = _BCRYPT.fullmatch(hashed)
        if not colon or not name or match is None:
            raise InputError(f"{file}:{number}: only NAME:BCRYPT is accepted", hint="htpasswd -B writes it")
        found[name] = hashed.encode()
        cost = max(cost, match["cost"])
    if not found:
        raise InputError(f"{file}: names nobody", hint=f"htpasswd -Bc {file} NAME adds somebody")
    return Passwords(found, bcrypt.hashpw(os.urandom(16).hex().encode(), bcrypt.gensalt(int(cost))), stamp)


def _read(file: Path) -> tuple[tuple[int, int, int], str]:
    try:
        stamp = _stamp(file)
        with file.open("rb") as stream:
            return stamp, stream.read(_MAX_FILE).decode()
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{file}: not a password file", hint="htpasswd -B writes one") from None


def _stamp(file: Path) -> tuple[int, int, int]:
    found = file.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


def _credentials(headers: Headers) -> tuple[str, str]:
    scheme, _, text = (headers.get("authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        raise ApiError("UNAUTHORIZED", "log in first", headers=_CHALLENGE)
    try:
        name, colon, password = base64.b64decode(text.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise _wrong() from None
    if not colon or "\0" in password:
        raise _wrong()
    return name, password


def _wrong() -> ApiError:
    return ApiError("UNAUTHORIZED", "wrong name or password", headers=_CHALLENGE)

"""One registry spoken to: scheme, login, redirects and patience, in that order; one method, `Session.send`.

Credentials go to the registry's own origin and nowhere else, whatever a redirect or a Location says.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping
from dataclasses import field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

from lading.registry.auth import Authorizer
from lading.registry.config import ClientConfig
from lading.registry.errors import BusyError, CertificateError, ProtocolError, UnreachableError
from lading.registry.failures import failure
from lading.registry.hosts import SCHEMES, Origin, join
from lading.registry.transport import Answer, Body, Request, Transport
from lading.store.fastclass import dataclass

_MAX_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_PASSING: Final = frozenset({429, 500, 502, 503, 504})
"""Statuses that may be another one in a moment."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a registry, repeated where that is harmless."""

    method: str
    target: str
    """A path on the registry, or an absolute URL that the registry gave (a Location)."""
    what: str
    """For errors: what the user would call it."""
    accept: frozenset[int] = frozenset({200})
    """Statuses that are no failure."""
    scopes: frozenset[str] = frozenset()
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Body | None = None
    repeat: bool = True
    """Whether it may be sent again after the connection broke or the registry stumbled."""


class Session:
    """Speaks to one registry; thread-safe."""

    def __init__(self, registry: str, config: ClientConfig, transport: Transport) -> None:
        self.registry = registry
        self._config = config
        self._transport = transport
        self._lock = threading.Lock()
        self._origin: Origin | None = None
        self._auth = Authorizer(registry, config, self._patiently)

    @property
    def origin(self) -> Origin:
        """Where the registry answers: HTTPS, or HTTP where that is allowed and HTTPS does not answer."""
        with self._lock:
            if self._origin is None:
                self._origin = self._find()
            return self._origin

    def send(self, call: Call) -> Answer:
        """The answer, its body unread, if its status is one of `call.accept`. Raises a `RegistryError`."""
        url = self.resolve(call.target)
        sent: str | None = None
        if Origin.of(url) == self.origin:
            sent = self._auth.header(self.origin, call.scopes)
        answer = self._once(call, url, sent)
        if answer.status == 401 and Origin.of(url) == self.origin:
            with answer:
                asked = answer.header("www-authenticate")
            answer = self._once(call, url, self._auth.challenged(self.origin, call.scopes, asked, sent))
        if answer.status in call.accept:
            return answer
        with answer:
            if answer.status == 401:
                raise self._auth.refused(call.scopes)
            raise failure(answer, call.what, self._config.timeouts.document)

    def resolve(self, target: str) -> str:
        """The URL of a path or Location. Raises `ProtocolError` for one that leads where it must not."""
        url = join(f"{self.origin.url}/", target)
        reached = Origin.of(url)
        if reached.scheme == "http" and self.origin.scheme == "https" and reached.host == self.origin.host:
            # A proxy in front of the registry forgot to say that it speaks HTTPS.
            url = urlsplit(url)._replace(scheme="https", netloc=self.origin.netloc).geturl()
            reached = self.origin
        self._check_leap(self.origin, reached)
        return url

    def _check_leap(self, before: Origin, after: Origin) -> None:
        if after.scheme == "http" and before.scheme == "https":
            raise ProtocolError(f"{self.registry}: leads from HTTPS to {after.url}; not followed")
        if after.loopback and not before.loopback:
            raise ProtocolError(f"{self.registry}: leads to this machine ({after.url}); not followed")

    def _once(self, call: Call, url: str, authorization: str | None) -> Answer:
        """One request with its redirects, repeated where the call allows."""
        headers = dict(call.headers)
        origin = Origin.of(url)
        for _ in range(_MAX_REDIRECTS + 1):
            own = {"Authorization": authorization} if authorization and origin == self.origin else {}
            request = Request(call.method, url, headers | own, call.body)
            answer = self._patiently(request) if call.repeat else self._transport.send(request)
            if answer.status not in _REDIRECTS:
                return answer
            with answer:
                location = answer.header("location")
            if not location or (answer.status == 303 and call.method not in ("GET", "HEAD")):
                raise ProtocolError(f"{call.what}: a redirect that leads nowhere")
            url = join(url, location)
            self._check_leap(origin, Origin.of(url))
            origin = Origin.of(url)
        raise ProtocolError(f"{call.what}: more than {_MAX_REDIRECTS} redirects")

    def _patiently(self, request: Request) -> Answer:
        """Sends until there is an answer that will not be another in a moment."""
        retry = self._config.retry
        for attempt in range(1, retry.attempts + 1):
            last = attempt == retry.attempts
            try:
                answer = self._transport.send(request)
            except CertificateError:
                raise
            except UnreachableError:
                if last:
                    raise
                pause = self.pause(attempt)
            else:
                if answer.status not in _PASSING or last:
                    return answer
                with answer:
                    pause = self._asked(answer, self.pause(attempt))
            time.sleep(pause)
        raise AssertionError("unreachable")

    def pause(self, attempt: int) -> float:
        """Seconds to wait after the given failed attempt: exponential, with full jitter."""
        retry = self._config.retry
        return random.uniform(0, min(retry.cap, retry.base * 2 ** (attempt - 1)))  # noqa: S311 - not a secret

    def _asked(self, answer: Answer, pause: float) -> float:
        """What Retry-After asks for, if it is patience that anybody has."""
        asked = retry_after(answer.header("retry-after"))
        if asked is None:
            return pause
        if asked > self._config.retry.cap:
            raise BusyError(
                f"{self.registry}: asks to come back in {asked:.0f} seconds", status=answer.status, hint="try then"
            )
        return max(asked, pause)

    def _find(self) -> Origin:
        candidates = SCHEMES.candidates(self.registry, tls_verify=self._config.tls_verify)
        if len(candidates) == 1:
            return candidates[0]
        error: UnreachableError | None = None
        for origin in candidates:
            try:
                with self._transport.send(Request("GET", f"{origin.url}/v2/")):
                    SCHEMES.found(self.registry, origin)
                    return origin
            except CertificateError:
                raise
            except UnreachableError as failed:
                error = failed
        assert error is not None
        raise _with_hint(error)


def _with_hint(error: UnreachableError) -> UnreachableError:
    """The same, with what a user can do about it."""
    return UnreachableError(error.message, hint=error.hint or "is the registry running, and at this address?")


def retry_after(header: str | None) -> float | None:
    """Seconds from now (RFC 9110 §10.2.3: seconds or a date), None where there is nothing usable."""
    if not header:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        then = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):  # it raises all of these for broken dates
        return None
    if then.tzinfo is None:
        return None
    return max(0.0, (then - datetime.now(UTC)).total_seconds())

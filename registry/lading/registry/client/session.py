"""One registry spoken to: scheme, login, redirects and patience, in that order; one method, `Session.send`.

Credentials go to the registry's own origin and nowhere else, whatever a redirect or a Location says.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

from lading.registry.auth.challenges import understood
from lading.registry.auth.tokens import Authorizer
from lading.registry.client_config import ClientConfig
from lading.registry.errors import BusyError, CertificateError, ProtocolError, UnreachableError
from lading.registry.http.budget import spending
from lading.registry.http.failures import retry_after, status_error
from lading.registry.http.hosts import SCHEMES, Origin, join
from lading.registry.http.transport import Body, HttpRequest, HttpResponse, Transport
from lading.store.errors import RegistryError, Remedy
from lading.store.fastclass import dataclass, field, replace

_MAX_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_HIDING: Final = frozenset({403, 404})
"""What registries say of what they hide from whoever is not logged in."""
PASSING: Final = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses that may be another one in a moment."""
_WORTH_SAYING: Final = 5.0


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One request to a registry, repeated where that is harmless."""

    method: str
    target: str
    """A path on the registry, or an absolute URL that the registry gave (a Location)."""
    where: str
    """For errors: what the user would call it."""
    accept: frozenset[int] = frozenset({200})
    """Statuses that are no failure."""
    scopes: frozenset[str] = frozenset()
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Body | None = None
    repeat: bool = True
    """Whether it may be sent again after the connection broke or the registry stumbled."""
    seconds: float | None = None
    """For the answer's head once the body was sent; None: as the configuration says."""
    waiting: Callable[[], None] | None = None
    """Called every ten seconds while nothing comes."""


class Session:
    """Speaks to one registry; thread-safe."""

    def __init__(self, registry: str, config: ClientConfig, transport: Transport) -> None:
        self.registry = registry
        self._config = config
        self._transport = transport
        self._lock = threading.Lock()
        self._origin: Origin | None = None
        self._here: bool | None = None
        self._pinged = False
        self._auth = Authorizer(registry, config, self._elsewhere)

    @property
    def origin(self) -> Origin:
        """Where the registry answers: HTTPS, or HTTP where that is allowed and HTTPS does not answer."""
        with self._lock:
            if self._origin is None:
                self._origin = self._find()
            return self._origin

    def intend(self, *scopes: str) -> None:
        """What a piece of work will need: asked for with its first request, so that one token does for all."""
        self._auth.intend(scopes)

    def send(self, request: ApiRequest) -> HttpResponse:
        """The answer, its body unread, if its status is one of `request.accept`. Raises a `RegistryError`."""
        url = self.resolve(request.target)
        own = Origin.of(url) == self.origin
        sent = self._auth.header(self.origin, request.scopes) if own else None
        response = self._once(request, url, sent)
        try:
            login = self._login(response, request.scopes, sent) if own else None
        except BaseException:
            with response:  # or its connection is never free again
                raise
        if login:
            with response:
                pass
            response = self._once(request, url, login)
        if response.status in request.accept:
            return response
        with response:
            if response.status == 401:
                raise self._auth.refused(request.scopes)
            raise status_error(response, request.where, self._config.timeouts.document)

    def _login(self, response: HttpResponse, scopes: frozenset[str], sent: str | None) -> str | None:
        """What to send where an answer asks for a login; some registries say how at ``/v2/`` alone."""
        if response.status == 401:
            asked = response.header("www-authenticate") or ""
            if not understood(asked):
                asked = self._ping() or asked
            return self._auth.challenged(self.origin, scopes, asked, sent)
        if response.status not in _HIDING or sent is not None or self._pinged:
            return None
        try:
            found = self._ping()
            return self._auth.challenged(self.origin, scopes, found, sent) if found else None
        except RegistryError:  # then what it said already stands
            return None

    def _ping(self) -> str | None:
        """The challenge of ``/v2/``."""
        self._pinged = True
        with self._send_with_retries(HttpRequest("GET", f"{self.origin.url}/v2/")) as response:
            return response.header("www-authenticate") if response.status == 401 else None

    def resolve(self, target: str, response: HttpResponse | None = None) -> str:
        """The URL of a path, or of a Location in an answer. Raises `ProtocolError` for one that leads astray."""
        url = join(response.url if response else f"{self.origin.url}/", target)
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
        if after.loopback and self._is_away(after):
            raise ProtocolError(f"{self.registry}: leads to this machine ({after.url}); not followed")

    def _is_away(self, target: Origin) -> bool:
        """Whether a registry that is not on this machine leads elsewhere, and so must not lead back here."""
        here = self.origin.loopback if self._here is None else self._here or self.origin.loopback
        return target != self.origin and not here

    def _once(self, request: ApiRequest, url: str, authorization: str | None) -> HttpResponse:
        """One request with its redirects, repeated where that is allowed."""
        headers = dict(request.headers)
        origin = Origin.of(url)
        for _ in range(_MAX_REDIRECTS + 1):
            own = {"Authorization": authorization} if authorization and origin == self.origin else {}
            away, led = self._is_away(origin), origin != self.origin
            hop = HttpRequest(
                request.method, url, headers | own, request.body, request.seconds, away, led, request.waiting
            )
            response = self._send_with_retries(hop) if request.repeat else self._transport.send(hop)
            if origin == self.origin:
                self._here = response.here
            if response.status not in _REDIRECTS or response.status in request.accept:
                return response
            with response:
                location = response.header("location")
            if not location or (response.status == 303 and request.method not in ("GET", "HEAD")):
                raise ProtocolError(f"{request.where}: a redirect that leads nowhere")
            url = join(url, location)
            self._check_leap(origin, Origin.of(url))
            origin = Origin.of(url)
        raise ProtocolError(f"{request.where}: more than {_MAX_REDIRECTS} redirects")

    def _elsewhere(self, request: HttpRequest) -> HttpResponse:
        """To a token service."""
        target = Origin.of(request.url)
        return self._send_with_retries(replace(request, away=self._is_away(target), led=target != self.origin))

    def _send_with_retries(self, request: HttpRequest) -> HttpResponse:
        """Sends until there is an answer that will not be another in a moment."""
        retry = self._config.retry
        for attempt in range(1, retry.attempts + 1):
            last = attempt == retry.attempts
            try:
                response = self._transport.send(request)
            except CertificateError:
                raise
            except UnreachableError:
                if last:
                    raise
                pause = self.pause(attempt)
            else:
                if response.status not in PASSING or last:
                    return response
                with response:
                    pause = self.pause(attempt, retry_after(response.header("retry-after")))
            time.sleep(pause)
        raise AssertionError("unreachable")

    def pause(self, attempt: int, asked: float | None = None) -> float:
        """Seconds to wait after the given failed attempt: what Retry-After asks for, else ever longer, with jitter.

        Raises `BusyError` where the registry asks for more patience than there is, `ExhaustedError`.
        """
        retry = self._config.retry
        seconds = random.uniform(0, min(retry.cap, retry.base * 2 ** (attempt - 1)))  # noqa: S311 - not a secret
        if asked is not None:
            if asked > retry.longest:
                raise BusyError(
                    f"{self.registry}: asks to come back in {asked:.0f} seconds",
                    status=429,
                    retry_after=asked,
                    hint=Remedy("wait longer", "try then, or raise the limit 'retry-after'", "retry-after"),
                )
            seconds = max(asked, seconds)
        if budget := spending():
            budget.wait(seconds)
        if seconds > _WORTH_SAYING:
            self._config.warn(f"{self.registry}: asks to wait; going on in {seconds:.0f} seconds")
        return seconds

    def _find(self) -> Origin:
        candidates = SCHEMES.candidates(self.registry, tls_verify=self._config.tls_verify)
        if len(candidates) == 1:
            return candidates[0]
        error: UnreachableError | None = None
        for origin in candidates:
            try:
                with self._transport.send(HttpRequest("GET", f"{origin.url}/v2/")):
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

"""Who asks: basic and bearer authorisation (docker's token specification, RFC 6749 §6 for identity tokens).

A token is kept for its registry and scopes until shortly before it ends. A credential goes to the registry it
belongs to and to the token service which that registry names, both over HTTPS; over HTTP only to a loopback
address, or where the caller switched verification off.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import urlencode

from lading.registry.auth.challenges import KNOWN, Challenge, parse_challenges
from lading.registry.client_config import ClientConfig
from lading.registry.credentials.files import Credential
from lading.registry.errors import ProtocolError, UnauthorizedError
from lading.registry.http.failures import status_error
from lading.registry.http.hosts import Origin
from lading.registry.http.transport import HttpRequest, HttpResponse, read_body
from lading.store.errors import DocumentError, RegistryError, Remedy
from lading.store.fastclass import dataclass
from lading.store.oci.json import Fields, parse
from lading.store.system.patterns import pattern

MAX_TOKEN: Final = 256 * 1024
_MAX_SCOPES: Final = 16
_DEFAULT_LIFE: Final = 60.0
_LONGEST_LIFE: Final = 3600.0
_VISIBLE: Final = pattern(r"[\x21-\x7e]+")

Send = Callable[[HttpRequest], HttpResponse]


def scope(repository: str, *actions: str) -> str:
    """``repository:library/app:pull,push``."""
    return f"repository:{repository}:{','.join(actions)}"


def merged(scopes: Iterable[str]) -> frozenset[str]:
    """The same with one scope for each resource, of all actions that are named for it."""
    actions: dict[str, set[str]] = {}
    for item in scopes:
        resource, _, names = item.rpartition(":")
        actions.setdefault(resource, set()).update(names.split(","))
    return frozenset(f"{resource}:{','.join(sorted(names))}" for resource, names in actions.items())


@dataclass(frozen=True, slots=True)
class _Token:
    header: str
    ends: float


class Authorizer:
    """The Authorization headers of one registry; thread-safe."""

    def __init__(self, registry: str, config: ClientConfig, send: Send) -> None:
        self._registry = registry
        self._config = config
        self._send = send
        self._lock = threading.Lock()
        self._tokens: dict[frozenset[str], _Token] = {}
        self._challenge: Challenge | None = None
        self._credentials: dict[str, Credential | None] = {}
        self._warned = False
        self._intended: frozenset[str] = frozenset()

    def intend(self, scopes: Iterable[str]) -> None:
        """From now on whatever needs less of the same repositories asks for all of this."""
        with self._lock:
            self._intended = merged((*self._intended, *scopes))

    def _wider(self, scopes: frozenset[str]) -> frozenset[str]:
        resources = {item.rpartition(":")[0] for item in scopes}
        return merged((*scopes, *(item for item in self._intended if item.rpartition(":")[0] in resources)))

    def header(self, origin: Origin, scopes: frozenset[str]) -> str | None:
        """What to send along before anything was asked for: a token known already, or the password again."""
        with self._lock:
            scopes = self._wider(scopes)
            token = self._tokens.get(scopes)
            if token and token.ends > time.monotonic():
                return token.header
            if self._challenge:
                return self._answer(origin, self._challenge, scopes)
            return None

    def challenged(self, origin: Origin, scopes: frozenset[str], header: str | None, sent: str | None) -> str:
        """The header that answers a 401. Raises `UnauthorizedError` where there is nothing better to send."""
        challenge = self._choose(parse_challenges(header or ""))
        with self._lock:
            scopes = self._wider(scopes)
            token = self._tokens.get(scopes)
            if token and token.header != sent and token.ends > time.monotonic():
                return token.header  # another thread was faster
            self._tokens.pop(scopes, None)
            response = self._answer(origin, challenge, scopes)
            if response is None or (response == sent and challenge.scheme == "basic"):
                raise self.refused(scopes)
            lasting = {name: value for name, value in challenge.parameters.items() if name != "scope"}
            self._challenge = Challenge(challenge.scheme, lasting)
            return response

    def _choose(self, challenges: Iterable[Challenge]) -> Challenge:
        known = {challenge.scheme: challenge for challenge in reversed(list(challenges))}
        for scheme in KNOWN:
            if scheme in known:
                return known[scheme]
        named = ", ".join(sorted(known)) or "nothing"
        raise ProtocolError(f"{self._registry}: asks for a login by {named[:100]}; only Bearer and Basic are known")

    def _answer(self, origin: Origin, challenge: Challenge, scopes: frozenset[str]) -> str | None:
        credential = self._find(scopes)
        if credential and credential.bearer:
            self._check_clear(origin)
            return f"Bearer {credential.bearer}"
        if challenge.scheme == "basic":
            if credential is None or not credential.username:
                return None
            self._check_clear(origin)
            return credential.basic
        token = self._fetch(origin, challenge, scopes, credential)
        self._tokens[scopes] = token
        return token.header

    def _find(self, scopes: frozenset[str]) -> Credential | None:
        source = self._config.credentials
        if source is None:
            return None
        repository = min((item.split(":")[1] for item in scopes if item.endswith("push")), default="")
        repository = repository or min((item.split(":")[1] for item in scopes if ":" in item), default="")
        if repository not in self._credentials:
            self._credentials[repository] = source.find(self._registry, repository or None)
        return self._credentials[repository]

    def _fetch(
        self, origin: Origin, challenge: Challenge, scopes: frozenset[str], credential: Credential | None
    ) -> _Token:
        realm = challenge.parameters.get("realm", "")
        service = challenge.parameters.get("service", "")
        self._check_realm(origin, realm, credential)
        wanted = sorted(merged((*scopes, *challenge.parameters.get("scope", "").split())))[:_MAX_SCOPES]
        with self._send(_token_request(realm, service, wanted, credential)) as response:
            where = f"{self._registry}: its token service {Origin.of(realm).netloc}"
            if response.status in (400, 401, 403) and credential:
                raise self.refused(scopes)
            if response.status != 200:
                raise status_error(response, where, self._config.timeouts.document)
            return _read_token(read_body(response, MAX_TOKEN, self._config.timeouts.document, where), where)

    def _check_realm(self, origin: Origin, realm: str, credential: Credential | None) -> None:
        if "#" in realm or not _VISIBLE.fullmatch(realm):
            raise ProtocolError(f"{self._registry}: its token service {realm[:200]!r} is not a URL")
        target = Origin.of(realm)
        if target.scheme == "https":
            return
        if origin.scheme != "http":
            raise ProtocolError(
                f"{self._registry}: sends logins to {target.url}, which is not HTTPS; nothing was sent there"
            )
        if credential is not None:
            self._check_clear(target)

    def _check_clear(self, target: Origin) -> None:
        """Refuses to send a secret in clear to another machine, unless verification was switched off."""
        if target.scheme == "https" or target.loopback:
            return
        if self._config.tls_verify:
            raise RegistryError(
                f"{self._registry}: the password would go to {target.url} in clear; it was not sent",
                hint=Remedy("serve HTTPS", "serve it over HTTPS, or switch verification off"),
            )
        if not self._warned:
            self._warned = True
            self._config.warn(f"{self._registry}: the password goes to {target.url} in clear")

    def refused(self, scopes: frozenset[str]) -> UnauthorizedError:
        """The error where nothing more can be sent."""
        asked = f" for {', '.join(sorted(scopes))}" if scopes else ""
        if self._find(scopes) is None:
            return UnauthorizedError(
                f"{self._registry}: wants a login{asked}",
                status=401,
                hint=Remedy("log in", f"log in to {self._registry}", self._registry),
            )
        return UnauthorizedError(
            f"{self._registry}: did not accept the login{asked}",
            status=401,
            hint=Remedy("log in anew", f"log in to {self._registry} with the right user and password", self._registry),
        )


def _token_request(realm: str, service: str, scopes: list[str], credential: Credential | None) -> HttpRequest:
    if credential and credential.identity_token:
        form = {
            "grant_type": "refresh_token",
            "service": service,
            "client_id": "lading",
            "scope": " ".join(scopes),
            "refresh_token": credential.identity_token,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        return HttpRequest("POST", realm, headers, urlencode(form).encode())
    query = [("service", service)] if service else []
    query += [("scope", item) for item in scopes]
    if credential and credential.username:
        query.append(("account", credential.username))
    url = realm + ("&" if "?" in realm else "?") + urlencode(query) if query else realm
    headers = {"Accept": "application/json"}
    if credential and credential.username:
        headers["Authorization"] = credential.basic
    return HttpRequest("GET", url, headers)


def _read_token(raw: bytes, where: str) -> _Token:
    try:
        fields = Fields(parse(raw, where, limit=MAX_TOKEN), where)
        token = fields.optional_text("token") or fields.optional_text("access_token") or ""
        life = min(float(fields.integer("expires_in", default=0)) or _DEFAULT_LIFE, _LONGEST_LIFE)
    except DocumentError as error:
        raise ProtocolError(error.message) from None
    if not _VISIBLE.fullmatch(token):
        raise ProtocolError(f"{where}: gave no token")
    return _Token(f"Bearer {token}", time.monotonic() + max(life - min(10.0, life / 4), 1.0))

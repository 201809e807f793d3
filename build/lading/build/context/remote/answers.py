"""The answers to one URL: redirects followed, within bounds, and bodies taken up again where they broke off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from lading.registry.errors import UnreachableError
from lading.registry.http.hosts import Origin, join
from lading.registry.http.transport import HttpRequest, HttpResponse, Transport
from lading.store.errors import InputError
from lading.store.fastclass import dataclass
from lading.store.system.patterns import pattern

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MOST: Final = 10
_ATTEMPTS: Final = 5
_RANGE: Final = pattern(r"bytes ([0-9]{1,19})-[0-9]{1,19}/(?:[0-9]{1,19}|\*)")


@dataclass(frozen=True, slots=True)
class Answers:
    """What `url` answers; `authorization` goes to its own origin alone."""

    transport: Transport
    url: str
    authorization: str | None = None

    def ask(self, headers: Mapping[str, str]) -> HttpResponse:
        """The answer at the end of all redirects. Raises `InputError` for too many, and for one to plain http."""
        url, origin = self.url, Origin.of(self.url)
        for hop in range(_MOST + 1):
            own = {"Authorization": self.authorization} if self.authorization and Origin.of(url) == origin else {}
            response = self.transport.send(HttpRequest("GET", url, {**headers, **own}, led=hop > 0))
            target = response.header("location")
            if response.status not in _REDIRECTS or target is None:
                return response
            with response:
                following = join(url, target)
            if url.startswith("https:") and not following.startswith("https:"):
                raise InputError(f"{self.url}: leads from https to {following[:200]}; not followed")
            url = following
        raise InputError(f"{self.url}: leads to more than {_MOST} other addresses")

    def pieces(self, response: HttpResponse, etag: str) -> Iterator[bytes]:
        """The body. One that breaks off is taken up where a strong `etag` says that it is the same still."""
        have = attempts = 0
        while True:
            try:
                with response:
                    for piece in response.pieces():
                        have, attempts = have + len(piece), 0
                        yield piece
                return
            except UnreachableError:
                attempts += 1
                if attempts >= _ATTEMPTS or not etag.startswith('"'):
                    raise
                response = self._rest(have, etag)

    def _rest(self, have: int, etag: str) -> HttpResponse:
        response = self.ask({"Range": f"bytes={have}-", "If-Range": etag})
        found = _RANGE.fullmatch(response.header("content-range") or "")
        if response.status != 206 or not found or int(found[1]) != have:
            with response:
                raise InputError(f"{self.url}: broke off after {have} bytes, and changed meanwhile or gives no part")
        return response

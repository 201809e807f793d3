"""Lists that come page by page (``Link: <...>; rel="next"``, RFC 8288), within bounds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from lading.registry.client.session import ApiRequest, Session
from lading.registry.client_config import ClientConfig
from lading.registry.errors import ProtocolError
from lading.registry.http.hosts import Origin, join
from lading.registry.http.transport import HttpResponse, read_body
from lading.store.fastclass import replace
from lading.store.oci.json import MAX_SIZE
from lading.store.system.patterns import pattern

MAX_PAGES: Final = 1000
_LINK: Final = pattern(r'\s*<([^<>]{1,4096})>((?:\s*;\s*[A-Za-z0-9*-]+\s*=\s*(?:"[^"]*"|[^",;\s]+))*)\s*(?:,|$)')
_NEXT: Final = pattern(r';\s*rel\s*=\s*"?(?:[^";]* )?next(?: [^";]*)?"?\s*(?:;|$)', re.IGNORECASE)


def pages(session: Session, config: ClientConfig, request: ApiRequest) -> Iterator[tuple[HttpResponse, bytes]]:
    """Every page's headers and bounded body. Raises `ProtocolError` for a list that does not end."""
    seen: set[str] = set()
    for _ in range(MAX_PAGES):
        with session.send(request) as response:
            yield response, read_body(response, MAX_SIZE, config.timeouts.document, request.where)
            following = next_link(response.header("link") or "")
        if following is None or response.status != 200:
            return
        url = session.resolve(join(session.resolve(request.target), following))
        if Origin.of(url) != session.origin or url in seen:
            raise ProtocolError(f"{request.where}: its next page leads astray: {following[:200]!r}")
        seen.add(url)
        request = replace(request, target=url)
    raise ProtocolError(f"{request.where}: more than {MAX_PAGES} pages")


def next_link(header: str) -> str | None:
    """The target of the first link with the relation ``next``."""
    at = 0
    while match := _LINK.match(header, at):
        at = match.end()
        if _NEXT.search(match[2]):
            return match[1]
    return None

"""What a handler answers with, and what it is given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs

from lading.registry.server.access.gate import Headers
from lading.registry.server.api_errors import ApiError
from lading.store.fastclass import dataclass
from lading.store.oci.digests import Digest

Pair = tuple[str, str]
JSON: Final = "application/json"
_MAX_PARAMETERS: Final = 32


@dataclass(frozen=True, slots=True)
class Response:
    """A status, headers, and a body in memory or in a file; `part` is a range of the file, end excluded."""

    status: int
    headers: tuple[Pair, ...] = ()
    body: bytes = b""
    file: Path | None = None
    part: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A request without its body. `name` is the repository, `rest` what follows it in the path."""

    method: str
    name: str
    rest: str
    query: str
    headers: Headers

    def asked(self, key: str) -> str | None:
        """The value of a query parameter. Raises `ApiError` where there are two: readers would differ."""
        found = self.all_asked(key)
        if len(found) > 1:
            raise ApiError("UNSUPPORTED", f"{key} is given twice", status=400)
        return found[0] if found else None

    def all_asked(self, key: str) -> list[str]:
        """Every value of a query parameter."""
        try:
            return parse_qs(self.query, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS).get(key, [])
        except ValueError:
            raise ApiError("UNSUPPORTED", "too many query parameters", status=400) from None

    @property
    def is_head(self) -> bool:
        """Whether no body is wanted."""
        return self.method == "HEAD"


def json_response(value: object, *headers: Pair, status: int = 200, media_type: str = JSON) -> Response:
    """A JSON document."""
    return Response(status, (("content-type", media_type), *headers), json.dumps(value).encode())


def content_digest(digest: Digest) -> Pair:
    """Docker-Content-Digest, which every answer about content carries."""
    return "docker-content-digest", str(digest)


def is_known(request: Request, digest: Digest) -> bool:
    """Whether the client has it already (If-None-Match; RFC 9110, 13.1.2)."""
    known = (request.headers.get("if-none-match") or "").strip()
    return known == "*" or f'"{digest}"' in known

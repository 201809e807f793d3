"""What a step asked of the web and was answered, as a recording keeps it; bodies of answers are blobs by digest.

Of a request there is what an answer may depend on (method, URL, a few headers, the digest of its body), of an answer
what a client may look at. Neither cookies nor credentials are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from lading.store.errors import DocumentError
from lading.store.fastclass import dataclass, field
from lading.store.oci.digests import Digest
from lading.store.oci.json import Fields, canonical, parse

ASKED: Final = ("accept", "accept-encoding", "if-modified-since", "if-none-match", "if-range", "range")
"""The headers of a request that are kept; Host too, where it is another's than the URL's."""
TOLD: Final = (
    *("accept-ranges", "cache-control", "content-disposition", "content-encoding", "content-language"),
    *("content-location", "content-range", "content-type", "docker-content-digest", "etag", "last-modified", "link"),
    *("location", "retry-after", "vary", "www-authenticate"),
)
"""The headers of an answer that are kept."""
MAX_RECORD: Final = 16 << 20
"""Bytes of a whole recording's document."""
_MOST: Final = 65536
_EMPTY: Final = Digest.of(b"")

ExchangeKey: TypeAlias = tuple[str, str, tuple[tuple[str, str], ...], str]
"""What is the same of two requests that may be answered alike."""


@dataclass(frozen=True, slots=True)
class WebAsked:
    """A request. `headers` are those of `ASKED` that it has, and a Host of another, in lower case, sorted."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: Digest = _EMPTY

    @property
    def key(self) -> ExchangeKey:
        """By which its answer is found."""
        return self.method, self.url, self.headers, str(self.body)

    @property
    def title(self) -> str:
        """As it is told."""
        return f"{self.method} {self.url}"


@dataclass(frozen=True, slots=True)
class WebExchange:
    """A request and its answer. `headers` are those of `TOLD` that it has; the body is `size` bytes of `digest`."""

    asked: WebAsked
    status: int
    headers: tuple[tuple[str, str], ...]
    digest: Digest
    size: int

    def value(self) -> dict[str, object]:
        """As JSON."""
        asked: dict[str, object] = {"method": self.asked.method, "url": self.asked.url}
        if self.asked.headers:
            asked["headers"] = dict(self.asked.headers)
        if self.asked.body != _EMPTY:
            asked["body"] = str(self.asked.body)
        return {
            "request": asked,
            "status": self.status,
            "headers": dict(self.headers),
            "digest": str(self.digest),
            "size": self.size,
        }

    @classmethod
    def parse(cls, value: object, where: str) -> WebExchange:
        """Raises `DocumentError`."""
        fields = Fields(value, where)
        request = fields.fields("request")
        body = request.optional_text("body")
        asked = WebAsked(
            request.text("method"),
            request.text("url"),
            _headers(request.string_map("headers")),
            Digest.parse(body) if body else _EMPTY,
        )
        request.close()
        found = cls(
            asked,
            fields.integer("status"),
            _headers(fields.string_map("headers")),
            Digest.parse(fields.text("digest")),
            fields.integer("size"),
        )
        fields.close()
        return found


def _headers(found: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(found.items()))


@dataclass(frozen=True, slots=True)
class StepTape:
    """All exchanges of one step, those of one request in their order; names that it looked up, and that were absent.

    `unrecorded` are the requests whose answers it may have read and that were not kept whole.
    """

    command: tuple[str, ...]
    exchanges: tuple[WebExchange, ...] = ()
    names: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    unrecorded: tuple[str, ...] = ()

    def value(self) -> dict[str, object]:
        """As JSON."""
        return {
            "command": list(self.command),
            "exchanges": [one.value() for one in self.exchanges],
            "names": list(self.names),
            "absent": list(self.absent),
            **({"unrecorded": list(self.unrecorded)} if self.unrecorded else {}),
        }

    @classmethod
    def parse(cls, value: object, where: str) -> StepTape:
        """Raises `DocumentError`."""
        fields = Fields(value, where)
        found = cls(
            fields.strings("command"),
            fields.each("exchanges", WebExchange.parse),
            fields.strings("names"),
            fields.strings("absent"),
            fields.strings("unrecorded"),
        )
        fields.close()
        if len(found.exchanges) > _MOST:
            raise DocumentError(f"{where}: more than {_MOST} exchanges")
        return found


@dataclass(frozen=True, slots=True)
class NetworkTape:
    """What all recorded steps of a build asked and were answered."""

    steps: tuple[StepTape, ...] = field(default=())

    @property
    def bodies(self) -> dict[Digest, int]:
        """The bodies of its answers with their sizes, sorted."""
        found = {one.digest: one.size for step in self.steps for one in step.exchanges}
        return {digest: found[digest] for digest in sorted(found, key=str)}

    def raw(self) -> bytes:
        """As RFC 8785 JSON."""
        return canonical({"steps": [step.value() for step in self.steps]})

    @classmethod
    def parse(cls, raw: bytes, source: str = "recorded network") -> NetworkTape:
        """Raises `DocumentError`."""
        fields = Fields(parse(raw, source, limit=MAX_RECORD), source)
        found = cls(fields.each("steps", StepTape.parse))
        fields.close()
        return found


def picked(headers: Iterable[tuple[str, str]], names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Those of `headers` that `names` list, in lower case, sorted; of several of a name all, joined by commas."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        if name.lower() in names:
            found.setdefault(name.lower(), []).append(value)
    return tuple(sorted((name, ", ".join(values)) for name, values in found.items()))

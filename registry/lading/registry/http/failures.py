"""An answer that is a refusal, as an error (distribution-spec, "Error Codes")."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from lading.registry.errors import (
    BusyError,
    DeniedError,
    NotFoundError,
    StatusError,
    UnauthorizedError,
)
from lading.registry.http.transport import HttpResponse, read_body
from lading.store.errors import DocumentError, RegistryError
from lading.store.oci.json import Fields, parse

MAX_ERROR: Final = 64 * 1024
_MAX_SHOWN: Final = 3
_KINDS: Final[dict[int, type[StatusError]]] = {
    401: UnauthorizedError,
    403: DeniedError,
    404: NotFoundError,
    429: BusyError,
    503: BusyError,
}
_WORDS: Final = {
    401: "wants a login",
    403: "refused",
    404: "not found",
    413: "refused it as too large",
    429: "asks to come back later",
    503: "is not available now",
}


def status_error(response: HttpResponse, where: str, seconds: float) -> StatusError:
    """The error for an answer; `where` says of which registry and thing, in the words of a user."""
    codes, words = _read(response, where, seconds)
    status = response.status
    text = f"{where}: {_WORDS.get(status, f'answered {status}')}" + (f": {'; '.join(words)}" if words else "")
    after = retry_after(response.header("retry-after"))
    return _KINDS.get(status, StatusError)(text, status=status, codes=codes, retry_after=after)


def retry_after(header: str | None) -> float | None:
    """Seconds from now (RFC 9110 §10.2.3: seconds or a date), None where there is nothing usable."""
    if not header:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    from email.utils import parsedate_to_datetime  # noqa: PLC0415

    try:
        then = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):  # it raises all of these for broken dates
        return None
    if then.tzinfo is None:
        return None
    return max(0.0, (then - datetime.now(UTC)).total_seconds())


def _read(response: HttpResponse, where: str, seconds: float) -> tuple[tuple[str, ...], list[str]]:
    """The registry's own codes and words; none where the body is no such document."""
    try:
        fields = Fields(parse(read_body(response, MAX_ERROR, seconds, where), where, limit=MAX_ERROR), where)
        errors = [Fields(item, where) for item in fields.items("errors")[:_MAX_SHOWN]]
        pairs = [(item.optional_text("code") or "", item.optional_text("message") or "") for item in errors]
    except (DocumentError, RegistryError):
        return (), []
    words = [": ".join(" ".join(part.split())[:200] for part in pair if part) for pair in pairs]
    return tuple(code for code, _ in pairs if code), [word for word in words if word]

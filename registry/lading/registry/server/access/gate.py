"""Who asks: nobody in particular on loopback, else a name and password."""

from __future__ import annotations

from typing import Final, Protocol

from lading.registry.http.hosts import is_loopback
from lading.registry.server.api_errors import ApiError

_FORWARDED: Final = (
    *("forwarded", "via", "x-real-ip", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"),
    *("x-forwarded-port", "x-forwarded-server", "x-forwarded-by", "x-original-host"),
)
_ONCE: Final = ("host", "authorization", "content-type", "content-range", "transfer-encoding")
_OWN_SITE: Final = (None, "same-origin", "none")


class Headers(Protocol):
    """The headers of a request."""

    def get(self, name: str, /) -> str | None:
        """One by its lower-case name."""
        ...

    def get_all(self, name: str, /) -> list[str]:
        """Every one of that name."""
        ...


def check_form(headers: Headers, authority: str | None) -> None:
    """Raises `ApiError` for a request that its readers could take for different ones (RFC 9112, 3.2).

    A proxy could judge by the first of two headers, or by the host in the request's line, and we by the other.
    """
    for name in _ONCE:
        if len(headers.get_all(name)) > 1:
            raise ApiError("UNSUPPORTED", f"{name} is given twice", status=400)
    host = headers.get("host")
    if host is None:
        raise ApiError("UNSUPPORTED", "host is missing", status=400)
    if authority not in (None, host):
        raise ApiError("UNSUPPORTED", "host is not that of the request's line", status=400)


class Gate(Protocol):
    """Whether a request may go on. One function for every route; what is asked for decides later, too."""

    def recall(self, headers: Headers) -> str | None:
        """At once: the name of who asks, "" for nobody, None where `check` has to say. Raises `ApiError`."""
        ...

    def check(self, headers: Headers) -> str:
        """As `recall`, and may take its time. Raises `ApiError`."""
        ...


class LoopbackGate:
    """Everybody on this machine: no proxy and no browser page may lend that to others."""

    def recall(self, headers: Headers) -> str:
        """Raises `ApiError` for a forwarded request, one from a web page, or one for a host that is not loopback."""
        if any(headers.get(name) is not None for name in _FORWARDED):
            raise ApiError("DENIED", "this registry has no passwords and does not answer through a proxy")
        if headers.get("origin") is not None or headers.get("sec-fetch-site") not in _OWN_SITE:
            raise ApiError("DENIED", "this registry has no passwords and does not answer web pages")
        host = headers.get("host") or ""
        name, colon, port = host.rpartition(":")
        if colon and port.isdigit():
            host = name
        if not is_loopback(host.strip("[]") if ":" in host else host):
            raise ApiError("DENIED", "this registry has no passwords and answers to loopback names only")
        return ""

    def check(self, headers: Headers) -> str:
        """Never asked: `recall` decides."""
        del headers
        return ""

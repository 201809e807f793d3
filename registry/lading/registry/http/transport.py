"""The seam to HTTP: one request, one answer, and the only place that knows httpx and its exceptions.

No redirect is followed and nothing is repeated here. httpx is imported with the first request, without its
command line, which would double the time that takes.
"""

from __future__ import annotations

import importlib
import re
import ssl
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, cast

from lading.registry.client_config import ClientConfig
from lading.registry.errors import CertificateError, ProtocolError, UnreachableError
from lading.registry.http.budget import spending
from lading.registry.http.hosts import Origin, proxy_for
from lading.registry.http.tls import client_context
from lading.store.errors import InputError, Remedy
from lading.store.fastclass import dataclass, field

if TYPE_CHECKING:
    import httpx

_importing: Final = threading.Lock()

Body = bytes | Callable[[], Iterable[bytes]]
"""The bytes of a request, or what makes them anew for each attempt; the length then stands in a header."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request to one URL."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Body | None = None
    seconds: float | None = None
    """For the answer's head once the body was sent; None: as the configuration says."""
    away: bool = False
    """It must not reach this machine."""
    led: bool = False
    """A registry led to it: it must not reach a link-local address."""
    waiting: Callable[[], None] | None = None
    """Called every ten seconds while nothing comes."""


class HttpResponse(Protocol):
    """An answer whose body was not read yet; a context manager that lets go of the connection."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def url(self) -> str:
        """Of the request."""
        ...

    @property
    def here(self) -> bool:
        """Whether it came, without a proxy, from this machine's own addresses."""
        ...

    @property
    def peer(self) -> tuple[str, int]:
        """The address and the port that it came from: those of a proxy, where one is between."""
        ...

    def header(self, name: str) -> str | None:
        """One header, several of that name joined by commas."""
        ...

    def pieces(self) -> Iterator[bytes]:
        """The body as it comes, undecoded. Raises `UnreachableError` where the connection breaks."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class Transport(Protocol):
    """What carries requests."""

    def send(self, request: HttpRequest) -> HttpResponse:
        """Raises `UnreachableError` or `CertificateError`."""
        ...

    def close(self) -> None:
        """Closes all connections."""
        ...


def read_body(response: HttpResponse, limit: int, seconds: float, where: str) -> bytes:
    """A whole bounded body. Raises `ProtocolError` beyond `limit` bytes, `UnreachableError` beyond `seconds`."""
    data = bytearray()
    end = time.monotonic() + seconds
    for piece in response.pieces():
        data += piece
        if len(data) > limit:
            raise ProtocolError(f"{where}: more than the {limit} bytes allowed")
        if time.monotonic() > end:
            raise UnreachableError(f"{where}: not complete after {seconds:.0f} seconds")
    return bytes(data)


class HttpxTransport:
    """HTTP/1.1 by httpx: one pool of connections for each origin, with its own certificates and proxy."""

    def __init__(self, config: ClientConfig) -> None:
        self._config = config
        self._clients: dict[Origin, httpx.Client] = {}
        self._lock = threading.Lock()

    def send(self, request: HttpRequest) -> HttpResponse:
        """The answer's headers are here when this returns; its body is not. Raises `ExhaustedError`."""
        from lading.registry.http.wire import Exchange, exchanging  # noqa: PLC0415 - brings httpcore

        origin = Origin.of(request.url)
        client = self._client(origin)
        if budget := spending():
            budget.ask()
        patience = self._config.timeouts.read
        exchange = Exchange(_until(patience), origin.url, request.away, request.led, request.waiting)

        def body() -> Iterator[bytes]:
            """Each piece has its own time to be taken, from when it is here, and the answer its time after the last."""
            assert callable(request.body)
            for piece in request.body():
                exchange.ends = _until(patience)
                yield piece
            exchange.ends = _until(request.seconds or patience)

        with _translated(origin), exchanging(exchange):
            content = body() if callable(request.body) else request.body
            if content is None or isinstance(content, bytes):
                exchange.ends = _until(request.seconds or patience)
            built = client.build_request(request.method, request.url, headers=dict(request.headers), content=content)
            return _HttpxResponse(client.send(built, stream=True), origin, patience)

    def close(self) -> None:
        """Closes every pool."""
        with self._lock:
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()

    def _client(self, origin: Origin) -> httpx.Client:
        with self._lock:
            if origin not in self._clients:
                self._clients[origin] = self._make(origin)
            return self._clients[origin]

    def _make(self, origin: Origin) -> httpx.Client:
        library = _import_httpx()
        from lading.registry.http.wire import Wire  # noqa: PLC0415

        config, times = self._config, self._config.timeouts
        proxy = self._proxy(library, origin)
        most = config.parallel + 4
        carrier: Any = library.HTTPTransport(
            verify=client_context(origin, config),
            proxy=proxy,
            trust_env=False,
            limits=library.Limits(max_connections=most, max_keepalive_connections=most),
        )
        # httpx hands everything to httpcore's pool but this. A test holds that it is asked.
        carrier._pool._network_backend = Wire(direct=proxy is None)
        made: httpx.Client = library.Client(
            transport=carrier,
            trust_env=False,
            follow_redirects=False,
            headers={"User-Agent": config.user_agent, "Accept-Encoding": "identity"},
            timeout=library.Timeout(None, connect=times.connect, pool=times.read),
        )
        return made

    def _proxy(self, library: ModuleType, origin: Origin) -> httpx.Proxy | None:
        """The proxy for an origin. Its URL may hold a password, and is not shown. Raises `InputError`."""
        url = proxy_for(origin, self._config)
        if url is None:
            return None
        wrong = InputError(f"the proxy for {origin.netloc} must be an http or https URL")
        if not url.lower().startswith(("http://", "https://")):
            raise wrong
        try:
            return cast("httpx.Proxy", library.Proxy(url))
        except library.InvalidURL:
            raise wrong from None


class _HttpxResponse:
    """An `HttpResponse` over an httpx response."""

    __slots__ = ("_origin", "_patience", "_response")

    def __init__(self, response: httpx.Response, origin: Origin, patience: float) -> None:
        self._response = response
        self._origin = origin
        self._patience = patience

    @property
    def status(self) -> int:
        return self._response.status_code

    @property
    def url(self) -> str:
        return str(self._response.request.url)

    @property
    def here(self) -> bool:
        return bool(self._response.extensions["network_stream"].get_extra_info("here"))

    @property
    def peer(self) -> tuple[str, int]:
        return cast("tuple[str, int]", self._response.extensions["network_stream"].get_extra_info("peer"))

    def header(self, name: str) -> str | None:
        value: str | None = self._response.headers.get(name)
        return value

    def pieces(self) -> Iterator[bytes]:
        from lading.registry.http.wire import Exchange, exchanging  # noqa: PLC0415

        # No chunk size: asking for one makes httpx copy every byte once more.
        pieces = self._response.iter_raw()
        while True:
            # The last step reads what follows the body.
            with _translated(self._origin), exchanging(Exchange(_until(self._patience))):
                piece = next(pieces, None)
            if piece is None:
                return
            if budget := spending():
                budget.receive(len(piece))
            yield piece

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._response.close()


@contextmanager
def _translated(origin: Origin) -> Generator[None, None, None]:
    """Turns every exception of httpx into one of ours."""
    httpx = _import_httpx()
    try:
        yield
    except httpx.TimeoutException as error:
        raise UnreachableError(f"{origin.netloc}: no answer in time ({_words(error)})") from error
    except httpx.ConnectError as error:
        raise _connection_error(error, origin) from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.RemoteProtocolError) as error:
        raise UnreachableError(f"{origin.netloc}: the answer is broken: {_words(error)}") from error
    except httpx.HTTPError as error:
        raise UnreachableError(f"{origin.netloc}: the connection broke: {_words(error)}") from error


def _until(seconds: float) -> float:
    """That long from now, but not beyond the judgement's end."""
    ends = time.monotonic() + seconds
    budget = spending()
    return min(ends, budget.ends) if budget else ends


def _connection_error(error: Exception, origin: Origin) -> UnreachableError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return CertificateError(
                f"{origin.netloc}: its certificate is not trusted: {cause.verify_message or cause}",
                hint=Remedy(
                    "trust certificate",
                    f"put its CA's certificate into certs.d/{origin.netloc}/ca.crt, or switch verification off",
                    origin.netloc,
                ),
            )
        cause = cause.__cause__ or cause.__context__
    return UnreachableError(f"{origin.netloc}: cannot be reached over {origin.scheme}: {_words(error)}")


def _words(error: Exception) -> str:
    said = re.sub(r"^\[Errno -?\d+\] ", "", str(error))
    return " ".join(said.split())[:200] or type(error).__name__


def _import_httpx() -> ModuleType:
    """httpx without its command line, which imports rich, click and pygments: 50 ms for what nobody calls."""
    with _importing:
        if "httpx" not in sys.modules:
            sys.modules["httpx._main"] = cast("ModuleType", None)
            try:
                importlib.import_module("httpx")
            finally:
                sys.modules.pop("httpx._main", None)
        return sys.modules["httpx"]

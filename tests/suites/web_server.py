"""A web server of files, in a thread: what it answers is settled by path, and what it was asked is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class Page:
    """An answer: `broken` ends the connection after so many bytes, the first time."""

    content: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    broken: int | None = None


Asked = tuple[str, dict[str, str]]


class WebServer:
    """Pages by path, conditional requests and ranges as servers have them."""

    def __init__(self, address: str) -> None:
        self.url = f"http://{address}"
        self.pages: dict[str, Page] = {}
        self.asked: list[Asked] = []

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """One request."""
        given = {name.lower(): value for name, value in handler.headers.items()}
        self.asked.append((handler.path, given))
        page = self.pages.get(handler.path, Page(status=404))
        status, content, headers = page.status, page.content, dict(page.headers)
        etag = headers.get("ETag")
        modified = headers.get("Last-Modified")
        if (etag and given.get("if-none-match") == etag) or (modified and given.get("if-modified-since") == modified):
            status, content = 304, b""
        start = given.get("range", "").removeprefix("bytes=").removesuffix("-")
        if start and given.get("if-range") == etag:
            status = 206
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            content = content[int(start) :]
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        if page.broken is not None:
            content, page.broken = content[: page.broken], None
            handler.close_connection = True
        handler.wfile.write(content)


def _handler(server: Callable[[], WebServer]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            server().answer(self)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextmanager
def web_server() -> Iterator[WebServer]:
    """One on loopback."""
    made: list[WebServer] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(lambda: made[0])) as listening:
        made.append(WebServer(f"127.0.0.1:{listening.server_port}"))
        thread = Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        yield made[0]
        listening.shutdown()
        thread.join()

"""A small real registry that misbehaves as it is told: over real sockets, in a thread.

It holds blobs and manifests in memory and serves them well, but for the paths that a test gave a trick.
"""

from __future__ import annotations

import hashlib
import json
import re
import select
import socket
import ssl
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

from lading.store.oci.documents import INDEX, MANIFEST

Trick = Callable[["Handler"], None]


@dataclass
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""


@dataclass
class Hostile:
    """The registry: its content, its tricks (regular expressions over "METHOD path"), and what it was asked."""

    scheme: str = "http"
    port: int = 0
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, bytearray] = field(default_factory=dict)
    tricks: list[tuple[str, Trick]] = field(default_factory=list)
    names: Iterator[int] = field(default_factory=count)
    seen: list[Seen] = field(default_factory=list)
    referrers_api: bool = False
    """Whether it lists what refers to a manifest; else clients keep the tag that stands in."""
    address: str = "127.0.0.1"

    @property
    def host(self) -> str:
        return f"{self.address}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}"

    def trick(self, pattern: str, trick: Trick, times: int | None = None) -> None:
        """From now on `trick` answers what matches; only `times` times, where given."""
        left = [times]

        def limited(handler: Handler) -> None:
            if left[0] is not None:
                left[0] -= 1
                if left[0] == 0:
                    self.tricks[:] = [item for item in self.tricks if item[1] is not limited]
            trick(handler)

        self.tricks.insert(0, (pattern, limited))

    def put(self, tag: str, raw: bytes, kind: str = MANIFEST) -> None:
        self.manifests[tag] = self.manifests[digest(raw)] = (kind, raw)

    def put_blob(self, data: bytes) -> None:
        self.blobs[digest(data)] = data

    def asked(self, pattern: str) -> list[Seen]:
        return [item for item in self.seen if re.search(pattern, f"{item.method} {item.path}")]


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    registry: Hostile
    # Nagle's algorithm and the client's delayed acknowledgements cost 40 ms an answer.
    disable_nagle_algorithm = True

    def log_message(self, *args: Any) -> None:
        pass

    def body(self) -> bytes:
        """What the client sent, as far as it came."""
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """A whole answer; the names of headers are written with underscores."""
        self.send_response(status)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        given.setdefault("Content-Length", str(len(body)))
        for name, value in given.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def is_left(self, seconds: float) -> bool:
        """Whether the client goes within so many seconds, having sent all that it has to say."""
        return bool(select.select([self.connection], [], [], seconds)[0])

    def cut(self) -> None:
        """Breaks the connection at once."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def _any(self) -> None:
        asked = Seen(self.command, self.path, dict(self.headers.items()))
        self.registry.seen.append(asked)
        for pattern, trick in list(self.registry.tricks):
            if re.search(pattern, f"{self.command} {self.path}"):
                trick(self)
                return
        self.honest(asked)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _any

    def honest(self, asked: Seen) -> None:
        path = self.path.partition("?")[0]
        if path == "/v2/":
            self.answer(200, b"{}")
        elif "/blobs/uploads/" in path:
            self._upload(asked, path)
        elif "/blobs/" in path:
            self._blob(path.rpartition("/")[2])
        elif "/manifests/" in path:
            self._manifest(asked, path.rpartition("/")[2])
        elif "/referrers/" in path and self.registry.referrers_api:
            self._referrers(path.rpartition("/")[2])
        else:
            self.answer(404, b"{}")

    def _blob(self, name: str) -> None:
        data = self.registry.blobs.get(name)
        if data is None:
            return self.answer(404)
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if match:
            start = int(match[1])
            return self.answer(206, data[start:], Content_Range=f"bytes {start}-{len(data) - 1}/{len(data)}")
        return self.answer(200, data)

    def _manifest(self, asked: Seen, name: str) -> None:
        if self.command == "PUT":
            asked.body = self.body()
            kind = self.headers["Content-Type"]
            self.registry.put(name, asked.body, kind)
            return self.answer(201, Docker_Content_Digest=digest(asked.body))
        if name not in self.registry.manifests:
            return self.answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"no such manifest"}]}')
        kind, raw = self.registry.manifests[name]
        return self.answer(200, raw, Content_Type=kind, Docker_Content_Digest=digest(raw))

    def _referrers(self, subject: str) -> None:
        found: list[dict[str, object]] = []
        for name, (kind, raw) in self.registry.manifests.items():
            document = json.loads(raw)
            if ":" in name and document.get("subject", {}).get("digest") == subject:
                what = document.get("artifactType") or document["config"]["mediaType"]
                item = {"mediaType": kind, "digest": name, "size": len(raw), "artifactType": what}
                found.append({**item, "annotations": document.get("annotations", {})})
        listed = {"schemaVersion": 2, "mediaType": INDEX, "manifests": found}
        self.answer(200, json.dumps(listed).encode(), Content_Type=INDEX)

    def _upload(self, asked: Seen, path: str) -> None:
        name = path.rpartition("/")[2]
        uploads = self.registry.uploads
        if self.command == "POST":
            self.body()
            name = str(next(self.registry.names))
            uploads[name] = bytearray()
            return self.answer(202, Location=f"{path}{name}")
        if name not in uploads:
            self.body()
            return self.answer(404, b"{}")
        if self.command == "GET":
            return self.answer(204, Location=path, Range=f"0-{max(0, len(uploads[name]) - 1)}")
        return self._receive(path, uploads[name])

    def _receive(self, path: str, upload: bytearray) -> None:
        begin = re.match(r"(\d+)-", self.headers.get("Content-Range", ""))
        if begin and int(begin[1]) != len(upload):
            self.body()
            return self.answer(416, Location=path, Range=f"0-{max(0, len(upload) - 1)}")
        left = int(self.headers.get("Content-Length", 0))
        while left and (piece := self.rfile.read1(min(left, 65536))):  # type: ignore[attr-defined]
            upload += piece
            left -= len(piece)
        if left:
            return None
        if self.command == "PATCH":
            return self.answer(202, Location=path, Range=f"0-{len(upload) - 1}")
        wanted = re.search(r"digest=sha256(?:%3A|:)([0-9a-f]{64})", self.path)
        if not wanted or digest(bytes(upload)) != f"sha256:{wanted[1]}":
            return self.answer(400, b'{"errors":[{"code":"DIGEST_INVALID","message":"other bytes"}]}')
        self.registry.put_blob(bytes(upload))
        return self.answer(201, Location="/")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # clients that go away are part of the game


@contextmanager
def hostile(context: ssl.SSLContext | None = None, address: str = "127.0.0.1") -> Generator[Hostile, None, None]:
    """The registry on a free port, over HTTPS with a context."""
    registry = Hostile("https" if context else "http", address=address)
    handler = type("Bound", (Handler,), {"registry": registry})
    server = _Server((address, 0), handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    registry.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

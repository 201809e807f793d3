"""A guestbook: HTTP in front of an SQLite file on a volume."""

from __future__ import annotations

import html
import os
import signal
import sqlite3
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from string import Template
from urllib.parse import parse_qs

PORT = int(os.environ.get("PORT", "8080"))
FILE = Path(os.environ.get("GUESTBOOK", "/var/lib/guestbook/entries.db"))
PAGE = Template((Path(__file__).parent / "pages/index.html").read_text())
MAX_BODY = 4096


class Book:
    """The entries, in an SQLite file."""

    def __init__(self, file: str | Path) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(file, check_same_thread=False)
        self._connection.execute("CREATE TABLE IF NOT EXISTS entry (name TEXT NOT NULL, words TEXT NOT NULL)")

    def sign(self, name: str, words: str) -> None:
        with self._lock, self._connection:
            self._connection.execute("INSERT INTO entry VALUES (?, ?)", (name[:80], words[:500]))

    def page(self) -> str:
        with self._lock:
            rows = self._connection.execute("SELECT name, words FROM entry ORDER BY rowid").fetchall()
        lines = (f"  <li><b>{html.escape(name)}</b>: {html.escape(words)}</li>" for name, words in rows)
        return PAGE.substitute(entries="\n".join(lines))


def handler(book: Book) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/":
                self.send_error(404)
                return
            body = book.page().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            fields = parse_qs(self.rfile.read(min(length, MAX_BODY)).decode("utf-8", "replace"))
            name, words = fields.get("name", [""])[0], fields.get("words", [""])[0]
            if self.path != "/entries" or not name or not words:
                self.send_error(400)
                return
            book.sign(name, words)
            self.send_response(303)
            self.send_header("Location", "/")
            self.send_header("Content-Length", "0")
            self.end_headers()

    return Handler


def self_test() -> None:
    book = Book(":memory:")
    book.sign("a <b>", "hello")
    assert "<li><b>a &lt;b&gt;</b>: hello</li>" in book.page()


def main() -> None:
    if "--self-test" in sys.argv:
        self_test()
        print("guestbook: the self-test passed")
        return
    if "--health" in sys.argv:
        urllib.request.urlopen(f"http://127.0.0.1:{PORT}/", timeout=3)
        return
    server = ThreadingHTTPServer(("", PORT), handler(Book(FILE)))
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"guestbook: listening on port {PORT}, entries in {FILE}", flush=True)
    server.serve_forever()
    print("guestbook: closed", flush=True)


if __name__ == "__main__":
    main()

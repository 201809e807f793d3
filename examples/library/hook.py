"""A web hook that judges: GET /IMAGE answers 200, or 403 with the reason. hook.py ROOT."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lading.api import Lading


class Hook(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        found = lading.verify(self.path[1:])
        self.send_response(200 if found.accepted else 403)
        self.end_headers()
        self.wfile.write(f"{found.outcome}: {found.reason}\n".encode())


with Lading(sys.argv[1]) as lading, ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
    print(server.server_port, flush=True)
    server.serve_forever()

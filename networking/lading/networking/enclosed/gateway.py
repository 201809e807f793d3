"""What answers for everybody that who is in an enclosure speaks to."""

from __future__ import annotations

import socket
from typing import Protocol


class Gateway(Protocol):
    """Called from several threads at once."""

    def resolves(self, name: str) -> bool:
        """Whether there is such a host; `name` is in lower case, without a last dot."""
        ...

    def serve(self, connection: socket.socket, host: str, port: int) -> None:
        """Speaks for `host` (the name that was looked up, else an address) until the connection ends."""
        ...

"""The seam to HTTP: whose time it is that passes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from lading.registry.client_config import ClientConfig
from lading.registry.errors import UnreachableError
from lading.registry.http.transport import HttpRequest, HttpxTransport
from suites.registry_hostile import Handler, hostile


class Clock:
    """Python's, and what a test lets pass beside it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._real, self.passed = time.monotonic, 0.0
        monkeypatch.setattr(time, "monotonic", lambda: self._real() + self.passed)


@pytest.mark.parametrize("slow", [0, 1, 2])
def test_a_slow_source_is_not_charged_to_the_destination(monkeypatch: pytest.MonkeyPatch, slow: int) -> None:
    """An hour before the first piece, before the second, or after the last, of which no wait knows."""
    clock, came = Clock(monkeypatch), []

    def source() -> Iterator[bytes]:
        for at, piece in enumerate((b"one", b"two", b"")):
            if at == slow:
                clock.passed += 3600
            if piece:
                yield piece

    def take(handler: Handler) -> None:
        came.append(handler.body())
        handler.answer(201)

    with hostile() as registry, closing(HttpxTransport(ClientConfig())) as transport:
        registry.trick("PUT /slow", take)
        request = HttpRequest("PUT", f"{registry.url}/slow", {"Content-Length": "6"}, source)
        with transport.send(request) as response:
            assert response.status == 201
    assert came == [b"onetwo"]


def test_a_destination_that_takes_an_hour_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)

    def take(handler: Handler) -> None:
        handler.body()
        clock.passed += 3600
        handler.send_response_only(100)  # so that the client looks at its clock
        handler.end_headers()

    with hostile() as registry, closing(HttpxTransport(ClientConfig())) as transport:
        registry.trick("PUT /slow", take)
        request = HttpRequest("PUT", f"{registry.url}/slow", {"Content-Length": "3"}, lambda: [b"one"])
        with pytest.raises(UnreachableError, match="no answer in time"):
            transport.send(request)

"""Answers a step's requests as a recording has them; nobody else is asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Final

from lading.build.operations.running.recording.web_gateway import WebAnswer, WebQuestion
from lading.build.operations.running.recording.withheld_values import Readings
from lading.store.content.blobs import Source
from lading.store.errors import InputError, LadingError
from lading.store.fastclass import replace
from lading.verify.observations.exchanges import ExchangeKey, NetworkTape, StepTape, WebAsked, WebExchange

_CHUNK: Final = 1 << 16
_NOT_RECORDED: Final = "was not recorded"


class WebReplayer:
    """`WebAnswers` of `tape` with the bodies in `source`: what the same command recorded comes before what others did.

    Of several answers to the same request each is given once, in their order, and then the last one again.
    """

    def __init__(self, tape: NetworkTape, command: tuple[str, ...], source: Source, readings: Readings) -> None:
        steps = sorted(tape.steps, key=lambda step: step.command != command)
        self._answers: dict[ExchangeKey, list[WebExchange]] = {}
        for step in steps:
            own: dict[ExchangeKey, list[WebExchange]] = {}
            for one in step.exchanges:
                own.setdefault(one.asked.key, []).append(one)
            for key, found in own.items():
                self._answers.setdefault(key, found)
        self._known = {name for step in steps for name in step.names}
        self._known_absent = {name for step in steps for name in step.absent}
        self._source, self._readings, self._public = source, readings, readings.public
        self._lock = threading.Lock()
        self._given: list[WebExchange] = []
        self._names: set[str] = set()
        self._absent: set[str] = set()
        self.missed: list[str] = []

    def resolves(self, name: str) -> bool:
        """Whether it was found when the recording was made; one that nobody looked up then is missed."""
        forms = {reading(name) for reading in self._readings.asked}
        there, public = bool(forms & self._known), self._public(name)
        with self._lock:
            (self._names if there else self._absent).add(public)
            if not there and not forms & self._known_absent:
                self._miss(f"the name {public} {_NOT_RECORDED}")
        return there

    def answer(self, question: WebQuestion) -> WebAnswer:
        """Raises `InputError` for a request that was not recorded."""
        asked = [_read(question.asked, reading) for reading in self._readings.asked]
        with self._lock:
            left = next((self._answers[one.key] for one in asked if one.key in self._answers), None)
            if left is None:
                self._miss(f"{self._public(question.asked.title)} {_NOT_RECORDED}")
                raise InputError(_NOT_RECORDED)
            found = left.pop(0) if len(left) > 1 else left[0]
            told = tuple((name, self._public(value)) for name, value in found.headers)
            self._given.append(replace(found, asked=_read(found.asked, self._public), headers=told))
        headers = tuple((name, self._readings.filled(value)) for name, value in found.headers)
        return WebAnswer(found.status, headers, self._content(found), found.size)

    def tape(self, command: tuple[str, ...]) -> StepTape:
        """What was asked this time, in the form of a recording."""
        with self._lock:
            given = sorted(self._given, key=lambda one: one.asked.key)
            return StepTape(command, tuple(given), tuple(sorted(self._names)), tuple(sorted(self._absent)))

    def _content(self, found: WebExchange) -> Iterator[bytes]:
        """The body; its last piece is handed on when all of it is what was recorded."""
        last = b""
        try:
            with self._source.open(found.digest) as reader:
                while piece := reader.read(_CHUNK):
                    if last:
                        yield last
                    last = piece
        except LadingError as error:
            with self._lock:
                self._miss(f"the answer to {found.asked.title} is not here as it was: {error.message}")
            raise
        if last:
            yield last

    def _miss(self, text: str) -> None:
        if text not in self.missed:
            self.missed.append(text)


def _read(asked: WebAsked, reading: Callable[[str], str]) -> WebAsked:
    headers = tuple((name, reading(value)) for name, value in asked.headers)
    return replace(asked, url=reading(asked.url), headers=headers)

"""Values that no recording may have: of secrets, and of build arguments that the provenance withholds."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Mapping
from typing import Final, Self
from urllib.parse import quote, quote_plus

from lading.build.dockerfile.instruction_values import sounds_secret
from lading.store.fastclass import dataclass

_SHORTEST: Final = 4
"""Characters of a value that is looked for in URLs, headers and names."""
SHORTEST_IN_BODIES: Final = 8
"""Bytes of one that is looked for in the bodies of answers: shorter ones are in any large one by chance."""


@dataclass(frozen=True, slots=True)
class WithheldValue:
    """A value, without the white space around it; `instead` is what stands in its place, and `title` says whose it is.

    An answer with one that is `secret` is refused.
    """

    title: str
    instead: str
    value: bytes
    secret: bool

    @property
    def text(self) -> str:
        """As far as it is text."""
        return self.value.decode("utf-8", "replace")

    @property
    def forms(self) -> tuple[str, ...]:
        """As it is, as URLs write it, as JSON and as HTML do, and as names of hosts are written."""
        text = self.text
        urls = quote(text), quote(text, safe=""), quote_plus(text)
        return text, *urls, json.dumps(text)[1:-1], html.escape(text), text.lower()


class WithheldValues:
    """Those of one build."""

    def __init__(self, values: tuple[WithheldValue, ...] = ()) -> None:
        self.values = tuple(one for one in values if one.value)
        written = {
            form: one.instead for one in self.values if len(one.text) >= _SHORTEST for form in reversed(one.forms)
        }
        self._written = sorted(written.items(), key=lambda pair: len(pair[0]), reverse=True)
        self.in_bodies: dict[bytes, WithheldValue] = {}
        for one in sorted(self.values, key=lambda one: one.secret):  # what is both is a secret
            if len(one.value) >= SHORTEST_IN_BODIES:
                self.in_bodies.update(dict.fromkeys((one.value, *(form.encode() for form in one.forms)), one))

    @classmethod
    def of(cls, secrets: Mapping[str, bytes], arguments: Mapping[str, str]) -> Self:
        """Secrets by their ids, arguments by their names; one that sounds secret is taken for a secret."""
        lent = (WithheldValue(f"the secret {name}", "***", value.strip(), True) for name, value in secrets.items())
        given = (
            WithheldValue(f"the build argument {name}", f"${{{name}}}", value.encode().strip(), sounds_secret(name))
            for name, value in arguments.items()
        )
        return cls((*lent, *given))

    def public(self, text: str) -> str:
        """`text` without them: a secret is starred, in the place of an argument stands its name."""
        for form, instead in self._written:
            text = text.replace(form, instead)
        return text


@dataclass(frozen=True, slots=True)
class Readings:
    """How a build reads a recording that was made with the same values, or with others withheld.

    `asked` are the ways in which it may have what a step asks; `public` is what this build may tell of it, `filled`
    what a step is told.
    """

    asked: tuple[Callable[[str], str], ...]
    public: Callable[[str], str]
    filled: Callable[[str], str] = str

    @classmethod
    def of(cls, secrets: Mapping[str, bytes], arguments: Mapping[str, str], withheld: Mapping[str, str]) -> Self:
        """`arguments` are all of the call, `withheld` those of them that no attestation has."""
        public = WithheldValues.of(secrets, withheld).public

        def filled(text: str) -> str:
            for name, value in arguments.items():
                text = text.replace(f"${{{name}}}", value.strip())
            return text

        return cls((str, public, WithheldValues.of(secrets, arguments).public), public, filled)

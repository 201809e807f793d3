"""Loops and templates: what is made of several values in turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lading.build.bake.hcl.hcl_nodes import HclNode, HclScope
from lading.build.bake.hcl.hcl_source import HclError, HclPlace, at
from lading.build.bake.hcl.hcl_values import MAX_TEXT, HclValue, ValueSet, as_bool, as_text, hcl_object, kind, number_of
from lading.store.fastclass import dataclass


@dataclass(frozen=True, slots=True)
class Turns:
    """``for key, value in collection``."""

    spot: HclPlace
    key: str | None
    item: str
    collection: HclNode

    def scopes(self, scope: HclScope) -> Iterator[HclScope]:
        """What the names mean in each turn. Raises `HclError`."""
        for key, item in self._pairs(self.collection.value(scope)):
            names: dict[str, HclValue] = {self.item: item}
            if self.key is not None:
                names[self.key] = key
            yield scope.within(names)

    def _pairs(self, found: HclValue) -> Iterator[tuple[HclValue, HclValue]]:
        if isinstance(found, Mapping):
            yield from found.items()
        elif isinstance(found, ValueSet):
            yield from zip(found.items, found.items, strict=True)
        elif isinstance(found, tuple):
            yield from ((number_of(index), item) for index, item in enumerate(found))
        else:
            raise HclError(self.spot, f"a {kind(found)} has nothing to loop over")


@dataclass(frozen=True, slots=True)
class ForNode:
    """``[for v in list : v if condition]`` and ``{for k, v in map : k => v...}``."""

    spot: HclPlace
    turns: Turns
    key: HclNode | None
    each: HclNode
    condition: HclNode | None
    grouped: bool = False

    def value(self, scope: HclScope) -> HclValue:
        """As `HclNode.value`."""
        wanted = [turn for turn in self.turns.scopes(scope) if self._holds(turn)]
        if self.key is None:
            return tuple(self.each.value(turn) for turn in wanted)
        found: dict[str, list[HclValue]] = {}
        for turn in wanted:
            with at(self.key.spot, "object key: "):
                name = as_text(self.key.value(turn))
            if name in found and not self.grouped:
                raise HclError(self.key.spot, f"two turns give the key {name!r}; ... after the value groups them")
            found.setdefault(name, []).append(self.each.value(turn))
        return hcl_object({name: tuple(items) if self.grouped else items[0] for name, items in found.items()})

    def _holds(self, turn: HclScope) -> bool:
        if self.condition is None:
            return True
        with at(self.condition.spot, "if: "):
            return as_bool(self.condition.value(turn))


@dataclass(frozen=True, slots=True)
class TextTemplate:
    """Text with values in it; a value alone stays what it is."""

    spot: HclPlace
    parts: tuple[HclNode, ...]
    alone: bool = False

    def value(self, scope: HclScope) -> HclValue:
        """As `HclNode.value`."""
        if self.alone:
            return self.parts[0].value(scope)
        found: list[str] = []
        for part in self.parts:
            with at(part.spot, "in a string: "):
                found.append(as_text(part.value(scope)))
        text = "".join(found)
        if len(text) > MAX_TEXT:
            raise HclError(self.spot, "a string of more than 16 MiB")
        return text


@dataclass(frozen=True, slots=True)
class IfPart:
    """``%{ if a }…%{ else }…%{ endif }``."""

    spot: HclPlace
    condition: HclNode
    yes: TextTemplate
    no: TextTemplate

    def value(self, scope: HclScope) -> HclValue:
        """As `HclNode.value`."""
        with at(self.condition.spot, "if: "):
            return (self.yes if as_bool(self.condition.value(scope)) else self.no).value(scope)


@dataclass(frozen=True, slots=True)
class ForPart:
    """``%{ for a in b }…%{ endfor }``."""

    spot: HclPlace
    turns: Turns
    each: TextTemplate

    def value(self, scope: HclScope) -> HclValue:
        """As `HclNode.value`."""
        return "".join(as_text(self.each.value(turn)) for turn in self.turns.scopes(scope))

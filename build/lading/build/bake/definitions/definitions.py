"""The files of a call as one: variables, functions, groups and targets, each field evaluated when it is asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from itertools import product
from typing import Final

from lading.build.bake.bake_target import FIELDS, REFUSED, BakeGroup, BakeTarget, FieldValue, decoded, encoded
from lading.build.bake.definitions.bake_scope import BakeScope, signature
from lading.build.bake.definitions.bake_variables import BakeVariable, Declared
from lading.build.bake.hcl.hcl_blocks import HclAttribute, HclBlock, HclBody
from lading.build.bake.hcl.hcl_source import HclError, HclPlace, at
from lading.build.bake.hcl.hcl_values import HclValue, ValueSet, as_items, as_text, hcl_object
from lading.build.errors import suggestion
from lading.store.fastclass import dataclass, field
from lading.store.system.patterns import pattern

TARGET_NAME: Final = pattern(r"[a-zA-Z0-9_-]+")
_MAX_MATRIX: Final = 10_000
_BLOCKS: Final = ("target", "group")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a call brings: built-in values, what it sets variables to, those of Compose files too, the home folder."""

    builtin: Mapping[str, str]
    given: Callable[[str], str | None]
    composed: Callable[[str], str | None]
    home: str = "/"


@dataclass(frozen=True, slots=True)
class _Instance:
    """A block with one combination of its matrix."""

    block: HclBlock
    name: str
    scope: BakeScope


@dataclass(slots=True)
class Definitions:
    """What HCL and JSON files define, merged. A `DefinedNames`."""

    bodies: tuple[HclBody, ...]
    around: Surroundings
    variables: dict[str, Declared] = field(default_factory=dict[str, Declared])
    functions: dict[str, HclBlock] = field(default_factory=dict[str, HclBlock])
    attributes: dict[str, HclAttribute] = field(default_factory=dict[str, HclAttribute])
    instances: list[_Instance] = field(default_factory=list["_Instance"])
    renamed: list[BakeGroup] = field(default_factory=list[BakeGroup])
    warnings: list[str] = field(default_factory=list[str])
    """What means nothing and is passed over, as the reference does."""
    _values: dict[object, HclValue] = field(default_factory=dict[object, HclValue])
    _under_way: set[object] = field(default_factory=set[object])

    @classmethod
    def of(cls, bodies: Iterable[HclBody], around: Surroundings) -> Definitions:
        """Raises `HclError` for what does not depend on the targets that are asked for."""
        made = cls(tuple(bodies), around)
        made._collect()
        for name, declared in made.variables.items():
            made.named(declared.block.spot, name)
        for declared in made.variables.values():
            declared.validate(made.scope)
        for function in made.functions.values():
            signature(function)
        made._instantiate()
        for name, attribute in made.attributes.items():
            made.named(attribute.spot, name)
        return made

    @property
    def scope(self) -> BakeScope:
        """What names mean outside of everything."""
        return BakeScope(self)

    @property
    def home(self) -> str:
        """The caller's home folder."""
        return self.around.home

    def _collect(self) -> None:
        for body in self.bodies:
            for name, attribute in body.attributes.items():
                if name not in (*_BLOCKS, "variable", "function") and name not in self.around.builtin:
                    self.attributes[name] = attribute
            for block in body.blocks:
                if block.kind not in (*_BLOCKS, "variable", "function"):
                    self.warnings.append(f"{block.spot}: passed over: a bake file has no block {block.kind!r}")
                elif len(block.labels) != 1:
                    raise HclError(block.spot, f"a {block.kind} has one label, its name")
                if block.kind == "variable" and block.labels[0] not in self.around.builtin:
                    self.variables[block.labels[0]] = Declared(block, self.around.given)
                if block.kind == "function":
                    self.functions[block.labels[0]] = block

    # Names

    def named(self, spot: HclPlace, name: str) -> HclValue:
        """As `DefinedNames.named`."""
        if name in self.around.builtin:
            return self.around.builtin[name]
        if name not in self.attributes and name not in self.variables:
            near = suggestion(name, [*self.variables, *self.attributes, *self.around.builtin])
            raise HclError(spot, f"there is no variable named {name!r}{near}", undefined=True)
        return self._once(spot, name, name, lambda: self._named(name))

    def _named(self, name: str) -> HclValue:
        if name in self.attributes:
            return self.attributes[name].node.value(self.scope)
        taken = f"{name}_JSON" in self.variables or f"{name}_JSON" in self.around.builtin
        return self.variables[name].value(self.scope, json=not taken)

    def _once(self, spot: HclPlace, key: object, what: str, find: Callable[[], HclValue]) -> HclValue:
        if key not in self._values:
            if key in self._under_way:
                raise HclError(spot, f"{what} stands on itself")
            self._under_way.add(key)
            try:
                self._values[key] = find()
            finally:
                self._under_way.discard(key)
        return self._values[key]

    # Blocks

    def block(self, spot: HclPlace, kind: str, steps: tuple[str, ...]) -> tuple[HclValue, int]:
        """As `DefinedNames.block`."""
        if not steps:
            raise HclError(spot, f"{kind} is no variable: {kind}.NAME.FIELD is")
        found = [one for one in self.instances if one.block.kind == kind and one.name == steps[0]]
        if not found:
            near = suggestion(steps[0], {one.name for one in self.instances if one.block.kind == kind})
            raise HclError(spot, f"there is no {kind} named {steps[0]!r}{near}", undefined=True)
        last = found[-1]
        if len(steps) == 1:
            fields = FIELDS if kind == "target" else ("targets", "description")
            return hcl_object({"name": last.name, **{name: self._member(last, name) for name in fields}}), 1
        if steps[1] != "name" and steps[1] not in (FIELDS if kind == "target" else ("targets", "description")):
            raise HclError(spot, f"a {kind} has no {steps[1]!r}{suggestion(steps[1], FIELDS)}", undefined=True)
        return last.name if steps[1] == "name" else self._member(last, steps[1]), 2

    def _member(self, one: _Instance, name: str) -> HclValue:
        attribute = one.block.body.attributes.get(name)
        if attribute is None:
            return None
        key, what = (id(one), name), f"{one.block.kind}.{one.name}.{name}"

        def find() -> HclValue:
            value = attribute.node.value(one.scope)
            with at(attribute.spot, f"{name}: "):
                return encoded(name, decoded(name, value)) if one.block.kind == "target" else value

        return self._once(attribute.spot, key, what, find)

    def _instantiate(self) -> None:
        found: list[_Instance] = []
        for body in self.bodies:
            for block in body.blocks:
                if block.kind in _BLOCKS:
                    found += self._matrix(block)
        self.instances = found

    def _matrix(self, block: HclBlock) -> list[_Instance]:
        given, label = block.body.attributes, block.labels[0]
        _check_name(block.spot, label)
        if block.kind == "group" or "matrix" not in given:
            for name in ("name", "matrix"):
                if name in given:
                    raise HclError(
                        given[name].spot,
                        f"{name} is not supported for groups" if block.kind == "group" else "name requires matrix",
                    )
            return [_Instance(block, label, self.scope)]
        found = [self._combined(block, names) for names in self._combinations(given["matrix"])]
        names = tuple(dict.fromkeys(one.name for one in found))
        if len(names) < len(found):
            raise HclError(block.spot, "two combinations of the matrix have one name")
        if names and names != (label,):
            self.renamed.append(BakeGroup(label, names))
        return found

    def _combinations(self, attribute: HclAttribute) -> list[dict[str, HclValue]]:
        value = attribute.node.value(self.scope)
        if not isinstance(value, Mapping):
            raise HclError(attribute.spot, "a matrix is an object")
        lists: list[tuple[HclValue, ...]] = []
        for name, items in value.items():
            if not isinstance(items, tuple | ValueSet):
                raise HclError(attribute.spot, f"{name}: the values of a matrix are lists")
            lists.append(as_items(items))
        if math.prod(map(len, lists)) > _MAX_MATRIX:
            raise HclError(attribute.spot, f"a matrix of more than {_MAX_MATRIX} combinations")
        return [dict(zip(value, items, strict=True)) for items in product(*lists)]

    def _combined(self, block: HclBlock, names: Mapping[str, HclValue]) -> _Instance:
        scope = BakeScope(self, names)
        attribute = block.body.attributes.get("name")
        if attribute is None:
            return _Instance(block, block.labels[0], scope)
        with at(attribute.spot, "name: "):
            name = as_text(attribute.node.value(scope))
        _check_name(attribute.spot, name)
        return _Instance(block, name, scope)

    # What there is

    def targets(self) -> list[BakeTarget]:
        """Every target, those of one name merged. Raises `HclError`."""
        found: dict[str, BakeTarget] = {}
        for one in self.instances:
            if one.block.kind == "target":
                target = self._target(one)
                found[one.name] = found[one.name].merged(target) if one.name in found else target
        return list(found.values())

    def _target(self, one: _Instance) -> BakeTarget:
        fields: dict[str, FieldValue] = {}
        if one.block.body.blocks:
            raise HclError(one.block.body.blocks[0].spot, f"a target has no block {one.block.body.blocks[0].kind!r}")
        for name, attribute in one.block.body.attributes.items():
            if name in REFUSED:
                raise HclError(attribute.spot, f"{name} is not supported")
            if name in ("name", "matrix"):
                continue
            if name not in FIELDS:
                self.warnings.append(
                    f"{attribute.spot}: passed over: a target has no {name!r}{suggestion(name, FIELDS)}"
                )
                continue
            self._member(one, name)  # for what stands on itself
            with at(attribute.spot, f"{name}: "):
                value = decoded(name, attribute.node.value(one.scope))
            if value is not None:
                fields[name] = value
        return BakeTarget(one.name, fields)

    def groups(self) -> list[BakeGroup]:
        """Every group; of two of one name the last. Raises `HclError`."""
        found: dict[str, BakeGroup] = {}
        for one in self.instances:
            if one.block.kind == "group":
                found[one.name] = self._group(one)
        for group in self.renamed:
            found[group.name] = group
        return list(found.values())

    def _group(self, one: _Instance) -> BakeGroup:
        given = one.block.body.attributes
        for name, attribute in given.items():
            if name not in ("targets", "description"):
                self.warnings.append(f"{attribute.spot}: passed over: a group has no {name!r}")
        if "targets" not in given:
            raise HclError(one.block.spot, f"the group {one.name} has no targets")
        with at(given["targets"].spot, "targets: "):
            targets = tuple(map(as_text, as_items(self._member(one, "targets"))))
            described = self._member(one, "description")
            return BakeGroup(one.name, tuple(dict.fromkeys(targets)), "" if described is None else as_text(described))

    def listed(self) -> list[BakeVariable]:
        """The variables and their values, by name."""
        found = (declared.listed(self.named(declared.block.spot, name)) for name, declared in self.variables.items())
        return sorted(found, key=lambda one: one.name)


def _check_name(spot: HclPlace, name: str) -> None:
    if not TARGET_NAME.fullmatch(name):
        raise HclError(spot, f"invalid name {name!r}: only letters, digits, _ and - are allowed")

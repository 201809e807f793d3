"""What names mean in bake files: built-in values, variables, attributes, functions, fields of other targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from lading.build.bake.definitions.type_names import named_type
from lading.build.bake.hcl.functions.standard import STANDARD
from lading.build.bake.hcl.hcl_blocks import HclAttribute, HclBlock, keyword
from lading.build.bake.hcl.hcl_nodes import HclNode, HclScope, ListNode
from lading.build.bake.hcl.hcl_source import BakeError, HclError, HclPlace, at
from lading.build.bake.hcl.hcl_types import convert
from lading.build.bake.hcl.hcl_values import HclValue, as_items
from lading.build.errors import suggestion
from lading.store.fastclass import dataclass, field

_MAX_DEPTH: Final = 200


class DefinedNames(Protocol):
    """What the files of a call define."""

    def named(self, spot: HclPlace, name: str) -> HclValue:
        """The value of a name of the files. Raises `HclError`, with `undefined` where there is none."""
        ...

    def block(self, spot: HclPlace, kind: str, steps: tuple[str, ...]) -> tuple[HclValue, int]:
        """A field of a target or group, and how many of `steps` that took. Raises `HclError`."""
        ...

    @property
    def functions(self) -> Mapping[str, HclBlock]:
        """Those that the files define."""
        ...

    @property
    def home(self) -> str:
        """The caller's home folder."""
        ...


@dataclass(frozen=True, slots=True)
class BakeScope:
    """A `HclScope` over what is known, with names of its own: those of a matrix, of a loop, of a function."""

    known: DefinedNames
    names: Mapping[str, HclValue] = field(default_factory=dict[str, HclValue])
    depth: int = 0

    def lookup(self, spot: HclPlace, root: str, steps: tuple[str, ...]) -> tuple[HclValue, int]:
        """As `HclScope.lookup`."""
        if root in self.names:
            return self.names[root], 0
        if root in ("target", "group"):
            return self.known.block(spot, root, steps)
        return self.known.named(spot, root), 0

    def within(self, names: Mapping[str, HclValue]) -> HclScope:
        """As `HclScope.within`."""
        return BakeScope(self.known, {**self.names, **names}, self.depth)

    def call(self, spot: HclPlace, name: str, arguments: tuple[HclNode, ...], *, spread: bool) -> HclValue:
        """As `HclScope.call`."""
        if name in _ASKING:
            return _ASKING[name](self, spot, arguments)
        values = [argument.value(self) for argument in arguments]
        if spread:
            with at(spot, f"{name}: "):
                values += as_items(values.pop())
        if name in STANDARD:
            return self._standard(spot, name, values)
        if name == "homedir" and not values:
            return self.known.home
        if name not in self.known.functions:
            near = suggestion(name, [*STANDARD, *self.known.functions, *_ASKING])
            raise HclError(spot, f"there is no function named {name!r}{near}", undefined=True)
        return self._own(spot, self.known.functions[name], values)

    def _standard(self, spot: HclPlace, name: str, values: list[HclValue]) -> HclValue:
        function = STANDARD[name]
        try:
            with at(spot, f"{name}: "):
                return function(*values)
        except TypeError:
            raise HclError(spot, f"{name}: {len(values)} arguments are not what it takes") from None
        except (ArithmeticError, ValueError, MemoryError):
            raise HclError(spot, f"{name}: an argument that it cannot work with") from None

    def _own(self, spot: HclPlace, block: HclBlock, values: list[HclValue]) -> HclValue:
        name = block.labels[0]
        if self.depth > _MAX_DEPTH:
            raise HclError(spot, f"{name}: functions that call each other without end")
        params, rest, result = signature(block)
        if len(values) < len(params) or (len(values) > len(params) and rest is None):
            raise HclError(spot, f"{name}: {len(values)} arguments, and it takes {len(params)}")
        names = dict(zip(params, values, strict=False))
        if rest is not None:
            names[rest] = tuple(values[len(params) :])
        return result.value(BakeScope(self.known, names, self.depth + 1))


def signature(block: HclBlock) -> tuple[tuple[str, ...], str | None, HclNode]:
    """The names of a function's parameters, that of the rest, and its result. Raises `HclError`."""
    given = block.body.attributes
    for name in ("params", "result"):
        if name not in given:
            raise HclError(block.spot, f"the function {block.labels[0]} has no {name}")
    params = given["params"].node
    if not isinstance(params, ListNode):
        raise HclError(given["params"].spot, "params is a list of names")
    names = tuple(_name(given["params"], node) for node in params.items)
    rest = given.get("variadic_params")
    return names, None if rest is None else _name(rest, rest.node), given["result"].node


def _name(attribute: HclAttribute, node: HclNode) -> str:
    found = keyword(node)
    if found is None:
        raise HclError(attribute.spot, "each parameter is a name, without quotes")
    return found


def _try(scope: BakeScope, spot: HclPlace, arguments: tuple[HclNode, ...]) -> HclValue:
    for argument in arguments:
        try:
            return argument.value(scope)
        except BakeError:
            continue
    raise HclError(spot, "try: none of its arguments has a value")


def _can(scope: BakeScope, spot: HclPlace, arguments: tuple[HclNode, ...]) -> HclValue:
    if len(arguments) != 1:
        raise HclError(spot, "can: takes one argument")
    try:
        arguments[0].value(scope)
    except BakeError:
        return False
    return True


def _convert(scope: BakeScope, spot: HclPlace, arguments: tuple[HclNode, ...]) -> HclValue:
    if len(arguments) != 2:
        raise HclError(spot, "convert: takes a value and a type")
    with at(spot, "convert: "):
        return convert(arguments[0].value(scope), named_type(arguments[1]))


_ASKING: Final[dict[str, Callable[[BakeScope, HclPlace, tuple[HclNode, ...]], HclValue]]] = {
    "try": _try,
    "can": _can,
    "convert": _convert,
}
"""Functions that are given expressions, not values."""

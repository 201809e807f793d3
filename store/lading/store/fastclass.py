"""`dataclass(frozen=True, slots=True)` without the compiler.

The standard decorator writes the source of six methods for every class and compiles it, 0.6 ms each: on the way
to a running container that is 40 ms for sixty nouns. This one makes the same class out of closures, in 0.02 ms.
Meaning, errors and what `dataclasses.fields`, `replace` and `inspect.signature` say are the same; making an
instance takes about twice as long, so classes made by the ten thousand keep the standard one. Whatever else than
a frozen slotted class of plain fields is asked for goes to the standard decorator.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

__all__ = ["dataclass"]
T = TypeVar("T")
_MISSING: Final = dataclasses.MISSING
_SPECIAL: Final = ("ClassVar", "InitVar", "KW_ONLY", "typing.", "dataclasses.")
_ASKED: Final = ("__dataclass_fields__", "__dataclass_params__", "__signature__")
_TAKEN: Final = ("__setattr__", "__delattr__", "__getstate__", "__setstate__", "__slots__")


def quick(cls: type[T] | None = None, /, *, frozen: bool = False, slots: bool = False, **others: bool) -> Any:
    """The decorator; exported as `dataclass`."""

    def decorate(cls: type[T]) -> type[T]:
        eq = others.get("eq", True)
        shape = _shape(cls) if frozen and slots and others.keys() <= {"eq"} else None
        if shape is None:
            return dataclasses.dataclass(cls, frozen=frozen, slots=slots, **others)
        return _make(cls, shape, eq=eq)

    return decorate if cls is None else decorate(cls)


if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    dataclass = quick


class _Slot:
    """One field: its default (or `MISSING`), its factory (or `MISSING`), and where it counts."""

    __slots__ = ("compare", "default", "factory", "hash", "name", "repr")

    def __init__(self, name: str, default: object) -> None:
        self.name, self.default, self.factory = name, default, _MISSING
        self.repr = self.compare = self.hash = True
        if isinstance(default, dataclasses.Field):
            given: Any = default  # pyright: ignore[reportUnknownVariableType]
            self.default, self.factory, self.repr, self.compare = (
                given.default,
                given.default_factory,
                given.repr,
                given.compare,
            )
            self.hash = given.compare if given.hash is None else given.hash

    @property
    def optional(self) -> bool:
        return self.default is not _MISSING or self.factory is not _MISSING


def _shape(cls: type[Any]) -> list[_Slot] | None:
    """The fields; None where there is something about the class that is the standard decorator's to handle."""
    space = cls.__dict__
    annotations: dict[str, Any] = space.get("__annotations__", {})
    if any(name in space for name in _TAKEN) or any("__dataclass_params__" in base.__dict__ for base in cls.__mro__):
        return None
    if not all(isinstance(note, str) and not note.startswith(_SPECIAL) for note in annotations.values()):
        return None
    slots = [_Slot(name, space.get(name, _MISSING)) for name in annotations]
    optional = [slot.optional for slot in slots]
    plain = optional == sorted(optional) and all(_plain(space.get(name)) for name in annotations)
    fields = {name for name, value in space.items() if isinstance(value, dataclasses.Field)}
    return slots if plain and fields <= annotations.keys() else None


def _plain(value: Any) -> bool:
    if isinstance(value, dataclasses.Field):
        given: Any = value  # pyright: ignore[reportUnknownVariableType]
        return given.init and given.kw_only is not True and not given.metadata and _plain(given.default)
    return value.__class__.__hash__ is not None


def _make(cls: type[T], slots: list[_Slot], *, eq: bool) -> type[T]:
    names = tuple(slot.name for slot in slots)
    space = {name: value for name, value in cls.__dict__.items() if name not in {*names, "__dict__", "__weakref__"}}
    space["__slots__"] = names
    space |= {name: _Standard(cls, name, eq=eq) for name in _ASKED}
    space |= _frozen(names)
    space.setdefault("__match_args__", names)
    space.setdefault("__repr__", _repr(tuple(slot.name for slot in slots if slot.repr)))
    if eq:
        space.setdefault("__eq__", _eq(_values([slot.name for slot in slots if slot.compare])))
        if space.get("__hash__") is None:
            space["__hash__"] = _hash(_values([slot.name for slot in slots if slot.hash]))
    qualified = cls.__qualname__
    made: Any = cast(Any, type(cls))(cls.__name__, cls.__bases__, space)
    made.__qualname__ = qualified
    if "__init__" not in space:
        made.__init__ = _init(made, slots)
    return cast(type[T], made)


class _Standard:
    """An attribute that the standard decorator makes, made when somebody asks for it."""

    __slots__ = ("_cls", "_eq", "_name")

    def __init__(self, cls: type[Any], name: str, *, eq: bool) -> None:
        self._cls, self._name, self._eq = cls, name, eq

    def __get__(self, instance: object, owner: type[Any]) -> object:
        if "__dataclass_params__" not in self._cls.__dict__:
            dataclasses.dataclass(frozen=True, eq=self._eq)(self._cls)
        if self._name != "__signature__":
            return self._cls.__dict__[self._name]
        import inspect  # noqa: PLC0415

        return inspect.signature(self._cls)


def _init(cls: type[Any], slots: list[_Slot]) -> Callable[..., None]:
    plan = tuple((slot.name, cls.__dict__[slot.name].__set__, slot.default, slot.factory) for slot in slots)
    after = hasattr(cls, "__post_init__")

    def __init__(self: Any, /, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        given = len(args)
        if given > len(plan):
            raise TypeError(f"{cls.__qualname__} takes {len(plan)} arguments but {given} were given")
        for value, (_, put, _, _) in zip(args, plan, strict=False):
            put(self, value)
        for name, put, default, factory in plan[given:] if given else plan:
            if name in kwargs:
                put(self, kwargs.pop(name))
            elif default is not _MISSING:
                put(self, default)
            elif factory is not _MISSING:
                put(self, factory())
            else:
                raise TypeError(f"{cls.__qualname__} misses the argument {name!r}")
        if kwargs:
            raise TypeError(f"{cls.__qualname__}: unexpected or repeated argument {next(iter(kwargs))!r}")
        if after:
            self.__post_init__()

    return __init__


def _values(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda self: tuple(getattr(self, name) for name in names)


def _repr(names: tuple[str, ...]) -> Callable[[Any], str]:
    @recursive_repr()
    def __repr__(self: Any) -> str:  # noqa: N807
        return f"{self.__class__.__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    return __repr__


def _eq(values: Callable[[Any], tuple[Any, ...]]) -> Callable[[Any, object], Any]:
    def __eq__(self: Any, other: object) -> Any:  # noqa: N807
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    return __eq__


def _hash(values: Callable[[Any], tuple[Any, ...]]) -> Callable[[Any], int]:
    def __hash__(self: Any) -> int:  # noqa: N807
        return hash(values(self))

    return __hash__


def _frozen(names: tuple[str, ...]) -> dict[str, Any]:
    """No assignment, and the two methods with which `copy` and `pickle` get around that."""

    def __setattr__(self: Any, name: str, value: object) -> None:  # noqa: N807
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self: Any, name: str) -> None:  # noqa: N807
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")

    def __getstate__(self: Any) -> list[Any]:  # noqa: N807
        return [getattr(self, name) for name in names]

    def __setstate__(self: Any, state: list[Any]) -> None:  # noqa: N807
        for name, value in zip(names, state, strict=True):
            object.__setattr__(self, name, value)

    made = (__setattr__, __delattr__, __getstate__, __setstate__)
    return {function.__name__: function for function in made}

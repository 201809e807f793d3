"""Dataclasses with slots, without the compiler and without `dataclasses`.

The standard decorator writes the source of six methods for every class and compiles it, 0.6 ms each: on the way
to a running container that is 40 ms for sixty nouns, and its module loads `inspect`, 8 ms more. This one makes the
same class out of closures, in 0.02 ms. Meaning, errors and what `dataclasses.fields`, `replace` and
`inspect.signature` say are the same; making an instance takes about twice as long, so a class that is made by the
thousand gets the compiled `__init__` then. Whatever else than a slotted class of plain fields is asked for goes to
the standard decorator.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter, ge, gt, le, lt
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar, cast

__all__ = ["dataclass", "field", "replace"]
T = TypeVar("T")
_MISSING: Final = object()
_SPECIAL: Final = ("ClassVar", "InitVar", "KW_ONLY", "typing.", "dataclasses.")
_ASKED: Final = ("__dataclass_fields__", "__dataclass_params__", "__signature__")
_TAKEN: Final = ("__setattr__", "__delattr__", "__getstate__", "__setstate__", "__slots__")
_OPTIONS: Final = {"frozen": False, "eq": True, "order": False, "repr": True}
_MANY: Final = 2000
"""Instances, after which the compiler is worth its time."""


class Slot:
    """What `field` says of one field, and its name: default or factory, and where it counts."""

    __slots__ = ("compare", "default", "factory", "hash", "name", "repr")

    def __init__(
        self,
        *,
        default: Any = _MISSING,
        default_factory: Any = _MISSING,
        repr: bool = True,  # noqa: A002 - as the standard one's
        compare: bool = True,
        hash: bool | None = None,  # noqa: A002
    ) -> None:
        self.name, self.default, self.factory = "", default, default_factory
        self.repr, self.compare, self.hash = repr, compare, compare if hash is None else hash

    @property
    def optional(self) -> bool:
        """Whether it need not be given."""
        return self.default is not _MISSING or self.factory is not _MISSING

    def standard(self) -> Any:
        """The same as the standard decorator wants it."""
        import dataclasses  # noqa: PLC0415

        given = {"default": self.default, "default_factory": self.factory}
        given = {name: value for name, value in given.items() if value is not _MISSING}
        make: Any = dataclasses.field
        return make(repr=self.repr, compare=self.compare, hash=self.hash, **given)


def quick(cls: type[T] | None = None, /, *, slots: bool = False, **options: bool) -> Any:
    """The decorator; exported as `dataclass`."""

    def decorate(cls: type[T]) -> type[T]:
        shape = _shape(cls) if slots and options.keys() <= _OPTIONS.keys() else None
        if shape is None:
            return _standard(cls, slots=slots, **options)
        return _make(cls, shape, {**_OPTIONS, **options})

    return decorate if cls is None else decorate(cls)


def _standard(cls: type[T], **options: bool) -> type[T]:
    """What the standard decorator makes of it."""
    import dataclasses  # noqa: PLC0415

    for name, value in list(cls.__dict__.items()):
        if isinstance(value, Slot):
            setattr(cls, name, value.standard())
    return dataclasses.dataclass(cls, **options)


def copy_with(instance: T, /, **changes: Any) -> T:
    """An instance with other values; exported as `replace`."""
    cls: Any = type(instance)
    if not isinstance(cls.__dict__.get("__dataclass_fields__"), _Standard):
        import dataclasses  # noqa: PLC0415

        return cast(T, dataclasses.replace(cast(Any, instance), **changes))
    kept = (name for name in cls.__slots__ if name not in changes)
    return cast(T, cls(**{name: getattr(instance, name) for name in kept}, **changes))


if TYPE_CHECKING:
    from dataclasses import dataclass, field, replace
else:
    dataclass, field, replace = quick, Slot, copy_with


def _shape(cls: type[Any]) -> list[Slot] | None:
    """The fields; None where there is something about the class that is the standard decorator's to handle."""
    space = cls.__dict__
    annotations: dict[str, Any] = space.get("__annotations__", {})
    if any(name in space for name in _TAKEN) or any("__dataclass_params__" in base.__dict__ for base in cls.__mro__):
        return None
    if not all(isinstance(note, str) and not note.startswith(_SPECIAL) for note in annotations.values()):
        return None
    slots = [_slot(name, space.get(name, _MISSING)) for name in annotations]
    optional = [slot.optional for slot in slots]
    plain = optional == sorted(optional) and all(slot.default.__class__.__hash__ is not None for slot in slots)
    fields = {name for name, value in space.items() if isinstance(value, Slot)}
    foreign = any(type(slot.default).__module__ == "dataclasses" for slot in slots)
    return slots if plain and not foreign and fields <= annotations.keys() else None


def _slot(name: str, value: object) -> Slot:
    slot = value if isinstance(value, Slot) else Slot(default=value)
    slot.name = name
    return slot


def _make(cls: type[T], slots: list[Slot], options: dict[str, bool]) -> type[T]:
    names = tuple(slot.name for slot in slots)
    space = {name: value for name, value in cls.__dict__.items() if name not in {*names, "__dict__", "__weakref__"}}
    space["__slots__"] = names
    space |= {name: _Standard(cls, name, options) for name in _ASKED}
    space.setdefault("__match_args__", names)
    if options["repr"]:
        space.setdefault("__repr__", _repr(tuple(slot.name for slot in slots if slot.repr)))
    compared = _values([slot.name for slot in slots if slot.compare])
    if options["eq"]:
        space.setdefault("__eq__", _eq(compared))
        if space.get("__hash__") is None:
            space["__hash__"] = (
                _hash(_values([slot.name for slot in slots if slot.hash])) if options["frozen"] else None
            )
    if options["order"]:
        space |= {f"__{by.__name__}__": _order(by, compared) for by in (lt, le, gt, ge)}
    if options["frozen"]:
        space |= _frozen(names)
    qualified = cls.__qualname__
    made: Any = cast(Any, type(cls))(cls.__name__, cls.__bases__, space)
    made.__qualname__ = qualified
    if "__init__" not in space:
        made.__init__ = _init(made, slots, space["__dataclass_fields__"])
    return cast(type[T], made)


class _Standard:
    """An attribute that the standard decorator makes, made when somebody asks for it."""

    __slots__ = ("_cls", "_name", "_options")

    def __init__(self, cls: type[Any], name: str, options: dict[str, bool]) -> None:
        self._cls, self._name, self._options = cls, name, options

    @property
    def made(self) -> type[Any]:
        """The class that the standard decorator makes, without slots."""
        if "__dataclass_params__" not in self._cls.__dict__:
            _standard(self._cls, **self._options)
        return self._cls

    def __get__(self, instance: object, owner: type[Any]) -> object:
        if self._name != "__signature__":
            return self.made.__dict__[self._name]
        import inspect  # noqa: PLC0415

        return inspect.signature(self.made)


def _init(cls: type[Any], slots: list[Slot], standard: _Standard) -> Callable[..., None]:
    plan = tuple((slot.name, cls.__dict__[slot.name].__set__, slot.default, slot.factory) for slot in slots)
    after = hasattr(cls, "__post_init__")
    left = _MANY

    def __init__(self: Any, /, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        nonlocal left
        left -= 1
        if not left:
            cls.__init__ = standard.made.__init__
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


def _order(by: Callable[[Any, Any], bool], values: Callable[[Any], tuple[Any, ...]]) -> Callable[[Any, object], Any]:
    def compare(self: Any, other: object) -> Any:
        return by(values(self), values(other)) if other.__class__ is self.__class__ else NotImplemented

    return compare


def _hash(values: Callable[[Any], tuple[Any, ...]]) -> Callable[[Any], int]:
    def __hash__(self: Any) -> int:  # noqa: N807
        return hash(values(self))

    return __hash__


def _frozen(names: tuple[str, ...]) -> dict[str, Any]:
    """No assignment, and the two methods with which `copy` and `pickle` get around that."""

    def __setattr__(self: Any, name: str, value: object) -> None:  # noqa: N807
        _refuse(f"cannot assign to field {name!r}")

    def __delattr__(self: Any, name: str) -> None:  # noqa: N807
        _refuse(f"cannot delete field {name!r}")

    def __getstate__(self: Any) -> list[Any]:  # noqa: N807
        return [getattr(self, name) for name in names]

    def __setstate__(self: Any, state: list[Any]) -> None:  # noqa: N807
        for name, value in zip(names, state, strict=True):
            object.__setattr__(self, name, value)

    made = (__setattr__, __delattr__, __getstate__, __setstate__)
    return {function.__name__: function for function in made}


def _refuse(message: str) -> NoReturn:
    from dataclasses import FrozenInstanceError  # noqa: PLC0415

    raise FrozenInstanceError(message)

"""The quick decorator makes what the standard one makes."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import typing
from dataclasses import field
from typing import Any, ClassVar

import pytest

from lading.store.fastclass import quick


class _Point:
    """A point."""

    x: int
    y: list[int] = field(default_factory=list, hash=False)
    secret: str = field(default="s", repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.x < 0:
            raise ValueError("negative")

    @property
    def double(self) -> int:
        return 2 * self.x


def _twins() -> list[Any]:
    """The same class, by either decorator."""
    space = {name: value for name, value in _Point.__dict__.items() if name not in ("__dict__", "__weakref__")}
    return [
        decorate(frozen=True, slots=True)(type("_Point", (), dict(space)))
        for decorate in (quick, dataclasses.dataclass)
    ]


@quick(frozen=True, slots=True)
class Module:
    """Findable by pickle."""

    a: int
    b: tuple[str, ...] = ()


def test_it_does_not_compile() -> None:
    ours, standard = _twins()
    assert isinstance(ours.__dict__["__dataclass_fields__"], dict) is False
    assert isinstance(standard.__dict__["__dataclass_fields__"], dict)


def test_instances_show_compare_and_hash_alike() -> None:
    for make in _twins():
        one = make(1, [2])
        assert repr(one) == "_Point(x=1, y=[2])"
        assert one == make(x=1, y=[2], secret="other")
        assert one != make(2, [2])
        assert (one == 3) is False
        assert hash(one) == hash(make(1, [3])) == hash((1,))
        assert one.double == 2
        assert make(1).y == [] and make(1).y is not make(1).y
        assert not hasattr(one, "__dict__")
        assert make.__match_args__ == ("x", "y", "secret")
        assert make.__slots__ == ("x", "y", "secret")
        assert make.__doc__ == "A point."


@pytest.mark.parametrize(("arguments", "named"), [((), {}), ((1, [], "", 4), {}), ((1,), {"x": 2}), ((1,), {"z": 2})])
def test_wrong_arguments_are_type_errors(arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
    for make in _twins():
        with pytest.raises(TypeError):
            make(*arguments, **named)


def test_instances_are_frozen_and_checked() -> None:
    for make in _twins():
        one = make(1)
        for act in (lambda o: setattr(o, "x", 2), lambda o: delattr(o, "x")):
            with pytest.raises(dataclasses.FrozenInstanceError, match="field 'x'"):
                act(one)
        with pytest.raises(ValueError, match="negative"):
            make(-1)
        with pytest.raises(ValueError, match="negative"):
            dataclasses.replace(one, x=-1)


def test_the_tools_of_dataclasses_work() -> None:
    ours, standard = _twins()
    assert dataclasses.is_dataclass(ours)
    for got, wanted in zip(dataclasses.fields(ours), dataclasses.fields(standard), strict=True):
        assert (got.name, got.type, got.default, got.default_factory) == (
            wanted.name, wanted.type, wanted.default, wanted.default_factory,
        )  # fmt: skip
    assert inspect.signature(ours) == inspect.signature(standard)
    assert dataclasses.replace(ours(1), x=3) == ours(3)
    assert dataclasses.asdict(ours(1)) == dataclasses.asdict(standard(1))
    assert typing.get_type_hints(Module) == {"a": int, "b": tuple[str, ...]}


def test_copies_and_pickles() -> None:
    one = Module(1, ("x",))
    assert copy.copy(one) == copy.deepcopy(one) == pickle.loads(pickle.dumps(one)) == one
    match one:
        case Module(a, b):
            assert (a, b) == (1, ("x",))


def test_the_standard_decorator_takes_the_rest() -> None:
    @quick(frozen=True, slots=True)
    class Child(Module):
        """Inherits."""

        c: int = 3

    assert Child(1, (), 4) == Child(a=1, c=4)
    assert [item.name for item in dataclasses.fields(Child)] == ["a", "b", "c"]

    @quick(slots=True)
    class Loose:
        """Not frozen."""

        a: int = 0

    loose = Loose()
    loose.a = 4
    assert loose == Loose(4)

    @quick(frozen=True, slots=True)
    class Shared:
        """With something of the class."""

        of_all: ClassVar[int] = 1
        a: int = 0

    assert Shared(2).a == 2 and Shared.of_all == 1

    with pytest.raises(ValueError, match="mutable default"):

        @quick(frozen=True, slots=True)
        class Wrong:  # pyright: ignore[reportUnusedClass]
            """A list for everybody."""

            a: list[int] = []  # noqa: RUF012


def test_methods_of_the_class_are_kept() -> None:
    @quick(frozen=True, slots=True)
    class Word:
        """Shows itself."""

        text: str

        def __repr__(self) -> str:
            return "word"

        def __eq__(self, other: object) -> bool:
            return True

    assert repr(Word("a")) == "word"
    assert Word("a") == 3
    assert hash(Word("a")) == hash(("a",))

    @quick(frozen=True, slots=True, eq=False)
    class Unique:
        """Equal to itself alone."""

        text: str

    assert Unique("a") != Unique("a")

"""The quick decorator makes what the standard one makes."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import subprocess
import sys
import typing
from typing import Any, ClassVar

import pytest

from lading.store import fastclass
from lading.store.fastclass import quick


def _twins(**options: bool) -> list[Any]:
    """The same class, by either module."""
    made: list[Any] = []
    for tools in (fastclass, dataclasses):

        @tools.dataclass(slots=True, **{"frozen": True, **options})  # type: ignore[call-overload,untyped-decorator]
        class Point:
            """A point."""

            x: int
            y: list[int] = tools.field(default_factory=list, hash=False)
            secret: str = tools.field(default="s", repr=False, compare=False)

            def __post_init__(self) -> None:
                if self.x < 0:
                    raise ValueError("negative")

            @property
            def double(self) -> int:
                return 2 * self.x

        Point.__qualname__ = "Point"
        made.append(Point)
    return made


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
        assert repr(one) == "Point(x=1, y=[2])"
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


def test_those_made_by_the_thousand_are_made_alike() -> None:
    for make in _twins():
        first = make(1, secret="t")
        all_of_them = [make(number % 7, [number], secret="t") for number in range(5000)]
        assert all_of_them[-1] == make(4999 % 7, y=[4999]) and all_of_them[-1].secret == "t"
        assert make(1) == first and make(1).y is not make(1).y and make(1).secret == "s"
        with pytest.raises(ValueError, match="negative"):
            make(-1)
        with pytest.raises(TypeError):
            make(1, z=2)
        with pytest.raises(dataclasses.FrozenInstanceError):
            make(1).x = 2


def test_order_is_that_of_the_fields() -> None:
    for make in _twins(order=True):
        assert sorted([make(2, [1]), make(1, [2]), make(1, [1], "z")]) == [make(1, [1]), make(1, [2]), make(2, [1])]
        assert make(1) <= make(1) >= make(1) < make(2) > make(1)
        with pytest.raises(TypeError):
            make(1) < 3  # noqa: B015
    for make in _twins():
        with pytest.raises(TypeError):
            make(1) < make(2)  # noqa: B015


def test_what_is_not_frozen_changes_and_has_no_hash() -> None:
    for make in _twins(frozen=False):
        one = make(1)
        one.x = 3
        assert one == make(3) and repr(one) == "Point(x=3, y=[])"
        with pytest.raises(TypeError, match="unhashable"):
            hash(one)
        with pytest.raises(AttributeError):
            one.other = 1
        assert copy.deepcopy(one) == one


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
        with pytest.raises(ValueError, match="negative"):
            fastclass.replace(one, x=-1)


def test_the_tools_of_dataclasses_work() -> None:
    ours, standard = _twins()
    assert dataclasses.is_dataclass(ours)
    for got, wanted in zip(dataclasses.fields(ours), dataclasses.fields(standard), strict=True):
        assert (got.name, got.type, got.default, got.default_factory) == (
            wanted.name, wanted.type, wanted.default, wanted.default_factory,
        )  # fmt: skip
    assert inspect.signature(ours) == inspect.signature(standard)
    for replace in (dataclasses.replace, fastclass.replace):
        assert replace(ours(1, [4], "t"), x=3) == ours(3, [4]) and replace(ours(1, secret="t"), x=3).secret == "t"
        assert replace(standard(1), x=3) == standard(3)
        with pytest.raises(TypeError):
            replace(ours(1), z=3)
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

    @quick(frozen=True, slots=True, eq=False, repr=False)
    class Quiet:
        """Shows nothing."""

        text: str

    assert repr(Quiet("a")).endswith(">") and Quiet("a").text == "a"


def test_it_goes_without_the_standard_module() -> None:
    code = """if True:
        import sys
        from lading.store.fastclass import dataclass, field, replace

        @dataclass(frozen=True, slots=True, order=True)
        class One:
            a: int
            b: list[int] = field(default_factory=list)

        @dataclass(slots=True)
        class Two:
            a: int = 1

        assert replace(One(1), a=2) == One(2, []) < One(3) and Two() == Two(1) and repr(One(1)) and hash
        print("dataclasses" in sys.modules, "inspect" in sys.modules)
    """
    code = f"from __future__ import annotations\n{code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"], done.stderr

"""Go's `printf` for the values that templates have (package fmt)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, cast

from lading.cli.templates.values import as_json, fault, kind, show

_VERB: Final = re.compile(
    r"%(?P<flags>[-+# 0]*)(?P<width>\*|\d*)(?:(?P<dot>\.)(?P<precision>\*|\d*))?(?P<verb>.|$)", re.S
)
_MAX_WIDTH: Final = 4096
_INTEGERS: Final = {"d": "d", "b": "b", "o": "o", "O": "o", "x": "x", "X": "X"}


def printf(template: object, *arguments: object) -> str:
    """Raises `InputError` where the first is no text, or a width is out of bounds."""
    if not isinstance(template, str):
        raise fault(f"printf: wants a text first, not {kind(template)}")
    rest = list(arguments)
    text = _VERB.sub(lambda found: _one(found, rest), template)
    if rest:
        extra = ", ".join(
            f"{kind(value)}={show(value, inside=True)}" if value is not None else "<nil>" for value in rest
        )
        text += f"%!(EXTRA {extra})"
    return text


def _one(found: re.Match[str], rest: list[object]) -> str:
    verb, flags = found["verb"], found["flags"]
    if not verb:
        return "%!(NOVERB)"
    if verb == "%":
        return "%"
    width = _number(found["width"], rest) or 0
    precision = _number(found["precision"] or "0", rest) if found["dot"] else None
    if not rest:
        return f"%!{verb}(MISSING)"
    if width < 0:
        flags, width = flags + "-", -width
    return _each(verb, flags, precision, rest.pop(0), width)


def _each(verb: str, flags: str, precision: int | None, value: object, width: int) -> str:
    """A value in its width; of a list, every item in it."""
    if verb in "vT" or not isinstance(value, list | dict):
        return _padded(_verb(verb, flags, precision, value), flags, width, verb)
    if isinstance(value, list):
        items = cast("list[object]", value)
        return f"[{' '.join(_each(verb, flags, precision, item, width) for item in items)}]"
    shown = (
        f"{_each(verb, flags, precision, name, width)}:{_each(verb, flags, precision, item, width)}"
        for name, item in sorted(cast("dict[str, object]", value).items())
    )
    return f"map[{' '.join(shown)}]"


def _number(text: str, rest: list[object]) -> int | None:
    if text != "*":
        number: object = int(text) if text else None
    else:
        number = rest.pop(0) if rest else None
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, int) or abs(number) > _MAX_WIDTH:
        raise fault(f"printf: a width or precision beyond {_MAX_WIDTH}")
    return number


def _padded(text: str, flags: str, width: int, verb: str) -> str:
    if "-" in flags:
        return text.ljust(width)
    if "0" in flags and verb not in "sqvTc":
        sign = text[:1] if text[:1] in ("+", "-", " ") else ""
        return sign + text[len(sign) :].rjust(width - len(sign), "0")
    return text.rjust(width)


def _verb(verb: str, flags: str, precision: int | None, value: object) -> str:
    if verb == "T":
        return kind(value)
    shown = _shown(verb, flags, precision, value)
    if shown is not None:
        return shown
    if value is None:
        return f"%!{verb}(<nil>)"
    return f"%!{verb}({kind(value)}={show(value, inside=True)})"


def _shown(verb: str, flags: str, precision: int | None, value: object) -> str | None:
    """A value by a verb that fits it, else None."""
    if verb == "v":
        return show(value, inside=True)
    for suits, shower in _KINDS:
        if suits(value):
            return shower(verb, flags, precision, value)
    return None


def _text(verb: str, flags: str, precision: int | None, value: object) -> str | None:
    text = str(value)
    if precision is not None and verb in "sq":
        text = text[:precision]
    if verb == "s":
        return text
    if verb == "q":
        return f"`{text}`" if "#" in flags and "`" not in text else as_json(text)
    if verb in "xX":
        digits = text.encode().hex(" " if " " in flags else "") if " " in flags else text.encode().hex()
        return digits.upper() if verb == "X" else digits
    return None


def _bool(verb: str, flags: str, precision: int | None, value: object) -> str | None:
    del flags, precision
    return ("true" if value else "false") if verb == "t" else None


def _integer(verb: str, flags: str, precision: int | None, value: object) -> str | None:
    del precision
    assert isinstance(value, int)
    if verb in _INTEGERS:
        prefix = (
            "0o" if verb == "O" else {"x": "0x", "X": "0X", "b": "0b", "o": "0"}.get(verb, "") if "#" in flags else ""
        )
        return f"{_sign(value, flags)}{prefix}{format(abs(value), _INTEGERS[verb])}"
    if verb in "cq" and 0 <= value < 0x110000:
        return chr(value) if verb == "c" else f"'{chr(value)}'"
    return f"U+{value:04X}" if verb == "U" else None


def _float(verb: str, flags: str, precision: int | None, value: object) -> str | None:
    assert isinstance(value, float)
    if verb in "fFeE":
        return f"{_sign(value, flags)}{abs(value):.{6 if precision is None else precision}{verb}}"
    if verb in "gG":
        shown = show(abs(value)) if precision is None else f"{abs(value):.{precision}g}"
        return _sign(value, flags) + (shown.upper() if verb == "G" else shown)
    return None


def _sign(value: float, flags: str) -> str:
    return "-" if value < 0 else "+" if "+" in flags else " " if " " in flags else ""


_KINDS: Final[Sequence[tuple[Callable[[object], bool], Callable[[str, str, int | None, object], str | None]]]] = (
    (lambda value: isinstance(value, str), _text),
    (lambda value: isinstance(value, bool), _bool),
    (lambda value: isinstance(value, int), _integer),
    (lambda value: isinstance(value, float), _float),
)

"""Go's `printf` for the values that templates have (package fmt)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, cast

from lading.cli.templates.go_values import as_json, fault, kind, show
from lading.store.system.patterns import pattern

_VERB: Final = pattern(r"%(?P<flags>[-+# 0]*)(?P<width>\*|\d*)(?:(?P<dot>\.)(?P<precision>\*|\d*))?(?P<verb>.|$)", re.S)
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
    if verb == "[" or (verb == "v" and "#" in flags):
        raise fault(f"printf: {found.group()} is not supported")
    width, said = _number(found["width"], rest, "WIDTH")
    precision, more = _number(found["precision"] or "0", rest, "PREC") if found["dot"] else (None, "")
    if verb == "%":
        return f"{said}{more}%"
    if not rest:
        return f"{said}{more}%!{verb}(MISSING)"
    if width is not None and width < 0:
        flags, width = flags + "-", -width
    return said + more + _each(verb, flags, precision, rest.pop(0), width or 0)


def _each(verb: str, flags: str, precision: int | None, value: object, width: int) -> str:
    """A value in its width; of a list, every item in it."""

    def inner(item: object) -> str:
        return "<nil>" if item is None else _each(verb, flags, precision, item, width)

    if verb in "vT" or not isinstance(value, list | dict):
        return _verb(verb, flags, precision, value, width)
    if isinstance(value, list):
        return f"[{' '.join(inner(item) for item in cast('list[object]', value))}]"
    entries = sorted(cast("dict[str, object]", value).items())
    return f"map[{' '.join(f'{inner(name)}:{inner(item)}' for name, item in entries)}]"


def _number(text: str, rest: list[object], meaning: str) -> tuple[int | None, str]:
    """A width or precision, and what Go writes where the argument given for it is none."""
    number: object = int(text or "0") if text != "*" else rest.pop(0) if rest else None
    if isinstance(number, bool) or not isinstance(number, int) or (meaning == "PREC" and number < 0):
        return None, f"%!(BAD{meaning})"
    if abs(number) > _MAX_WIDTH:
        raise fault(f"printf: a width or precision beyond {_MAX_WIDTH}")
    return number if text else None, ""


def _padded(text: str, flags: str, width: int, verb: str) -> str:
    if "-" in flags:
        return text.ljust(width)
    if "0" in flags and verb not in "sqvTc":
        sign = text[:1] if text[:1] in ("+", "-", " ") else ""
        return sign + text[len(sign) :].rjust(width - len(sign), "0")
    return text.rjust(width)


def _verb(verb: str, flags: str, precision: int | None, value: object, width: int) -> str:
    shown = kind(value) if verb == "T" else _shown(verb, flags, precision, value)
    if shown is not None:
        return _padded(shown, flags, width, verb)
    if value is None:
        return f"%!{verb}(<nil>)"
    return f"%!{verb}({kind(value)}={_verb('v', flags, precision, value, width)})"


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
    return f"U+{value & 0xFFFF_FFFF_FFFF_FFFF:04X}" if verb == "U" else None


def _float(verb: str, flags: str, precision: int | None, value: object) -> str | None:
    assert isinstance(value, float)
    if verb in "fFeE":
        return f"{_sign(value, flags)}{abs(value):.{6 if precision is None else precision}{verb}}"
    if verb in "bxX":
        raise fault(f"printf: %{verb} of a number with a fraction is not supported")
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

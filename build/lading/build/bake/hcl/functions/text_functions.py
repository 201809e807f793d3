"""Functions of text."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Final

from lading.build.bake.hcl.functions.regular_expressions import regex, regex_all, regex_replace
from lading.build.bake.hcl.functions.value_adapters import HclFunction, of_text, of_texts
from lading.build.bake.hcl.hcl_values import HclValue, as_items, as_text, as_whole, check_length, number_of

_WORD: Final = re.compile(r"(?:\w|[^\x00-\x7f\s])+")


def _substr(text: HclValue, offset: HclValue, length: HclValue) -> HclValue:
    whole, start, size = as_text(text), as_whole(offset), as_whole(length)
    start = max(0, start + len(whole)) if start < 0 else start
    return whole[start:] if size < 0 else whole[start : start + size]


def _indent(spaces: HclValue, text: HclValue) -> HclValue:
    whole, width = as_text(text), as_whole(spaces)
    check_length(len(whole) + whole.count("\n") * width)
    check_length(width)
    return whole.replace("\n", "\n" + " " * width)


def _dirname(text: HclValue) -> HclValue:
    head = as_text(text).rpartition("/")[0] if "/" in as_text(text) else "."
    return posixpath.normpath(head) if head else "/"


def _basename(text: HclValue) -> HclValue:
    whole = as_text(text)
    return whole.rstrip("/").rpartition("/")[2] or ("/" if whole else ".")


def _title(text: HclValue) -> HclValue:
    return _WORD.sub(lambda found: found[0][:1].upper() + found[0][1:], as_text(text))


def _join(separator: HclValue, *lists: HclValue) -> HclValue:
    mark, words = as_text(separator), [as_text(item) for one in lists for item in as_items(one)]
    check_length(sum(map(len, words)) + len(mark) * len(words))
    return mark.join(words)


def _split(separator: HclValue, text: HclValue) -> HclValue:
    mark, whole = as_text(separator), as_text(text)
    return tuple(whole.split(mark)) if mark else tuple(whole)


def _replace(text: HclValue, old: HclValue, new: HclValue) -> HclValue:
    whole, gone, instead = as_text(text), as_text(old), as_text(new)
    check_length(len(whole) + whole.count(gone) * len(instead))
    return whole.replace(gone, instead)


TEXT_FUNCTIONS: Final[Mapping[str, HclFunction]] = {
    "upper": of_text(str.upper),
    "lower": of_text(str.lower),
    "title": _title,
    "trim": of_texts(lambda text, cut: text.strip(cut) if cut else text),
    "trimspace": of_text(str.strip),
    "trimprefix": of_texts(str.removeprefix),
    "trimsuffix": of_texts(str.removesuffix),
    "chomp": of_text(lambda text: text.rstrip("\r\n")),
    "indent": _indent,
    "replace": _replace,
    "regex": regex,
    "regexall": regex_all,
    "regex_replace": regex_replace,
    "substr": _substr,
    "strlen": of_text(lambda text: number_of(len(text))),
    "reverse": of_text(lambda text: text[::-1]),
    "join": _join,
    "split": _split,
    "basename": _basename,
    "dirname": _dirname,
    "sanitize": of_text(lambda text: re.sub(r"[^a-zA-Z0-9_-]", "_", text)),
}

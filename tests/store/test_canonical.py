"""`canonical` is RFC 8785 whichever way it is written: held against the package that implements it."""

from __future__ import annotations

from enum import StrEnum

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from lading.store.errors import DocumentError
from lading.store.oci.json import canonical

_SAFE = 2**53 - 1
_TEXT = st.text() | st.text(st.characters(max_codepoint=0x7F))
_LEAVES = (
    st.none() | st.booleans() | st.integers(-_SAFE, _SAFE) | st.floats(allow_nan=False, allow_infinity=False) | _TEXT
)
_VALUES = st.recursive(_LEAVES, lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(_TEXT, inner))


class Word(StrEnum):
    ONE = "one"


@given(_VALUES)
@example({"\x7f": '\x00\x1f"\\/<>&\x7f', "a": [True, False, None, 1, -_SAFE, ()], "": {}})
@example({"\ue000": 1, "\U00010000": 2, "z": {"é": "é"}})
@example([1.0, 0.5, 1e21, {Word.ONE: Word.ONE}])
def test_it_is_what_rfc_8785_has(value: object) -> None:
    assert canonical(value) == rfc8785.dumps(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value",
    [2**53, -(2**53), [{"a": 2**64}], {1: "a"}, {"a": {2: "a"}}, float("nan"), "\ud800", {"a": b"b"}, {"s": {1}}],
)
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(DocumentError, match="canonical JSON"):
        canonical(value)

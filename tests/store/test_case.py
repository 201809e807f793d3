"""A document means the same to every reader: to those in Go, names of another case are the same names."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.store.errors import DocumentError
from lading.store.oci.documents import INDEX, MANIFEST, parse_config, parse_document
from lading.store.oci.json import Fields
from lading.verify.documents.envelopes import Envelope
from lading.verify.documents.statements import Statement

_DESCRIPTOR = {"mediaType": "application/octet-stream", "digest": "sha256:" + "0" * 64, "size": 1}
_MANIFEST = {"schemaVersion": 2, "mediaType": MANIFEST, "config": _DESCRIPTOR, "layers": [_DESCRIPTOR]}
_INDEX = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [_DESCRIPTOR]}
_CONFIG = {
    "architecture": "amd64",
    "os": "linux",
    "config": {"Cmd": ["/x"], "Labels": {"a": "1", "A": "2"}, "Volumes": {"/a": {}, "/A": {}}},
    "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "0" * 64]},
}
_STATEMENT = {
    "_type": "https://in-toto.io/Statement/v1",
    "subject": [{"digest": {"sha256": "0" * 64}}],
    "predicateType": "https://example.com/x",
    "predicate": {"a": 1, "A": 2},
}
_ENVELOPE = {"payload": "e30=", "payloadType": "x", "signatures": [{"sig": "eA=="}]}


def _raw(value: object) -> bytes:
    return json.dumps(value).encode()


READERS: list[tuple[Mapping[str, Any], Callable[[bytes], object]]] = [
    (_MANIFEST, lambda raw: parse_document(raw, None, "m")),
    (_INDEX, lambda raw: parse_document(raw, None, "i")),
    (_CONFIG, lambda raw: parse_config(raw, "c")),
    (_STATEMENT, Statement.parse),
    (_ENVELOPE, lambda raw: Envelope.parse(raw, "e")),
]


@pytest.mark.parametrize(("document", "read"), READERS)
def test_members_are_there_in_one_case_only(document: Mapping[str, Any], read: Callable[[bytes], object]) -> None:
    read(_raw(document))
    for name in document:
        odd = name.swapcase()
        for changed in (
            {**document, odd: document[name]},
            {odd: document[name], **document},
            {odd if key == name else key: value for key, value in document.items()},
        ):
            with pytest.raises(DocumentError):
                read(_raw(changed))


def test_the_letters_that_go_folds_are_folded() -> None:
    with pytest.raises(DocumentError, match="upper and lower case"):
        parse_document(_raw({**_MANIFEST, "layer\N{LATIN SMALL LETTER LONG S}": []}), None, "m")
    with pytest.raises(DocumentError, match="upper and lower case"):
        _ = "token" in Fields({"to\N{KELVIN SIGN}en": "x"}, "t")


def test_an_image_manifest_is_no_index_in_another_case() -> None:
    with pytest.raises(DocumentError):
        parse_document(_raw({**_MANIFEST, "Manifests": [_DESCRIPTOR]}), None, "m")
    with pytest.raises(DocumentError):
        parse_document(_raw({**_INDEX, "LAYERS": [_DESCRIPTOR]}), None, "i")


@given(st.dictionaries(st.text(max_size=4), st.integers(), max_size=6))
def test_what_is_no_member_may_be_called_anything(names: dict[str, int]) -> None:
    fields = Fields({**names, "map": dict(names)}, "x") if "map" not in {n.casefold() for n in names} else None
    if fields is not None:
        assert fields.mapping("map") == names
        assert fields.rest() == names

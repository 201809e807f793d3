"""Licences in bills of materials: as SPDX has them, whatever was recorded."""

from __future__ import annotations

import json

import packaging.licenses
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given
from hypothesis import strategies as st
from packaging.licenses import _spdx as spdx_list
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from lading.inventory.packages.package import Package
from lading.store.oci.digests import Digest
from lading.verify.reports.bill import Bill
from lading.verify.reports.cyclonedx import cyclonedx
from lading.verify.reports.license_list import EXCEPTIONS, LICENSES
from lading.verify.reports.licenses import as_licenses, together
from lading.verify.reports.spdx import spdx

WORDS = [
    "MIT",
    "mit",
    "GPL-2.0",
    "GPLv2+",
    "AND",
    "or",
    "WITH",
    "Classpath-exception-2.0",
    "(",
    ")",
    "LicenseRef-x",
    "?",
]


@pytest.mark.parametrize(
    ("texts", "expression"),
    [
        (["mit"], "MIT"),
        (["GPL-2+"], "GPL-2.0-or-later"),
        (["LGPL-2.1"], "LGPL-2.1-only"),
        (["GFDL-1.3+"], "GFDL-1.3-or-later"),
        (["Expat", "MIT"], "MIT"),
        (["GPLv2+ and (MIT or Zlib)"], "GPL-2.0-or-later AND (MIT OR Zlib)"),
        (["MIT OR Apache-2.0", "ISC"], "(MIT OR Apache-2.0) AND ISC"),
        (["GPL-2.0 with classpath-exception-2.0"], "GPL-2.0-only WITH Classpath-exception-2.0"),
        (["Apache-1.1+"], "Apache-1.1+"),
        (["Apache-2", "MPL-2"], "Apache-2.0 AND MPL-2.0"),
        (["Artistic-2 or eCos-2.0"], "Artistic-2.0 OR eCos-2.0"),
        (["MPL-2.0-no-copyleft-exception"], "MPL-2.0-no-copyleft-exception"),
        (["CAL-1.0-Combined-Work-Exception"], "CAL-1.0-Combined-Work-Exception"),
        (["GPL-2.0-with-classpath-exception"], "GPL-2.0-with-classpath-exception"),
        (["custom"], "LicenseRef-custom"),
        (["BSD, mostly"], "LicenseRef-BSD-mostly-790a324b"),
        (["MIT AND"], "LicenseRef-MIT-AND-f743c54c"),
        (["("] * 1000, "LicenseRef--32ebb1ab"),
        (["(" * 2000 + "MIT" + ")" * 2000], "LicenseRef-MIT-3d6a62d8"),
        (["LicenseRef-Fedora-Public-Domain AND MIT"], "LicenseRef-Fedora-Public-Domain AND MIT"),
        ([], ""),
    ],
)
def test_what_was_recorded_as_one_expression(texts: list[str], expression: str) -> None:
    assert together(as_licenses(texts)) == expression


def test_an_exception_is_no_licence_and_stands_behind_one() -> None:
    for name in EXCEPTIONS.values():
        with pytest.raises(packaging.licenses.InvalidLicenseExpression):
            packaging.licenses.canonicalize_license_expression(name)
        assert not as_licenses([name])[0].expression
        assert together(as_licenses([f"MIT WITH {name.lower()}"])) == f"MIT WITH {name}"


def test_what_a_list_of_others_has_is_ours_too() -> None:
    """Theirs is a version older, so that all of it is here."""
    assert {one["id"] for one in spdx_list.LICENSES.values()} <= set(LICENSES.values())
    assert {one["id"] for one in spdx_list.EXCEPTIONS.values()} <= set(EXCEPTIONS.values())


@given(st.lists(st.text() | st.lists(st.sampled_from(WORDS)).map(" ".join), max_size=3))
def test_whatever_was_recorded_the_documents_are_what_their_schemas_ask_for(texts: list[str]) -> None:
    found = Package("npm", "name", "1", b"package.json", 0, licenses=tuple(filter(None, texts)))
    digest = Digest.of(b"image")
    bill = Bill("app", digest, f"pkg:oci/app@sha256%3A{digest.hex}", "1980-01-01T00:00:00Z", "0.1.0", (found,), {})
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(cyclonedx(bill))) is None
    parsed = JsonLikeDictParser().parse(json.loads(json.dumps(spdx(bill))))
    assert validate_full_spdx_document(parsed, "SPDX-2.3") == []

"""`lading sbom` and `build --sbom`: bills of materials, shown, signed and attached."""

from __future__ import annotations

import json
from pathlib import Path

from suites.commands import Lading, context
from suites.machine import needs

pytestmark = needs("root", "overlay")


def test_a_bill_is_shown_signed_and_attached_once(tmp_path: Path) -> None:
    lading = Lading(tmp_path / "root")
    lading.ok("keygen")
    record = "Name: thing\nVersion: 1.5\n"
    made = context(tmp_path / "app", "FROM scratch\nCOPY METADATA /lib/thing-1.5.dist-info/METADATA\n", METADATA=record)
    for _ in range(2):
        lading.ok("build", "-q", "--sbom", "-t", "localhost/app", "-o", f"oci:{tmp_path}/layout", made)
    attached = {item["type"]: item for item in json.loads(lading.ok("provenance", "--json", "localhost/app"))}
    assert len(json.loads(lading.ok("provenance", "--json", "localhost/app"))) == len(attached)
    for form, kind in (("spdx-json", "spdx"), ("cyclonedx-json", "cyclonedx")):
        document = json.loads(lading.ok("sbom", "--format", form, "localhost/app"))
        assert "pkg:pypi/thing@1.5" in json.dumps(document)
        assert attached[kind]["trusted"]
        assert attached[kind]["statement"]["predicate"] == document
        lading.ok("verify", "--key", lading.root / "keys/cosign.pub", "--type", kind, "localhost/app")
    assert attached["spdx"]["statement"]["predicateType"] == "https://spdx.dev/Document"
    assert attached["cyclonedx"]["statement"]["predicateType"] == "https://cyclonedx.org/bom"
    assert lading.ok("sbom", "--attach", "localhost/app") == ""
    assert "pkg:pypi/thing@1.5" in lading.ok("sbom", f"oci:{tmp_path}/layout")
    assert "--format" in lading.fails(2, "sbom", "--format", "spdx-3", "localhost/app")

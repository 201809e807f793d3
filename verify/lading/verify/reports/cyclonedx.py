"""Bills of materials as CycloneDX 1.6 documents (cyclonedx.org/docs/1.6)."""

from __future__ import annotations

import uuid
from typing import Final

from lading.inventory.packages.package import Package
from lading.verify.reports.bill import Bill
from lading.verify.reports.licenses import as_licenses, together
from lading.verify.reports.spdx import bill_path

CYCLONEDX: Final = "https://cyclonedx.org/bom"


def cyclonedx(bill: Bill) -> dict[str, object]:
    """The document; the same image gives the same."""
    image: dict[str, object] = {
        "bom-ref": str(bill.digest),
        "type": "container",
        "name": bill.name,
        "version": str(bill.digest),
        "hashes": [{"alg": "SHA-256", "content": bill.digest.hex}],
        **({"purl": bill.url} if bill.url.startswith("pkg:") else {}),
    }
    tool = {"type": "application", "name": "lading", "version": bill.version}
    components = [_component(at, package) for at, package in enumerate(bill.packages)]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'urn:lading:{bill.digest}')}",
        "version": 1,
        "metadata": {"timestamp": bill.created, "tools": {"components": [tool]}, "component": image},
        "components": [*_system(bill), *components],
        "dependencies": [{"ref": str(bill.digest), "dependsOn": [str(item["bom-ref"]) for item in components]}],
    }


def _system(bill: Bill) -> list[dict[str, object]]:
    name = bill.release.get("ID")
    if not name:
        return []
    return [
        {
            "bom-ref": f"os:{name}",
            "type": "operating-system",
            "name": name,
            "version": bill.release.get("VERSION_ID", ""),
            "description": bill.release.get("PRETTY_NAME", name),
        }
    ]


def _component(number: int, package: Package) -> dict[str, object]:
    return {
        "bom-ref": f"package-{number + 1}",
        "type": "library",
        "name": package.full_name,
        **({"version": package.version} if package.version else {}),
        **_licenses(package),
        "purl": package.url,
        "properties": [
            {"name": "lading:record", "value": bill_path(package)},
            {"name": "lading:layer", "value": str(package.layer + 1)},
        ],
    }


def _licenses(package: Package) -> dict[str, object]:
    """Names one by one, or one expression: the schema has no place for both."""
    found = as_licenses(package.licenses)
    if not found:
        return {}
    declared = {"acknowledgement": "declared"}
    if any(one.expression and not one.single for one in found) and all(one.expression for one in found):
        return {"licenses": [{"expression": together(found), **declared}]}
    named = ({"id": one.expression} if one.single else {"name": one.expression or one.text} for one in found)
    return {"licenses": [{"license": {**name, **declared}} for name in named]}

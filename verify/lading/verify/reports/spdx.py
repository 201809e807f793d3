"""Bills of materials as SPDX 2.3 documents (spdx.github.io/spdx-spec/v2.3)."""

from __future__ import annotations

from typing import Final

from lading.inventory.packages.package import Package
from lading.verify.reports.bill import Bill
from lading.verify.reports.licenses import as_licenses, together

SPDX: Final = "https://spdx.dev/Document"
_IMAGE: Final = "SPDXRef-Image"
_DOCUMENT: Final = "SPDXRef-DOCUMENT"
_NONE: Final = "NOASSERTION"


def spdx(bill: Bill) -> dict[str, object]:
    """The document; the same image gives the same."""
    packages = [_package(at, package) for at, package in enumerate(bill.packages)]
    contains = [_relation(_IMAGE, "CONTAINS", str(item["SPDXID"])) for item in packages]
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT,
        "name": bill.name,
        "documentNamespace": f"urn:lading:spdx:{bill.digest.algorithm}:{bill.digest.hex}",
        "creationInfo": {"created": bill.created, "creators": [f"Tool: lading-{bill.version}"]},
        "packages": [_image(bill), *packages],
        **_extracted(bill),
        "relationships": [_relation(_DOCUMENT, "DESCRIBES", _IMAGE), *contains],
    }


def _image(bill: Bill) -> dict[str, object]:
    return {
        "SPDXID": _IMAGE,
        "name": bill.name,
        "versionInfo": str(bill.digest),
        "primaryPackagePurpose": "CONTAINER",
        "checksums": [{"algorithm": "SHA256", "checksumValue": bill.digest.hex}],
        **_unknown(bill.url),
    }


def _package(number: int, package: Package) -> dict[str, object]:
    return {
        "SPDXID": f"SPDXRef-Package-{number + 1}",
        "name": package.full_name,
        **({"versionInfo": package.version} if package.version else {}),
        "sourceInfo": f"recorded in {bill_path(package)}, layer {package.layer + 1}",
        **_unknown(package.url),
        "licenseDeclared": together(as_licenses(package.licenses)) or _NONE,
    }


def _extracted(bill: Bill) -> dict[str, object]:
    """What is recorded of licences that SPDX has no name for, and the names within this document that stand for it."""
    found = (one for package in bill.packages for one in as_licenses(package.licenses))
    texts = {name: text for one in found for name, text in one.references.items()}
    told = [{"licenseId": name, "name": text, "extractedText": text} for name, text in sorted(texts.items())]
    return {"hasExtractedLicensingInfos": told} if told else {}


def bill_path(package: Package) -> str:
    """Where the package is recorded, for people."""
    return "/" + package.record.decode("utf-8", "backslashreplace")


def _unknown(url: str) -> dict[str, object]:
    reference = {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": url}
    return {
        "downloadLocation": _NONE,
        "filesAnalyzed": False,
        "licenseConcluded": _NONE,
        "licenseDeclared": _NONE,
        "copyrightText": _NONE,
        "supplier": _NONE,
        "externalRefs": [reference] if url.startswith("pkg:") else [],
    }


def _relation(one: str, kind: str, other: str) -> dict[str, object]:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}

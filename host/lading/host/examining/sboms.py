"""Bills of materials of images: taken from their files, signed, attached."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from lading.host.examining.image_sources import opened_images
from lading.host.examining.rebuilding import resource_uri
from lading.inventory.packages.packages import take_inventory
from lading.registry.reference import Reference
from lading.store.oci.json import canonical
from lading.verify.reports.bill import Bill
from lading.verify.reports.cyclonedx import CYCLONEDX, cyclonedx
from lading.verify.reports.spdx import SPDX, spdx

if TYPE_CHECKING:
    from lading.host.host import Host
    from lading.host.trust.signing_keys import SigningKeyText
    from lading.store.oci.descriptors import Platform

_EPOCH: Final = "1980-01-01T00:00:00Z"


def bills(host: Host, image: str, platform: Platform | None = None) -> Mapping[str, bytes]:
    """The documents of an image wherever it lies, by their predicate types."""
    with opened_images(host, (image,), platform) as (opened,):
        found = take_inventory(opened)
        located = None if image.startswith("oci:") else host.images.find(image)
        named = located is None and not image.startswith("oci:")
        names = located.own if located else (Reference.parse(image).name,) if named else ()
        digest = opened.manifest.descriptor.digest
        bill = Bill(
            name=Reference.parse(names[0]).repository_name if names else str(digest),
            digest=digest,
            url=resource_uri(opened, names),
            created=opened.config.created or _EPOCH,
            version=version("lading"),
            packages=found.packages,
            release=found.release,
        )
    return {SPDX: canonical(spdx(bill)), CYCLONEDX: canonical(cyclonedx(bill))}


def attach_sboms(host: Host, image: str, key: SigningKeyText | None) -> list[str]:
    """Both documents, signed and attached to an image that is here: those that the policy does not trust already.

    The predicate types of what was attached.
    """
    attestor, made = host.attestor(key), bills(host, image)
    held = [
        candidate.statement.predicate
        for candidate in host.attached(image).decision.candidates
        if candidate.trusted_by and candidate.statement
    ]
    missing = [kind for kind, document in made.items() if not any(canonical(dict(one)) == document for one in held)]
    for kind in missing:
        attestor.attest(image, kind, made[kind], remote=False)
    return missing

"""What a verdict lets in: manifest, config and layers, read by the digest that was judged and by nothing else.

The unpacked tree is compared with its seal apart from that, by `check_tree`, while the OCI runtime makes the container:
after the documents are read, and before the program's first instruction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lading.store.content.blobs import read_blob
from lading.store.errors import Remedy
from lading.store.fastclass import dataclass
from lading.store.oci.documents import (
    ImageConfig,
    Manifest,
    chain_ids,
    layers_with_diff_ids,
    parse_config,
    parse_manifest,
)
from lading.store.snapshots.seals import SealError
from lading.verify.judgement.verdict import Verdict

if TYPE_CHECKING:
    from lading.store.oci.digests import Digest
    from lading.store.store import Store


@dataclass(frozen=True, slots=True)
class VerifiedImage:
    """The documents of what was judged, and the snapshot that its layers were unpacked to."""

    manifest: Manifest
    config: ImageConfig
    snapshot: str | None


def verified_image(verdict: Verdict, store: Store) -> VerifiedImage:
    """Reads the judged manifest and config by digest, checks the seals of blobs, unpacks what is missing.

    Raises `DocumentError` for bytes that are not what was judged, `SealError` for a blob that was changed.
    """
    if type(verdict) is not Verdict:
        raise TypeError("only a verdict names what is run")
    digest = verdict.manifest
    manifest = parse_manifest(read_blob(store.blobs, digest), None, str(digest))
    config = parse_config(read_blob(store.blobs, manifest.config.digest), str(manifest.config.digest))
    for layer in manifest.layers:
        try:
            store.seals.check(layer.digest)
        except SealError as error:
            raise _renewable(error, layer.digest, store) from None
    layers = layers_with_diff_ids(manifest, config)
    chain = [str(item) for item in chain_ids(config.diff_ids)]
    if not all(_committed(store, name) for name in chain) or not all(
        store.snapshots.diff_ids.known(*pair) for pair in layers
    ):
        from lading.store.snapshots.unpack_layers import unpack_layers  # noqa: PLC0415 - rarely needed, and it loads the decompressors

        unpack_layers(store.snapshots, store.blobs, layers)
    return VerifiedImage(manifest, config, chain[-1] if chain else None)


def check_tree(verdict: Verdict, image: VerifiedImage, store: Store) -> None:
    """Raises `SealError` unless the unpacked tree is as it was left: nothing of it is run, or kept, before this."""
    if image.snapshot is None:
        return
    try:
        store.snapshots.check(image.snapshot)
    except SealError as error:
        raise _named(error, verdict, store) from None


def _committed(store: Store, name: str) -> bool:
    found = store.snapshots.stat(name)
    return found is not None and found.committed


def _renewable(error: SealError, layer: Digest, store: Store) -> SealError:
    """The error with what brings or makes the layer anew: of the images that have it, the one with the fewest."""
    from lading.registry.reference import Reference  # noqa: PLC0415
    from lading.store.gc import Reached  # noqa: PLC0415

    reached = [(found, Reached.by(store, [found.descriptor])) for found in store.references()]
    having = [(len(needed.chains), found) for found, needed in reached if layer in needed.blobs]
    if having:
        _, found = min(having, key=lambda item: item[0])
        if found.origins:
            origin = Reference.parse(found.origins[0]).familiar
            error.hint = Remedy("pull again", f"pull {origin} anew", origin)
        else:
            name = Reference.parse(found.name).familiar
            error.hint = Remedy("build again", f"build {name} anew", name)
    return error


def _named(error: SealError, verdict: Verdict, store: Store) -> SealError:
    """The error with the names of the images whose tree it is, that of the verdict first."""
    from lading.registry.reference import Reference  # noqa: PLC0415
    from lading.store.gc import Reached  # noqa: PLC0415

    sharing = [found for found in store.references() if error.tree in Reached.by(store, [found.descriptor]).chains]
    known = [found.name for found in sharing if found.name in verdict.names] + [found.name for found in sharing]
    names = [Reference.parse(name).familiar for name in dict.fromkeys(known)]
    first = names[0] if names else str(verdict.manifest)
    also = f", for {', '.join(names[1:])} too" if names[1:] else ""
    error.hint = Remedy("unpack again", f"unpack {first} anew from verified blobs{also}", first, also)
    return error

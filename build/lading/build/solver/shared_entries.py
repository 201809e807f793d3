"""An action's result as a signed artifact that others can take over.

The artifact's first layer is a DSSE envelope around the key and the result, its second the layer that the action made.
Nothing of it is believed but by a signature: the link speaks of trees, so the envelope says for which key it is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lading.build.graph.action import ActionLayer, ActionResult
from lading.store.archives.layers import apply_layer
from lading.store.archives.trees import capture
from lading.store.archives.writer import write_tar
from lading.store.errors import DocumentError
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.documents import EMPTY, MANIFEST, Manifest
from lading.store.oci.json import Fields, canonical, parse
from lading.store.store import Store
from lading.store.system.private_folders import private_folder
from lading.verify.documents import envelopes
from lading.verify.documents.attach import EMPTY_CONFIG
from lading.verify.documents.envelopes import Envelope
from lading.verify.documents.statements import Statement
from lading.verify.keys.keys import PublicKey, Signer

ACTION: Final = "application/vnd.lading.action.v1+json"
LIMIT: Final = envelopes.MAX_SIZE


def tag_of(key: str) -> str:
    """The tag of the entry of an action."""
    return f"ac-{key[:40]}"


def sealed(key: str, result: ActionResult, signer: Signer) -> bytes:
    """The envelope that says what the action `key` made."""
    payload = canonical({"key": key, "result": parse(result.raw(), "result", limit=LIMIT)})
    return envelopes.sign(payload, signer, ACTION).raw()


def opened(raw: bytes, key: str, keys: Sequence[PublicKey]) -> ActionResult:
    """What an envelope says of the action `key`. Raises `DocumentError` unless one of `keys` says so, and its link."""
    envelope = Envelope.parse(raw, "entry")
    _signed(envelope, keys, "the entry")
    if envelope.payload_type != ACTION:
        raise DocumentError("the entry is of another kind")
    fields = Fields(parse(envelope.payload, "entry", limit=LIMIT), "entry")
    if fields.text("key") != key:
        raise DocumentError("the entry is about another action")
    result = ActionResult.parse(canonical(fields.any("result")))
    fields.close()
    if result.layer is not None:
        _check_link(result, result.layer, keys)
    return result


def _signed(envelope: Envelope, keys: Sequence[PublicKey], what: str) -> None:
    if not any(envelope.signed_by(key) for key in keys):
        raise DocumentError(f"{what} is signed by no key of the policy's cache section, nor by your own")


def _check_link(result: ActionResult, layer: ActionLayer, keys: Sequence[PublicKey]) -> None:
    if result.envelope is None:
        raise DocumentError("the entry has no signed link")
    link = Envelope.parse(result.envelope, "link")
    _signed(link, keys, "the link")
    subjects = [one.digest for one in Statement.parse(link.payload).subjects]
    if (link.payload_type, link.payload) != (envelopes.IN_TOTO, result.statement) or subjects != [
        {layer.tree.algorithm: layer.tree.hex}
    ]:
        raise DocumentError("the link is about something else than the entry")


def manifest_of(envelope: bytes, layer: Descriptor | None) -> tuple[bytes, tuple[Descriptor, ...]]:
    """The artifact around an envelope and a layer, and the blobs that it names."""
    config = Descriptor.of(EMPTY_CONFIG, EMPTY)
    layers = (Descriptor.of(envelope, ACTION), *([layer] if layer else []))
    raw = canonical(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": ACTION,
            "config": config.json(),
            "layers": [one.json() for one in layers],
        }
    )
    return raw, (config, *layers)


def envelope_of(manifest: Manifest) -> Descriptor:
    """The envelope in an artifact. Raises `DocumentError` for an artifact that is something else."""
    if manifest.artifact_type != ACTION or not manifest.layers or manifest.layers[0].size > LIMIT:
        raise DocumentError("there is something else than an action's result")
    return manifest.layers[0]


def check_layer_of(store: Store, layer: ActionLayer) -> None:
    """Raises `DocumentError` unless a layer's archive has its diff ID, and unpacks to its tree."""
    private_folder(store.root / "tmp")
    with tempfile.TemporaryDirectory(prefix="entry-", dir=store.root / "tmp") as folder:
        target = Path(folder) / "fs"
        target.mkdir(mode=0o755)
        apply_layer(store.blobs, layer.descriptor, layer.diff_id, target, limits=store.limits)
        tree = capture(target)
        write_tar(tree, lambda data: None, 0, store.limits)  # hashes what is in the tree
        if tree.root() != layer.tree:
            raise DocumentError("the layer does not unpack to the tree that the link is about")

"""An action's result as a signed artifact that others can take over.

The artifact's first layer is a DSSE envelope around the key and the result, its second the layer that the action made.
Nothing of it is believed but by a signature: the link speaks of trees, so the envelope says for which key it is.
An envelope that travels with an image says as well how the image has the layer, where that is in another form.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lading.build.graph.action import ActionLayer, ActionResult
from lading.build.graph.request import STEPS
from lading.store.archives.layers import apply_layer
from lading.store.archives.trees import capture
from lading.store.archives.writer import write_tar
from lading.store.errors import DocumentError
from lading.store.exchange.rewritten_layers import rewrite_layer
from lading.store.fastclass import dataclass, replace
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import EMPTY, MANIFEST, Manifest
from lading.store.oci.json import Fields, canonical, parse
from lading.store.store import Store
from lading.store.system.private_folders import private_folder
from lading.verify.documents import envelopes
from lading.verify.documents.attach import EMPTY_CONFIG
from lading.verify.documents.envelopes import Envelope
from lading.verify.documents.signing import sign_statement
from lading.verify.documents.statements import Statement
from lading.verify.keys.keys import PublicKey, Signer

ACTION: Final = "application/vnd.lading.action.v1+json"
LIMIT: Final = envelopes.MAX_SIZE


def tag_of(key: str) -> str:
    """The tag of the entry of an action."""
    return f"ac-{key[:40]}"


@dataclass(frozen=True, slots=True)
class SharedEntry:
    """What an envelope says: the result of an action, and the layer with its diff ID where an image has another."""

    result: ActionResult
    rendered: tuple[Descriptor, Digest] | None = None


def sealed(key: str, entry: SharedEntry, signer: Signer) -> bytes:
    """The envelope that says what the action `key` made, its link signed by now."""
    value: dict[str, object] = {"key": key, "result": parse(entry.result.raw(), "result", limit=LIMIT)}
    if entry.rendered is not None:
        descriptor, diff_id = entry.rendered
        value["rendered"] = {"descriptor": descriptor.json(), "diffId": str(diff_id)}
    return envelopes.sign(canonical(value), signer, ACTION).raw()


def with_link(result: ActionResult, signer: Signer) -> ActionResult:
    """`result`, its link signed where no build has done that: entries without are not believed."""
    if result.layer is None or result.envelope:
        return result
    return replace(result, envelope=sign_statement(Statement.parse(result.statement), signer).raw())


def opened(raw: bytes, key: str, keys: Sequence[PublicKey]) -> SharedEntry:
    """What an envelope says of the action `key`. Raises `DocumentError` unless one of `keys` says so, and its link."""
    envelope = Envelope.parse(raw, "entry")
    _signed(envelope, keys, "the entry")
    if envelope.payload_type != ACTION:
        raise DocumentError("the entry is of another kind")
    fields = Fields(parse(envelope.payload, "entry", limit=LIMIT), "entry")
    if fields.text("key") != key:
        raise DocumentError("the entry is about another action")
    result = ActionResult.parse(canonical(fields.any("result")))
    rendered = _rendered(fields.optional_fields("rendered"))
    fields.close()
    if result.layer is not None:
        _check_link(result, result.layer, keys)
    return SharedEntry(result, rendered)


def _rendered(fields: Fields | None) -> tuple[Descriptor, Digest] | None:
    if fields is None:
        return None
    return Descriptor.parse(fields.any("descriptor"), fields.source), Digest.parse(fields.text("diffId"))


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


def restored(store: Store, layer: ActionLayer, rendered: tuple[Descriptor, Digest]) -> ActionLayer:
    """`layer` in the form that steps have theirs, made of the one that an image has. Raises `DocumentError`."""
    found, diff_id = rewrite_layer(
        store.blobs, *rendered, epoch=STEPS.epoch, compression=STEPS.compression, limits=store.limits
    )
    if diff_id != layer.diff_id:
        raise DocumentError("the layer of the image is another one than the entry is about")
    return replace(layer, descriptor=found)


def check_layer_of(store: Store, layer: ActionLayer) -> None:
    """Raises `DocumentError` unless a layer's archive has its diff ID, and unpacks to its tree."""
    private_folder(store.root / "tmp")
    with tempfile.TemporaryDirectory(prefix="entry-", dir=store.root / "tmp") as folder:
        target = Path(folder) / "fs"
        target.mkdir(mode=0o755)
        apply_layer(store.blobs, layer.descriptor, layer.diff_id, target, limits=store.limits, alone=True)
        tree = capture(target)
        write_tar(tree, lambda data: None, 0, store.limits)  # hashes what is in the tree
        if tree.root() != layer.tree:
            raise DocumentError("the layer does not unpack to the tree that the link is about")

"""`lading inspect`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from lading.cli.session import Session
from lading.host.images import Located
from lading.store.blobs import read_blob
from lading.store.documents import Index
from lading.store.errors import InputError, UsageError


def inspect(
    ctx: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Images or containers")],
    raw: Annotated[bool, typer.Option("--raw", help="The manifest or index of an image, byte for byte")] = False,
    config: Annotated[bool, typer.Option("--config", help="The config of an image, byte for byte")] = False,
) -> None:
    """Show an image or a container as JSON."""
    session = Session.of(ctx)
    if (raw or config) and len(names) != 1:
        raise UsageError("--raw and --config show one image at a time")
    if raw or config:
        _verbatim(session, names[0], config)
        return
    session.output.result(json.dumps([_one(session, name) for name in names], indent=4))


def _verbatim(session: Session, name: str, config: bool) -> None:
    host = session.host
    located = host.images.get(name)
    if config:
        data = host.store.config(host.images.target(located).manifest).raw
    else:
        data = read_blob(host.store.blobs, located.descriptor.digest)
    session.output.bytes(data)


def _one(session: Session, name: str) -> object:
    """A container of that name first, as docker has it."""
    if (session.root / "containers").is_dir():
        try:
            return session.host.runtime.inspect(name)
        except InputError:
            pass
    located = session.host.images.find(name)
    if located is None:
        raise InputError(f"no image and no container {name!r} here")
    return _image(session, located)


def _image(session: Session, located: Located) -> dict[str, object]:
    store = session.host.store
    target = session.host.images.target(located)
    document = store.document(located.descriptor)
    config = json.loads(store.config(target.manifest).raw)
    return {
        "Id": str(located.descriptor.digest),
        "RepoTags": [name for name in located.own if "@" not in name],
        "Origins": list(located.origins),
        "MediaType": located.descriptor.media_type,
        "Manifest": str(target.manifest.descriptor.digest),
        "ConfigDigest": str(target.manifest.config.digest),
        "Created": config.get("created"),
        "Architecture": config.get("architecture"),
        "Os": config.get("os"),
        "Platforms": [str(child.platform) for child in document.manifests] if isinstance(document, Index) else None,
        "Config": config.get("config"),
        "RootFS": {"Type": "layers", "Layers": config.get("rootfs", {}).get("diff_ids")},
        "Layers": [layer.json() for layer in target.manifest.layers],
        "History": config.get("history"),
        "Referrers": [item.json() for subject in target.subjects for item in store.referrers(subject.digest)],
    }

"""`lading inspect`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

from lading.cli.cli_session import CliSession
from lading.cli.endings import EndedError
from lading.host.images.images import ResolvedImage
from lading.registry.reference import Reference
from lading.store.content.blobs import read_blob
from lading.store.errors import InputError, LadingError, UsageError
from lading.store.oci.documents import Index
from lading.store.oci.platforms import parse_platform

if TYPE_CHECKING:
    import typer

_MAPS: Final = frozenset(
    {"Labels", "Annotations", "ExposedPorts", "Volumes", "Ports", "Networks", "Tmpfs", "annotations"}
)
"""Members whose own members have names of others' choice."""

InspectedDocument = dict[str, object]

_CONFIG: Final[dict[str, Any]] = {
    **dict.fromkeys(("Hostname", "User", "WorkingDir", "StopSignal"), ""),
    **{name: [] for name in ("Env", "Cmd", "Entrypoint", "OnBuild", "Shell")},
    **{name: {} for name in ("ExposedPorts", "Volumes", "Labels")},
    "Healthcheck": None,
}
"""What a template finds in a config where the config does not have it."""


def inspect(
    ctx: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Images or containers")],
    format_: Annotated[
        str, typer.Option("-f", "--format", metavar="json|TEMPLATE", help="A Go template: '{{.State.Status}}'")
    ] = "",
    type_: Annotated[str, typer.Option("--type", metavar="image|container", help="Look only for these")] = "",
    size: Annotated[bool, typer.Option("-s", "--size", help="And how much a container has written")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="The manifest or index of an image, byte for byte")] = False,
    config: Annotated[bool, typer.Option("--config", help="The config of an image, byte for byte")] = False,
    platform: Annotated[str | None, typer.Option(metavar="OS/ARCH[/VARIANT]", help="Not this machine's own")] = None,
) -> None:
    """Show an image or a container as JSON."""
    session = CliSession.of(ctx)
    if type_ not in ("", "image", "container"):
        raise UsageError(f"--type {type_}: expected image or container")
    if (raw or config) and len(names) != 1:
        raise UsageError("--raw and --config show one image at a time")
    if platform:
        names = [session.host.images.of_platform(name, parse_platform(platform)) for name in names]
    if raw or config:
        _verbatim(session, names[0], config)
        return
    shower = _shower(session, format_)
    faults = 0
    for name in names:
        try:
            shower.add(_one(session, name, type_, size=size))
        except LadingError as error:
            faults += 1
            session.output.error(error)
    shower.end()
    if faults:
        raise EndedError(1)


class _Json:
    """All in one array."""

    def __init__(self, session: CliSession, indent: int | None) -> None:
        self._output = session.output
        self._indent = indent
        self._found: list[InspectedDocument] = []

    def add(self, found: InspectedDocument) -> None:
        self._found.append(found)

    def end(self) -> None:
        self._output.result(json.dumps(self._found, indent=self._indent))


class _Templated:
    """A line for each."""

    def __init__(self, text: str) -> None:
        from lading.cli.templates.executing import Template  # noqa: PLC0415

        self._template = Template(text)

    def add(self, found: InspectedDocument) -> None:
        from lading.cli.display.listing import write  # noqa: PLC0415
        from lading.cli.templates.go_values import document  # noqa: PLC0415

        config = cast("InspectedDocument", found.get("Config") or {})
        given = {name: value for name, value in config.items() if value is not None}
        write(self._template.render(document({**found, "Config": {**_CONFIG, **given}}, _MAPS)))

    def end(self) -> None:
        """Nothing is left."""


def _shower(session: CliSession, format_: str) -> _Json | _Templated:
    if format_ in ("", "json"):
        return _Json(session, None if format_ else 4)
    return _Templated(format_)


def _verbatim(session: CliSession, name: str, config: bool) -> None:
    host = session.host
    located = host.images.get(name)
    if config:
        data = host.store.config(host.images.shown(located).manifest).raw
    else:
        data = read_blob(host.store.blobs, located.descriptor.digest)
    session.output.bytes(data)


def _one(session: CliSession, name: str, type_: str, *, size: bool) -> InspectedDocument:
    """A container of that name first, as docker has it."""
    if type_ != "image" and (session.root / "containers").is_dir():
        try:
            return _container(session, session.host.runtime.inspect(name), size=size)
        except InputError:
            if type_:
                raise
    located = session.host.images.find(name) if type_ != "container" else None
    if located is None:
        what = f"no {type_}" if type_ else "no image and no container"
        raise InputError(f"{what} {name!r} here")
    return _image(session, located)


def _container(session: CliSession, found: InspectedDocument, *, size: bool) -> InspectedDocument:
    if not size:
        return found
    own, total = session.host.store.snapshots.sizes(str(found["Id"]))
    return {**found, "SizeRw": own, "SizeRootFs": total}


def _image(session: CliSession, located: ResolvedImage) -> InspectedDocument:
    store = session.host.store
    target = session.host.images.shown(located)
    document = store.document(located.descriptor)
    config: dict[str, Any] = json.loads(store.config(target.manifest).raw)
    run: dict[str, Any] = config.get("config") or {}
    return {
        "Id": str(located.descriptor.digest),
        "RepoTags": [name for name in located.own if "@" not in name],
        "RepoDigests": _digests(located),
        "Origins": list(located.origins),
        "MediaType": located.descriptor.media_type,
        "Digest": str(located.descriptor.digest),
        "Manifest": str(target.manifest.descriptor.digest),
        "ConfigDigest": str(target.manifest.config.digest),
        "Created": config.get("created"),
        "Author": config.get("author") or "",
        "Architecture": config.get("architecture"),
        "Variant": config.get("variant") or "",
        "Os": config.get("os"),
        "Size": sum(layer.size for layer in target.manifest.layers),
        "Platforms": [str(child.platform) for child in document.manifests] if isinstance(document, Index) else None,
        "Config": config.get("config"),
        "Labels": run.get("Labels"),
        "RootFS": {"Type": "layers", "Layers": config.get("rootfs", {}).get("diff_ids")},
        "Layers": [layer.json() for layer in target.manifest.layers],
        "History": config.get("history"),
        "Referrers": [item.json() for subject in target.subjects for item in store.referrers(subject.digest)],
    }


def _digests(located: ResolvedImage) -> list[str]:
    """Under which digests registries have it: those that it came from."""
    repositories = dict.fromkeys(Reference.parse(origin).repository_name for origin in located.origins)
    return [f"{repository}@{located.descriptor.digest}" for repository in repositories]

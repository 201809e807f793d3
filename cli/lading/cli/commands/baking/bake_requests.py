"""A target of a bake file as a build: its fields in the words that `lading build` takes, and what it may ask for."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from lading.build.bake.bake_print import cleaned, is_elsewhere
from lading.build.bake.bake_selection import TARGET
from lading.build.bake.entries import Entry, agent_text, entry_text
from lading.build.convert.target_platforms import targets
from lading.build.errors import naming_target
from lading.build.graph.request import BuildRequest, ImageContext
from lading.cli.calls.step_options import allowances, step_network, step_secrets, step_settings
from lading.store.errors import InputError, UsageError
from lading.store.fastclass import dataclass
from lading.store.oci.platforms import host_platform

if TYPE_CHECKING:
    from lading.build.bake.bake_target import BakeTarget
    from lading.build.context.remote.addresses import Repository, WebFile
    from lading.build.graph.request import PackedContext
    from lading.build.graph.steps.network_recording import NetworkRecording
    from lading.cli.cli_session import CliSession
    from lading.host.baking import BakeJob
    from lading.host.images.build_outputs import BuildOutputs

ContextSource: TypeAlias = "PackedContext | WebFile | Repository"
_ENTITLED: Final = ("network.host", "security.insecure", "ssh")
_CALLS: Final = ("build", "check", "lint")
_ATTESTED: Final = ("provenance", "sbom")


@dataclass(frozen=True, slots=True)
class BakeWords:
    """What the call lets targets do: names, and the folders below which they read and write."""

    allowed: frozenset[str]
    reads: tuple[str, ...]
    writes: tuple[str, ...]

    @classmethod
    def parse(cls, allow: Iterable[str] | None, overrides: Iterable[str], session: CliSession) -> BakeWords:
        """Raises `UsageError`. What the call itself sets is allowed; so is the current folder."""
        del session
        names, reads, writes = set[str](), [os.getcwd()], [os.getcwd()]
        for word in allow or ():
            name, _, path = word.partition("=")
            if name in ("fs", "fs.read"):
                reads.append(path)
            if name in ("fs", "fs.write"):
                writes.append(path)
            if name in _ENTITLED:
                names.add(name)
            elif name not in ("fs", "fs.read", "fs.write"):
                raise UsageError(f"--allow {word}: expected {', '.join(_ENTITLED)}, fs=, fs.read= or fs.write=PATH")
        for word in overrides:
            key, _, value = word.partition("=")
            field = key.removesuffix("+").partition(".")[2].partition(".")[0]
            if field == "entitlements":
                names.add(value)
            elif field in ("context", "contexts", "dockerfile"):
                reads.append(value)
            elif field in ("output", "cache-to", "cache-from", "secrets", "secret", "ssh"):
                paths = [part.rpartition("=")[2] for part in value.split(",")]
                reads += paths
                writes += paths if field in ("output", "cache-to") else []
        return cls(frozenset(names), tuple(map(os.path.realpath, reads)), tuple(map(os.path.realpath, writes)))

    def named(self, path: str) -> str:
        """`path`, which a Compose file names, if the call lets it be read. Raises `InputError`."""
        return self._within(path, "a Compose file", self.reads, "fs.read")

    def reading(self, path: str, target: str) -> str:
        """`path`, if the call lets the target read it. Raises `InputError`."""
        return self._within(path, f"target {target}", self.reads, "fs.read")

    def writing(self, path: str, target: str) -> str:
        """`path`, if the call lets the target write there. Raises `InputError`."""
        return self._within(path, f"target {target}", self.writes, "fs.write")

    def _within(self, path: str, who: str, folders: tuple[str, ...], name: str) -> str:
        real = os.path.realpath(path)
        if not any(real == folder or real.startswith(folder.rstrip("/") + "/") for folder in folders):
            verb = "read" if name == "fs.read" else "write"
            raise InputError(
                f"{who} wants to {verb} {path}, which is outside of this folder",
                hint=f"--allow {name}={path} lets it",
            )
        return path

    def allow(self, target: BakeTarget) -> list[str]:
        """What the steps of a target may ask for. Raises `InputError` for what the call does not let it."""
        asked = [*target.texts("entitlements"), *(["ssh"] if target.entries("ssh") else [])]
        for name in asked:
            if name not in _ENTITLED:
                raise InputError(f"target {target.name}: entitlements: {name} is not supported")
            if name not in self.allowed:
                raise InputError(f"target {target.name} asks for {name}", hint=f"--allow {name} lets it")
        return [name for name in asked if name != "ssh"]


def bake_jobs(
    targets: Iterable[BakeTarget],
    words: BakeWords,
    session: CliSession,
    recordings: Mapping[str, NetworkRecording | None],
) -> list[tuple[BakeJob, BuildOutputs]]:
    """The build of each target, and where its image goes. Raises `InputError`, `UsageError`."""
    found: list[tuple[BakeJob, BuildOutputs]] = []
    for target in targets:
        with naming_target(target.name):
            found.append(_job(target, words, session, recordings[target.name]))
    return found


def _job(
    target: BakeTarget, words: BakeWords, session: CliSession, recording: NetworkRecording | None
) -> tuple[BakeJob, BuildOutputs]:
    from lading.cli.commands.images.build import annotations_of, caches, epoch  # noqa: PLC0415
    from lading.host.baking import BakeJob  # noqa: PLC0415
    from lading.host.images.build_outputs import parse_outputs  # noqa: PLC0415
    from lading.host.images.images import Images  # noqa: PLC0415

    _refuse(target)
    allowed = words.allow(target)
    for entry in (*target.entries("output"), *target.entries("cache-to")):
        if entry.get("dest") and entry["dest"] != "-":
            words.writing(str(entry["dest"]), target.name)
    outputs = parse_outputs([] if target.linked else _outputs(target), sys.stdout.buffer.write)
    if outputs.streamed:
        raise UsageError(f"target {target.name}: output: standard output is for the digests")
    names = () if target.linked else (*target.texts("tags"), *outputs.names)
    if outputs.push and not names:
        raise UsageError(f"target {target.name}: it is to be pushed, and has no tags")
    network = target.text("network") or "default"
    several = len(targets(target.texts("platforms"), host_platform()))
    sources = _sources(target, words)
    request = BuildRequest(
        context=sources.folder,
        source=sources.source,
        contexts=sources.contexts,
        file=sources.file,
        dockerfile=sources.dockerfile,
        names=tuple(Images.new_name(name).name for name in names),
        arguments={name: value for name, value in target.members("args").items() if value is not None},
        target=target.text("target"),
        **annotations_of(list(target.texts("annotations")), several),  # type: ignore[arg-type]
        labels={name: value for name, value in target.members("labels").items() if value is not None},
        platforms=target.texts("platforms"),
        no_cache=target.flag("no-cache"),
        epoch=epoch(session.environment),
        show_arguments=any(one.get("mode") == "max" for one in target.entries("attest")),
        private=(session.root, session.run),
        network=step_network(network),
        allow=allowances(allowed or None, network),
        settings=step_settings(_hosts(target), target.text("shm-size"), list(target.texts("ulimits"))),
        recording=recording,
        no_cache_stages=frozenset(name.lower() for one in target.texts("no-cache-filter") for name in one.split(",")),
    )
    outputs.check(several)
    for path in _read_by(target, session.environment):
        words.reading(path, target.name)
    secrets = step_secrets(_texts(target, "secret"), _texts(target, "ssh"), session.environment)
    stands_on = tuple(
        value.removeprefix(TARGET)
        for value in target.members("contexts").values()
        if value and value.startswith(TARGET)
    )
    named = caches(_texts(target, "cache-from"), _texts(target, "cache-to"), request.arguments)
    return BakeJob(target.name, request, secrets, named, target.flag("pull"), stands_on), outputs


def _read_by(target: BakeTarget, environment: Mapping[str, str]) -> Iterator[str]:
    """The files that its secrets are, a bare id among them where there is no such variable; caches; keys of ssh."""
    for entry in target.entries("secret"):
        name, source = str(entry.get("id", "")), str(entry.get("src", ""))
        if source or not (entry.get("env") or name in environment):
            yield source or name
    yield from (str(entry["src"]) for entry in target.entries("cache-from") if entry.get("src"))
    for entry in target.entries("ssh"):
        paths = entry.get("paths", ())
        yield from (path for path in paths if path and not Path(path).is_socket()) if isinstance(paths, tuple) else ()


def _texts(target: BakeTarget, field: str) -> list[str]:
    written = agent_text if field == "ssh" else entry_text
    return [written(entry) for entry in target.entries(field)]


def _outputs(target: BakeTarget) -> list[str]:
    """In the words of -o; with annotations of the whole target, what is pushed has the tags."""
    return [entry_text(_known(entry)) for entry in target.entries("output")]


def _known(entry: Entry) -> Entry:
    return {name: value for name, value in entry.items() if value != ""}


def _hosts(target: BakeTarget) -> list[str]:
    return [
        f"{name}={address}"
        for name, value in sorted(target.members("extra-hosts").items())
        for address in (value or "").split(",")
        if address
    ]


def _refuse(target: BakeTarget) -> None:
    if target.text("context") == "-" or target.text("dockerfile") == "-":
        raise InputError(f"target {target.name}: standard input is neither context nor Dockerfile of a target")
    call = target.text("call")
    if call is not None and call.partition(",")[0] not in _CALLS:
        raise InputError(f"target {target.name}: call {call} is not supported: build and check are")
    for entry in target.entries("attest"):
        if entry.get("type") not in _ATTESTED:
            raise InputError(f"target {target.name}: attest {entry.get('type')} is not supported")


@dataclass(frozen=True, slots=True)
class _Sources:
    """Context, Dockerfile and other contexts, as a request has them."""

    folder: Path
    source: ContextSource | None
    contexts: Mapping[str, Path | ContextSource | ImageContext]
    file: Path | None = None
    dockerfile: bytes | None = None


def _sources(target: BakeTarget, words: BakeWords) -> _Sources:
    from lading.cli.commands.images.build import context_of, contexts_of  # noqa: PLC0415

    folder, source = context_of(_local(target.text("context") or ".", target, words))
    contexts: dict[str, Path | ContextSource | ImageContext] = {}
    for name, value in target.members("contexts").items():
        if value and value.startswith(TARGET):
            contexts[name] = ImageContext(value)
        elif value:
            contexts.update(contexts_of([f"{name}={_local(value, target, words)}"]))
    inline = target.text("dockerfile-inline")
    if inline:
        return _Sources(folder, source, contexts, dockerfile=inline.encode())
    return _Sources(folder, source, contexts, _dockerfile(target, folder, elsewhere=source is not None, words=words))


def _local(value: str, target: BakeTarget, words: BakeWords) -> str:
    """A context as a path, if it is one that the target may read; a URL or an image as it is.

    What is there is a path, whatever it looks like.
    """
    path = cleaned(value)
    if not os.path.lexists(path) and (is_elsewhere(value) or "://" in value.removeprefix("cwd://")):
        return value
    return words.reading(path, target.name)


def _dockerfile(target: BakeTarget, folder: Path, *, elsewhere: bool, words: BakeWords) -> Path:
    name = target.text("dockerfile") or "Dockerfile"
    if name.startswith("cwd://"):
        path = Path(cleaned(name))
    elif elsewhere:
        return Path(name)
    else:
        path = folder / name
    words.reading(str(path), target.name)
    if not os.path.lexists(path):
        raise InputError(f"target {target.name}: {path}: no such file")
    return path

"""Containers in docker's words: what `inspect` shows, and the parts of it that are fixed at creation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from lading.runtime.containers import networks
from lading.runtime.containers.container import Container
from lading.runtime.options import RunOptions
from lading.runtime.spec.process_config import ProcessConfig
from lading.runtime.spec.spec import DEFAULT_PATH, merged
from lading.store.oci.documents import ImageConfig

if TYPE_CHECKING:
    from lading.verify.judgement.verdict import Verdict

Document = dict[str, object]


def config(options: RunOptions, intent: ProcessConfig, image: ImageConfig) -> Document:
    """`Config`."""
    published = options.publish if options.network == "default" else ()
    ports = {f"{port.container_port}/{port.protocol}": Document() for port in published}
    exposed = {port if "/" in port else f"{port}/tcp": Document() for port in image.exposed_ports}
    return {
        "Hostname": intent.hostname,
        "User": intent.user,
        "AttachStdin": options.interactive and not options.detach,
        "AttachStdout": not options.detach,
        "AttachStderr": not options.detach,
        "Tty": options.tty,
        "OpenStdin": options.interactive,
        "Env": list(merged(DEFAULT_PATH, *image.env, *options.env)),
        "Entrypoint": list(intent.entrypoint) or None,
        "Cmd": list(intent.cmd),
        "Image": options.image,
        "WorkingDir": intent.workdir,
        "ExposedPorts": {**exposed, **ports},
        "Volumes": {target: Document() for target in image.volumes},
        "Labels": {**image.labels, **options.labels},
        "StopSignal": intent.stop_signal,
        "StopTimeout": options.stop_timeout,
    }


def host_config(options: RunOptions) -> Document:
    """`HostConfig`."""
    limits = options.limits
    return {
        "NetworkMode": options.network,
        "PortBindings": _bindings(options),
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        "AutoRemove": options.remove,
        "Init": options.init,
        "ReadonlyRootfs": options.readonly,
        "Memory": limits.memory or 0,
        "NanoCpus": round((limits.cpus or 0) * 1_000_000_000),
        "PidsLimit": limits.pids or 0,
        "CapAdd": list(options.cap_add),
        "CapDrop": list(options.cap_drop),
        "Tmpfs": dict(options.tmpfs),
        "Binds": [
            f"{volume.source}:{volume.target}:{'ro' if volume.readonly else 'rw'}"
            for volume in options.volumes
            if volume.source
        ],
        "SecurityOpt": ["no-new-privileges"],
    }


def _bindings(options: RunOptions) -> dict[str, list[Document]]:
    """What `-p` asks for; a port that is chosen later has no number yet."""
    found: dict[str, list[Document]] = {}
    for port in options.publish:
        wanted: Document = {"HostIp": port.host_ip or "", "HostPort": str(port.host_port or "")}
        found.setdefault(f"{port.container_port}/{port.protocol}", []).append(wanted)
    return found


def inspect(record: Container, log: str) -> Document:
    """The whole document; what docker does not know stands under ``Lading``."""
    argv = [*_words(record.config.get("Entrypoint")), *_words(record.config.get("Cmd"))]
    return {
        "Id": record.id,
        "Created": record.created,
        "Path": argv[0] if argv else "",
        "Args": argv[1:],
        "State": state(record),
        "Image": str(record.verdict.get("index") or record.manifest),
        "Name": f"/{record.name}",
        "RestartCount": 0,
        "Driver": "overlay",
        "LogPath": log,
        "HostConfig": dict(record.host_config),
        "Mounts": list(record.mounts),
        "Config": dict(record.config),
        "NetworkSettings": networks.document(record),
        "Lading": {"Manifest": record.manifest, "Verdict": dict(record.verdict)},
    }


def state(record: Container) -> Document:
    """`State`."""
    running = record.status == "running"
    return {
        "Status": "created" if record.status == "creating" else record.status,
        "Running": running,
        "Paused": False,
        "Restarting": False,
        "OOMKilled": record.oom,
        "Dead": False,
        "Pid": record.process.pid if running and record.process else 0,
        "ExitCode": record.exit_code,
        "Error": record.error,
        "Health": None,
        "StartedAt": record.started,
        "FinishedAt": record.finished,
    }


def verdict(judged: Verdict) -> Mapping[str, object]:
    """The summary of a verdict that a container's record keeps."""
    names = ("index", "manifest", "platform", "policy", "basis")
    summary: Document = {name: _text(getattr(judged, name)) for name in names}
    summary["base_standing"] = _text(judged.base_status)
    for name in ("names", "origins", "evidence"):
        summary[name] = [str(item) for item in getattr(judged, name)]
    return summary


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _words(value: object) -> list[str]:
    return [str(item) for item in cast("list[object]", value)] if isinstance(value, list) else []

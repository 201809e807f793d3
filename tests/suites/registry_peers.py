"""Registries of others for tests, each a real process on a free loopback port."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from suites.patience import PATIENCE, until

_CONFIG = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {root}}}
  delete: {{enabled: true}}
http:
  addr: {address}
  secret: test
{more}
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for_port(port: int, child: subprocess.Popen[bytes]) -> None:
    def listens() -> bool:
        if child.poll() is not None:
            raise RuntimeError(f"{child.args!r} ended with {child.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
        except OSError:
            return False
        return True

    until(listens, f"a listener on port {port}")


@contextmanager
def distribution(folder: Path) -> Generator[str, None, None]:
    """The newest distribution, built from its source; its `host:port`."""
    with docker_registry(folder, program="registry", env={**os.environ, "OTEL_TRACES_EXPORTER": "none"}) as host:
        yield host


@contextmanager
def crane_registry() -> Generator[str, None, None]:
    """The registry in memory that crane has for tests; its `host:port`. Uploads have no status there."""
    port = free_port()
    quiet = subprocess.DEVNULL
    child = subprocess.Popen(
        ["crane", "registry", "serve", "--address", f"127.0.0.1:{port}"], stdout=quiet, stderr=quiet
    )
    try:
        wait_for_port(port, child)
        yield f"127.0.0.1:{port}"
    finally:
        child.terminate()
        child.wait(PATIENCE)


@contextmanager
def docker_registry(
    folder: Path,
    *,
    http: str = "",
    auth: str = "",
    env: Mapping[str, str] | None = None,
    program: str = "docker-registry",
) -> Generator[str, None, None]:
    """Debian's docker-registry; its `host:port`. `http` and `auth` are more lines of its configuration."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "config.yml"
    config.write_text(_CONFIG.format(root=folder / "data", address=f"127.0.0.1:{port}", more=f"{http}\n{auth}"))
    with open(folder / "log", "wb") as log:
        child = subprocess.Popen(
            [program, "serve", str(config)], stdout=log, stderr=log, env=dict(env) if env else None
        )
    try:
        wait_for_port(port, child)
        yield f"127.0.0.1:{port}"
    finally:
        child.terminate()
        child.wait(PATIENCE)

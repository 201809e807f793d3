"""Our registry's server for tests: `lading registry serve` as a child process on a free loopback port."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suites.commands import LADING
from suites.patience import PATIENCE

_LISTENING = "listening on "


@dataclass
class ServerProcess:
    """A server that answers. `address` is its ``host:port``, `process` the child."""

    address: str
    process: subprocess.Popen[str]

    def kill(self) -> None:
        """As ``kill -9``."""
        self.process.kill()
        self.process.communicate()

    def stop(self) -> str:
        """Asks it to end; what it said meanwhile."""
        self.process.terminate()
        try:
            return self.process.communicate(timeout=PATIENCE)[1]
        except subprocess.TimeoutExpired:
            self.kill()
            raise


def serve_command(folder: Path, listen: str = "127.0.0.1:0", **config: object) -> list[str]:
    """The words of `lading registry serve`; `config` is its options, ``tls_cert`` for ``--tls-cert``."""
    words = [str(LADING), "registry", "serve", "--listen", listen, "--storage", str(folder)]
    for name, value in config.items():
        option = "--" + name.replace("_", "-")
        words += [option] if value is True else [option, str(value)]
    return words


def start_server(folder: Path, listen: str = "127.0.0.1:0", **config: object) -> ServerProcess:
    """Starts a server and waits until it answers; the caller ends it."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder.parent), "LADING_ROOT": str(folder.parent / "root")}
    process = subprocess.Popen(
        serve_command(folder, listen, **config), env=environment, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    said = line = process.stderr.readline()
    while line and _LISTENING not in line:  # it may have a warning to give before
        line = process.stderr.readline()
        said += line
    if not line:
        process.kill()
        raise AssertionError(said + process.communicate()[1])
    return ServerProcess(line.split("://", 1)[1].split(",")[0], process)


@contextmanager
def running_server(folder: Path, **config: Any) -> Generator[str, None, None]:
    """A server on `folder`; its ``host:port``. It has to end by itself when asked, and to have said nothing bad."""
    server = start_server(folder, **config)
    try:
        yield server.address
    finally:
        said = server.stop()
    assert server.process.returncode == 0, said
    assert "Traceback" not in said, said

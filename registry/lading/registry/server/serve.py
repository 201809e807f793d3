"""Starting and stopping a server: one process, granian's event loop in it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from lading.registry.server.access.gate import Gate, LoopbackGate
from lading.registry.server.app import LOG, App
from lading.registry.server.config import ServerConfig, listen
from lading.registry.server.storage.gc import collect
from lading.registry.server.storage.storage_folder import Storage

_COLLECT: Final = 600.0
"""Seconds between two looks for what nobody uses."""
_FAREWELL: Final = 5.0
"""Seconds for which requests under way may go on after a signal; an upload can be gone on with afterwards."""
_THREADS: Final = 32
"""Requests that may wait for the disk at once."""


def serve(config: ServerConfig, ready: Callable[[tuple[str, int]], None] = lambda address: None) -> None:
    """Serves until SIGTERM or SIGINT; `ready` is told the address. Raises `InputError`, `MachineError`."""
    config.check()
    gate = _gate(config)
    storage = Storage(config.storage)
    try:
        probe = listen(config.host, config.port)
        address: tuple[str, int] = probe.getsockname()[:2]
        probe.close()
        asyncio.run(_serve(config, App(storage, gate), storage, address, ready))
    finally:
        storage.close()


def _gate(config: ServerConfig) -> Gate:
    """What suits the configuration. Raises `InputError`."""
    if config.htpasswd is None:
        return LoopbackGate()
    from lading.registry.server.access.passwords import PasswordGate  # noqa: PLC0415 - brings bcrypt

    return PasswordGate(config.htpasswd)


async def _serve(
    config: ServerConfig, app: App, storage: Storage, address: tuple[str, int], ready: Callable[[tuple[str, int]], None]
) -> None:
    from granian.constants import HTTPModes, Interfaces  # noqa: PLC0415
    from granian.http import HTTP1Settings  # noqa: PLC0415
    from granian.server.embed import Server  # noqa: PLC0415

    server: Any = Server(
        app,
        address=address[0],
        port=address[1],
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=30_000),
        websockets=False,
        log_enabled=False,
        ssl_cert=config.tls_cert,
        ssl_key=config.tls_key,
        backlog=1024,
    )
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(_THREADS, "files"))
    serving = loop.create_task(server.serve())

    def stop() -> None:
        server.stop()
        loop.call_later(_FAREWELL, serving.cancel)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    tending = loop.create_task(_tend(storage))
    announcing = loop.create_task(_announce(address, ready))
    try:
        await serving
    except asyncio.CancelledError:
        LOG.info("stopped before every request was answered")
    finally:
        tending.cancel()
        announcing.cancel()


async def _announce(address: tuple[str, int], ready: Callable[[tuple[str, int]], None]) -> None:
    """Tells that the server answers, when it does."""
    while True:
        try:
            _, writer = await asyncio.open_connection(*address)
        except OSError:
            await asyncio.sleep(0.02)
            continue
        writer.close()
        ready(address)
        return


async def _tend(storage: Storage) -> None:
    while True:
        try:
            await asyncio.to_thread(collect, storage)
        except Exception as error:
            LOG.error("collecting what nobody uses: %r", error)
        await asyncio.sleep(_COLLECT)

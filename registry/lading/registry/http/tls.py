"""The TLS settings for one origin: the system's CAs, own ones, client certificates."""

from __future__ import annotations

import ssl
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lading.registry.http.hosts import Origin
from lading.store.errors import InputError, MachineError

if TYPE_CHECKING:
    from lading.registry.client_config import ClientConfig


def client_context(origin: Origin, config: ClientConfig) -> ssl.SSLContext:
    """For an http origin it trusts nobody, and costs nothing. Raises `InputError` for unusable files."""
    if origin.scheme == "http":
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context = ssl.create_default_context()
    if not config.tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    for file in config.ca_files:
        with _usable(file):
            context.load_verify_locations(file)
    for folder in _folders(origin, config.certs_dirs):
        _load_folder(context, folder)
    return context


def _folders(origin: Origin, roots: tuple[Path, ...]) -> Iterator[Path]:
    names = {origin.netloc, f"{origin.host}:{origin.port}"}
    for root in roots:
        yield from (folder for name in sorted(names) if (folder := root / name).is_dir())


def _load_folder(context: ssl.SSLContext, folder: Path) -> None:
    try:
        files = sorted(folder.iterdir())
    except OSError as error:
        raise MachineError(f"{folder}: cannot be read: {error.strerror}") from error
    for file in files:
        if file.suffix == ".crt":
            with _usable(file):
                context.load_verify_locations(file)
        elif file.suffix == ".cert":
            key = file.with_suffix(".key")
            if not key.exists():
                raise InputError(f"{file}: has no {key.name} beside it")
            # An empty password instead of OpenSSL asking at the terminal for that of an encrypted key.
            with _usable(file):
                context.load_cert_chain(file, key, password="")
        elif file.suffix == ".key" and not file.with_suffix(".cert").exists():
            raise InputError(f"{file}: has no {file.stem}.cert beside it")


@contextmanager
def _usable(file: Path) -> Generator[None, None, None]:
    try:
        yield
    except (OSError, ssl.SSLError, ValueError) as error:
        raise InputError(f"{file}: not a usable certificate or key: {error}") from error

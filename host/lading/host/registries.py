"""The registry client as this machine is configured for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from lading.host.configuration import Configuration
from lading.registry.client.client import Client, check_login
from lading.registry.client_config import ClientConfig, Limits, Retry
from lading.registry.credentials.files import Credential, CredentialFiles, Layered
from lading.registry.http.transport import HttpxTransport
from lading.store.errors import InputError
from lading.store.fastclass import replace

_CERTS: Final = (Path("/etc/docker/certs.d"), Path("/etc/containers/certs.d"))


def client_config(configuration: Configuration, warn: Callable[[str], None]) -> ClientConfig:
    """Docker's config.json and certs.d, the proxies of the environment, and what was said in the call."""
    proxies = {scheme: url for scheme, url in configuration.proxies.items() if scheme in ("http", "https") and url}
    files = CredentialFiles(configuration.credentials)
    retry, limits = _limits(configuration)
    return ClientConfig(
        credentials=Layered((*([configuration.given] if configuration.given else []), files)),
        tls_verify=configuration.tls_verify is not False,
        ca_files=configuration.certificates,
        certs_dirs=_CERTS,
        proxies=proxies,
        no_proxy=tuple(part.strip() for part in configuration.proxies.get("no", "").split(",") if part.strip()),
        retry=retry,
        limits=limits,
        warn=warn,
    )


def _limits(configuration: Configuration) -> tuple[Retry, Limits]:
    """Raises `InputError` for a limit that is not known."""
    given = configuration.limits
    names = ("retry-after", "requests", "bytes", "seconds", "layer")
    for name in given:
        if name not in names:
            hint = f"there are {', '.join(names)}"
            raise InputError(f"limits: there is no limit {name!r}", hint=hint, option="limits")
    own = {name: value for name, value in given.items() if name not in ("retry-after", "layer")}
    retry = replace(Retry(), longest=float(given["retry-after"])) if "retry-after" in given else Retry()
    return retry, replace(Limits(), **own, raised=configuration.limit_raised or Limits().raised)


def client(configuration: Configuration, warn: Callable[[str], None]) -> Client:
    """A client for this machine."""
    return Client(client_config(configuration, warn))


def transport(configuration: Configuration, warn: Callable[[str], None]) -> HttpxTransport:
    """What carries requests that no registry is asked."""
    return HttpxTransport(client_config(configuration, warn))


def log_in(configuration: Configuration, registry: str, credential: Credential, warn: Callable[[str], None]) -> str:
    """Keeps a credential that the registry accepts; where. Raises `UnauthorizedError`."""
    check_login(registry, credential, client_config(configuration, warn))
    return CredentialFiles(configuration.credentials).save(registry, credential)


def login_of(configuration: Configuration, registry: str) -> str | None:
    """The user that is logged in to a registry, None where nobody is."""
    found = CredentialFiles(configuration.credentials).find(registry)
    return found.username or "<token>" if found else None


def log_out(configuration: Configuration, registry: str) -> bool:
    """Forgets a registry's credential; whether there was one."""
    return CredentialFiles(configuration.credentials).erase(registry)

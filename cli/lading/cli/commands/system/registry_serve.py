"""`lading registry serve`."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from lading.cli.cli_session import CliSession
from lading.store.errors import InputError, UsageError

if TYPE_CHECKING:
    import typer


def registry_serve(
    ctx: typer.Context,
    listen: Annotated[str, typer.Option(metavar="ADDRESS:PORT", help="Where to listen; port 0 takes a free one")] = (
        "127.0.0.1:5000"
    ),
    storage: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where it keeps its content [default: registry below the root]")
    ] = None,
    htpasswd: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Ask for passwords: lines of NAME:BCRYPT, as htpasswd -B writes")
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(metavar="FILE", help="Serve HTTPS: certificates, PEM")] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="The certificate's private key, PEM")] = None,
    insecure_http: Annotated[
        bool, typer.Option("--insecure-http", help="Let passwords and images go in clear beyond this machine")
    ] = False,
) -> None:
    """Serve a registry that stock clients push to and pull from.

    On a loopback address it needs no passwords and no certificate; elsewhere it refuses to start without.
    """
    from lading.registry.server.config import ServerConfig  # noqa: PLC0415
    from lading.registry.server.serve import serve  # noqa: PLC0415

    session = CliSession.of(ctx)
    if (tls_cert is None) != (tls_key is None):
        raise InputError("--tls-cert and --tls-key go together")
    host, port = _address(listen)
    config = ServerConfig(
        storage=storage or session.root / "registry",
        host=host,
        port=port,
        htpasswd=htpasswd,
        tls_cert=tls_cert,
        tls_key=tls_key,
        insecure_http=insecure_http,
    )
    scheme = "https" if tls_cert else "http"

    gc.enable()

    def ready(address: tuple[str, int]) -> None:
        shown = f"[{address[0]}]" if ":" in address[0] else address[0]
        session.output.note(f"registry: listening on {scheme}://{shown}:{address[1]}, content in {config.storage}")

    serve(config, ready)


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or len(port) > 5 or int(port) > 65535:
        raise UsageError(f"--listen {text}: expected ADDRESS:PORT")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - ":5000" means every address, as elsewhere

"""Options and arguments that several commands declare; read only where a command's help or an error is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lading.cli.display.progress_display import ProgressKind as Drawn

TlsVerify = Annotated[
    str | None,
    typer.Option(
        "--tls-verify",
        metavar="BOOL",
        help="false: believe any certificate, and speak plain HTTP where HTTPS does not answer [default: true]",
    ),
]
AuthFile = Annotated[
    Path | None,
    typer.Option("--authfile", metavar="FILE", help="Passwords from this file alone [env: REGISTRY_AUTH_FILE]"),
]
Creds = Annotated[
    str | None,
    typer.Option("--creds", metavar="USER[:PASSWORD]", help="For this call; others see what stands on a command line"),
]
SignKey = Annotated[
    str | None,
    typer.Option(
        "--key", metavar="FILE|env:NAME", help="A private key in cosign's form, in place of the one keygen made"
    ),
]
ProgressForm = Annotated[Drawn, typer.Option("--progress", help="How long work is shown")]
ImagesArgument = Annotated[list[str], typer.Argument(metavar="IMAGE...", help="Names, digests or IDs of images")]
ContainersArgument = Annotated[list[str], typer.Argument(metavar="CONTAINER...", help="Names or IDs of containers")]
ContainerArgument = Annotated[str, typer.Argument(metavar="CONTAINER", help="Name or ID of a container")]
Compress = Annotated[
    str | None,
    typer.Option(
        "--compression", metavar="gzip|zstd|none", help="Compress the layers otherwise: it is another image then"
    ),
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Only IDs or digests")]
Filter = Annotated[
    list[str] | None, typer.Option("-f", "--filter", metavar="NAME=VALUE", help="Only those for which it holds")
]
ListFormat = Annotated[
    str, typer.Option("--format", metavar="table|json|TEMPLATE", help="A Go template of fields: '{{.ID}} {{.Size}}'")
]
Only = Annotated[list[str] | None, typer.Option("--filter", metavar="NAME=VALUE", help="Only those for which it holds")]
Force = Annotated[bool, typer.Option("-f", "--force", help="Without asking")]

"""`lading sbom`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from lading.cli.calls.option_values import access
from lading.cli.cli_session import CliSession
from lading.store.oci.platforms import parse_platform

if TYPE_CHECKING:
    import typer

    from lading.cli.calls.shared_options import AuthFile, Creds, SignKey, TlsVerify


class BillForm(StrEnum):
    """Which standard a bill of materials keeps to."""

    spdx = "spdx-json"
    cyclonedx = "cyclonedx-json"


def sbom(
    ctx: typer.Context,
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="Name, digest or ID of an image, or oci:DIR[:NAME]")],
    format_: Annotated[BillForm, typer.Option("--format", help="SPDX 2.3 or CycloneDX 1.6")] = BillForm.spdx,
    attach: Annotated[bool, typer.Option("--attach", help="Sign both forms, and attach them to the image")] = False,
    key: SignKey = None,
    platform: Annotated[str | None, typer.Option(metavar="OS/ARCH[/VARIANT]", help="Not this machine's own")] = None,
    tls_verify: TlsVerify = None,
    authfile: AuthFile = None,
    creds: Creds = None,
) -> None:
    """Show the packages that an image contains.

    They are those that its files record: dpkg, apk, rpm, pip, npm, and the modules of Go programs; with their licences.
    """
    from lading.host.examining.sboms import attach_sboms, bills  # noqa: PLC0415
    from lading.verify.reports.cyclonedx import CYCLONEDX  # noqa: PLC0415
    from lading.verify.reports.spdx import SPDX  # noqa: PLC0415

    session = CliSession.of(ctx)
    access(session, tls_verify, authfile, creds, image)
    if attach:
        for kind in attach_sboms(session.host, image, session.key(key)):
            session.output.result(kind)
        return
    found = bills(session.host, image, parse_platform(platform) if platform else None)
    session.output.result(found[CYCLONEDX if format_ is BillForm.cyclonedx else SPDX].decode())

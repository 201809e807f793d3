"""`lading key rotate`."""

from __future__ import annotations

import typer

from lading.cli.calls.typer_app import PLAIN, LadingCommand
from lading.cli.cli_session import CliSession

group = typer.Typer(help="Manage the signing key.", context_settings={"help_option_names": ["-h", "--help"]}, **PLAIN)


@group.callback()
def _key() -> None:
    """Manage the signing key."""


@group.command(cls=LadingCommand, short_help="Make a new signing key in place of the old one")
def rotate(ctx: typer.Context) -> None:
    """Make a new signing key in place of the old one.

    The old pair is kept beside it, and what it signed stays trusted: a policy that keygen wrote trusts both from
    then on. docs/keys.md says how to end the trust in the old one. The new key's password is found as keygen does.
    """
    from lading.host.trust.rotation import rotate as renew  # noqa: PLC0415

    session = CliSession.of(ctx)
    keyring, policy = session.host.keyring, session.root / "policy.yaml"
    rotated = renew(keyring, session.passwords.new(), policy)
    session.output.result(f"private key: {keyring.private_file}")
    session.output.result(f"public key: {keyring.public_file}")
    session.output.result(f"former key: {rotated.former}")
    if rotated.policy_changed:
        session.output.result(f"policy: {policy} (trusts both)")
    else:
        session.output.warn(f"{policy} was edited and is left as it is: let it trust {keyring.public_file} as well")

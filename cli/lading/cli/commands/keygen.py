"""`lading keygen`."""

from __future__ import annotations

import typer

from lading.cli.session import Session


def keygen(ctx: typer.Context) -> None:
    """Make a signing key, and a policy that trusts it.

    The key is cosign's encrypted form, its password is LADING_PASSWORD or COSIGN_PASSWORD, else asked for at a
    terminal, else empty. Nothing that exists is overwritten.
    """
    session = Session.of(ctx)
    had_policy = (session.root / "policy.yaml").exists()
    make_key(session)
    keyring = session.host.keyring
    session.output.result(f"private key: {keyring.private_file}")
    session.output.result(f"public key: {keyring.public_file}")
    kept = "kept as it was" if had_policy else "trusts this key"
    session.output.result(f"policy: {session.root / 'policy.yaml'} ({kept})")


def make_key(session: Session) -> None:
    """Makes the key pair, asking for a password where there is somebody to ask."""
    keyring = session.host.keyring
    keyring.check_absent()
    keyring.generate(session.password("Password for the new key (may be empty)", confirm=True))

"""`lading keygen`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from lading.cli.cli_session import CliSession

if TYPE_CHECKING:
    import typer


def keygen(
    ctx: typer.Context,
    prefix: Annotated[
        str | None,
        typer.Option("-o", "--output-key-prefix", metavar="PREFIX", help="Only write PREFIX.key and PREFIX.pub"),
    ] = None,
) -> None:
    """Make a signing key, and a policy that trusts it.

    The key is cosign's encrypted form. Its password is LADING_PASSWORD, in the file that LADING_PASSWORD_FILE
    names, or COSIGN_PASSWORD; else asked for at a terminal, else empty. Nothing that exists is overwritten.
    """
    session = CliSession.of(ctx)
    if prefix is not None:
        _write_pair(session, Path(f"{prefix}.key"), Path(f"{prefix}.pub"))
        return
    had_policy = (session.root / "policy.yaml").exists()
    keyring = session.host.keyring
    if not (keyring.exists() and keyring.trust_own()):  # else a call before this one was ended between the two
        make_key(session)
    session.output.result(f"private key: {keyring.private_file}")
    session.output.result(f"public key: {keyring.public_file}")
    kept = "kept as it was" if had_policy else "trusts this key"
    session.output.result(f"policy: {session.root / 'policy.yaml'} ({kept})")


def make_key(session: CliSession) -> None:
    """Makes the key pair, asking for a password where there is somebody to ask."""
    keyring = session.host.keyring
    keyring.check_absent()
    keyring.generate(session.passwords.new())


def _write_pair(session: CliSession, private: Path, public: Path) -> None:
    from lading.host.trust.keyring import check_absent, write_pair  # noqa: PLC0415

    check_absent(private, public)
    write_pair(private, public, session.passwords.new())
    session.output.result(f"private key: {private}")
    session.output.result(f"public key: {public}")

"""`lading key rotate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lading.cli.cli_session import CliSession

if TYPE_CHECKING:
    import typer


def key_rotate(ctx: typer.Context) -> None:
    """Make a new signing key in place of the old one.

    The old pair is kept beside it, and what it signed stays trusted: a policy that keygen wrote trusts both from
    then on. docs/keys.md says how to end the trust in the old one. The new key's password is found as keygen does.
    """
    from lading.host.trust.rotation import rotate  # noqa: PLC0415

    session = CliSession.of(ctx)
    keyring, policy = session.host.keyring, session.root / "policy.yaml"
    rotated = rotate(keyring, session.passwords.new(), policy)
    session.output.result(f"private key: {keyring.private_file}")
    session.output.result(f"public key: {keyring.public_file}")
    session.output.result(f"former key: {rotated.former}")
    if rotated.policy_changed:
        session.output.result(f"policy: {policy} (trusts both)")
    else:
        session.output.warn(f"{policy} was edited and is left as it is: let it trust {keyring.public_file} as well")

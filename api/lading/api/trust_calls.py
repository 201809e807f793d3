"""Judgements, signatures, and what is known of where images came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lading.api.opened import OpenedRoot, key_of, platform_of
from lading.api.results import ProvenanceResult, StatementResult, VerifyResult
from lading.store.errors import LadingError

if TYPE_CHECKING:
    from lading.verify.judgement.decision import Candidate, Ending


class TrustCalls(OpenedRoot):
    """Verify, sign, attest, and read what others attested."""

    def verify(
        self,
        image: str,
        *,
        key: Path | None = None,
        types: Sequence[str] = (),
        place: Literal["any", "local", "remote"] = "any",
        platform: str | None = None,
    ) -> VerifyResult:
        """Judges what would run of `image`: by the policy as it is now, or by one public key. It never raises.

        The image here is judged, else the registry's, or what is at one `place` alone. `types` are those of the
        attestations that are asked for with a key. An image is accepted by what is signed on its index, too.
        """
        from lading.host.trust.launch_gate import unknown  # noqa: PLC0415
        from lading.verify.judgement.errors import GateError, RejectedError  # noqa: PLC0415

        where = ""
        try:
            with ExitStack() as stack:
                host = self._host_for(None, stack)
                verifier = host.verifiers.by_key(key, types) if key else host.verifiers.own
                case = host.gate.input_at(image, verifier, place=place, platform=platform_of(platform))
                where = case.where
                verdict = case.verdict(verifier)
        except GateError as error:
            return VerifyResult(image, error.outcome, error.message, where, error.decision, None, error)
        except LadingError as error:
            outcome: Ending = "refused" if isinstance(error, RejectedError) else "uncheckable"
            return VerifyResult(image, outcome, error.message, where, None, None, unknown(error))
        return VerifyResult(image, "accepted", verdict.decision.reason, where, verdict.decision, verdict)

    def sign(
        self,
        image: str,
        *,
        key: Path | None = None,
        annotations: Mapping[str, str] | None = None,
        remote: bool = False,
        recursive: bool = False,
    ) -> tuple[str, ...]:
        """Signs an image here, or the one that is `remote` at its registry; the digests of what was signed.

        `key` is a private key other than this root's own. With `recursive` the images of an index are signed, too.
        """
        with ExitStack() as stack:
            attestor = self._host_for(None, stack).attestor(key_of(key))
            signed = attestor.sign(image, annotations or {}, remote=remote, recursive=recursive)
        return tuple(str(item.digest) for item in signed)

    def attest(
        self, image: str, kind: str, predicate: bytes, *, key: Path | None = None, remote: bool = False
    ) -> tuple[str, ...]:
        """Attaches a signed statement of the type `kind`, as cosign calls it or a URI: `predicate`, a JSON object.

        The digests that it is attached to. `key` and `remote` are as for `sign`.
        """
        with ExitStack() as stack:
            attested = self._host_for(None, stack).attestor(key_of(key)).attest(image, kind, predicate, remote=remote)
        return tuple(str(item.digest) for item in attested)

    def provenance(self, image: str, *, remote: bool = False) -> ProvenanceResult:
        """Everything that is attached to an image, or to that of a container here: trusted by the policy, or not.

        The image here is meant, else the registry's, or that alone where it is `remote`. Nothing is let in by it.
        """
        with ExitStack() as stack:
            found = self._host_for(None, stack).attached(image, remote=remote).decision
        return ProvenanceResult(found.title, str(found.manifest), tuple(map(_statement, found.candidates)))

    def make_key(self, password: bytes) -> str:
        """Makes this root's own key, and a policy that trusts it where there is none. The fingerprint."""
        return self._host.keyring.generate(password).fingerprint


def _statement(candidate: Candidate) -> StatementResult:
    statement = candidate.statement
    return StatementResult(
        str(candidate.location.manifest),
        candidate.location.source,
        candidate.label,
        tuple(map(str, candidate.trusted_by)),
        None if statement is None else statement.raw(),
    )

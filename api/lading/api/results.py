"""What the calls give back: frozen values, digests as text."""

from __future__ import annotations

from lading.store.errors import LadingError
from lading.store.fastclass import dataclass
from lading.verify.judgement.decision import Decision, Ending
from lading.verify.judgement.verdict import Verdict


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """How an image was judged. `outcome` is accepted, refused, no_attestation or uncheckable.

    `verdict` opens `unpack` and `run`; there is one where the image was accepted, and only there. `decision` has
    everything that was looked at; None where the image or the policy could not even be had. `reason` says in one line
    why not, and `error` is the same for whoever would rather raise it.
    """

    image: str
    outcome: Ending
    reason: str = ""
    where: str = ""
    decision: Decision | None = None
    verdict: Verdict | None = None
    error: LadingError | None = None

    @property
    def accepted(self) -> bool:
        """Whether there is a verdict."""
        return self.verdict is not None

    def require(self) -> Verdict:
        """The verdict; raises `error` where there is none."""
        if self.verdict is None:
            raise self.error or LadingError(self.reason)
        return self.verdict


@dataclass(frozen=True, slots=True)
class PullResult:
    """What came: `digest` is what the name means, an index or an image; `manifest` is the image itself."""

    name: str
    digest: str
    manifest: str
    platform: str | None
    evidence: tuple[str, ...]
    """Everything that refers to it, by digest."""
    fetched: int
    """Bytes that were not here before."""
    notes: tuple[str, ...]
    """What was left out, one line each."""


@dataclass(frozen=True, slots=True)
class PushResult:
    """What went, and under which name."""

    name: str
    digest: str
    evidence: tuple[str, ...]
    """Everything that was carried along, by digest."""
    sent: int
    """Bytes that the registry did not have."""
    changed: bool
    """Whether the name meant something else there, or nothing."""
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BuildResult:
    """What was built, and what attests it."""

    digest: str
    names: tuple[str, ...]
    attestations: tuple[str, ...]
    signer: str | None
    """The fingerprint of the key."""
    reused: bool
    """Whether nothing was executed or signed: all of it is an earlier build's."""
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LoadResult:
    """An image that was read, and the full name that it has now, "" where there is none in the archive."""

    name: str
    digest: str


@dataclass(frozen=True, slots=True)
class SaveResult:
    """An image that was written: `source` is the one here, `digest` another where it was compressed otherwise."""

    digest: str
    source: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StatementResult:
    """One thing that is attached to an image."""

    digest: str
    """Of its own manifest."""
    source: str
    """Where it lies: the local store, or the repository."""
    kind: str
    """``signature``, ``dag``, the type of a statement as cosign calls it, or a URI."""
    trusted_by: tuple[str, ...]
    """The policy's names of the keys that signed it and that it trusts for this; empty where it is merely present."""
    statement: bytes | None
    """The in-toto statement as it was signed; None where it is none."""

    @property
    def trusted(self) -> bool:
        """Whether the policy trusts a signer of it."""
        return bool(self.trusted_by)


@dataclass(frozen=True, slots=True)
class ProvenanceResult:
    """What is known of where an image came from."""

    image: str
    manifest: str
    statements: tuple[StatementResult, ...]

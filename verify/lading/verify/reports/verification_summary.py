"""SLSA verification summaries v1 (slsa.dev/spec/v1.2/verification_summary): who looked, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lading.store.errors import DocumentError
from lading.store.fastclass import dataclass, field
from lading.store.oci.json import Fields
from lading.verify.documents.statements import ResourceDescriptor, Statement

SUMMARY: Final = "https://slsa.dev/verification_summary/v1"
REPRODUCED: Final = "SLSA_BUILD_REPRODUCED"
"""The verified property of an image that came out the same when it was built again."""
_RESULTS: Final = {True: "PASSED", False: "FAILED"}


@dataclass(frozen=True, slots=True)
class VerificationSummary:
    """The predicate. `verified` are levels and properties; of what did not pass it is FAILED alone.

    `more` are members of ours, each named by a URI. Time is RFC 3339 text.
    """

    verifier: str
    resource: str
    policy: str
    time: str
    passed: bool
    verified: tuple[str, ...] = ()
    inputs: tuple[ResourceDescriptor, ...] = ()
    version: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
    more: Mapping[str, object] = field(default_factory=dict[str, object], hash=False)

    def predicate(self) -> dict[str, object]:
        """As JSON."""
        return {
            "verifier": {"id": self.verifier, "version": dict(self.version)},
            "timeVerified": self.time,
            "resourceUri": self.resource,
            "policy": {"uri": self.policy},
            "inputAttestations": [item.json() for item in self.inputs],
            "verificationResult": _RESULTS[self.passed],
            "verifiedLevels": list(self.verified) if self.passed else ["FAILED"],
            "slsaVersion": "1.2",
            **self.more,
        }

    @classmethod
    def parse(cls, statement: Statement, source: str = "summary") -> VerificationSummary:
        """Raises `DocumentError` unless `statement` is a verification summary v1. Members nobody knows are kept."""
        if statement.predicate_type != SUMMARY:
            raise DocumentError(f"{source}: a statement of the type {statement.predicate_type!r}, not a summary")
        fields = Fields(dict(statement.predicate), source)
        verifier, policy = fields.fields("verifier"), fields.fields("policy")
        result, verified = fields.text("verificationResult"), fields.strings("verifiedLevels")
        if result not in _RESULTS.values():
            raise DocumentError(f"{source}: verificationResult: {result!r} is neither PASSED nor FAILED")
        fields.any("slsaVersion")
        return cls(
            verifier=verifier.text("id"),
            resource=fields.text("resourceUri"),
            policy=policy.text("uri"),
            time=fields.text("timeVerified"),
            passed=result == "PASSED",
            verified=verified if result == "PASSED" else (),
            inputs=fields.each("inputAttestations", ResourceDescriptor.parse),
            version=verifier.string_map("version"),
            more=fields.rest(),
        )

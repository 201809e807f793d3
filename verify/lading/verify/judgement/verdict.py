"""A verdict: proof, held in memory, that one manifest passed, and the only thing that a launch accepts.

The facts are kept apart from the object, by identity, so an instance that `mint` did not make holds nothing.
It cannot be copied, pickled or subclassed: it never crosses a process. ADR 0003 says why.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NoReturn, final
from weakref import WeakKeyDictionary

from lading.store.oci.digests import Digest
from lading.verify.documents.bases import BaseStatus
from lading.verify.judgement.decision import Basis, Decision

_minted: Final[WeakKeyDictionary[Verdict, Decision]] = WeakKeyDictionary()


@final
class Verdict:
    """What `Verifier.verify` and `Verifier.override` return."""

    __slots__ = ("__weakref__",)

    @property
    def decision(self) -> Decision:
        """Everything that was looked at, for the record. Raises `TypeError` for a forged verdict."""
        try:
            return _minted[self]
        except KeyError:
            raise TypeError("a Verdict comes only from Verifier.verify") from None

    @property
    def manifest(self) -> Digest:
        """The digest of the manifest that was judged: what may run."""
        return self.decision.manifest

    @property
    def index(self) -> Digest | None:
        """The digest of the index that the manifest was reached through."""
        return self.decision.index

    @property
    def platform(self) -> str | None:
        """As ``os/architecture``."""
        return self.decision.platform

    @property
    def names(self) -> tuple[str, ...]:
        """The references that it was judged under."""
        return self.decision.names

    @property
    def origins(self) -> tuple[str, ...]:
        """Where those references came from."""
        return self.decision.origins

    @property
    def policy(self) -> Digest:
        """The digest of the policy."""
        return self.decision.policy

    @property
    def evidence(self) -> tuple[Digest, ...]:
        """The manifests of the evidence that counted."""
        return self.decision.evidence

    @property
    def base_status(self) -> BaseStatus:
        """Of its weakest base."""
        return self.decision.base_status

    @property
    def basis(self) -> Basis:
        """``policy``, or ``override`` for an unverified launch."""
        return self.decision.basis

    def explain(self) -> Iterator[str]:
        """What is proven and by whom, in plain words, line by line."""
        return self.decision.explain()

    def __init_subclass__(cls) -> NoReturn:
        raise TypeError("a Verdict cannot be subclassed")

    def __copy__(self) -> NoReturn:
        raise TypeError("a Verdict cannot be copied")

    def __deepcopy__(self, memo: object) -> NoReturn:
        raise TypeError("a Verdict cannot be copied")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Verdict does not outlive its process; verify again")


def mint(decision: Decision) -> Verdict:
    """For `lading.verify.judgement.verifier` alone; a test holds every other module to that."""
    if not decision.accepted:
        raise TypeError("a refusal is no verdict")
    verdict = Verdict()
    _minted[verdict] = decision
    return verdict

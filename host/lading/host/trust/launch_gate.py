"""The gate: which image is meant, and whether it may run."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from lading.host.images.images import Images, NoSuchImageError, ResolvedImage
from lading.host.trust.verification_input import VerificationInput, local_input
from lading.registry.reference import InvalidReferenceError, Reference
from lading.store.errors import LadingError
from lading.store.fastclass import replace

if TYPE_CHECKING:
    from lading.host.images.transfers import Transfers
    from lading.host.trust.policies import Verifiers
    from lading.registry.client.client import Client
    from lading.store.oci.descriptors import Platform
    from lading.verify.evidence.evidence import Evidence
    from lading.verify.judgement.verdict import Verdict
    from lading.verify.judgement.verifier import Verifier

Spot = Literal["any", "local", "remote"]
"""Where an image is looked for: here and then at its registry, or at one of them alone."""


class UnknownError(LadingError):
    """What should be verified cannot be found or read, so nobody knows."""

    exit_code = 5


def unknown(error: LadingError) -> LadingError:
    """`error` as `verify` reports it: what does not resolve could not be checked."""
    if isinstance(error, NoSuchImageError) or error.exit_code == 1:
        return UnknownError(error.message, hint=error.hint, option=error.option)
    return error


class LaunchGate:
    """Finds images and lets them in, by the policy as it is when the gate is made: one for each request."""

    def __init__(
        self, images: Images, transfers: Callable[[], Transfers], client: Callable[[], Client], verifiers: Verifiers
    ) -> None:
        self._images = images
        self._store = images.store
        self._transfers = transfers
        self._client = client
        self.verifiers = verifiers

    def resolve_for_launch(
        self, text: str, *, pull: str = "missing", platform: Platform | None = None, unverified: bool = False
    ) -> VerificationInput:
        """What would run of `text`: the local image, else the one that a registry has (`pull`: missing, always, never).

        No registry is asked for what no scope covers, except with `unverified`. What was pulled takes its name from
        another image only when `admit` accepts it.
        Raises `NoSuchImageError`, `RegistryError`, `RejectedError`.
        """
        located = self._images.find(text)
        if pull == "never" or (located is not None and pull == "missing"):
            return self.local(located or self._images.get(text), platform)
        if not unverified:
            self._screen(text, self.verifiers.own)
        pulled = self._transfers().pull_beside(text, platform)
        return replace(self.local(pulled, platform), pulled=pulled)

    def local(self, located: ResolvedImage, platform: Platform | None = None) -> VerificationInput:
        """A located image with the evidence here; where a registry would not list its own, that is asked again."""
        from lading.host.images import unlisted_evidence  # noqa: PLC0415

        asked = unlisted_evidence.among(self._store, (*located.names, *located.origins))
        return local_input(self._store, located, platform, [self._evidence_at(name) for name in asked])

    def _evidence_at(self, name: str) -> Evidence:
        from lading.registry.client.evidence import RegistryEvidence  # noqa: PLC0415

        return RegistryEvidence(self._client(), Reference.parse(name))

    def remote(
        self, text: str, platform: Platform | None = None, *, judge: Verifier | None = None, here: bool = True
    ) -> VerificationInput:
        """What a registry has now under the name `text`, where a scope of the `judge` covers that.

        Raises `RegistryError`, `RejectedError`; for one that is not `here` they say so.
        """
        from lading.host.images.transfers import fetching  # noqa: PLC0415 - only where a registry is asked
        from lading.host.trust.verification_input import remote_input  # noqa: PLC0415

        if judge is not None:
            self._screen(text, judge)
        with fetching(text, here=here):
            return remote_input(self._client(), Reference.parse(text), platform)

    def here(self, text: str, image_of: Callable[[str], str | None]) -> VerificationInput | None:
        """An image of this machine by its own name or digest, or as that of which a container was made."""
        try:
            located = self._images.find(text)
        except InvalidReferenceError:
            located = None
        if located is None and (digest := image_of(text)) is not None:
            located = self._images.get(digest)
        return None if located is None else local_input(self._store, located)

    def input_at(
        self,
        text: str,
        verifier: Verifier,
        *,
        place: Spot = "any",
        platform: Platform | None = None,
    ) -> VerificationInput:
        """What `run` would run: the local image, else the registry's; or what is at one of these places alone.

        Nothing is pulled. Raises `NoSuchImageError`, `RegistryError`, `RejectedError`.
        """
        if place == "remote":
            return self.remote(text, platform, judge=verifier)
        if place == "local":
            return local_input(self._store, self._images.get(text), platform)
        located = self._images.find(text)
        if located is None:
            return self.remote(text, platform, judge=verifier, here=False)
        return self.local(located, platform)

    def _screen(self, text: str, verifier: Verifier) -> None:
        from lading.verify.judgement.errors import RejectedError  # noqa: PLC0415

        name = Reference.parse(text).name
        try:
            verifier.screen(name)
        except RejectedError as error:
            raise RejectedError(error.message if name == text else f"{text}: {error.message}") from None

    def admit(self, case: VerificationInput, *, unverified: str | None = None) -> Verdict:
        """The verdict that opens the door. With `unverified`, a reason, one without proof, on record as such.

        Raises `GateError`.
        """
        if unverified:
            verdict = self.verifiers.permissive.override(case.target, unverified)
            self._record(verdict)
        else:
            with self.verifiers.for_launch() as verifier:
                verdict = case.verdict(verifier)
        if case.pulled is not None:
            self._transfers().name(case.pulled)
        return verdict

    def _record(self, verdict: Verdict) -> None:
        from lading.store.oci.json import canonical  # noqa: PLC0415

        row = (time.time(), str(verdict.manifest), verdict.basis, canonical(verdict.decision.json()))
        self._store.index.run("INSERT INTO decision (time, digest, basis, body) VALUES (?, ?, ?, ?)", row)

"""An image built again from its provenance, elsewhere, compared bit for bit, and the outcome signed."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from lading.build.attest.recorded_build import RecordedBuild
from lading.build.builder import build
from lading.build.graph.request import usable_cpus
from lading.host.building import Bases, BuildKey, build_environment
from lading.host.examining.first_difference import FirstDifference, first_difference
from lading.host.examining.image_sources import opened_images
from lading.host.examining.other_surroundings import clock, other_store, other_surroundings
from lading.host.examining.own_attestations import own_attestations
from lading.host.examining.recorded_bases import RecordedBases
from lading.host.examining.recorded_networks import recording_of, trusted_provenance
from lading.host.registries import transport
from lading.host.trust.attestor import Attestor, timestamp
from lading.inventory.trees.comparison import ImageComparison, compare_images
from lading.inventory.trees.image_tree import OpenedImage
from lading.registry.reference import Reference
from lading.store.archives.compression import encoder_name
from lading.store.archives.trees import text as path_text
from lading.store.errors import InputError, Remedy
from lading.store.fastclass import dataclass, replace
from lading.store.oci.documents import Manifest
from lading.store.oci.json import canonical
from lading.verify.documents.provenance import DEBIAN_BUILD
from lading.verify.documents.statements import ResourceDescriptor
from lading.verify.keys.keys import PrivateKey
from lading.verify.reports.verification_summary import REPRODUCED, SUMMARY, VerificationSummary

if TYPE_CHECKING:
    from lading.build.attest.recorded_build import GivenAgain
    from lading.build.graph.request import BuildEnvironment, BuildRequest, Built, Listener, StepSecrets
    from lading.host.host import Host
    from lading.host.trust.signing_keys import SigningKeyText
    from lading.store.store import Store
    from lading.verify.documents.provenance import Provenance
    from lading.verify.judgement.decision import Candidate

REBUILDER: Final = "urn:lading:rebuilder:local"
POLICY: Final = "urn:lading:rebuild:1"
"""What is asked of a rebuild: docs/examining.md, "Built again"."""
_NAMED: Final = 20
"""Files that a summary names."""


@dataclass(frozen=True, slots=True)
class RebuildRequest:
    """Which image is built again, of what; without `has_context` no context is named."""

    image: str
    given: GivenAgain
    has_context: bool
    key: SigningKeyText | None
    private: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What came of it: whether it is the same, by digest or where other encoders compressed it by config and diff IDs.

    `images` are the first one and the one built now; `comparison` and `first_difference` are there where they differ.
    """

    reproduced: bool
    by: str
    first: OpenedImage
    second: OpenedImage
    executed: int
    comparison: ImageComparison
    first_difference: FirstDifference | None


class _OwnKey:
    """A key for one rebuild, whose signatures nobody keeps."""

    def __init__(self) -> None:
        self._key = PrivateKey.generate()
        self.fingerprint = self._key.public.fingerprint

    def open(self) -> PrivateKey:
        return self._key


def rebuild(host: Host, request: RebuildRequest, listener: Listener) -> Rebuilt:
    """Builds again, compares, and attaches what came of it as a signed summary.

    Raises `InputError` where the provenance or the context is not enough, and whatever a build raises.
    """
    located = host.images.get(request.image)
    key = BuildKey(host.key_text(request.key), host.passwords)
    key.open()
    chosen, provenance, steps = trusted_provenance(host, request.image)
    with opened_images(host, (request.image,)) as (first,), other_store(host) as store:
        recorded = RecordedBuild(provenance)
        environment = _environment(host, request.given.secrets, provenance, store, listener)
        if provenance.build_type == DEBIAN_BUILD:
            from lading.host.examining.rebuilding_sets import build_set, refuse_given  # noqa: PLC0415

            refuse_given(request.given, has_context=request.has_context)
            wanted, built = build_set(host, provenance, steps, environment, usable_cpus() + 1)
        else:
            wanted = _request(recorded, request, store.root.parent)
            wanted = replace(wanted, recording=recording_of(host.store, request.image, provenance))
            with other_surroundings():
                built = build(wanted, replace(environment, clock=clock))
        papers = own_attestations(store, built)
        outcome = _compared(first, _opened(first, store, built), recorded, wanted, built)
        if not outcome.reproduced:
            outcome = replace(
                outcome, first_difference=first_difference(outcome.first, outcome.second, steps, papers.dag)
            )
        chosen_digest = first.manifest.descriptor.digest
        summary = _summary(host, outcome, chosen, located.names)
        signer = Attestor(lambda: host.images, lambda: host.client, key.open)
        about = request.image if located.descriptor.digest == chosen_digest else str(chosen_digest)
        signer.attest(about, SUMMARY, canonical(summary.predicate()), remote=False)
        return outcome


def _request(recorded: RecordedBuild, request: RebuildRequest, place: Path) -> BuildRequest:
    given = request.given
    if recorded.context is not None and not request.has_context:
        hint = Remedy("name context", "name what it was built from")
        raise InputError(f"{request.image}: was built from files of a context", hint=hint)
    if not request.has_context:
        given = replace(given, folder=place / "nothing")
        given.folder.mkdir()
    wanted = recorded.request(given)
    private = request.private if request.has_context or given.contexts else ()
    return replace(wanted, private=private, jobs=usable_cpus() + 1)


def _environment(
    host: Host, secrets: StepSecrets, provenance: Provenance, store: Store, listener: Listener
) -> BuildEnvironment:
    bases = Bases(host.images, host.transfers, host.gate, pull=False, warn=host.warn)
    return build_environment(
        store,
        host.run_folder(),
        host.driver,
        images=RecordedBases(provenance.bases, bases, host.images, store),
        key=_OwnKey(),
        transport=transport(host.configuration, host.warn),
        listener=listener,
        secrets=secrets,
    )


def _opened(first: OpenedImage, store: Store, built: Built) -> OpenedImage:
    document = store.document(built.descriptor)
    assert isinstance(document, Manifest)
    return OpenedImage(f"{first.name} built again", document, store.config(document), store.blobs, store.limits)


def _compared(
    first: OpenedImage, second: OpenedImage, recorded: RecordedBuild, wanted: BuildRequest, built: Built
) -> Rebuilt:
    other_encoder = encoder_name(wanted.compression) != recorded.encoder
    same = first.config.raw == second.config.raw if other_encoder else first.manifest.raw == second.manifest.raw
    return Rebuilt(
        reproduced=same,
        by="config and diff IDs" if other_encoder else "manifest",
        first=first,
        second=second,
        executed=sum(not report.cached for report in built.steps),
        comparison=ImageComparison() if same else compare_images(first, second),
        first_difference=None,
    )


def _summary(host: Host, outcome: Rebuilt, chosen: Candidate, names: tuple[str, ...]) -> VerificationSummary:
    input_ = ResourceDescriptor.of(chosen.location.manifest)
    more: dict[str, object] = {"compared": outcome.by, "rebuilt": str(outcome.second.manifest.descriptor.digest)}
    if outcome.comparison.files:
        more["differs"] = [path_text(item.path) for item in outcome.comparison.files[:_NAMED]]
    if outcome.first_difference:
        more["step"] = outcome.first_difference.step
    return VerificationSummary(
        verifier=REBUILDER,
        resource=resource_uri(outcome.first, names),
        policy=POLICY,
        time=timestamp(),
        passed=outcome.reproduced,
        verified=(REPRODUCED,),
        inputs=(input_,),
        version={"lading": version("lading")},
        more={POLICY: more},
    )


def resource_uri(image: OpenedImage, names: tuple[str, ...]) -> str:
    """A package URL (purl-spec, type oci) of an image; by digest alone where it has no name."""
    digest = str(image.manifest.descriptor.digest)
    if not names:
        return digest
    repository = Reference.parse(names[0]).repository_name
    name = repository.rpartition("/")[2]
    return f"pkg:oci/{quote(name)}@{quote(digest, safe='')}?repository_url={quote(repository, safe='/')}"

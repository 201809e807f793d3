"""A package set as the provenance of its image and the record of its steps have it, asked for again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Self
from urllib.parse import parse_qs, urlsplit

from lading.build.debian.archives.apt import Resolution
from lading.build.debian.archives.apt_sources import ArchiveSource, is_fetchable
from lading.build.debian.archives.package_lists import checked_record
from lading.build.debian.archives.release import SignedRelease
from lading.build.debian.debian_spec import DebianSpec, spec_of
from lading.build.graph.request import BuildRequest
from lading.build.graph.steps.step_operations import PackageRecord
from lading.store.archives.compression import parse_compression
from lading.store.errors import DocumentError, InputError
from lading.store.fastclass import dataclass
from lading.store.oci.digests import Digest
from lading.store.oci.json import Fields
from lading.verify.documents.dag import Dag
from lading.verify.documents.provenance import Provenance
from lading.verify.documents.statements import ResourceDescriptor

_KNOWN: Final = frozenset(
    {"file", "suite", "components", "packages", "layers", "ldSoCache", "suites", "sources", "essential", "status"}
    | {"image", "labels", "annotations", "platform", "epoch"}
)
_RELEASE, _URL = "release:", "url:"
_SOURCE: Final = "provenance"


@dataclass(frozen=True, slots=True)
class RecordedSet:
    """What was asked for of which suite, the file's name and digest, and the packages that it came to."""

    spec: DebianSpec
    suite: str
    architecture: str
    file: str
    digest: Digest
    resolution: Resolution
    wanted: BuildRequest

    @classmethod
    def of(cls, provenance: Provenance, dag: Dag, folder: Path) -> Self:
        """The same set; `folder` is an empty one. Raises `InputError` for what cannot be asked for again."""
        fields = Fields(dict(provenance.external), "externalParameters")
        if unknown := sorted(set(fields.names()) - _KNOWN):
            raise InputError(f"cannot be built again yet: it was built with {', '.join(unknown)}")
        internal = Fields(dict(provenance.internal), "internalParameters")
        file = fields.fields("file")
        name = Path(file.text("path")).name
        releases = dict(map(_release, _named(provenance, _RELEASE)))
        packages = tuple(_packages(provenance, dag, releases))
        resolution = Resolution(packages, releases, internal.boolean("datesChecked"))
        digest = Digest("sha256", file.fields("digest").text("sha256"))
        suite, wanted = fields.text("suite"), _request(fields, internal, folder, name)
        return cls(_spec(fields, suite), suite, internal.text("architecture"), name, digest, resolution, wanted)


def _request(fields: Fields, internal: Fields, folder: Path, name: str) -> BuildRequest:
    return BuildRequest(
        folder,
        file=folder / name,
        labels=fields.string_map("labels"),
        annotations=fields.string_map("annotations"),
        platforms=(fields.text("platform"),),
        no_cache=True,
        compression=parse_compression(internal.text("compression")),
        epoch=fields.integer("epoch") if "epoch" in fields else None,
    )


def _spec(fields: Fields, suite: str) -> DebianSpec:
    """As a file has it, and held to the same rules."""
    image = fields.mapping("image")
    debian = {
        "suite": suite,
        "suites": fields.mapping("suites"),
        "sources": list(fields.strings("sources")),
        "components": list(fields.strings("components")),
        "packages": list(fields.strings("packages")),
        "essential": fields.boolean("essential"),
        "status": fields.optional_text("status") or "installed",
        "layers": fields.text("layers"),
        "ld_so_cache": fields.boolean("ldSoCache"),
    }
    if "stopSignal" in image:
        image["stop_signal"] = image.pop("stopSignal")
    return spec_of({"version": 1, "debian": debian, "image": image}, _SOURCE)


def _named(provenance: Provenance, prefix: str) -> Iterator[ResourceDescriptor]:
    return (one for one in provenance.dependencies if (one.name or "").startswith(prefix))


def _release(found: ResourceDescriptor) -> tuple[str, tuple[ArchiveSource, SignedRelease]]:
    suite, digest = (found.name or "").removeprefix(_RELEASE), found.digest.get("sha256", "")
    told = Fields(dict(found.annotations), f"{_SOURCE}: {found.name}")
    if "origin" not in told:
        raise InputError("its provenance does not say whose archives its packages are of: an earlier version wrote it")
    uri = (found.uri or "").removesuffix(f"/dists/{suite}/InRelease")
    if not is_fetchable(uri):
        raise DocumentError(f"{_SOURCE}: {found.name}: {uri[:80]!r} is no address of an archive")
    release = SignedRelease(digest, suite, suite, told.text("origin"), told.text("date"), told.strings("signedBy"), {})
    return digest, (ArchiveSource(uri, suite, (), ""), release)


def _packages(provenance: Provenance, dag: Dag, releases: Mapping[str, object]) -> Iterator[PackageRecord]:
    """In the order of the provenance, which was that of the build; their names in the archive the steps have."""
    files = {
        (algorithm, digits): (item.name or "").removeprefix(_URL)
        for node in dag.nodes
        for item in node.inputs
        if (item.name or "").startswith(_URL)
        for algorithm, digits in item.digest.items()
    }
    for one in provenance.dependencies:
        place = urlsplit(one.uri or "")
        if place.scheme != "pkg" or not place.path.startswith("deb/"):
            continue
        name, _, version = (one.name or "").partition(" ")
        release = Fields(dict(one.annotations), f"{_SOURCE}: {name}").text("release")
        if release not in releases:
            raise DocumentError(f"{_SOURCE}: {name}: its release is none of those named")
        yield checked_record(_SOURCE, name, _fields(one, version, place.query, files), release)


def _fields(
    one: ResourceDescriptor, version: str, query: str, files: Mapping[tuple[str, str], str]
) -> Mapping[str, str]:
    architecture: Sequence[str] = parse_qs(query).get("arch", [""])
    filename = next((files[pair] for pair in one.digest.items() if pair in files), "")
    # How large it is nothing depends on: its digest decides.
    return {"version": version, "architecture": architecture[0], "filename": filename, "size": "0", **one.digest}

"""The images of the local store: found by name, digest or ID, listed, named and unnamed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from lading.host.images.build_times import built
from lading.registry.reference import InvalidReferenceError, Reference
from lading.store.errors import DocumentError, InputError, Remedy
from lading.store.fastclass import dataclass
from lading.store.gc import Collected, collect
from lading.store.oci.descriptors import Descriptor, Platform
from lading.store.oci.documents import Index, Manifest
from lading.store.oci.platform_choice import child_for, choose
from lading.store.oci.platforms import host_platform
from lading.store.store import Store, one_image
from lading.verify.judgement.targets import Target

ALONE: Final = Remedy(
    "list all images", "NAME@sha256:DIGEST is one in a registry; the list of all has those that are here"
)


class NoSuchImageError(InputError):
    """The store has no image of that name, digest or ID."""


@dataclass(frozen=True, slots=True)
class ResolvedImage:
    """An image as it was addressed: what it is, the full names it is judged under, and where those came from.

    `around` are those of the names that are not its own, but of indexes that list it.
    """

    descriptor: Descriptor
    names: tuple[str, ...]
    origins: tuple[str, ...]
    around: tuple[str, ...] = ()

    @property
    def own(self) -> tuple[str, ...]:
        """The names that mean this very image."""
        return tuple(name for name in self.names if name not in self.around)


@dataclass(frozen=True, slots=True)
class Listed:
    """A row of the list of images.

    `created` is its own time, or where that is the epoch its build's. `size` counts compressed layers, and is None
    where a part is not here.

    `name` is "" for an image without one. `arrived` is when it came here, as Unix time.
    """

    name: str
    descriptor: Descriptor
    created: str | None
    size: int | None
    labels: Mapping[str, str]
    arrived: float


class Images:
    """What the store holds, as the user addresses it."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def find(self, text: str) -> ResolvedImage | None:
        """An image by name, else by digest or ID; under all its names where it was not named."""
        try:
            reference = self.store.reference(Reference.parse(text).name)
        except InvalidReferenceError:
            reference = None
            if not self.store.find(text):
                raise
        if reference is not None:
            return ResolvedImage(reference.descriptor, (reference.name,), reference.origins)
        found = one_image(self.store.find(text), text)
        return None if found is None else self._unnamed(found)

    def _unnamed(self, descriptor: Descriptor) -> ResolvedImage:
        named = self.store.names_reaching(descriptor.digest)
        origins = dict.fromkeys(origin for reference in named for origin in reference.origins)
        around = tuple(reference.name for reference in named if reference.descriptor.digest != descriptor.digest)
        return ResolvedImage(descriptor, tuple(reference.name for reference in named), tuple(origins), around)

    def get(self, text: str) -> ResolvedImage:
        """As `find`; raises `NoSuchImageError` where there is none."""
        found = self.find(text)
        if found is None:
            hint = Remedy("list images", "list those that are")
            raise NoSuchImageError(f"no image {text!r} here{_meant(text)}", hint=hint)
        return found

    def target(self, located: ResolvedImage, platform: Platform | None = None) -> Target:
        """What would run of a located image: through an index, the manifest for `platform`, else this machine's."""
        document = self.store.document(located.descriptor)
        wanted = platform or host_platform()
        if isinstance(document, Manifest):
            return Target(document, None, None, located.names, located.origins)
        child = child_for(document, wanted, str(located.descriptor.digest))
        manifest = self.store.document(child)
        if not isinstance(manifest, Manifest):
            raise DocumentError(f"{child.digest}: an index within an index")
        return Target(manifest, document, child.platform, located.names, located.origins)

    def shown(self, located: ResolvedImage) -> Target:
        """As `target`; of an index that has none for this machine, the first image that is here."""
        document = self.store.document(located.descriptor)
        if isinstance(document, Index) and choose(document.manifests, host_platform()) is None:
            here = (child for child in document.manifests if self.store.blobs.size(child.digest) is not None)
            return self.target(located, next((child.platform for child in here if child.platform), None))
        return self.target(located)

    def of_platform(self, text: str, platform: Platform | None) -> str:
        """The digest of the image for `platform`, where one is named; else `text`. Raises `InputError`."""
        return text if platform is None else str(self.target(self.get(text), platform).manifest.descriptor.digest)

    def holds(self, located: ResolvedImage, platform: Platform) -> bool:
        """Whether the image for `platform` is here, too, where a located one is an index of several."""
        document = self.store.document(located.descriptor)
        if isinstance(document, Manifest):
            return True
        child = choose(document.manifests, platform)
        return child is None or self.store.blobs.size(child.digest) is not None

    def all(self) -> Iterator[Listed]:
        """Every name, and every image without one, the newest first."""
        named = self.store.references()
        digests = {reference.descriptor.digest for reference in named}
        rows = [(found.created, found.name, found.descriptor) for found in named]
        rows += [
            (kept.created, "", kept.descriptor) for kept in self.store.kept() if kept.descriptor.digest not in digests
        ]
        for arrived, name, descriptor in sorted(rows, key=lambda row: -row[0]):
            yield self._listed(name, descriptor, arrived)

    def _listed(self, name: str, descriptor: Descriptor, arrived: float) -> Listed:
        try:
            target = self.shown(ResolvedImage(descriptor, (), ()))
            config = self.store.config(target.manifest)
        except (DocumentError, InputError):
            return Listed(name, descriptor, None, None, {}, arrived)
        size = sum(layer.size for layer in target.manifest.layers)
        created = built(self.store, config.created, target.subjects)
        return Listed(name, descriptor, created, size, config.labels, arrived)

    def tag(self, source: str, name: str) -> str:
        """Gives an image another name, to which its origins follow; the full name."""
        reference = Reference.parse(name)
        if reference.digest is not None:
            raise InputError(f"{name!r}: a new name cannot have a digest")
        with self.store.writing():
            located = self.get(source)
            self.store.tag(reference.name, located.descriptor, located.origins)
        return reference.name

    @staticmethod
    def new_name(text: str) -> Reference:
        """A name to be given to a new image. Raises `InputError` for one with a digest."""
        reference = Reference.parse(text)
        if reference.digest is not None:
            raise InputError(f"{text!r}: an image cannot be named by digest before it is built")
        return reference

    def remove(self, text: str, *, force: bool = False) -> tuple[list[str], Collected]:
        """Forgets a name, or all names of an image given by digest or ID; with the last goes what is the image's own.

        What the build cache remembers stays. Raises `InputError` where a container holds the last name's image, or
        several names would go, unless forced; and where only the name of an index that lists it keeps it.
        """
        located = self.get(text)
        if located.around and not located.own:
            raise InputError(
                f"{text!r} is part of {', '.join(located.around)}",
                hint=Remedy("remove index", f"removing {located.around[0]} removes all", located.around[0]),
            )
        if len(located.own) > 1 and not force:
            raise InputError(
                f"{text!r} has {len(located.own)} names: {', '.join(located.own)}",
                hint=Remedy("remove by force", "name one of them, or remove all by force"),
            )
        self._free(located, text, force=force)
        digest = located.descriptor.digest
        gone = [name for name in located.own if self.store.untag(name, digest)]
        self.store.give_up(digest)
        return gone, collect(self.store, everything=False)

    def _free(self, located: ResolvedImage, text: str, *, force: bool) -> None:
        """Raises `InputError` where a container needs the image, and no other name keeps it for that one."""
        holders = self.store.leaseholders(located.descriptor.digest)
        if not holders or force:
            return
        reaching = self.store.names_reaching(located.descriptor.digest)
        if all(name.name in located.own for name in reaching):
            raise InputError(
                f"{text!r} is used by container {holders[0][:12]}",
                hint=Remedy("remove container or force", "remove the container first, or use force"),
            )


def is_digest(text: str) -> bool:
    """Whether a text is a digest and nothing else, though it could be read as a name of docker.io's."""
    return text.startswith("sha256:") and len(text) == len("sha256:") + 64


def _meant(text: str) -> str:
    """The full reference that was looked for, where that is not what was typed."""
    if is_digest(text):
        return ""
    try:
        name = Reference.parse(text).name
    except InvalidReferenceError:
        return ""
    return f" ({name})" if name != text else ""

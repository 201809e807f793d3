"""Action caches elsewhere: looked into where the store's own has nothing, and given what a build that completes made.

Whatever is wrong with one is a miss, which is said; it never ends a build.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lading.build.graph.action import ActionCache, ActionResult
from lading.build.graph.cache_places import EntryPlace, SharedCaches
from lading.build.graph.request import BuildEnvironment
from lading.build.graph.solve_state import SolveState
from lading.build.solver.shared_entries import check_layer_of, envelope_of, manifest_of, opened, sealed, tag_of
from lading.store.content.blobs import read_blob, write_blob
from lading.store.content.memory import MemoryBlobs
from lading.store.errors import DocumentError, LadingError
from lading.store.fastclass import dataclass, field
from lading.store.store import Store
from lading.verify.documents.attach import EMPTY_CONFIG
from lading.verify.keys.keys import Signer


@dataclass(frozen=True, slots=True)
class SharedCache:
    """The `ActionCache` of one place, whose layers come to be in `store`."""

    place: EntryPlace
    store: Store
    shared: SharedCaches
    signer: Callable[[], Signer]

    def find(self, key: str) -> ActionResult | None:
        """As `ActionCache.find`. Raises `LadingError` for an entry that is there and cannot be believed."""
        manifest = self.place.manifest(tag_of(key))
        if manifest is None:
            return None
        memory = MemoryBlobs()
        envelope = envelope_of(manifest)
        self.place.take(envelope, memory)
        result = opened(read_blob(memory, envelope.digest, limit=envelope.size), key, self.shared.keys())
        layer = result.layer
        if layer is not None:
            if layer.descriptor.digest not in {one.digest for one in manifest.layers}:
                raise DocumentError("the entry does not name its layer")
            if not self.store.seals.holds(layer.descriptor.digest):
                self.place.take(layer.descriptor, self.store.blobs)
            check_layer_of(self.store, layer)
        return result

    def keep(self, key: str, result: ActionResult) -> None:
        """As `ActionCache.keep`. Raises `LadingError`."""
        envelope = sealed(key, result, self.signer())
        raw, blobs = manifest_of(envelope, result.layer.descriptor if result.layer else None)
        for data in (EMPTY_CONFIG, envelope):
            write_blob(self.store.blobs, data)
        self.place.put(tag_of(key), raw, blobs, self.store.blobs)

    def has(self, key: str) -> bool:
        """Whether there is an entry, whatever it is worth."""
        return self.place.manifest(tag_of(key)) is not None


@dataclass(frozen=True, slots=True)
class ImportingCache:
    """The store's own cache, and behind it those elsewhere."""

    own: ActionCache
    environment: BuildEnvironment
    _silent: set[str] = field(default_factory=set[str])

    def find(self, key: str) -> ActionResult | None:
        """As `ActionCache.find`: what is found elsewhere is kept."""
        found = self.own.find(key)
        for place in self.environment.shared.sources if found is None else ():
            found = self._elsewhere(place, key)
            if found is not None:
                self.own.keep(key, found)
                break
        return found

    def _elsewhere(self, place: EntryPlace, key: str) -> ActionResult | None:
        """What a place has; one that does not answer is not asked again."""
        if place.title in self._silent:
            return None
        try:
            return _cache(place, self.environment).find(key)
        except DocumentError as error:
            self.environment.listener.warned(f"cache {place.title}: {tag_of(key)}: {error.message}")
        except (LadingError, OSError) as error:
            self._silent.add(place.title)
            self.environment.listener.warned(f"cache {place.title}: {error}")
        return None

    def keep(self, key: str, result: ActionResult) -> None:
        """As `ActionCache.keep`."""
        self.own.keep(key, result)


def _cache(place: EntryPlace, environment: BuildEnvironment) -> SharedCache:
    def signer() -> Signer:
        if environment.key is None:
            raise LadingError("there is no key to sign entries with")
        return environment.key.open()

    return SharedCache(place, environment.store, environment.shared, signer)


def export(environment: BuildEnvironment, own: ActionCache, solved: SolveState, image_steps: Iterable[int]) -> None:
    """Gives what a build made to the places that it should go to, where it is not yet."""
    layers = set(image_steps)
    for target in environment.shared.targets:
        cache = _cache(target.place, environment)
        try:
            for number, step in sorted(solved.steps.items()):
                result = own.find(step.key) if target.everything or number in layers else None
                if result is not None and not cache.has(step.key):
                    cache.keep(step.key, result)
        except (LadingError, OSError) as error:
            environment.listener.warned(f"cache {target.place.title}: not written: {error}")

"""Action caches elsewhere: looked into where the store's own has nothing, and given what a build that completes made.

Whatever is wrong with one is a miss, which is said; it never ends a build, but for a place that must be given to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lading.build.graph.action import ActionCache, ActionResult
from lading.build.graph.cache_places import EntryPlace, EntrySource, SharedCaches
from lading.build.graph.request import BuildEnvironment
from lading.build.graph.solve_state import SolveState
from lading.build.solver.shared_entries import (
    SharedEntry,
    check_layer_of,
    manifest_of,
    opened,
    restored,
    sealed,
    tag_of,
    with_link,
)
from lading.store.content.blobs import write_blob
from lading.store.errors import DocumentError, InputError, LadingError
from lading.store.fastclass import dataclass, field, replace
from lading.store.store import Store
from lading.verify.documents.attach import EMPTY_CONFIG
from lading.verify.keys.keys import Signer


@dataclass(frozen=True, slots=True)
class FoundElsewhere:
    """What one source has, whose layers come to be in `store`."""

    source: EntrySource
    store: Store
    shared: SharedCaches

    def find(self, key: str) -> ActionResult | None:
        """As `ActionCache.find`. Raises `LadingError` where there are entries and none can be believed."""
        failed: DocumentError | None = None
        for envelope in self.source.entries(tag_of(key)):
            try:
                return self._taken(opened(envelope, key, self.shared.keys()))
            except DocumentError as error:
                failed = failed or error
        if failed is not None:
            raise failed
        return None

    def _taken(self, entry: SharedEntry) -> ActionResult:
        layer = entry.result.layer
        if not all(map(self.store.seals.holds, entry.result.answers)):
            raise DocumentError("what it recorded of the web is not here")
        if layer is None:
            return entry.result
        if not self.store.seals.holds(layer.descriptor.digest):
            if entry.rendered is None:
                self.source.take(layer.descriptor, self.store.blobs)
            else:
                self.source.take(entry.rendered[0], self.store.blobs)
                layer = restored(self.store, layer, entry.rendered)
        check_layer_of(self.store, layer)
        return replace(entry.result, layer=layer)


@dataclass(frozen=True, slots=True)
class SharedCache:
    """The `ActionCache` of one place, whose layers come to be in `store`."""

    place: EntryPlace
    store: Store
    shared: SharedCaches
    signer: Callable[[], Signer]

    def find(self, key: str) -> ActionResult | None:
        """As `FoundElsewhere.find`."""
        return FoundElsewhere(self.place, self.store, self.shared).find(key)

    def keep(self, key: str, result: ActionResult) -> None:
        """As `ActionCache.keep`. Raises `LadingError`."""
        envelope = sealed(key, SharedEntry(result), self.signer())
        raw, blobs = manifest_of(envelope, result.layer.descriptor if result.layer else None)
        for data in (EMPTY_CONFIG, envelope):
            write_blob(self.store.blobs, data)
        self.place.put(tag_of(key), raw, blobs, self.store.blobs)

    def has(self, key: str) -> bool:
        """Whether there is an entry, whatever it is worth."""
        return self.place.has(tag_of(key))


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

    def _elsewhere(self, place: EntrySource, key: str) -> ActionResult | None:
        """What a place has; one that does not answer is not asked again."""
        if place.title in self._silent:
            return None
        try:
            return FoundElsewhere(place, self.environment.store, self.environment.shared).find(key)
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
    """Gives what a build made to the places that it should go to, where it is not yet.

    Raises `InputError` where one that must have it could not take it.
    """
    layers = set(image_steps)
    for target in environment.shared.targets:
        cache = _cache(target.place, environment)
        try:
            for number, step in sorted(solved.steps.items()):
                result = own.find(step.key) if target.everything or number in layers else None
                if result is not None and not cache.has(step.key):
                    cache.keep(step.key, with_link(result, cache.signer()))
        except (LadingError, OSError) as error:
            said = f"cache {target.place.title}: not written: {error}"
            if target.must:
                raise InputError(f"{said} (ignore-error=false)") from error
            environment.listener.warned(said)

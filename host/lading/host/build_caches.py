"""Caches of builds elsewhere, as `--cache-from` and `--cache-to` name them, and whose entries are believed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from lading.build.dockerfile.instruction_values import FALSE, TRUE
from lading.registry.reference import Reference
from lading.store.errors import UsageError
from lading.store.fastclass import dataclass

if TYPE_CHECKING:
    from lading.build.graph.cache_places import EntryPlace, SharedCaches
    from lading.build.graph.request import KeySource
    from lading.host.trust.keyring import Keyring
    from lading.host.trust.policies import Verifiers
    from lading.registry.client.client import Client
    from lading.verify.keys.keys import PublicKey

_KINDS: Final = {"from": ("local", "registry"), "to": ("local", "registry", "inline")}
_TAKEN: Final = {
    "type",
    "ref",
    "src",
    "dest",
    "mode",
    "compression",
    "ignore-error",
    "image-manifest",
    "oci-mediatypes",
}
_PLACES: Final = {"ref", "src", "dest"}
Direction = Literal["from", "to"]


@dataclass(frozen=True, slots=True)
class CacheName:
    """One place: a folder, a repository or the image itself; whether everything of a build goes there, and must."""

    kind: str
    place: str
    everything: bool = True
    must: bool = False


def parse_cache(word: str, direction: Direction) -> CacheName:
    """``type=local,src=DIR``, ``type=registry,ref=NAME``, NAME alone or ``type=inline``. Raises `UsageError`."""
    option = f"--cache-{direction}"
    if "=" not in word:
        word = f"type=registry,ref={word}"
    pairs = {name: value for name, _, value in (part.partition("=") for part in word.split(","))}
    kind = pairs.get("type", "")
    if kind not in _KINDS[direction]:
        raise UsageError(f"{option} {word}: type={kind} is not supported: expected {' or '.join(_KINDS[direction])}")
    if unknown := sorted(pairs.keys() - (_TAKEN - _PLACES if kind == "inline" else _TAKEN)):
        raise UsageError(f"{option} {word}: {unknown[0]} is not known")
    mode = pairs.get("mode", "min")
    if mode not in ("min", "max"):
        raise UsageError(f"{option} {word}: mode={mode}: expected min or max")
    ignored = pairs.get("ignore-error", "true")
    if ignored not in TRUE | FALSE:
        raise UsageError(f"{option} {word}: ignore-error={ignored}: expected true or false")
    if kind == "inline":
        return CacheName(kind, "", mode == "max")
    name = "ref" if kind == "registry" else "dest" if direction == "to" else "src"
    if not pairs.get(name):
        raise UsageError(f"{option} {word}: needs {name}=")
    return CacheName(kind, pairs[name], mode == "max", ignored in FALSE)


@dataclass(frozen=True, slots=True)
class CacheNames:
    """What a call names."""

    sources: tuple[CacheName, ...] = ()
    targets: tuple[CacheName, ...] = ()

    @classmethod
    def parse(cls, sources: Iterable[str], targets: Iterable[str]) -> CacheNames:
        """Raises `UsageError`."""
        return cls(
            tuple(parse_cache(word, "from") for word in sources), tuple(parse_cache(word, "to") for word in targets)
        )


@dataclass(frozen=True, slots=True)
class CacheOpener:
    """Makes of names what a build uses. Without a ``cache`` section in the policy the build's own key is believed."""

    client: Callable[[], Client]
    keyring: Keyring
    verifiers: Verifiers
    warn: Callable[[str], None]

    def of(self, names: CacheNames, key: KeySource) -> SharedCaches:
        """Those that are named, for a build whose key is `key`."""
        from lading.build.graph.cache_places import CacheTarget, SharedCaches  # noqa: PLC0415

        carried = [name for name in names.targets if name.kind == "inline"]
        if any(name.everything for name in carried):
            self.warn("cache inline: mode=max: an image carries the entries of its own layers alone, as with mode=min")
        return SharedCaches(
            tuple(self._place(name, read=True) for name in names.sources),
            tuple(
                CacheTarget(self._place(name), name.everything, name.must)
                for name in names.targets
                if name not in carried
            ),
            inline=bool(carried),
            keys=lambda: self._believed(key),
        )

    def _place(self, name: CacheName, *, read: bool = False) -> EntryPlace:
        """With what the image of that name carries, where entries are read."""
        from lading.build.solver.entry_places import FolderPlace, RegistryPlace  # noqa: PLC0415
        from lading.build.solver.inline_entries import InlineEntries  # noqa: PLC0415

        if name.kind == "local":
            folder = FolderPlace(Path(name.place))
            if read and not folder.exists():
                self.warn(f"cache {folder.title}: there is none")
            return folder
        client, reference = self.client(), Reference.parse(name.place)
        return RegistryPlace(client, reference, InlineEntries(client, reference, self.warn) if read else None)

    def _believed(self, key: KeySource) -> Sequence[PublicKey]:
        """Keys by the policy and, where there is one, by the floor, too."""
        sections = [policy.cache for policy in self.verifiers.permissive.policies if policy.cache is not None]
        if not sections:
            own = self.keyring.public() if self.keyring.public_file.exists() else None
            return (own if own and own.fingerprint == key.fingerprint else key.open().public,)
        first, *others = ({named.key.fingerprint: named.key for named in section} for section in sections)
        return [one for name, one in first.items() if all(name in other for other in others)]

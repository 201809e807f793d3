"""A set locked: resolved for each of its architectures, compared with the lock there is, and written."""

from __future__ import annotations

from pathlib import Path

from lading.build.debian.archives.apt import Resolution
from lading.build.debian.debian_spec import DebianSpec, read_spec
from lading.build.debian.locks.lock_changes import PackageChange, changes
from lading.build.debian.locks.lock_file import Lock, lock_path, read_lock, render_lock
from lading.build.debian.resolving import debian_architecture, opened_archives
from lading.store.errors import InputError
from lading.store.fastclass import dataclass
from lading.store.oci.descriptors import Platform
from lading.store.store import Store
from lading.store.system.atomic import write_atomically


@dataclass(frozen=True, slots=True)
class Locked:
    """The lock that a set has, or would have; `changes` is what is other than in the one that was there."""

    path: Path
    lock: Lock
    changes: tuple[PackageChange, ...]
    is_new: bool
    differs: bool


def locked(file: Path, store: Store, platform: Platform, *, update: bool, system: Path = Path("/")) -> Locked:
    """What the lock of the set in `file` should be: the one it has, unless that is of another set, or for `update`.

    With `update` the lists are fetched anew. Raises `InputError` for a set or a lock that cannot be read, and what
    resolving raises.
    """
    spec = read_spec(file)[0]
    path = lock_path(file)
    found = None if update and not _readable(path) else read_lock(path)
    old = found[0] if found else None
    if (
        old is not None
        and not update
        and old.asked == spec.asked()
        and set(old.architectures) == _wanted(spec, platform)
    ):
        return Locked(path, old, (), is_new=False, differs=False)
    made = _resolved(spec, store, platform, update, system)
    changed = changes(old, made)
    differs = old is None or bool(changed) or old.asked != made.asked or old.suite != made.suite
    return Locked(path, made, changed, is_new=old is None, differs=differs)


def write_lock(locked: Locked) -> None:
    """Puts it beside the set."""
    write_atomically(locked.path, render_lock(locked.lock))


def _readable(path: Path) -> bool:
    try:
        read_lock(path)
    except InputError:
        return False
    return True


def _wanted(spec: DebianSpec, platform: Platform) -> set[str]:
    return set(spec.architectures or (debian_architecture(platform),))


def _resolved(spec: DebianSpec, store: Store, platform: Platform, update: bool, system: Path) -> Lock:
    found: dict[str, Resolution] = {}
    suite = ""
    for architecture in sorted(_wanted(spec, platform)):
        with store.writing(), opened_archives(spec, store, architecture, system) as archives:
            found[architecture] = archives.resolve(fresh=update)
            suite = archives.suite
    return Lock(suite, spec.asked(), found)

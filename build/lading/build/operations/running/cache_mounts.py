"""The folders of cache mounts: ``cache/mounts/NAME/NUMBER`` below the root, each with a lock that its users hold.

Shared: all use one at a time. Locked: one step at a time uses it, the others wait. Private: a step that finds it in
use takes the next one. Nothing of it is ever in a layer, and nothing in it is believed.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Final

from lading.build.context import picked_files
from lading.build.context.folders import Folder, follow
from lading.build.graph.action import key_of
from lading.build.graph.cache_folders import mounts_folder, note_size
from lading.build.graph.halt import Halt
from lading.build.graph.steps.mount_requests import CacheMount, FileAccess
from lading.build.operations.copy_files import Copier, CopyOptions
from lading.build.operations.root_filesystems import RootFilesystems, Stack
from lading.store.errors import InputError
from lading.store.fastclass import dataclass
from lading.store.system.locks import LOCK, locked, open_lock, take
from lading.store.system.machine_errors import machine_errors
from lading.store.system.private_folders import private_folder
from lading.store.system.removal import remove_tree

TREE: Final = "tree"
"""The folder that a step sees."""
_FILLING: Final = "filling"
_READY: Final = "ready"
_PATIENCE: Final = 0.05
"""Seconds between two looks at a cache that another step has."""
_FOLDER_MODE: Final = 0o755


@dataclass(frozen=True, slots=True)
class CacheMounts:
    """Those of one root."""

    root: Path
    roots: RootFilesystems
    halt: Halt
    apart: bool = False
    """Whether no two steps can have one folder at a time: what is shared is locked then."""

    @contextmanager
    def held(self, mounts: list[tuple[CacheMount, Stack]]) -> Generator[dict[str, Path], None, None]:
        """The folder of each mount by its target; `Stack` is what a new one begins as.

        Locks are taken in the order of the names, so that no two steps wait for each other; a name that a step has
        twice is one folder.
        """
        named = sorted(((self._name(mount, stack), mount, stack) for mount, stack in mounts), key=lambda row: row[0])
        held: dict[str, Path] = {}
        with ExitStack() as locks:
            with machine_errors(self.root):
                for name, mount, stack in named:
                    if name not in held:
                        held[name] = self._hold(name, mount, stack, locks)
            yield {mount.target: held[name] / TREE for name, mount, _ in named}
            with machine_errors(self.root):
                for folder in held.values():
                    note_size(folder)

    def _name(self, mount: CacheMount, stack: Stack) -> str:
        access = mount.access
        value = {
            "id": mount.id,
            "origin": [str(diff_id) for _, diff_id in stack],
            "source": mount.source,
            "access": [access.uid, access.gid, access.mode] if access else None,
        }
        return key_of(value)[:32]

    def _hold(self, name: str, mount: CacheMount, stack: Stack, locks: ExitStack) -> Path:
        for number in count():
            folder = private_folder(mounts_folder(self.root) / name / str(number))
            lock = open_lock(folder / LOCK)
            locks.callback(os.close, lock)
            sharing = "locked" if mount.sharing == "shared" and self.apart else mount.sharing
            while not (taken := take(lock, wait=False, shared=sharing == "shared")):
                if sharing != "locked":
                    break
                self.halt.given(_PATIENCE)
                self.halt.check()
            if not taken:
                continue
            self._fill(folder, mount, stack)
            os.utime(folder)
            return folder
        raise AssertionError

    def _fill(self, folder: Path, mount: CacheMount, stack: Stack) -> None:
        """Makes what a new cache begins as; one that was killed in the middle of it is made anew."""
        tree, ready = folder / TREE, folder / _READY
        with locked(open_lock(folder / _FILLING)):
            if ready.exists() and tree.exists():
                return
            if tree.exists():
                remove_tree(tree)
            self._begin(tree, mount, stack)
            ready.touch()

    def _begin(self, tree: Path, mount: CacheMount, stack: Stack) -> None:
        tree.mkdir()
        access = mount.access or FileAccess(0, 0, _FOLDER_MODE)
        if stack:
            with self.roots.reading(stack) as root, Folder(root, "/") as view:
                item = view.item(follow(view, mount.source))
                source = picked_files.pick(view, mount.source, lambda item, named: "")
                if item is None or source is None or not source.item.is_folder:
                    raise InputError(f'"{mount.source}": a cache begins as a folder')
                Copier(tree, CopyOptions(attributes=True, links=True)).copy(view, source, "/")
                access = mount.access or FileAccess(item.uid, item.gid, item.permissions)
        os.chown(tree, access.uid, access.gid)
        os.chmod(tree, access.mode)

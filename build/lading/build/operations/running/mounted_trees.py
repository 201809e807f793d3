"""What the mounts of a RUN bring: trees, as its key and its link have them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from typing import Final

from lading.build.context import picked_files
from lading.build.context.context import Context
from lading.build.context.context_entries import context_entries
from lading.build.context.folders import Folder, follow
from lading.build.context.picked_files import CopySource
from lading.build.context.taken_files import taken
from lading.build.graph.request import BuildEnvironment
from lading.build.graph.solve_state import SolveState
from lading.build.graph.steps.chain import Chain
from lading.build.graph.steps.mount_requests import (
    BindMount,
    CacheMount,
    RunMount,
    ScriptMount,
    SecretMount,
    SshMount,
    TmpfsMount,
    mounted,
)
from lading.build.graph.steps.step import Step
from lading.build.graph.steps.step_operations import RunOp
from lading.build.operations.root_filesystems import RootFilesystems, chain_of
from lading.store.archives.trees import Entry, Tree, scan
from lading.store.errors import InputError
from lading.store.fastclass import dataclass, replace
from lading.store.oci.digests import Digest
from lading.verify.documents.links import UNTRUSTED
from lading.verify.documents.statements import ResourceDescriptor

KIND: Final = "subtree"
"""Of the rows that remember the roots of subtrees of root file systems, which never change."""
ROOT: Final = "mount"
"""The name under which a subtree stands in its listing."""


@dataclass(frozen=True, slots=True)
class MountedTree:
    """A mount with what it brings: `key` is what a step depends on, `materials` what its link says.

    `source` is what of the context it is.
    """

    mount: RunMount
    key: Mapping[str, object]
    materials: tuple[ResourceDescriptor, ...] = ()
    source: CopySource | None = None


def of_context(context: Context, mount: BindMount) -> CopySource:
    """What of the context is mounted. Raises `InputError` for what is not there."""
    source = picked_files.pick(context, mount.source.lstrip("/"), context.content)
    if source is None:
        raise InputError(f'"{mount.source}" not found')
    if source.item.path:
        return source
    return replace(source, item=replace(source.item, mode=stat.S_IFDIR | 0o755))


@dataclass(frozen=True, slots=True)
class MountedTrees:
    """Those of the steps of one build."""

    environment: BuildEnvironment
    roots: RootFilesystems
    solved: SolveState
    context: Callable[[], Context]

    def of(self, step: Step) -> tuple[MountedTree, ...]:
        """Raises `InputError` for what is not there."""
        mounts = step.operation.mounts if isinstance(step.operation, RunOp) else ()
        return tuple(self._of(step.number, mount) for mount in mounts)

    def _of(self, step: int, mount: RunMount) -> MountedTree:
        match mount:
            case BindMount(context=True):
                return self._of_context(step, mount)
            case BindMount():
                key = {"type": "bind", "target": mount.target, "readonly": mount.readonly}
                return self._taken(mount, mount.origin, mount.source, key)
            case CacheMount():
                return self._cache(mount)
            case TmpfsMount(target=target, size=size, readonly=readonly):
                return MountedTree(mount, {"type": "tmpfs", "target": target, "size": size, "readonly": readonly})
            case ScriptMount(target=target, content=content):
                return MountedTree(mount, {"type": "script", "target": target, "content": str(Digest.of(content))})
            case SecretMount() | SshMount():
                return MountedTree(mount, _lent(mount))

    def _of_context(self, step: int, mount: BindMount) -> MountedTree:
        source = of_context(self.context(), mount)
        self.solved.note(step, taken(source))
        root = Tree(b"", context_entries(source, ROOT)).root()
        key = {"type": "bind", "target": mount.target, "readonly": mount.readonly, "tree": str(root)}
        return MountedTree(mount, key, (ResourceDescriptor.of(root, mounted(mount)),), source)

    def _cache(self, mount: CacheMount) -> MountedTree:
        access = mount.access
        key = {
            "type": "cache",
            "target": mount.target,
            "readonly": mount.readonly,
            "access": [access.uid, access.gid, access.mode] if access else None,
        }
        found = self._taken(mount, mount.origin, mount.source, key)
        told = {"cache": mount.id, "sharing": mount.sharing, UNTRUSTED: True}
        return replace(found, materials=(ResourceDescriptor(mounted(mount), annotations=told), *found.materials))

    def _taken(
        self, mount: BindMount | CacheMount, origin: Chain | None, source: str, key: Mapping[str, object]
    ) -> MountedTree:
        """`source` of another root file system: the whole is known by its steps, a part is looked at once."""
        name = mounted(mount)
        if source == "/":
            if origin is None:
                return MountedTree(mount, key)
            whole = {**key, "origin": self.solved.identity(origin)}
            return MountedTree(mount, whole, self.solved.resources(origin, name))
        root = self._subtree(origin, source)
        return MountedTree(mount, {**key, "tree": str(root)}, (ResourceDescriptor.of(root, name),))

    def _subtree(self, origin: Chain | None, source: str) -> Digest:
        stack = self.solved.stack(origin) if origin else []
        if not stack:
            raise InputError(f'"{source}" not found')
        index = self.environment.store.index
        name = f"{chain_of(stack)} {source}"
        known = index.recall(KIND, name)
        if known is not None:
            return Digest.parse(known.decode())
        with self.roots.reading(stack) as root, Folder(root, "/") as view:
            found = _subtree(view, source)
        index.remember(KIND, name, str(found).encode())
        return found


def _lent(mount: SecretMount | SshMount) -> dict[str, object]:
    """Never a value, nor whether one was given."""
    return {
        "type": "secret" if isinstance(mount, SecretMount) else "ssh",
        "id": mount.id,
        "target": mount.target,
        "variable": mount.variable if isinstance(mount, SecretMount) else None,
        "required": mount.required,
        "access": [mount.access.uid, mount.access.gid, mount.access.mode],
    }


def _subtree(view: Folder, source: str) -> Digest:
    path = follow(view, source)
    item = view.item(path)
    if item is None:
        raise InputError(f'"{source}" not found')
    name = os.fsencode(ROOT)
    if not item.is_folder:
        folder, _, last = os.path.join(view.root, path).rpartition("/")
        tree = Tree(os.fsencode(folder), [_file(os.fsencode(last), view, path)])
        tree.listing()
        tree.entries[0].path = name
        return tree.root()
    tree = scan(view.root / path)
    tree.listing()  # files are read where they are, before they are called otherwise
    for entry in tree.entries:
        entry.path = name + b"/" + entry.path
        if entry.kind == "hardlink":
            entry.target = name + b"/" + entry.target
    return Tree(b"", [Entry(name, "directory", item.permissions, item.uid, item.gid), *tree.entries]).root()


def _file(name: bytes, view: Folder, path: str) -> Entry:
    item = view.item(path)
    if item is None or not item.is_file:
        raise InputError(f'"/{path}": is neither a folder nor a file')
    return Entry(name, "file", item.permissions, item.uid, item.gid, item.size)

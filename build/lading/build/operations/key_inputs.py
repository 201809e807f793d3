"""What the result of a step depends on: what it does, and the trees that it does it to.

Both are in it by content alone, so a step whose new execution gives the old tree changes nothing after it
(`docs/adr/0008-steps-keyed-by-trees.md`).
"""

from __future__ import annotations

import os
from typing import Final

from lading.build.context.context_entries import context_entries
from lading.build.context.taken_files import folder_root
from lading.build.graph import step_links
from lading.build.graph.request import BuildEnvironment
from lading.build.graph.solve_state import SolveState
from lading.build.graph.steps.step import Step
from lading.build.graph.steps.step_operations import CopyOp, DeriveOp, MkdirOp, RunOp, UnpackOp
from lading.build.operations.copy_sources import CommitSource, CopySources, PickedSource
from lading.build.operations.running.mounted_trees import MountedTree
from lading.build.operations.running.run_execution import HOSTNAME
from lading.store.archives.trees import Tree, text
from lading.store.oci.digests import Digest
from lading.store.oci.json import canonical

VERSION: Final = 3
"""Of the meaning of operations; part of every key."""
_UNPACKED: Final = 2
"""Goes up when the same packages would give other layers."""


def inputs(
    step: Step,
    picked: CopySources | None,
    mounted: tuple[MountedTree, ...],
    solved: SolveState,
    environment: BuildEnvironment,
) -> bytes:
    """Of `step`, as canonical JSON; `picked` are the files of the context that it takes, `mounted` what it mounts."""
    return canonical(
        {
            "version": VERSION,
            "platform": str(step.platform) if step.platform else None,
            "below": solved.identity(step.ground),
            "operation": _operation(step, picked, mounted, solved, environment),
        }
    )


def _operation(
    step: Step,
    picked: CopySources | None,
    mounted: tuple[MountedTree, ...],
    solved: SolveState,
    environment: BuildEnvironment,
) -> dict[str, object]:
    match step.operation:
        case MkdirOp(path=path, user=user):
            return {"kind": "folder", "path": path, "user": user}
        case UnpackOp(packages=packages, for_dpkg=for_dpkg):
            digests = [str(package.digest) for package in packages]
            value: dict[str, object] = {"kind": "unpack", "format": _UNPACKED, "packages": digests}
            return {**value, "forDpkg": True} if for_dpkg else value
        case DeriveOp(origin=origin, ld_so_cache=ld_so_cache, database=database):
            value = {
                "kind": "derive",
                "format": _UNPACKED,
                "origin": solved.identity(origin),
                "ldSoCache": ld_so_cache,
            }
            return {**value, "dpkg": [database.status, database.sources]} if database else value
        case RunOp() as operation:
            return _run(operation, mounted, environment)
        case CopyOp() as operation:
            return _copy(operation, picked, solved)


def _run(operation: RunOp, mounted: tuple[MountedTree, ...], environment: BuildEnvironment) -> dict[str, object]:
    executor, recording = environment.executor, environment.recording
    value: dict[str, object] = {
        "kind": "run",
        "argv": list(operation.argv),
        "environment": [list(pair) for pair in operation.environment],
        "workdir": operation.workdir,
        "user": operation.user,
        "network": recording.word if recording and operation.network == "default" else operation.network,
        "hostname": HOSTNAME,
        "isolation": executor.isolation,
        "privileges": step_links.privileges(operation, executor),
        **operation.settings.value(),
    }
    withheld = sorted(name for name, _ in operation.environment if name in environment.withheld)
    if withheld and recording and operation.network == "default":
        value["withheld"] = withheld  # in what its recording has of what it asked
    return {**value, "mounts": [tree.key for tree in mounted]} if mounted else value


def _copy(operation: CopyOp, picked: CopySources | None, solved: SolveState) -> dict[str, object]:
    owner = operation.owner
    value: dict[str, object] = {
        "kind": "copy",
        "destination": operation.destination,
        "owner": [owner.user, owner.group] if owner else None,
        "mode": operation.mode.text if operation.mode else None,
        "exclude": list(operation.exclude),
        "unpack": operation.unpack,
        "documents": [[item.name, str(Digest.of(item.content))] for item in operation.documents],
    }
    if operation.parents:  # which folders are copied, and which only made for what is in them, the patterns say
        value["parents"] = list(operation.names)
    if operation.origin is not None:
        return {**value, "origin": solved.identity(operation.origin), "sources": list(operation.names)}
    return {**value, "context": [_source(one) for one in picked.sources] if picked else []}


def _source(picked: PickedSource | CommitSource) -> dict[str, object]:
    if isinstance(picked, CommitSource):
        return picked.commit.key
    source = picked.source
    if source.item.is_folder:
        return {"folder": str(folder_root(source))}
    return {
        "name": text(os.fsencode(source.name)),
        "unpack": picked.unpack,
        "file": str(Tree(b"", context_entries(source, "file")).root()),
    }

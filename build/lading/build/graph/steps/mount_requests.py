"""What a RUN has mounted while it is executed, and what of the machine it sees there."""

from __future__ import annotations

from typing import Literal, TypeAlias

from lading.build.graph.steps.chain import Chain
from lading.store.fastclass import dataclass

CacheSharing = Literal["shared", "private", "locked"]


@dataclass(frozen=True, slots=True)
class BindMount:
    """`source` of another root file system, of the context (`context`), or an empty folder (neither) at `target`."""

    target: str
    source: str
    origin: Chain | None
    context: bool
    readonly: bool


@dataclass(frozen=True, slots=True)
class FileAccess:
    """Who owns what a step has mounted, and its mode."""

    uid: int
    gid: int
    mode: int


@dataclass(frozen=True, slots=True)
class CacheMount:
    """A folder that outlives the step at `target`, the one called `id`; it begins as `source` of `origin`, or empty."""

    target: str
    id: str
    sharing: CacheSharing
    origin: Chain | None
    source: str
    access: FileAccess | None
    readonly: bool


@dataclass(frozen=True, slots=True)
class TmpfsMount:
    """Memory at `target`, `size` bytes of it at most (0: as the kernel has it)."""

    target: str
    size: int
    readonly: bool


@dataclass(frozen=True, slots=True)
class SecretMount:
    """The secret `id` as a file (`target`), as a variable (`variable`), or as both."""

    id: str
    target: str | None
    variable: str | None
    required: bool
    access: FileAccess


@dataclass(frozen=True, slots=True)
class SshMount:
    """The socket of the agent `id` at `target`."""

    id: str
    target: str
    required: bool
    access: FileAccess


@dataclass(frozen=True, slots=True)
class ScriptMount:
    """A program that stands in the Dockerfile, at `target`."""

    target: str
    content: bytes


RunMount: TypeAlias = BindMount | CacheMount | TmpfsMount | SecretMount | SshMount | ScriptMount


def mounted(mount: BindMount | CacheMount) -> str:
    """The name of a material that a RUN has mounted."""
    return f"mount:{mount.target}"

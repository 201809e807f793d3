"""The graph of a build: steps that make trees, on chains of earlier steps, below them images or nothing.

A step knows everything that it does, with every variable expanded; what it is done *to* are the trees of its
chain and sources, known only when those are solved. Steps are numbered in topological order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal, TypeAlias

from lading.build.dockerfile.instruction_values import Owner
from lading.build.dockerfile.modes import FileMode
from lading.build.errors import Place
from lading.build.graph.image_config import Config
from lading.build.remote.addresses import Repository, WebFile
from lading.store.fastclass import dataclass
from lading.store.oci.digests import Digest
from lading.verify.documents.links import TREE

CacheSharing = Literal["shared", "private", "locked"]


@dataclass(frozen=True, slots=True)
class Chain:
    """A root file system: the name of the image it begins with (None: nothing), and the steps on it, bottom up."""

    image: str | None = None
    steps: tuple[int, ...] = ()

    def then(self, step: int) -> Chain:
        """With one more step."""
        return Chain(self.image, (*self.steps, step))


@dataclass(frozen=True, slots=True)
class InlineFile:
    """A file whose content stands in the Dockerfile."""

    name: str
    content: bytes


CopyFrom: TypeAlias = str | WebFile | Repository
"""A source of a COPY: a pattern of names, or what is fetched."""


@dataclass(frozen=True, slots=True)
class CopyOp:
    """Copies `sources` of the context (`origin` None) or of another root file system or of elsewhere, and `documents`.

    `destination` is absolute; a slash at its end, or ``/.``, says that it is a folder. `link` puts it all on nothing,
    so that it is the same whatever it stands on; `parents` keeps the folders that sources are written in, `exclude`
    leaves out what its patterns match below each source.
    """

    sources: tuple[CopyFrom, ...]
    documents: tuple[InlineFile, ...]
    destination: str
    origin: Chain | None
    owner: Owner | None
    mode: FileMode | None
    unpack: bool
    link: bool = False
    parents: bool = False
    exclude: tuple[str, ...] = ()
    context: str = ""
    """The name of another context than the build's own."""

    @property
    def names(self) -> tuple[str, ...]:
        """Those of its sources that are patterns of names."""
        return tuple(source for source in self.sources if isinstance(source, str))


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


@dataclass(frozen=True, slots=True)
class StepSettings:
    """What the call says of every RUN: names in /etc/hosts with their addresses, bytes of /dev/shm (0: the usual).

    `ulimits` are the names of limits as ulimit has them, each with its soft and its hard value (-1: none).
    """

    hosts: tuple[tuple[str, str], ...] = ()
    shm_size: int = 0
    ulimits: tuple[tuple[str, int, int], ...] = ()

    def value(self) -> dict[str, object]:
        """What is set, as JSON; nothing where all is as usual."""
        found = {
            "hosts": [list(pair) for pair in self.hosts],
            "shmSize": self.shm_size,
            "ulimits": [list(limit) for limit in self.ulimits],
        }
        return {name: value for name, value in found.items() if value}


@dataclass(frozen=True, slots=True)
class RunOp:
    """Executes `argv` with `environment` (name and value), which is all it sees. Proxies are not part of a key."""

    argv: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    proxies: tuple[tuple[str, str], ...]
    workdir: str
    user: str
    network: str
    security: str = "sandbox"
    mounts: tuple[RunMount, ...] = ()
    settings: StepSettings = StepSettings()


@dataclass(frozen=True, slots=True)
class MkdirOp:
    """Makes the folder `path` and what is missing above it, for `user` where it is not empty."""

    path: str
    user: str


@dataclass(frozen=True, slots=True)
class PackageRecord:
    """A package as an archive's index lists it; `digest` is of the .deb, `size` in bytes."""

    name: str
    version: str
    architecture: str
    digest: Digest
    size: int
    filename: str
    release: str
    """The SHA-256 of the InRelease file that it chains to."""


@dataclass(frozen=True, slots=True)
class UnpackOp:
    """Unpacks Debian packages over each other, recorded for scanners; `name` is theirs together."""

    name: str
    packages: tuple[PackageRecord, ...]


@dataclass(frozen=True, slots=True)
class DeriveOp:
    """Writes what the packages' maintainer scripts would have made of the trees of `origin`."""

    origin: Chain
    ld_so_cache: bool


FROM: Final = "mount:from"
"""The name of a material that a COPY takes from another stage."""


def mounted(mount: BindMount | CacheMount) -> str:
    """The name of a material that a RUN has mounted."""
    return f"mount:{mount.target}"


Operation: TypeAlias = CopyOp | RunOp | MkdirOp | UnpackOp | DeriveOp


@dataclass(frozen=True, slots=True)
class Step:
    """An operation in its place.

    `text` is what the image's history says; `command` is what a link says, no variable expanded; `written` is the
    instruction on one line, as it stands in the Dockerfile.
    """

    number: int
    stage: str
    place: Place
    operation: Operation
    below: Chain
    text: str
    command: tuple[str, ...]
    written: str

    @property
    def ground(self) -> Chain:
        """What it is done to: what is `below`, or nothing, where it is the same on everything."""
        return Chain() if isinstance(self.operation, CopyOp) and self.operation.link else self.below

    @property
    def chains(self) -> Iterator[Chain]:
        """The root file systems it needs."""
        yield self.ground
        yield from (chain for _, chain in self.taken)

    @property
    def taken(self) -> Iterator[tuple[str, Chain]]:
        """The root file systems that it takes something of, by the names that they have among its materials."""
        match self.operation:
            case CopyOp(origin=Chain() as origin):
                yield FROM, origin
            case DeriveOp(origin=origin):
                yield TREE, origin
            case RunOp(mounts=mounts):
                for mount in mounts:
                    if isinstance(mount, BindMount | CacheMount) and mount.origin is not None:
                        yield mounted(mount), mount.origin
            case _:
                pass


@dataclass(frozen=True, slots=True)
class StageLine:
    """A line of a stage as the DAG document shows it: its text, and the step or the image it stands for, if any."""

    stage: str
    place: Place
    text: str
    step: int | None = None
    image: str | None = None


@dataclass(frozen=True, slots=True)
class Graph:
    """Everything that has to be solved for `chain`, whose image `config` describes.

    `shown` are the build arguments whose values the history of the image shows; `lines` are all instructions of
    the stages that take part.
    """

    steps: tuple[Step, ...]
    chain: Chain
    config: Config
    lines: tuple[StageLine, ...]
    shown: Mapping[str, str]

    @property
    def images(self) -> tuple[str, ...]:
        """The images it begins with or copies from, in the order of their first use."""
        chains = [chain for step in self.steps for chain in step.chains]
        return tuple(dict.fromkeys(chain.image for chain in (*chains, self.chain) if chain.image is not None))

    def stands_on(self, step: Step) -> Iterator[int]:
        """The steps that have to be solved before `step`, without those that the last of a chain stands on anyway."""
        for chain in step.chains:
            if chain.steps:
                ground = self.steps[chain.steps[-1]].ground
                yield from chain.steps[-1:] if ground.steps == chain.steps[:-1] else chain.steps

    @property
    def needed(self) -> tuple[Step, ...]:
        """The steps that the image needs, in order."""
        wanted: set[int] = set(self.chain.steps)
        for step in reversed(self.steps):
            if step.number in wanted:
                wanted.update(number for chain in step.chains for number in chain.steps)
        return tuple(step for step in self.steps if step.number in wanted)

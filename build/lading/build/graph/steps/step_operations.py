"""What steps do: every operation with all its variables expanded."""

from __future__ import annotations

from typing import Final, TypeAlias

from lading.build.context.remote.addresses import Repository, WebFile
from lading.build.dockerfile.instruction_values import Owner
from lading.build.dockerfile.modes import FileMode
from lading.build.graph.steps.chain import Chain
from lading.build.graph.steps.mount_requests import RunMount
from lading.store.fastclass import dataclass
from lading.store.oci.digests import Digest


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
    """Unpacks Debian packages over each other, recorded for scanners, or `for_dpkg`; `name` is theirs together."""

    name: str
    packages: tuple[PackageRecord, ...]
    for_dpkg: bool = False


@dataclass(frozen=True, slots=True)
class DpkgDatabase:
    """What dpkg is told of all packages, ``installed`` or ``unpacked``; and apt of where there are more.

    `sources` is the text of a file of sources, archives by their names, "" for none.
    """

    status: str
    sources: str


@dataclass(frozen=True, slots=True)
class DeriveOp:
    """Writes what the packages' maintainer scripts would have made of the trees of `origin`."""

    origin: Chain
    ld_so_cache: bool
    database: DpkgDatabase | None = None


FROM: Final = "mount:from"
"""The name of a material that a COPY takes from another stage."""


Operation: TypeAlias = CopyOp | RunOp | MkdirOp | UnpackOp | DeriveOp

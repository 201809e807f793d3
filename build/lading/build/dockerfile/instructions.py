"""Nodes to instructions: what each is asked for, checked as far as it can be without a value of a variable."""

from __future__ import annotations

from typing import TypeAlias

from lading.build.dockerfile.arguments import Heredoc
from lading.build.dockerfile.parser import ParsedDockerfile
from lading.build.errors import Place
from lading.store.fastclass import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """A command line: a list of words, or one string for a shell."""

    args: tuple[str, ...]
    shell: bool


@dataclass(frozen=True, slots=True)
class Pair:
    """``name=value``."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class From:
    """``FROM [--platform=P] image [AS name]``."""

    place: Place
    image: str
    name: str | None
    platform: str | None


@dataclass(frozen=True, slots=True)
class Arg:
    """``ARG name[=default] ...``; a default of None is none."""

    place: Place
    args: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class Env:
    """``ENV name=value ...``."""

    place: Place
    pairs: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class Label:
    """``LABEL name=value ...``."""

    place: Place
    pairs: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class Copy:
    """``COPY`` and ``ADD`` (`add`): sources, heredocs among them, and a destination.

    `unpack` None leaves it to the kind of source whether an archive is unpacked.
    """

    place: Place
    add: bool
    sources: tuple[str, ...]
    documents: tuple[Heredoc, ...]
    destination: str
    origin: str | None
    chown: str
    chmod: str
    link: bool
    parents: bool = False
    exclude: tuple[str, ...] = ()
    unpack: bool | None = None
    checksum: str = ""
    keep_git: bool | None = None

    @property
    def word(self) -> str:
        """As it is written."""
        return "ADD" if self.add else "COPY"


@dataclass(frozen=True, slots=True)
class MountFlag:
    """``--mount=KEY=VALUE,...`` as written: its fields, no variable expanded, and what its ``from`` names."""

    fields: tuple[str, ...]
    origin: str


@dataclass(frozen=True, slots=True)
class Run:
    """``RUN command``; `network` is ``default``, ``none`` or ``host``, `security` ``sandbox`` or ``insecure``."""

    place: Place
    command: Command
    documents: tuple[Heredoc, ...]
    network: str
    security: str
    mounts: tuple[MountFlag, ...]


@dataclass(frozen=True, slots=True)
class Workdir:
    """``WORKDIR path``."""

    place: Place
    path: str


@dataclass(frozen=True, slots=True)
class User:
    """``USER user[:group]``."""

    place: Place
    user: str


@dataclass(frozen=True, slots=True)
class Expose:
    """``EXPOSE port ...``."""

    place: Place
    ports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Volume:
    """``VOLUME path ...``."""

    place: Place
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entrypoint:
    """``ENTRYPOINT command``."""

    place: Place
    command: Command


@dataclass(frozen=True, slots=True)
class Cmd:
    """``CMD command``."""

    place: Place
    command: Command


@dataclass(frozen=True, slots=True)
class StopSignal:
    """``STOPSIGNAL signal``."""

    place: Place
    signal: str


@dataclass(frozen=True, slots=True)
class Shell:
    """``SHELL ["program", "argument"]``."""

    place: Place
    args: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Healthcheck:
    """``HEALTHCHECK``; durations in nanoseconds, 0 is the engine's default."""

    place: Place
    test: tuple[str, ...]
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Maintainer:
    """``MAINTAINER name``, deprecated."""

    place: Place
    name: str


@dataclass(frozen=True, slots=True)
class Onbuild:
    """``ONBUILD instruction``: `trigger` is the instruction as written, read where a stage begins with this one."""

    place: Place
    trigger: str


Instruction: TypeAlias = (
    Arg
    | Env
    | Label
    | Copy
    | Run
    | Workdir
    | User
    | Expose
    | Volume
    | Entrypoint
    | Cmd
    | StopSignal
    | Shell
    | Healthcheck
    | Maintainer
    | Onbuild
)
"""What may stand in a stage."""


@dataclass(frozen=True, slots=True)
class Stage:
    """``FROM`` and what follows it."""

    index: int
    head: From
    body: tuple[Instruction, ...]

    @property
    def title(self) -> str:
        """Its name, or ``stage-N``."""
        return self.head.name or f"stage-{self.index}"


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """A whole Dockerfile: the ARGs before the first FROM, and the stages; `syntax` is the front end that it names."""

    source: ParsedDockerfile
    args: tuple[Arg, ...]
    stages: tuple[Stage, ...]
    syntax: str | None = None

    @property
    def name(self) -> str:
        """As errors and the provenance have it."""
        return self.source.name

    @property
    def escape(self) -> str:
        """The escape character."""
        return self.source.escape

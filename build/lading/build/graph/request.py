"""What a build is asked for, what it needs from others, and what it gives back."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

from lading.build.context.remote.addresses import Repository, WebFile
from lading.build.context.revision import Revision
from lading.build.errors import StepError
from lading.build.graph.cache_places import SharedCaches
from lading.build.graph.check_finding import CheckFinding
from lading.build.graph.executor import CallerTerminal, Emulators, Executor, Network
from lading.build.graph.halt import Together
from lading.build.graph.steps.network_recording import NetworkRecording
from lading.build.graph.steps.step import Step
from lading.build.graph.steps.step_operations import StepSettings
from lading.store.archives.compression import Compression
from lading.store.archives.layers import EPOCH
from lading.store.errors import MachineError
from lading.store.fastclass import dataclass, field
from lading.store.oci.descriptors import Descriptor, Platform
from lading.store.oci.digests import Digest
from lading.store.oci.documents import ImageConfig, Manifest
from lading.store.oci.platform_choice import taken
from lading.store.store import Store
from lading.verify.documents.bases import Base, BaseStatus
from lading.verify.documents.provenance import LOCAL_BUILDER
from lading.verify.keys.keys import Signer

if TYPE_CHECKING:
    from lading.registry.http.transport import Transport


@dataclass(frozen=True, slots=True)
class Rendering:
    """How the layers of an image are written: the time of every file in seconds since 1970, and the compression."""

    epoch: int
    compression: Compression


STEPS: Final = Rendering(EPOCH, "zstd")
"""How steps have theirs: always so, that no result depends on what an image is asked to look like."""


def usable_cpus() -> int:
    """The CPUs that this process may use."""
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class PackedContext:
    """A context as an archive, or a Dockerfile alone, called `title` in errors; it is opened once."""

    title: str
    open: Callable[[], IO[bytes]]


@dataclass(frozen=True, slots=True)
class ImageContext:
    """A named context that is an image, by its name."""

    image: str

    @property
    def record(self) -> str:
        """As a provenance has it: of one in a folder of this machine, not where that is."""
        kind, colon, _ = self.image.partition("://")
        return kind if colon else self.image


NamedContext: TypeAlias = Path | PackedContext | WebFile | Repository | ImageContext
"""What a name means to FROM and ``--from``."""


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """A Dockerfile and its context, and what should become of them.

    `dockerfile` is the text where it does not come from `file`; `file` left out is ``Dockerfile`` in the context.
    `platforms` are what it is built for, this machine's own where there are none; of several it makes an index.
    `names` are full, normalised references; `labels` stand above the Dockerfile's, `annotations` in the
    manifests, `index_annotations` in the index of several. `private` are folders and
    sockets that never belong to a context, the state folder above all. `normal_modes` maps the modes of context
    files to 0644 and 0755. `revision` is the git commit of the context, where the provenance is to name it.
    `jobs` steps are solved side by side. With `no_cache` all steps are executed again, else those of the stages in
    `no_cache_stages`; with `why` the listener is told of each that is executed why.
    `network` is that of every RUN that names none; `allow` (``network.host``, ``security.insecure``) is what a RUN
    may ask for, and `settings` how every RUN is executed.
    """

    context: Path
    file: Path | None = None
    dockerfile: bytes | None = None
    names: tuple[str, ...] = ()
    arguments: Mapping[str, str] = field(default_factory=dict[str, str])
    target: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    index_annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    platforms: tuple[str, ...] = ()
    no_cache: bool = False
    compression: Compression = "zstd"
    epoch: int | None = None
    normal_modes: bool = False
    show_arguments: bool = False
    builder_id: str = LOCAL_BUILDER
    revision: Revision | None = None
    source: PackedContext | WebFile | Repository | None = None
    """Where the context comes from when it is no folder here; `file` is then a name in it, `context` nothing."""
    contexts: Mapping[str, NamedContext] = field(default_factory=dict[str, "NamedContext"])
    """Others by name: FROM and ``--from`` mean these before images, and a stage of such a name is replaced."""
    owners: bool = False
    """Whether files of the context keep their owners; else all are root's."""
    private: tuple[Path, ...] = ()
    jobs: int = field(default_factory=usable_cpus)
    network: Network = "default"
    allow: frozenset[str] = frozenset()
    settings: StepSettings = StepSettings()
    no_cache_stages: frozenset[str] = frozenset()
    why: bool = False
    recording: NetworkRecording | None = None
    """How what its steps ask of the web is recorded, or answered from a recording."""
    expected: Mapping[str, Digest] | None = None
    """The roots of all that steps may take of the context ("") and of others by name; None: of whatever they name."""

    def again(self, step: Step) -> str | None:
        """Why `step` has to be executed whatever is cached, None where it need not be."""
        if self.no_cache:
            return "nothing of the cache is to be used"
        return f"nothing of the cache is to be used for {step.stage}" if step.stage in self.no_cache_stages else None


@dataclass(frozen=True, slots=True)
class BaseImage:
    """An image that a build begins with or copies from: its layers are in the store, and it was let in.

    `reference` is full and normalised; `status` and `reason` say how far it is vouched for (`bases`).
    """

    reference: str
    descriptor: Descriptor
    manifest: Manifest
    config: ImageConfig
    status: BaseStatus
    reason: str = ""
    index: Digest | None = None
    policy: Digest | None = None

    def record(self) -> Base:
        """As a provenance keeps it."""
        return Base(
            self.reference,
            self.manifest.descriptor.digest,
            self.status,
            self.index,
            str(self.config.platform),
            self.policy,
            self.reason,
        )


class BaseImages(Protocol):
    """Where base images come from: the local store, else a registry; the policy's ``from`` section is applied."""

    def resolve(self, name: str, platform: Platform) -> BaseImage:
        """The image `name`, as FROM has it, for `platform`. Raises where it is not to be had or not let in."""
        ...


class KeySource(Protocol):
    """A signing key that is opened only when something is executed or has to be signed."""

    @property
    def fingerprint(self) -> str:
        """Of the public key: SHA-256 of its DER, in hexadecimal."""
        ...

    def open(self) -> Signer:
        """The key, its password asked for once where it must be. May be called from any thread."""
        ...


class LentKeys(Protocol):
    """An ssh agent of this process, for keys that the call names."""

    def answer(self, message: bytes) -> bytes:
        """What it says to a message (draft-ietf-sshm-ssh-agent), both without their lengths. Any thread may ask."""
        ...


@dataclass(frozen=True, slots=True)
class StepSecrets:
    """What the call lends to the steps, by id: values of secrets; ssh agents, paths of their sockets or keys."""

    values: Mapping[str, bytes] = field(default_factory=dict[str, bytes], repr=False)
    agents: Mapping[str, str | LentKeys] = field(default_factory=dict[str, "str | LentKeys"])


@dataclass(frozen=True, slots=True)
class StepReport:
    """What became of a step: from the cache or executed, in seconds, and the layer's size in bytes."""

    step: Step
    cached: bool
    seconds: float
    size: int | None = None


class Listener(Protocol):
    """Told how a build goes on. Its methods may be called from any thread."""

    def planned(self, steps: tuple[Step, ...]) -> None:
        """These steps will be solved."""
        ...

    def started(self, step: Step) -> None:
        """A step is executed: it was not in the cache."""
        ...

    def wrote(self, step: Step, data: bytes, stream: Literal["stdout", "stderr"]) -> None:
        """A step wrote `data`, never clipped."""
        ...

    def finished(self, report: StepReport) -> None:
        """A step is solved."""
        ...

    def missed(self, step: Step, why: tuple[str, ...]) -> None:
        """Why a step that has started is executed, where the call asks for that."""
        ...

    def halted(self, step: Step) -> None:
        """A step that was executed is ended with the build, through no fault of its own."""
        ...

    def warned(self, text: str) -> None:
        """Something the user should know."""
        ...


class Debugger(Protocol):
    """Asked where a RUN failed, while all that it had is still there."""

    def failed(self, error: StepError, shell: Callable[[CallerTerminal], int]) -> None:
        """`shell` executes a shell in the step's place and returns its exit code, 127 where there is none."""
        ...


class _Silent:
    __slots__ = ()

    def planned(self, steps: tuple[Step, ...]) -> None:
        del steps

    def started(self, step: Step) -> None:
        del step

    def wrote(self, step: Step, data: bytes, stream: Literal["stdout", "stderr"]) -> None:
        del step, data, stream

    def finished(self, report: StepReport) -> None:
        del report

    def missed(self, step: Step, why: tuple[str, ...]) -> None:
        del step, why

    def halted(self, step: Step) -> None:
        del step

    def warned(self, text: str) -> None:
        del text


SILENT: Final[Listener] = _Silent()
"""Nobody listens."""


def _runs(own: Platform, other: Platform) -> bool:
    """Of one architecture, whichever variant: what a processor has is not told by its name."""
    return (own.os, own.architecture) == (other.os, other.architecture)


@dataclass(frozen=True, slots=True)
class BuildEnvironment:
    """What a build uses: the store, and what `host` joins to it. Without `key` nothing is signed.

    `clock` gives seconds since 1970 and is used for the times a provenance records, never for an image.
    """

    store: Store
    executor: Executor
    images: BaseImages
    platform: Platform
    clock: Callable[[], float]
    key: KeySource | None = None
    transport: Transport | None = None
    """For what ADD names elsewhere; None: this build has no network."""
    listener: Listener = SILENT
    version: str = "0"
    secrets: StepSecrets = StepSecrets()
    shared: SharedCaches = SharedCaches()
    debugger: Debugger | None = None
    together: Together | None = None
    """What it shares with the other builds of its call; None where it is the only one."""
    recording: NetworkRecording | None = None
    arguments: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Values of the call's build arguments."""
    withheld: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Those of them that no attestation has."""
    emulators: Emulators | None = None
    """For steps of other platforms than this machine's own, `platform`; None: there are none."""

    def emulator(self, platform: Platform | None) -> str | None:
        """What executes programs of `platform`, None where this machine itself does. Raises `MachineError`."""
        if platform is None or any(_runs(one, platform) for one in taken(self.platform)):
            return None
        if self.emulators is None:
            raise MachineError(f"this build executes programs of {self.platform} alone")
        return self.emulators.emulator(platform)

    def started(self, step: Step) -> None:
        """A step is about to be executed: whoever has to be asked for a password is asked before the first one."""
        if self.key is not None:
            self.key.open()
        self.listener.started(step)


@dataclass(frozen=True, slots=True)
class Built:
    """An image in the store, what attests it, and how every step went.

    `reused` says that nothing was executed or signed: image and attestations are those of an earlier build.
    """

    descriptor: Descriptor
    attestations: tuple[Descriptor, ...]
    steps: tuple[StepReport, ...]
    bases: tuple[Base, ...]
    reused: bool
    warnings: tuple[str, ...] = ()
    signer: str | None = None
    """The fingerprint of the key whose signatures these are; None where nothing was signed."""
    findings: tuple[CheckFinding, ...] = ()
    """What the checks found, by line."""
    images: tuple[Descriptor, ...] = ()
    """Those of an index, each with its platform; empty where `descriptor` is the image."""

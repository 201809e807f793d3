"""Lading for Python programs: what stands in `__all__` is the promise, and everything else may change.

Errors are by culprit, and all of them are `LadingError`, with a message and perhaps a hint, which may be a `Remedy`::

    LadingError
    ├── InputError          what the program gave: a name, a file, a Dockerfile
    ├── DocumentError       a document or blob from outside is malformed, too large, or not as its digest says
    ├── RegistryError       a registry could not be reached, refused, or broke the protocol
    │   ├── UnreachableError, NotFoundError, UnauthorizedError, DeniedError, BusyError
    ├── MachineError        this machine: kernel, disk, a missing program
    ├── GateError           no verdict: RefusedError, NoAttestationError, UncheckableError (`VerifyResult.require`)
    └── CancelledError      whoever watched ended it
"""

from lading.api.lading import Lading
from lading.api.results import (
    BuildResult,
    LoadResult,
    ProvenanceResult,
    PullResult,
    PushResult,
    SaveResult,
    StatementResult,
    VerifyResult,
)
from lading.api.watching import CancelledError, Event, Watcher
from lading.host.configuration import Configuration
from lading.networking.driver import PortMapping
from lading.registry.errors import BusyError, DeniedError, NotFoundError, UnauthorizedError, UnreachableError
from lading.runtime.cgroups.groups import ResourceLimits
from lading.runtime.options import RunOptions, VolumeMount
from lading.runtime.process.session import RunResult
from lading.store.errors import DocumentError, InputError, LadingError, MachineError, RegistryError, Remedy, RemedyName
from lading.verify.judgement.decision import Decision
from lading.verify.judgement.errors import GateError, NoAttestationError, RefusedError, UncheckableError
from lading.verify.judgement.verdict import Verdict

__all__ = [
    "BuildResult",
    "BusyError",
    "CancelledError",
    "Configuration",
    "Decision",
    "DeniedError",
    "DocumentError",
    "Event",
    "GateError",
    "InputError",
    "Lading",
    "LadingError",
    "LoadResult",
    "MachineError",
    "NoAttestationError",
    "NotFoundError",
    "PortMapping",
    "ProvenanceResult",
    "PullResult",
    "PushResult",
    "RefusedError",
    "RegistryError",
    "Remedy",
    "RemedyName",
    "ResourceLimits",
    "RunOptions",
    "RunResult",
    "SaveResult",
    "StatementResult",
    "UnauthorizedError",
    "UncheckableError",
    "UnreachableError",
    "Verdict",
    "VerifyResult",
    "VolumeMount",
    "Watcher",
]

"""The link statement of a step: what it was given, what it did, what it made (`lading.verify.documents.links`)."""

from __future__ import annotations

import hashlib
from typing import Final

from lading.build.graph.executor import Executor
from lading.build.graph.request import StepSecrets
from lading.build.graph.solve_state import SolveState
from lading.build.graph.steps.mount_requests import ScriptMount, SecretMount, SshMount
from lading.build.graph.steps.network_recording import NetworkUse
from lading.build.graph.steps.step import Step
from lading.build.graph.steps.step_operations import CopyOp, DeriveOp, PackageRecord, RunOp, UnpackOp
from lading.store.oci.digests import Digest
from lading.verify.documents.links import (
    CONTACTED,
    CONTEXT,
    MAX_MATERIALS,
    NETWORK_USED,
    RECORDED,
    UNLISTED,
    UNRECORDED,
    Link,
)
from lading.verify.documents.statements import ResourceDescriptor
from lading.verify.observations.exchanges import StepTape

_NOTHING: Final = StepSecrets()


def materials(step: Step, solved: SolveState, context: Digest | None) -> tuple[ResourceDescriptor, ...]:
    """What `step` was given; `context` is the root of the files of the context that it takes."""
    found = solved.resources(step.ground)
    operation = step.operation
    if not isinstance(operation, RunOp):  # of what it mounts a part may count alone
        found = (*found, *(one for name, chain in step.taken for one in solved.resources(chain, name)))
    if isinstance(operation, UnpackOp):
        found = (*found, *map(_package, operation.packages))
    if context is not None:
        found = (*found, ResourceDescriptor.of(context, CONTEXT))
    return found


def _package(package: PackageRecord) -> ResourceDescriptor:
    return ResourceDescriptor(name=f"url:{package.filename}", digest={package.digest.algorithm: package.digest.hex})


def _asked(tape: StepTape) -> tuple[ResourceDescriptor, ...]:
    """What was asked of the web as materials: what was answered, once; how, where that is no plain GET."""
    found: dict[tuple[str, str, str, int], None] = {}
    for one in tape.exchanges:
        found[one.asked.url, one.digest.hex, one.asked.method, one.status] = None
    return tuple(
        ResourceDescriptor(
            f"url:{url}",
            {"sha256": digest},
            annotations={} if (method, status) == ("GET", 200) else {"method": method, "status": status},
        )
        for url, digest, method, status in found
    )


def unlisted(used: NetworkUse | None, given: int) -> int:
    """How many answers of the web a link with `given` other materials has no room for."""
    return max(0, len(_asked(used.tape)) + given - MAX_MATERIALS) if used and used.tape else 0


def privileges(operation: RunOp, executor: Executor) -> dict[str, object]:
    """What a RUN may do: as every step, or all that the builder may."""
    return {"security": operation.security} if operation.security == "insecure" else dict(executor.privileges)


def _secrets_in_link(operation: RunOp, secrets: StepSecrets) -> dict[str, object]:
    """Secrets and agents by their ids, and whether they were given; scripts by their digests."""
    values, agents = secrets.values, secrets.agents
    mounts = operation.mounts
    found: dict[str, object] = {
        "secrets": {mount.id: mount.id in values for mount in mounts if isinstance(mount, SecretMount)},
        "ssh": {mount.id: mount.id in agents for mount in mounts if isinstance(mount, SshMount)},
        "documents": {
            mount.target.rpartition("/")[2]: hashlib.sha256(mount.content).hexdigest()
            for mount in mounts
            if isinstance(mount, ScriptMount)
        },
    }
    return {name: value for name, value in found.items() if value}


def statement(
    step: Step,
    product: Digest,
    given: tuple[ResourceDescriptor, ...],
    executor: Executor,
    secrets: StepSecrets = _NOTHING,
    used: NetworkUse | None = None,
    emulator: str | None = None,
) -> bytes:
    """The statement that `step` made the tree `product`, ready to be signed.

    Its command is as written: no value of a variable is in it, and of the environment only names. `emulator` is what
    executed it where this machine itself could not.
    """
    operation = step.operation
    environment: tuple[str, ...] = ()
    byproducts: dict[str, object] = {}
    name = step.text.split(" ", 1)[0]
    if isinstance(operation, RunOp):
        environment = tuple(sorted({name for name, _ in operation.environment}))
        byproducts = {
            NETWORK_USED: RECORDED if used and used.tape else operation.network,
            **({CONTACTED: used.contacts.value()} if used else {}),
            "isolation": executor.isolation,
            "emulated": emulator is not None,
            **({"emulator": emulator} if emulator else {}),
            **privileges(operation, executor),
            **operation.settings.value(),
            **_secrets_in_link(operation, secrets),
        }
    elif isinstance(operation, UnpackOp):
        name = operation.name
    elif isinstance(operation, DeriveOp):
        name = "derived"
    elif isinstance(operation, CopyOp) and operation.documents:
        byproducts = {
            "documents": {item.name: hashlib.sha256(item.content).hexdigest() for item in operation.documents}
        }
    if used and used.tape:
        answers = _asked(used.tape)
        if used.tape.unrecorded:
            byproducts[UNRECORDED] = list(used.tape.unrecorded)
        if left := unlisted(used, len(given)):
            byproducts[UNLISTED] = left
        given = (*given, *answers[: len(answers) - left])
    return Link(name, product, given, step.command, environment, byproducts).statement().raw()

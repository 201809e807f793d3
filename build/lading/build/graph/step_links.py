"""The link statement of a step: what it was given, what it did, what it made (`lading.verify.documents.links`)."""

from __future__ import annotations

import hashlib

from lading.build.graph.executor import Executor
from lading.build.graph.graph import CopyOp, DeriveOp, PackageRecord, RunOp, Step, UnpackOp
from lading.build.graph.state import FROM, SolveState
from lading.store.oci.digests import Digest
from lading.verify.documents.links import CONTEXT, Link
from lading.verify.documents.statements import ResourceDescriptor


def materials(step: Step, solved: SolveState, context: Digest | None) -> tuple[ResourceDescriptor, ...]:
    """What `step` was given; `context` is the root of the files of the context that it takes."""
    found = solved.resources(step.ground)
    operation = step.operation
    if isinstance(operation, CopyOp) and operation.origin:
        found = (*found, *solved.resources(operation.origin, FROM))
    elif isinstance(operation, DeriveOp):
        found = (*found, *solved.resources(operation.origin))
    elif isinstance(operation, UnpackOp):
        found = (*found, *map(_package, operation.packages))
    if context is not None:
        found = (*found, ResourceDescriptor.of(context, CONTEXT))
    return found


def _package(package: PackageRecord) -> ResourceDescriptor:
    return ResourceDescriptor(name=f"url:{package.filename}", digest={package.digest.algorithm: package.digest.hex})


def statement(step: Step, product: Digest, given: tuple[ResourceDescriptor, ...], executor: Executor) -> bytes:
    """The statement that `step` made the tree `product`, ready to be signed.

    Its command is as written: no value of a variable is in it, and of the environment only names.
    """
    operation = step.operation
    environment: tuple[str, ...] = ()
    byproducts: dict[str, object] = {}
    name = step.text.split(" ", 1)[0]
    if isinstance(operation, RunOp):
        environment = tuple(sorted({name for name, _ in operation.environment}))
        byproducts = {"network": operation.network, "isolation": executor.isolation, **executor.privileges}
    elif isinstance(operation, UnpackOp):
        name = operation.name
    elif isinstance(operation, DeriveOp):
        name = "derived"
    elif isinstance(operation, CopyOp) and operation.documents:
        byproducts = {
            "documents": {item.name: hashlib.sha256(item.content).hexdigest() for item in operation.documents}
        }
    return Link(name, product, given, step.command, environment, byproducts).statement().raw()

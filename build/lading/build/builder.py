"""A build from end to end: parse, resolve, solve, render, attest."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TypeVar

from lading.build.attest.built_images import ImageWriter
from lading.build.attest.dockerfile_attester import DockerfileFacts
from lading.build.checks.examine import Examiner
from lading.build.context.context import Context, refuse_private
from lading.build.context.folders import Folder
from lading.build.context.hashes import Hashes
from lading.build.convert.dockerfile_graph import ConvertOptions, Resolved, resolve
from lading.build.convert.source_files import Named, ignore
from lading.build.convert.source_files import dockerfile as find_dockerfile
from lading.build.convert.stage_state import EPOCH, EVERYTHING, Allowances
from lading.build.convert.target_platforms import targets
from lading.build.convert.trace import Trace
from lading.build.dockerfile.directives import SYNTAX, check_syntax
from lading.build.dockerfile.ignore import Ignore
from lading.build.dockerfile.instruction_reader import read
from lading.build.dockerfile.instructions import Dockerfile
from lading.build.errors import Place, placed
from lading.build.graph.action import ActionCache
from lading.build.graph.check_finding import CheckFinding, CheckReport
from lading.build.graph.graph import Graph, joined, needed
from lading.build.graph.request import SILENT, BuildEnvironment, BuildRequest, Built, ImageContext
from lading.build.graph.solve_state import SolveState
from lading.build.graph.steps.chain import WantedImage
from lading.build.operations.contexts import local_context
from lading.build.operations.copy_sources import Fetching
from lading.build.operations.named_contexts import named_contexts
from lading.build.operations.root_filesystems import RootFilesystems
from lading.build.operations.step_actions import StepActions
from lading.build.solver.expected_contexts import check_contexts
from lading.build.solver.local_cache import LocalCache, importing
from lading.build.solver.records import StepRecords
from lading.build.solver.solver import Solver
from lading.store.archives import trees
from lading.store.archives.compression import encoder_name
from lading.store.errors import InputError
from lading.store.fastclass import dataclass, replace
from lading.store.oci.descriptors import Platform
from lading.store.oci.documents import ImageConfig


def build(request: BuildRequest, environment: BuildEnvironment) -> Built:
    """Builds the image that `request` asks for, and tags it with its names.

    Raises `DockerfileError` with file and line, `InputError` for the call, and what the
    `environment` raises. Nothing half done is visible afterwards; steps that were finished stay in the cache.
    """
    begun = environment.clock()
    _check_call(request)
    environment = replace(environment, recording=request.recording)
    with local_context(request, environment) as (local, fetched):
        solved = SolveState() if environment.together is None else SolveState(halt=environment.together.halt)
        solved.brought = fetched
        return _build(local, environment, solved, begun)


def _build(request: BuildRequest, environment: BuildEnvironment, solved: SolveState, begun: float) -> Built:
    named, text = find_dockerfile(request)
    dockerfile = _read(request, text, named.title)
    with environment.store.writing():
        parts = _resolve_all(request, environment, solved, dockerfile, _examiner(request, named, text))
        _say(request, environment, dockerfile, parts)
        environment = replace(environment, arguments=request.arguments, withheld=_withheld(request, parts))
        cached = LocalCache.of(environment.store)
        _solve(request, environment, importing(cached, environment), solved, parts, named)
        encoder = encoder_name(request.compression)
        facts = DockerfileFacts(named.title, text, parts[0].epoch, encoder, dockerfile.syntax)
        writer = ImageWriter(request, environment, cached, solved, facts, begun)
        images = [writer.image(part.graph, part.platform) for part in parts]
        top = writer.top(images)
        if environment.shared.targets:
            from lading.build.solver.shared_caches import export  # noqa: PLC0415 - most calls name none

            export(environment, cached, solved, {step for part in parts for step in part.graph.chain.steps})
        if environment.shared.inline:
            from lading.build.attest.inline_cache import InlineCache  # noqa: PLC0415 - most calls name none

            carried = InlineCache(environment, cached, solved)
            for part, image in zip(parts, images, strict=True):
                carried.attach(image.descriptor, part.graph.chain.steps)
        with environment.store.index.transaction():
            cached.note_use(solved.cached)
            environment.store.keep(top.descriptor)
            for reference in request.names:
                environment.store.tag(reference, top.descriptor)
    bases = dict.fromkeys(image for part in parts for image in part.graph.images)
    return Built(
        top.descriptor,
        top.attestations,
        solved.reports,
        tuple(solved.images[base].record() for base in bases),
        top.reused and len(solved.cached) == len(solved.steps),
        _once(warning for part in parts for warning in part.warnings),
        findings=_once(finding for part in parts for finding in part.findings),
        images=tuple(image.descriptor for image in images) if len(images) > 1 else (),
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """What is built for one platform; the graphs of all parts have the same steps."""

    platform: Platform
    graph: Graph
    epoch: int
    warnings: tuple[str, ...]
    findings: tuple[CheckFinding, ...]


_T = TypeVar("_T")


def _once(found: Iterable[_T]) -> tuple[_T, ...]:
    return tuple(dict.fromkeys(found))


def _resolve_all(
    request: BuildRequest, environment: BuildEnvironment, solved: SolveState, dockerfile: Dockerfile, examiner: Examiner
) -> list[_Part]:
    parts: list[_Part] = []
    for platform in targets(request.platforms, environment.platform):
        trace = Trace()
        found = _resolve(request, environment, solved, dockerfile, trace, platform)
        parts.append(_Part(platform, found.graph, found.epoch, found.warnings, examiner.approve(dockerfile, trace)))
    if len({part.epoch for part in parts}) > 1:
        raise InputError(f"{EPOCH} must be the same for all platforms")
    graphs = joined([part.graph for part in parts])
    return [replace(part, graph=graph) for part, graph in zip(parts, graphs, strict=True)]


def _withheld(request: BuildRequest, parts: Sequence[_Part]) -> dict[str, str]:
    """The build arguments whose values stand in no provenance: the history of an image does not show them."""
    if request.show_arguments:
        return {}
    shown = [part.graph.shown for part in parts]
    return {name: value for name, value in request.arguments.items() if any(one.get(name) != value for one in shown)}


def _say(request: BuildRequest, environment: BuildEnvironment, dockerfile: Dockerfile, parts: Sequence[_Part]) -> None:
    for warning in _once(warning for part in parts for warning in part.warnings):
        environment.listener.warned(warning)
    for stage in sorted(request.no_cache_stages - {stage.title for stage in dockerfile.stages}):
        environment.listener.warned(f"no-cache-filter: there is no stage {stage!r}")


def check(request: BuildRequest, environment: BuildEnvironment) -> CheckReport:
    """What the checks find in what `request` would build: of every stage, where it names none. Executes nothing.

    Raises what `build` raises for the call; what ends a build later stands in the report.
    """
    _check_call(request)
    with local_context(request, environment) as (local, _):
        return _check(local, environment)


def _check(request: BuildRequest, environment: BuildEnvironment) -> CheckReport:
    named, text = find_dockerfile(request)
    allowing = replace(request, allow=EVERYTHING)  # nothing is executed

    def evaluate(dockerfile: Dockerfile, trace: Trace) -> None:
        with environment.store.writing():
            for platform in targets(request.platforms, environment.platform):
                every = not request.target
                _resolve(allowing, environment, SolveState(), dockerfile, trace, platform, everything=every)

    return _examiner(request, named, text).check(evaluate)


def _check_call(request: BuildRequest) -> None:
    if request.source is None and not request.context.is_dir():
        raise InputError(f"{request.context}: not a folder", hint="the last word of the call names the context")
    _check_text(request)


def _read(request: BuildRequest, text: bytes, name: str) -> Dockerfile:
    front_end = request.arguments.get(SYNTAX)
    if front_end is not None:
        check_syntax(front_end, Place(name, 1, 1))
    dockerfile = read(text, name)
    return dockerfile if front_end is None else replace(dockerfile, syntax=front_end)


def _examiner(request: BuildRequest, named: Named, text: bytes) -> Examiner:
    return Examiner(text, named.title, cache(lambda: _ignored(request, named)))


def _resolve(
    request: BuildRequest,
    environment: BuildEnvironment,
    solved: SolveState,
    dockerfile: Dockerfile,
    trace: Trace,
    platform: Platform,
    *,
    everything: bool = False,
) -> Resolved:
    """The graph for `platform`, its base images let in on the way, the labels of the call on its config."""

    def image(wanted: WantedImage, place: Place) -> ImageConfig:
        if wanted not in solved.images:
            with placed(place):
                solved.images[wanted] = environment.images.resolve(wanted.name, wanted.platform)
        return solved.images[wanted].config

    allowed = Allowances(request.network, request.allow, request.settings)
    options = ConvertOptions(
        request.arguments,
        platform,
        environment.platform,
        bool(request.platforms),
        request.target,
        request.epoch,
        allowed,
        everything=everything,
        contexts={name: one.image if isinstance(one, ImageContext) else None for name, one in request.contexts.items()},
    )
    resolved = resolve(dockerfile, options, image, trace)
    resolved.graph.config.labels.update(request.labels)
    return resolved


def _check_text(request: BuildRequest) -> None:
    """Raises `InputError` for values of the call that no document can hold."""
    given = {
        "build-arg": request.arguments,
        "label": request.labels,
        "annotation": request.annotations,
        "builder-id": {"": request.builder_id},
    }
    for option, values in given.items():
        for name, value in values.items():
            if any("\ud800" <= character <= "\udfff" for character in name + value):
                raise InputError(f"{option} {name}: not UTF-8 text", option=option)


def _solve(
    request: BuildRequest,
    environment: BuildEnvironment,
    cache: ActionCache,
    solved: SolveState,
    parts: Sequence[_Part],
    dockerfile: Named,
) -> None:
    with (
        RootFilesystems(environment.store) as roots,
        _context(request, environment, dockerfile) as context,
        named_contexts(request, environment, solved, lambda folder: ignore(folder, None)) as named,
    ):
        fetching = Fetching.on(environment, solved.halt.check)
        actions = StepActions(environment, roots, solved, context, fetching, named.get)
        if request.expected is not None:
            steps = needed([part.graph for part in parts])
            quiet = replace(actions, environment=replace(environment, listener=SILENT))
            check_contexts(request.expected, steps, quiet.taken, environment.store.index)
        records = StepRecords(environment.store.index, Path(os.path.realpath(dockerfile.folder), dockerfile.name))
        Solver(environment, cache, solved, actions.of, records, request.again, request.jobs, request.why).solve(
            *(part.graph for part in parts)
        )
        for part in parts:
            solved.settle(environment.store.index, (step.number for step in part.graph.needed))


@contextmanager
def _context(
    request: BuildRequest, environment: BuildEnvironment, dockerfile: Named
) -> Generator[Callable[[], Context], None, None]:
    """Opens the context when the first step asks for it; says at the end what was left out of it."""
    with ExitStack() as stack:
        opened: list[Context] = []
        opening = Lock()

        def get() -> Context:
            with opening:
                if not opened:
                    opened.append(stack.enter_context(_opened(request, environment, dockerfile)))
            return opened[0]

        yield get
        for path, reason in sorted(opened[0].left_out.items()) if opened else ():
            environment.listener.warned(f"{trees.text(os.fsencode(path))}: left out of the context: {reason}")


def _ignored(request: BuildRequest, dockerfile: Named) -> Ignore:
    """What of a context is left out: as in the reference nothing of one that was brought from elsewhere."""
    if request.source is not None:
        return Ignore(())
    return ignore(request.context, dockerfile if request.dockerfile is None else None)


def _opened(request: BuildRequest, environment: BuildEnvironment, dockerfile: Named) -> Context:
    private = (environment.store.root, *request.private)
    if request.source is None:
        refuse_private(request.context, private)
    folder = Folder(request.context)
    hashes = Hashes(environment.store.index, request.context, environment.store.root, kept=request.source is None)
    return Context(
        folder, _ignored(request, dockerfile), hashes, private, normal_modes=request.normal_modes, owners=request.owners
    )

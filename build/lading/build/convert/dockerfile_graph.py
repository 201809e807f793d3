"""Instructions to a graph: stages found, images resolved, variables expanded, steps chained."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from lading.build.convert.instruction_effects import apply
from lading.build.convert.run_mounts import NAMESPACE
from lading.build.convert.stage_state import (
    DEFAULT_EPOCH,
    EPOCH,
    PROXIES,
    Allowances,
    Arguments,
    BuildSteps,
    DispatchOptions,
    StageState,
)
from lading.build.convert.target_platforms import overridden, platform_arguments
from lading.build.convert.trace import BaseFound, Head, Trace
from lading.build.dockerfile.directives import INLINE_CACHE, KEEP_GIT, SYNTAX
from lading.build.dockerfile.expansion import Expansion, expand
from lading.build.dockerfile.instruction_reader import read_trigger
from lading.build.dockerfile.instruction_values import is_number, number
from lading.build.dockerfile.instructions import Arg, Copy, Dockerfile, Onbuild, Run, Stage
from lading.build.errors import DockerfileError, Place, reading, suggestion
from lading.build.graph.graph import Graph
from lading.build.graph.image_config import Config, HistoryEntry
from lading.build.graph.steps.chain import Chain, WantedImage
from lading.build.graph.steps.step import StageLine, Step
from lading.build.graph.steps.step_operations import CopyOp
from lading.registry.reference import Reference
from lading.store.errors import InputError, Notice, Remedy
from lading.store.fastclass import dataclass, field, replace
from lading.store.oci.descriptors import Platform
from lading.store.oci.documents import ImageConfig
from lading.store.oci.platforms import normalise, parse_platform

SCRATCH: Final = "scratch"
TARGET_STAGE: Final = "TARGETSTAGE"
_PREDEFINED: Final = frozenset(
    {EPOCH, INLINE_CACHE, KEEP_GIT, NAMESPACE, SYNTAX, TARGET_STAGE, *PROXIES, *(name.lower() for name in PROXIES)}
    | {f"{side}{part}" for side in ("TARGET", "BUILD") for part in ("PLATFORM", "OS", "OSVERSION", "ARCH", "VARIANT")}
)


@dataclass(frozen=True, slots=True)
class ConvertOptions:
    """What the call says about evaluation: build arguments, target stage, epoch (None: by argument or default).

    The image is for `platform`, which the call names (`named`) or which is this machine's own, `native`.
    `contexts` are those that the call names: an image's name, or None for files.

    `allowed` is what the steps may ask for; `everything` evaluates the stages, too, that the target does not need.
    """

    arguments: Mapping[str, str]
    platform: Platform
    native: Platform
    named: bool = False
    target: str | None = None
    epoch: int | None = None
    allowed: Allowances = Allowances()
    everything: bool = False
    contexts: Mapping[str, str | None] = field(default_factory=dict[str, "str | None"])


@dataclass(frozen=True, slots=True)
class NamedFiles:
    """A named context of files that something begins with."""

    name: str


@dataclass(frozen=True, slots=True)
class Taking:
    """An instruction that takes something from another stage, and what is said where that stage comes later."""

    place: Place
    error: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """A graph, the epoch it is for, and what should be said aloud."""

    graph: Graph
    epoch: int
    warnings: tuple[str, ...]


def resolve(
    dockerfile: Dockerfile,
    options: ConvertOptions,
    image: Callable[[WantedImage, Place], ImageConfig],
    trace: Trace | None = None,
) -> Resolved:
    """The graph of `dockerfile`. `image` gives the config of an image that FROM or ``--from`` names.

    What is seen on the way is noted in `trace`. Raises `DockerfileError`, and `InputError` where the call asks for what
    is not there.
    """
    return _Resolver(dockerfile, options, image, trace or Trace()).resolve()


class _Resolver:
    def __init__(
        self,
        dockerfile: Dockerfile,
        options: ConvertOptions,
        image: Callable[[WantedImage, Place], ImageConfig],
        trace: Trace,
    ) -> None:
        self.file, self.options, self.image, self.trace = dockerfile, options, image, trace
        self.steps = BuildSteps()
        with suppress(DockerfileError):
            trace.scope, trace.scoped = self._scope({}), True
        self.scope = self._scope(options.arguments)
        self.known = frozenset(self.scope) | {name for arg in dockerfile.args for name, _ in arg.args}
        self.epoch = self._epoch()
        self.bases = [self._base(stage) for stage in dockerfile.stages]
        replaced = {stage.index for stage in dockerfile.stages if self._given(stage.head.name)}
        self.stages = [replace(one, body=()) if one.index in replaced else one for one in dockerfile.stages]
        self.triggered = set(replaced)
        self.dependencies = [self._dependencies(stage) for stage in self.stages]
        self._refuse_circles()
        self.states: dict[int, StageState] = {}
        self.files: dict[str, Chain] = {}
        self.warnings: list[str] = []

    def resolve(self) -> Resolved:
        target = self._target()
        for index in sorted(self._settled(target)):
            self.states[index] = self._evaluate(self.stages[index])
        state = self.states[target]
        self._unused_arguments()
        if self.options.named:
            state.config.platform = overridden(state.config.platform, self.options.platform)
        graph = Graph(
            tuple(self.steps.steps),
            state.chain,
            state.config,
            tuple(self.steps.lines),
            {name: state.variables.get(name, value) for name, value in state.arguments.items()},
        )
        return Resolved(graph, self.epoch, tuple(self.warnings))

    def _scope(self, given: Mapping[str, str]) -> dict[str, str]:
        """The global scope: platforms, then the ARGs before the first FROM."""
        scope = platform_arguments(self.options.native, self.options.platform, given)
        scope[TARGET_STAGE] = self.options.target or "default"
        for arg in self.file.args:
            for name, default in arg.args:
                value = given.get(name)
                if value is None and default is not None:
                    value = self._word(arg.place, default, scope).text
                if value is not None:
                    scope[name] = value
        return scope

    def _epoch(self) -> int:
        if self.options.epoch is not None:
            return self.options.epoch
        text = self.options.arguments.get(EPOCH, self.scope.get(EPOCH, ""))
        if not text:
            return DEFAULT_EPOCH
        if not re.fullmatch(r"[0-9]{1,11}", text) or int(text) >= 2**33:
            raise InputError(f"{EPOCH}: expected seconds since 1970, before 2242, found {text!r}")
        return int(text)

    def _given_arguments(self) -> Mapping[str, str]:
        """The build arguments, the epoch of the call among them, which an ARG of a stage may ask for."""
        epoch = self.options.epoch
        return self.options.arguments if epoch is None else {**self.options.arguments, EPOCH: str(epoch)}

    def _word(self, place: Place, word: str, scope: Mapping[str, str]) -> Expansion:
        with reading(place):
            found = expand(word, scope, escape=self.file.escape)
            self.steps.spend(len(found.text))
            return found

    def _base(self, stage: Stage) -> WantedImage | int | NamedFiles | None:
        """What a stage begins with: an earlier stage's number, an image, a named context, None for nothing."""
        place = stage.head.place
        base = self._word(place, stage.head.image, self.scope)
        platform = None if not stage.head.platform else self._word(place, stage.head.platform, self.scope)
        self.trace.heads.append(Head(stage, base, platform, self.known))
        name = base.text
        if not name:
            raise DockerfileError(
                place,
                f"base name ({stage.head.image}) should not be blank",
                hint=Remedy(
                    "give argument",
                    "an ARG used in FROM stands before the first FROM and has a default, or a value from the call",
                ),
            )
        wanted = self.options.platform if platform is None else _asked(place, platform.text, stage.head.platform or "")
        if own := self._given(stage.head.name, wanted):
            return own
        earlier = self._stage_named(name, stage.index)
        if earlier is not None:
            return earlier
        if given := self._given(name, wanted):
            return given
        return None if name == SCRATCH else WantedImage(name, wanted)

    def _given(self, name: str | None, platform: Platform | None = None) -> WantedImage | NamedFiles | None:
        """What the call says that `name` is, None where it says nothing."""
        contexts = self.options.contexts
        if not contexts or name is None:
            return None
        key = name if name in contexts else next((key for key in contexts if _short(key) == _short(name)), None)
        if key is None:
            return None
        image = contexts[key]
        return WantedImage(image, platform or self.options.platform) if image else NamedFiles(key)

    def _outside(self, name: str, place: Place) -> Chain:
        """A root file system that is no stage's: of a named context, or of an image."""
        given = self._given(name) or WantedImage(name, self.options.platform)
        if isinstance(given, NamedFiles):
            return self._files(given, place)
        self.image(given, place)
        return Chain(given)

    def _files(self, given: NamedFiles, place: Place) -> Chain:
        """All files of a named context, by one step of their own."""
        if given.name not in self.files:
            number, text = len(self.steps.steps), f"CONTEXT {given.name}"
            operation = CopyOp((".",), (), "/", None, None, None, False, context=given.name)
            step = Step(number, given.name, place, operation, Chain(), text, ("CONTEXT", given.name), text)
            self.steps.steps.append(step)
            self.steps.lines.append(StageLine(given.name, place, text, self.options.platform, number))
            self.files[given.name] = Chain().then(number)
        return self.files[given.name]

    def _stage_named(self, name: str, before: int) -> int | None:
        """The last stage of a name, in lower case, among those `before` one."""
        found = [stage.index for stage in self.file.stages[:before] if stage.head.name == name]
        return found[-1] if found else None

    def _target(self) -> int:
        wanted = self.options.target
        stages = self.file.stages
        if not wanted:
            return len(stages) - 1
        index = self._stage_named(wanted.lower(), len(stages))
        if index is None:
            index = number(wanted, len(stages) - 1)
        if index is None:
            names = [stage.head.name for stage in stages if stage.head.name]
            raise InputError(
                f"{self.file.name}: no stage {wanted!r}{suggestion(wanted, names)}",
                hint=f"its named stages are: {', '.join(names)}" if names else "none of its stages has a name",
            )
        return index

    def _settled(self, target: int) -> set[int]:
        """The stages that `target` needs, those too that the triggers of a base ask for."""
        while left := (needed := self._needed(target) | self._wanted()) - self.triggered:
            for index in sorted(left):
                self._trigger(self.stages[index])
            self._refuse_circles()
        return needed

    def _trigger(self, stage: Stage) -> None:
        """Lets a stage begin with what its base has kept for it."""
        self.triggered.add(stage.index)
        base, place = self.bases[stage.index], stage.head.place
        kept: tuple[str, ...] = ()
        if isinstance(base, WantedImage):
            kept = self.image(base, place).on_build
        elif isinstance(base, int):
            kept = tuple(one.trigger for one in self.stages[base].body if isinstance(one, Onbuild))
        if kept:
            first = tuple(read_trigger(text, place) for text in kept)
            self.stages[stage.index] = replace(stage, body=(*first, *stage.body))
            self.dependencies[stage.index] = self._dependencies(self.stages[stage.index])

    def _needed(self, target: int) -> set[int]:
        wanted, left = {target}, [target]
        while left:
            index = left.pop()
            for dependency, taking in self.dependencies[index]:
                if taking and dependency >= index:
                    raise DockerfileError(taking.place, taking.error)
                if dependency not in wanted:
                    wanted.add(dependency)
                    left.append(dependency)
        return wanted

    def _wanted(self) -> set[int]:
        """The stages that are evaluated although the target does not need them."""
        return set(range(len(self.file.stages))) if self.options.everything else set()

    def _dependencies(self, stage: Stage) -> list[tuple[int, Taking | None]]:
        """The stages that `stage` begins with and takes something from, and by which instruction."""
        base = self.bases[stage.index]
        found: list[tuple[int, Taking | None]] = [(base, None)] if isinstance(base, int) else []
        for instruction in stage.body:
            if isinstance(instruction, Copy) and instruction.origin is not None:
                origin = self._origin(instruction)
                later = f'cannot copy from stage "{instruction.origin}", it needs to be defined before current stage '
                if isinstance(origin, int):
                    found.append((origin, Taking(instruction.place, f'{later}"{stage.title}"')))
            elif isinstance(instruction, Run):
                for name in (flag.origin for flag in instruction.mounts):
                    later = f'cannot mount from stage "{name}", it needs to be defined before current command'
                    if (named := self._stage_named(name.lower(), len(self.stages))) is not None:
                        found.append((named, Taking(instruction.place, later)))
        return found

    def _refuse_circles(self) -> None:
        """No stage is made of itself, needed or not. Whoever is done with leads to no circle."""
        done: set[int] = set()
        for first in range(len(self.stages)):
            way = {first: iter(self.dependencies[first])}
            while way:
                index, following = next(reversed(way.items()))
                dependency, taking = next(following, (None, None))
                if dependency is None:
                    done.add(index)
                    del way[index]
                elif dependency in way:
                    place = (taking or self.file.stages[index].head).place
                    name = self.file.stages[dependency].title
                    raise DockerfileError(place, f"circular dependency detected on stage: {name}")
                elif dependency not in done:
                    way[dependency] = iter(self.dependencies[dependency])

    def _origin(self, copy: Copy) -> int | str:
        origin = copy.origin or ""
        stages = self.file.stages
        if "$" in origin:
            raise DockerfileError(
                copy.place,
                "variables are not expanded in --from",
                hint="name a stage FROM the variable, and copy from that stage",
            )
        if is_number(origin):
            index = number(origin, len(stages) - 1)
            if index is None:
                raise DockerfileError(copy.place, f"COPY --from={origin}: invalid stage index {origin}")
            return index
        named = self._stage_named(origin.lower(), len(stages))
        return origin if named is None else named

    def _evaluate(self, stage: Stage) -> StageState:
        state = self._begin(stage)
        around = DispatchOptions(
            Arguments(self._given_arguments(), self.scope),
            self._origin_chain,
            self._mounted_chain,
            self.options.allowed,
        )
        base = self.bases[stage.index]
        below = base if isinstance(base, int) else None
        for instruction in stage.body:
            with reading(instruction.place), self.trace.watching(state, below, instruction):
                apply(instruction, state, around)
        return state

    def _begin(self, stage: Stage) -> StageState:
        base, place = self.bases[stage.index], stage.head.place
        if isinstance(base, int):
            below = self.states[base]
            self._head(stage, below.platform)
            with reading(place):
                return below.above(stage)
        platform, image = self.options.platform, base if isinstance(base, WantedImage) else None
        config, chain = Config.scratch(platform), Chain(image)
        if image is not None:
            found = self.image(image, place)
            self.trace.bases.append(BaseFound(stage, image.name, found.platform, image.platform))
            config = Config.of(found)
            meant = self.options.named or stage.head.platform is not None
            platform = _executed(image.platform, found.platform, meant=meant)
        self._head(stage, platform, image)
        if isinstance(base, NamedFiles):
            chain = self._files(base, place)
            config.history.append(HistoryEntry(f"CONTEXT {base.name}", chain.steps[0]))
        return StageState(stage, config, chain, dict(config.env), {}, self.steps, self.file.escape, platform)

    def _head(self, stage: Stage, platform: Platform, image: WantedImage | None = None) -> None:
        text = f"FROM {stage.head.image}"
        self.steps.lines.append(StageLine(stage.title, stage.head.place, text, platform, image=image))

    def _origin_chain(self, copy: Copy) -> Chain:
        origin = self._origin(copy)
        if isinstance(origin, int):
            return self.states[origin].chain
        if origin == SCRATCH and not self._given(origin):
            return Chain(None)
        return self._outside(origin, copy.place)

    def _mounted_chain(self, name: str, run: Run) -> Chain | None:
        named = self._stage_named(name.lower(), len(self.stages))
        if named is not None:
            return self.states[named].chain
        if name == SCRATCH and not self._given(name):
            return None
        return self._outside(name, run.place)

    def _unused_arguments(self) -> None:
        declared = {name for arg in self.file.args for name, _ in arg.args}
        bodies = (instruction for stage in self.stages for instruction in stage.body)
        declared |= {name for found in bodies if isinstance(found, Arg) for name, _ in found.args}
        unused = sorted(set(self.options.arguments) - declared - _PREDEFINED)
        self.warnings += [Notice(f"build-arg {name} was not used: no ARG {name}", "build-arg") for name in unused]


def _asked(place: Place, text: str, written: str) -> Platform:
    """The platform that a FROM names. Raises `DockerfileError`."""
    if not text:
        raise DockerfileError(place, f"empty platform value from expression {written}")
    try:
        return parse_platform(text)
    except InputError as error:
        raise DockerfileError(place, f"FROM --platform={written}: {error.message}", hint=error.hint) from error


def _executed(wanted: Platform, config: Platform, *, meant: bool) -> Platform:
    """The platform of the programs of a base: the one it was asked for, or where none was `meant` its own."""
    own = normalise(config)
    return wanted if meant or (own.os, own.architecture) == (wanted.os, wanted.architecture) else own


def _short(name: str) -> str:
    """The name of an image as people write it, by which the reference knows named contexts; any other as it is."""
    try:
        return Reference.parse(name).familiar.removesuffix(":latest")
    except InputError:
        return name

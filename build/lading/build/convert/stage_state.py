"""One stage while it is evaluated: its variables, its config, its chain of steps."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from typing import Final

from lading.build.context.folders import normalised
from lading.build.dockerfile.expansion import expand
from lading.build.dockerfile.instructions import Copy, Run, Stage
from lading.build.errors import DockerfileError, Place, TextError
from lading.build.graph.image_config import Config, HistoryEntry
from lading.build.graph.steps.chain import Chain
from lading.build.graph.steps.step import StageLine, Step
from lading.build.graph.steps.step_operations import Operation, RunOp, StepSettings
from lading.store.errors import Remedy
from lading.store.fastclass import dataclass, field
from lading.store.oci.descriptors import Platform

PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
EPOCH: Final = "SOURCE_DATE_EPOCH"
DEFAULT_EPOCH: Final = 315532800
"""1980-01-01, the earliest time that zip archives can hold."""


_ROOM: Final = 64 << 20
"""Bytes, counted roughly: each step keeps its environment and all steps below, each stage all that it begins with."""
_ENTRY: Final = 8

EVERYTHING: Final = frozenset({"network.host", "security.insecure"})
"""What a call can let steps ask for."""


@dataclass(slots=True)
class BuildSteps:
    """All steps of a build so far, and the lines they and the other instructions stand on."""

    steps: list[Step] = field(default_factory=list[Step])
    lines: list[StageLine] = field(default_factory=list[StageLine])
    spent: int = 0

    def spend(self, size: int) -> None:
        """Counts what is kept of the file. Raises `TextError` beyond a bound that no real one comes near."""
        self.spent += size
        if self.spent > _ROOM:
            raise TextError(f"what its variables, commands and stages come to is more than {_ROOM >> 20} MiB")


@dataclass(slots=True)
class StageState:
    """What the instructions of a stage change.

    `variables` is what a word of the next instruction sees; `arguments` are the build arguments declared so far,
    in order; `texts` gives the words of an instruction as written.
    """

    stage: Stage
    config: Config
    chain: Chain
    variables: dict[str, str]
    arguments: dict[str, str]
    steps: BuildSteps
    escape: str
    platform: Platform
    """Of the programs that it executes."""
    expanded: dict[str, str] = field(default_factory=dict[str, str])
    """What the words of the instruction at hand became."""
    unset: set[str] = field(default_factory=set[str])
    """The variables in them that nobody had set or declared."""

    def expand(self, word: str) -> str:
        """`word` with its variables. Raises `TextError`."""
        found = expand(word, self.variables, escape=self.escape)
        self.steps.spend(len(found.text))
        self.unset.update(name for name in found.unset if name not in self.arguments)
        self.expanded[word] = found.text
        return found.text

    def expand_document(self, text: str) -> str:
        """A heredoc that becomes a file, with its variables; quotes mean nothing in it. Raises `TextError`."""
        found = expand(text, self.variables, quotes=False)
        self.steps.spend(len(found.text))
        self.unset.update(name for name in found.unset if name not in self.arguments)
        return found.text

    def words(self, word: str) -> tuple[str, ...]:
        """The words that `word` falls into once expanded. Raises `TextError`."""
        found = expand(word, self.variables, escape=self.escape)
        self.steps.spend(len(found.text))
        self.expanded[word] = " ".join(found.words)
        return found.words

    def resolve(self, path: str) -> str:
        """`path` made absolute from the working directory; a slash or ``/.`` at its end stays a slash."""
        absolute = normalised(posixpath.join(self.config.workdir, path or "."))
        folder = path in ("", ".") or path.endswith(("/", "/."))
        return absolute + "/" if folder and absolute != "/" else absolute

    def add_history(self, place: Place, text: str, shown: str | None = None) -> None:
        """A line of history without a step; `shown` is what the DAG document has instead, where values stay out.

        Raises `TextError`, as all that adds does.
        """
        self.steps.spend(len(text))
        self.config.history.append(HistoryEntry(text))
        self.add_line(place, text if shown is None else shown)

    def above(self, stage: Stage) -> StageState:
        """That of a stage which begins where this one ended. Raises `TextError`."""
        config = self.config
        kept = (self.variables, self.arguments, config.labels, config.history, config.ports, config.volumes)
        self.steps.spend(_ENTRY * sum(map(len, (*kept, config.triggers))))
        return StageState(
            stage,
            config := config.copy(),
            self.chain,
            {**self.variables, **config.env},
            dict(self.arguments),
            self.steps,
            self.escape,
            self.platform,
        )

    def add_line(self, place: Place, text: str) -> None:
        """A line of the DAG document that no history has."""
        self.steps.lines.append(StageLine(self.stage.title, place, text, self.platform))

    def step(
        self, place: Place, operation: Operation, text: str, command: tuple[str, ...], written: str | None = None
    ) -> None:
        """A step on the chain, with its line of history; `written` where `command` is not what the Dockerfile has."""
        number = len(self.steps.steps)
        self.steps.spend(len(text) + _ENTRY * (len(self.chain.steps) + len(self.variables)))
        title, words = self.stage.title, " ".join(command)
        platform = self.platform if isinstance(operation, RunOp) else None
        self.steps.steps.append(
            Step(number, title, place, operation, self.chain, text, command, written or words, platform)
        )
        self.steps.lines.append(StageLine(title, place, words, self.platform, number))
        self.chain = self.chain.then(number)
        self.config.history.append(HistoryEntry(text, number))


@dataclass(frozen=True, slots=True)
class Arguments:
    """Where the values of ARG come from: the call, then the global scope, then the default."""

    given: Mapping[str, str]
    scope: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Allowances:
    """What the call says of the steps: the network of those that name none, what they may ask for, how they run."""

    network: str = "default"
    names: frozenset[str] = frozenset()
    settings: StepSettings = StepSettings()

    def require(self, place: Place, name: str, flag: str) -> None:
        """Raises `DockerfileError` unless the call allows `name`."""
        if name not in self.names:
            raise DockerfileError(
                place, f"RUN {flag}: {name} is not allowed", hint=Remedy("allow", f"allow {name} in the call", name)
            )


@dataclass(frozen=True, slots=True)
class DispatchOptions:
    """What an instruction may look at beyond its stage."""

    arguments: Arguments
    origin: Callable[[Copy], Chain]
    mounted: Callable[[str, Run], Chain | None]
    """What a mount takes from, by the name of a stage or an image; None where that is nothing."""
    allowed: Allowances

    @property
    def proxies(self) -> tuple[tuple[str, str], ...]:
        """Proxy variables of the call, in both spellings: RUN sees them, no key and no record does."""
        given, found = self.arguments.given, dict[str, str]()
        for upper, lower in ((name, name.lower()) for name in PROXIES):
            if upper in given or lower in given:
                found[upper] = given.get(upper, given.get(lower, ""))
                found[lower] = given.get(lower, given.get(upper, ""))
        return tuple(sorted(found.items()))

"""A RUN whose network is recorded, or answered from a recording: what it is given for that, and what came of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, Self

from lading.build.graph.executor import RECORDING, ProcessSpec
from lading.build.graph.request import BuildEnvironment
from lading.build.graph.steps.network_recording import NetworkRecording, NetworkUse
from lading.build.graph.steps.step import Step
from lading.build.operations.running.recording import trusting
from lading.build.operations.running.recording.build_authority import BuildAuthority
from lading.build.operations.running.recording.web_gateway import WebGateway
from lading.build.operations.running.recording.web_recorder import WebRecorder
from lading.build.operations.running.recording.web_replayer import WebReplayer
from lading.build.operations.running.recording.withheld_values import Readings, WithheldValues
from lading.store.errors import InputError
from lading.store.fastclass import replace
from lading.verify.observations.contacts import NONE, Contacts, together

_MOST_TOLD: Final = 100


class RecordedRun:
    """One execution."""

    def __init__(
        self,
        step: Step,
        answers: WebRecorder | WebReplayer,
        warned: Callable[[str], None],
        public: Callable[[str], str],
    ) -> None:
        self._step = step
        self._answers = answers
        self._warned = warned
        self._public = public
        self._told: list[str] = []
        self._lock = threading.Lock()
        self._authority = BuildAuthority()
        self._gateway = WebGateway(answers, self._authority, self._tell)
        self._contacts = Contacts("observed")

    @classmethod
    def of(cls, step: Step, environment: BuildEnvironment, recording: NetworkRecording) -> Self:
        """Raises `InputError` where the isolation cannot record."""
        isolation, replay = environment.executor.isolation, recording.replay
        if isolation not in RECORDING:
            hint = f"it can be under the isolation {' or '.join(sorted(RECORDING))}"
            raise InputError(f"under the isolation {isolation} the network of a step cannot be recorded", hint=hint)
        withheld = WithheldValues.of(environment.secrets.values, environment.withheld)
        readings = Readings.of(environment.secrets.values, environment.arguments, environment.withheld)
        answers = (
            WebReplayer(replay.tape, step.command, replay.bodies, readings)
            if replay
            else WebRecorder(environment.transport, environment.store.blobs, withheld)
        )
        return cls(step, answers, environment.listener.warned, withheld.public)

    def enclosed(self, command: ProcessSpec) -> ProcessSpec:
        """`command` with nobody to speak to but the gateway, and trusting its certificates."""
        env = {**dict(command.env), **dict(trusting.variables())}
        for name in [name for name in env if name.lower() in _PROXIES]:
            del env[name]
        mounts = (*command.mounts, *trusting.files(self._authority))
        return replace(command, env=tuple(env.items()), mounts=mounts, gateway=self._gateway)

    def ended(self, tried: Contacts, failed: str) -> str:
        """Why the step failed, "" where it did not; `tried` is what it sent to others than the gateway."""
        self._gateway.settle()
        self._contacts = tried
        for one in tried.destinations:
            name = one.names[0] if one.names else one.address
            port = f" port {one.port}" if one.port else ""
            self._tell(f"{name}: {one.protocol}{port} is neither HTTP nor HTTPS, and was blocked")
        missed, refused = list[str](), list[str]()
        if isinstance(self._answers, WebReplayer):
            missed = self._answers.missed
        else:
            refused = self._answers.refused
            for line in self._answers.repeated.values():
                self._tell(line)
        for line in self._told:
            self._warned(f"{self._step.place}: {line}")
        if refused:
            return f"recorded: {refused[0]}"
        if missed:
            more = f", and {len(missed) - 1} more" if len(missed) > 1 else ""
            return f"replayed: {missed[0]}{more}"
        return failed

    def use(self) -> NetworkUse:
        """What it did with its network."""
        reached = self._answers.reached if isinstance(self._answers, WebRecorder) else NONE
        return NetworkUse(together((self._contacts, reached)), self._answers.tape(self._step.command))

    def _tell(self, line: str) -> None:
        line = self._public(line)
        with self._lock:
            if line not in self._told and len(self._told) < _MOST_TOLD:
                self._told.append(line)


_PROXIES: Final = frozenset(f"{kind}_proxy" for kind in ("http", "https", "ftp", "no", "all"))

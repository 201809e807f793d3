"""A command executed in a mounted root file system, with its mounts; what they leave is taken away again."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from lading.build.context.context import Context
from lading.build.context.folders import Folder, follow
from lading.build.errors import StepError
from lading.build.graph import executor
from lading.build.graph.executor import ExecMount
from lading.build.graph.request import BuildEnvironment
from lading.build.graph.solve_state import SolveState
from lading.build.graph.steps.mount_requests import (
    BindMount,
    CacheMount,
    ScriptMount,
    SecretMount,
    SshMount,
    TmpfsMount,
)
from lading.build.graph.steps.network_recording import NetworkUse
from lading.build.graph.steps.step import Step
from lading.build.graph.steps.step_operations import RunOp
from lading.build.operations.copy_files import Copier, CopyOptions
from lading.build.operations.root_filesystems import ActiveSnapshot, RootFilesystems, Stack
from lading.build.operations.running.cache_mounts import CacheMounts
from lading.build.operations.running.mounted_trees import ROOT, MountedTree
from lading.build.operations.running.recording.withheld_values import WithheldValues
from lading.store.errors import InputError, Remedy
from lading.store.fastclass import dataclass, replace
from lading.verify.observations.contacts import Contacts, named, told, unobserved

if TYPE_CHECKING:
    from lading.build.operations.running.recording.recorded_run import RecordedRun

HOSTNAME: Final = "build"
_LAST_LINES: Final = 20
_LONGEST_TITLE: Final = 60


@dataclass(frozen=True, slots=True)
class RunExecution:
    """Executes the RUNs of one build."""

    environment: BuildEnvironment
    roots: RootFilesystems
    solved: SolveState
    context: Callable[[], Context]

    def execute(
        self, step: Step, operation: RunOp, active: ActiveSnapshot, trees: tuple[MountedTree, ...]
    ) -> NetworkUse:
        """What the command did with its network. Raises `StepError` where it fails."""
        log = _Tail()
        listener = self.environment.listener

        def output(data: bytes, stream: Literal["stdout", "stderr"]) -> None:
            log.add(data)
            listener.wrote(step, data, stream)

        seen: list[Contacts] = [unobserved(f"the isolation {self.environment.executor.isolation} cannot tell")]
        secrets = self._variables(operation)
        # As runc does: a working directory that only a config names comes to be when it is first used.
        Copier(active.root, CopyOptions()).make_folders(operation.workdir)
        recorded = self._recorded(step, operation)
        with self._mounts(trees) as mounts:
            command = replace(_command(operation, mounts, secrets), contacted=seen.append)
            if recorded:
                command = recorded.enclosed(command)
            code = self.environment.executor.execute(active.root, command, output, self.solved.halt.descriptor)
            failed = f"{_cut(step.written)}: exit code {code}" if code else ""
            if failed and self.environment.debugger is not None:
                error = StepError(step.place, failed, log=log.lines())
                self.environment.debugger.failed(error, lambda terminal: self._shell(active, command, terminal))
        if recorded:
            failed = recorded.ended(seen[-1], failed)
        if failed:
            raise StepError(step.place, failed, log=log.lines())
        used = recorded.use() if recorded else NetworkUse(named(seen[-1], operation.settings.hosts))
        lent = WithheldValues.of(self.environment.secrets.values, self.environment.arguments)
        return replace(used, contacts=told(used.contacts, lent.public))

    def _recorded(self, step: Step, operation: RunOp) -> RecordedRun | None:
        recording = self.environment.recording
        if recording is not None and operation.network == "host":
            how = "and asks it instead of the recording" if recording.replay else "and nothing of it is recorded"
            self.environment.listener.warned(f"{step.place}: RUN has the host's network, {how}")
        if recording is None or operation.network != "default":
            return None
        from lading.build.operations.running.recording.recorded_run import RecordedRun  # noqa: PLC0415 - most builds record none

        return RecordedRun.of(step, self.environment, recording)

    def _shell(self, active: ActiveSnapshot, command: executor.ProcessSpec, terminal: executor.CallerTerminal) -> int:
        """A shell with all that the failed command had: that which it was written for, else /bin/sh."""
        shell = command.argv[0] if len(command.argv) > 2 and command.argv[-2] == "-c" else "/bin/sh"
        process = replace(command, argv=(shell,), env=(("TERM", "xterm"), *command.env), terminal=terminal)
        return self.environment.executor.execute(active.root, process, _unheard)

    def _variables(self, operation: RunOp) -> tuple[tuple[str, str], ...]:
        """Secrets as variables; one that was not given, and need not be, is empty."""
        found: list[tuple[str, str]] = []
        for mount in operation.mounts:
            if isinstance(mount, SecretMount) and mount.variable is not None:
                value = self._secret(mount) or b""
                found.append((mount.variable, value.decode("utf-8", "surrogateescape")))
        return tuple(found)

    def _secret(self, mount: SecretMount) -> bytes | None:
        value = self.environment.secrets.values.get(mount.id)
        if value is None and mount.required:
            hint = Remedy("give secret", f"give the secret {mount.id} with the call", mount.id)
            raise InputError(f"secret {mount.id}: not found", hint=hint)
        return value

    @contextmanager
    def _mounts(self, trees: tuple[MountedTree, ...]) -> Generator[tuple[ExecMount, ...], None, None]:
        caches: list[tuple[CacheMount, Stack]] = [
            (tree.mount, self.solved.stack(tree.mount.origin) if tree.mount.origin else ())
            for tree in trees
            if isinstance(tree.mount, CacheMount)
        ]
        with ExitStack() as stack:
            folders = stack.enter_context(
                CacheMounts(
                    self.environment.store.root,
                    self.roots,
                    self.solved.halt,
                    self.environment.executor.isolation in executor.APART,
                ).held(caches)
            )
            found: list[ExecMount] = []
            for tree in trees:
                match tree.mount:
                    case CacheMount(target=target, readonly=readonly):
                        found.append(ExecMount("bind", target, str(folders[target]), readonly=readonly))
                    case BindMount() as mount:
                        source = stack.enter_context(self._bound(mount, tree))
                        found.append(ExecMount("bind", mount.target, source, readonly=mount.readonly))
                    case TmpfsMount(target=target, size=size, readonly=readonly):
                        found.append(ExecMount("tmpfs", target, size=size, readonly=readonly))
                    case ScriptMount(target=target, content=content):
                        found.append(ExecMount("file", target, content=content, mode=0o755))
                    case SecretMount() as mount:
                        found += self._secret_file(mount)
                    case SshMount() as mount:
                        found += self._agent(mount)
            yield tuple(found)

    def _secret_file(self, mount: SecretMount) -> list[ExecMount]:
        value, access = self._secret(mount), mount.access
        if mount.target is None or value is None:
            return []
        return [ExecMount("file", mount.target, content=value, uid=access.uid, gid=access.gid, mode=access.mode)]

    def _agent(self, mount: SshMount) -> list[ExecMount]:
        agent, access = self.environment.secrets.agents.get(mount.id), mount.access
        if agent is None and mount.required:
            hint = Remedy("give agent", f"give the agent {mount.id} with the call", mount.id)
            raise InputError(f"ssh agent {mount.id}: not given", hint=hint)
        if agent is None:
            return []
        given = ExecMount("agent", mount.target, uid=access.uid, gid=access.gid, mode=access.mode)
        return [replace(given, source=agent) if isinstance(agent, str) else replace(given, answer=agent.answer)]

    @contextmanager
    def _bound(self, mount: BindMount, tree: MountedTree) -> Generator[str, None, None]:
        """The folder or file of this machine that is what `mount` asks for, and nobody else's."""
        if mount.context:
            with self._written(()) as active:
                yield self._copied(tree, active)
            return
        stack = self.solved.stack(mount.origin) if mount.origin else ()
        if mount.readonly and stack:
            with self.roots.reading(stack) as root:
                yield _inside(root, mount.source)
            return
        with self._written(stack) as active:
            yield _inside(active.root, mount.source)

    @contextmanager
    def _written(self, stack: Stack) -> Generator[ActiveSnapshot, None, None]:
        """A root file system that nothing is kept of."""
        with self.roots.writing(stack) as active:
            yield active
        self.roots.discard(active.key)

    def _copied(self, tree: MountedTree, active: ActiveSnapshot) -> str:
        """Files of the context as a COPY takes them: as they were when they were looked at, and root's."""
        source = tree.source
        assert source is not None
        copier = Copier(active.root, CopyOptions())
        copier.copy(self.context(), source, f"/{ROOT}")
        place = active.root / ROOT
        if source.item.is_folder:
            os.chmod(place, source.item.permissions)
        return str(place)


def _inside(root: Path, source: str) -> str:
    with Folder(root, "/") as view:
        return os.path.join(root, follow(view, source)).rstrip("/")


def _command(
    operation: RunOp, mounts: tuple[ExecMount, ...], secrets: tuple[tuple[str, str], ...]
) -> executor.ProcessSpec:
    network: executor.Network = "default"
    if operation.network in ("none", "host"):
        network = "none" if operation.network == "none" else "host"
    settings = operation.settings
    return executor.ProcessSpec(
        operation.argv,
        operation.environment + operation.proxies,
        operation.workdir,
        operation.user,
        HOSTNAME,
        network,
        mounts=mounts,
        secrets=secrets,
        insecure=operation.security == "insecure",
        hosts=settings.hosts,
        shm_size=settings.shm_size,
        ulimits=settings.ulimits,
    )


def _unheard(data: bytes, stream: Literal["stdout", "stderr"]) -> None:
    """What is written at a terminal is seen there."""
    del data, stream


class _Tail:
    """The last lines of an output."""

    def __init__(self) -> None:
        self._lines: deque[bytes] = deque(maxlen=_LAST_LINES)
        self._open = b""

    def add(self, data: bytes) -> None:
        *whole, self._open = (self._open + data).split(b"\n")
        self._lines.extend(whole)
        self._open = self._open[-4096:]

    def lines(self) -> tuple[str, ...]:
        rest = [self._open] if self._open else []
        return tuple(line.decode("utf-8", "replace").rstrip("\r") for line in [*self._lines, *rest][-_LAST_LINES:])


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TITLE else f"{text[: _LONGEST_TITLE - 1]}…"

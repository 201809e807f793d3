"""The sandbox in which a build's RUN executes: a container without a monitor, a name or a record.

It is the second door to the kernel. It takes a mounted root file system and no verdict, so it is handed to nothing but
a build (`host` does that, and a test says so). What it mounts leaves no trace in the root file system.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from lading.runtime.cgroups.groups import Cgroups, ResourceLimits
from lading.runtime.containers import networks
from lading.runtime.lifecycle import sandboxes, step_network
from lading.runtime.lifecycle.lifecycle import RuntimeConfig
from lading.runtime.lifecycle.step_mounts import StepMounts
from lading.runtime.lifecycle.step_process import SandboxProcess, StepOutput, run_at_terminal, run_to_end
from lading.runtime.oci import processes
from lading.runtime.oci.oci_runtime import ENV, OciRuntime, StartError, start_error
from lading.runtime.spec import capabilities, etc_files, users
from lading.runtime.spec.rootfs import MountPoints, allowed, check_kernel_folders
from lading.runtime.spec.spec import DEFAULT_PATH, ContainerSpec, Mount, bind, shared_memory
from lading.runtime.spec.user_namespace import as_user
from lading.store.system.locks import open_lock, take
from lading.store.system.machine_errors import border
from lading.store.system.private_folders import private_folder

_FOLDERS: Final = ("/proc", "/dev", "/sys")
_EVERY_DEVICE: Final = [{"allow": True, "access": "rwm"}]


class Sandbox:
    """Executes steps. Safe to use from several threads."""

    def __init__(self, config: RuntimeConfig, driver: networks.Drivers | None, *, user_namespace: bool = False) -> None:
        """`user_namespace`: this process is root of one, and of nothing else."""
        self._user_namespace = user_namespace
        self._run_dir = config.run_dir
        self._filters = config.root / "filters"
        self._driver = driver
        self._cgroups = Cgroups.detect()
        self._capabilities = sorted(capabilities.BUILD & capabilities.held())
        self._oci = OciRuntime(processes.find(config.oci_runtime), config.run_dir / "oci", cgroups=not user_namespace)

    @property
    def isolation(self) -> str:
        """All namespaces but the user's, which is made before where it is rootless; capabilities, seccomp, masks."""
        return "rootless" if self._user_namespace else "oci"

    @property
    def privileges(self) -> dict[str, object]:
        """Docker's default: setuid programs work, and what package managers count on is allowed."""
        return {"capabilities": self._capabilities, "noNewPrivileges": False}

    @border
    def execute(self, rootfs: Path, process: SandboxProcess, output: StepOutput, halt: int | None = None) -> int:
        """Runs a step to its end in the mounted folder `rootfs`; its exit code, 126 and 127 as a shell would.

        An exception out of `output`, KeyboardInterrupt included, kills the step, and so does a descriptor `halt` that
        can be read from. Raises `MachineError` then, and where the sandbox itself fails. Nothing of it is left.
        """
        with self._place() as (name, bundle):
            stubs = MountPoints(rootfs)
            step = StepMounts(bundle, rootfs, stubs)
            try:
                own = self._mounts(rootfs, stubs, bundle, process)
                with step.made(process.mounts) as asked, step.private(process.secrets) as place:
                    mounts = _merged(own, asked)
                    with closing(step_network.join(self._driver, (name, bundle, self._run_dir), process)) as joined:
                        plan = self._plan(name, rootfs, process, mounts, joined.netns)
                        spec = as_user(plan.spec()) if self._user_namespace else plan.spec()
                        (place / "config.json").write_text(json.dumps(spec))
                        code = self._run(name, place, process, output, halt)
                        process.contacted(joined.contacts())
                        return code
            finally:
                stubs.remove()

    @contextmanager
    def _place(self) -> Generator[tuple[str, Path], None, None]:
        """A folder whose lock is held while the sandbox lives, which tells the living from the dead."""
        name = f"build-{os.urandom(8).hex()}"
        bundle = private_folder(sandboxes.folder(self._run_dir)) / name
        with networks.gate(self._run_dir, sandboxes.GATE):
            bundle.mkdir(mode=0o700)
            lock = open_lock(bundle / "lock")
            take(lock)
        try:
            yield name, bundle
        except BaseException:
            sandboxes.end_runtime(name)
            raise
        finally:
            sandboxes.remove(name, bundle, self._oci, self._cgroups, self._driver)
            os.close(lock)

    def _mounts(self, rootfs: Path, stubs: MountPoints, bundle: Path, step: SandboxProcess) -> list[Mount]:
        check_kernel_folders(rootfs)
        for folder in _FOLDERS:
            stubs.place(folder, folder=True)
        names = "".join(f"{address}\t{name}\n" for name, address in (*step.hosts, (step.hostname, "127.0.1.1")))
        etc_files.write(bundle / "hosts", etc_files.hosts(names))
        etc_files.write(bundle / "resolv.conf", step_network.resolv_conf(step, driven=self._driver is not None))
        files = ("hosts", "resolv.conf")
        places = {name: allowed(f"/etc/{name}", stubs.place(f"/etc/{name}", folder=False)) for name in files}
        found = [bind(str(bundle / name), place) for name, place in places.items()]
        return [*found, shared_memory(step.shm_size)] if step.shm_size else found

    def _plan(self, name: str, rootfs: Path, step: SandboxProcess, mounts: list[Mount], netns: str) -> ContainerSpec:
        root = os.open(rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            user = users.resolve(root, step.user)
        finally:
            os.close(root)
        if not self._user_namespace:
            self._cgroups.prepare()
        env = {"PATH": DEFAULT_PATH.partition("=")[2], "HOME": user.home, **dict(step.env), **dict(step.secrets)}
        resources = self._cgroups.resources(ResourceLimits())
        return ContainerSpec(
            rootfs=rootfs,
            args=step.argv,
            env=tuple(f"{key}={value}" for key, value in env.items()),
            cwd=step.cwd,
            user=user,
            hostname=step.hostname,
            netns=netns,
            cgroup=self._cgroups.path_of(name),
            resources={**resources, "devices": _EVERY_DEVICE} if step.insecure else resources,
            capabilities=sorted(capabilities.held()) if step.insecure else self._capabilities,
            no_new_privileges=False,
            mounts=mounts,
            filters=self._filters,
            limits=step.ulimits,
            insecure=step.insecure,
            terminal=step.terminal is not None,
            size=step.terminal.size if step.terminal else None,
        )

    def _run(self, name: str, bundle: Path, step: SandboxProcess, output: StepOutput, halt: int | None) -> int:
        errors = bundle / "errors"
        # The runtime keeps a copy of what it was told: where there is a secret in it, that stays in memory, too.
        oci = OciRuntime(self._oci.path, bundle / "oci", cgroups=self._oci.cgroups) if step.secrets else self._oci
        argv = oci.argv("--log", str(errors), "run", "--bundle", str(bundle), name)
        if step.terminal is not None:
            code = run_at_terminal(_ending_with_us(argv), ENV, step.terminal)
        else:
            code = run_to_end(argv, ENV, step.stdin, output, halt)
        text = errors.read_text(errors="replace").strip() if code and errors.exists() else ""
        return _failed(start_error(text, step.argv[0])) if text else code


def _ending_with_us(argv: list[str]) -> list[str]:
    """Killed, we close the terminal, which crun would ask for more without an end; its own shell ends with it."""
    return [processes.find("setpriv"), "--pdeathsig", "KILL", "--", *argv]


def _merged(own: list[Mount], asked: list[Mount]) -> list[Mount]:
    """What is asked for counts before what every step has."""
    return list({str(mount["destination"]): mount for mount in (*own, *asked)}.values())


def _failed(error: StartError) -> int:
    """The code of a program that cannot be run; the OCI runtime has said so among the step's own errors."""
    if error.code not in (126, 127):
        raise error
    return error.code

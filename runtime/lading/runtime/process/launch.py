"""From a judged image to a started container, every step on record before it is taken."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from lading.runtime.containers import inspect, naming, networks
from lading.runtime.containers.container import Container
from lading.runtime.containers.volumes import ResolvedVolume, tmpfs_mounts
from lading.runtime.lifecycle.lifecycle import OWNER, Lifecycle
from lading.runtime.options import RunOptions, Streams
from lading.runtime.process.monitor import start_monitor
from lading.runtime.process.verified_image import VerifiedImage
from lading.runtime.spec import capabilities, etc_files, init, users
from lading.runtime.spec.process_config import ProcessConfig
from lading.runtime.spec.rootfs import check_kernel_folders, make_folder, settled
from lading.runtime.spec.spec import ContainerSpec, Mount, bind, environment
from lading.store.errors import InputError, LadingError, Notice, Remedy
from lading.store.fastclass import dataclass, replace
from lading.store.oci.digests import Digest
from lading.store.system.locks import open_lock, take

_ETC: Final = ("hosts", "hostname", "resolv.conf")


@dataclass(frozen=True, slots=True)
class Rights:
    """Who the process is and what it may: known before anything outside of the container is made for it."""

    user: users.ProcessUser
    capabilities: list[str]


class Launch:
    """One launch. Whatever it made is on record before it is made, and taken back when a later step fails.

    `check` tells whether the image's tree is as it was left, with an error where not. It may be asked again.
    `meanwhile` is done while the OCI runtime makes the container.
    """

    def __init__(
        self,
        life: Lifecycle,
        image: VerifiedImage,
        options: RunOptions,
        *,
        verdict: Mapping[str, object],
        held: tuple[Digest, ...],
        streams: Streams,
        check: Callable[[], None],
        meanwhile: Callable[[], object],
    ) -> None:
        self.life = life
        self.image = image
        self.options = options
        self.verdict = verdict
        self.held = held
        self.streams = streams
        self._check = check
        self._beside = meanwhile
        self._owner: int | None = None

    @contextmanager
    def create(self) -> Generator[Created, None, None]:
        """Everything up to the program's first instruction. The container's lock is held inside the context.

        Raises `StartError`, `InputError`, `MachineError`, and then leaves nothing behind.
        """
        self.options.validate()
        records = self.life.records
        while True:
            container = naming.new_id()
            records.folder(container).mkdir(mode=0o700)
            with records.lock(container) as held:
                if held:
                    yield self._create(container)
                    return

    def _create(self, container: str) -> Created:
        try:
            self.life.records.run(container).mkdir(mode=0o700)
            return self._make(self._record(container))
        except BaseException as error:
            self._take_back(container)
            if isinstance(error, LadingError):
                self._check()  # of a tree that was changed, that is what is wrong, whatever came of it
            raise

    def _take_back(self, container: str) -> None:
        if record := self.life.records.read(container):
            self.life.finish(record)
        else:
            self.life.records.delete(container)

    def _record(self, container: str) -> Container:
        name = self._claim(container)
        record = Container(
            id=container,
            name=name,
            image=self.options.image,
            manifest=str(self.image.manifest.descriptor.digest),
            verdict=self.verdict,
            created=naming.now(),
            remove=self.options.remove,
            network=self.options.network,
            stop_timeout=self.options.stop_timeout,
        )
        try:
            self.life.records.write(record, durable=not record.remove)
        except BaseException:
            self.life.records.delete(record)
            raise
        return record

    def _claim(self, container: str) -> str:
        records, wished = self.life.records, self.options.name
        for _ in range(100):
            name = wished or naming.random_name()
            if records.claim(container, name):
                return name
            if wished:
                break
        records.drop_stale_names()
        if wished and records.claim(container, wished):
            return wished
        raise InputError(
            f"name {wished}: a container has this name already",
            hint=Remedy("remove container", "remove that one", str(wished)),
            option="name",
        )

    def _make(self, record: Container) -> Created:
        intent = ProcessConfig.of(self.image.config, self.options, hostname=self._hostname(record))
        self._tell()
        rootfs = self._mount(record)
        rights = self._rights(rootfs, intent)
        placed = self.life.volumes.place(self.options.volumes, self.image.config.volumes, self.options.tmpfs, rootfs)
        record = replace(
            record,
            stop_signal=intent.stop_signal,
            volumes=tuple(item.name for item in placed if item.anonymous),
            mounts=tuple(item.document() for item in placed),
        )
        self.life.records.write(record)
        self._fill(rootfs, placed, intent)
        record, netns = self._join(record, intent)
        plan = self._plan(record, intent, rights, placed, rootfs, netns)
        record = replace(
            record,
            config=inspect.config(self.options, intent, self.image.config),
            host_config=inspect.host_config(self.options),
        )
        self._bundle(record, plan)
        return Created(self.life, self._monitored(record, plan), intent.args[0])

    def _tell(self) -> None:
        """What is asked for and has no effect."""
        test = (self.image.config.healthcheck or {}).get("Test")
        if test and test != ["NONE"]:
            self.streams.caller.warn("the image's HEALTHCHECK is not run yet")
        if self.options.publish and self.options.network != "default":
            words = f"with network {self.options.network} no port is published"
            self.streams.caller.warn(Notice(words, "network"))

    def _monitored(self, record: Container, plan: ContainerSpec) -> Container:
        """Left half-way, this would be a container that is made after its folder was taken away."""
        self.streams.caller.hold()
        try:
            monitored = start_monitor(self.life, record, self.options, plan.args[0], self._meanwhile)
            record = replace(record, status="created", process=monitored.process, monitor=monitored.monitor)
            self.life.records.write(record)
        finally:
            self.streams.caller.release()
        return record

    def _hostname(self, record: Container) -> str:
        return os.uname().nodename if self.options.network == "host" else record.short

    def _mount(self, record: Container) -> Path:
        rootfs = self.life.records.rootfs(record.id)
        rootfs.mkdir(mode=0o700)
        store = self.life.store
        with store.index.transaction():
            store.lease(record.id, self.held)
            store.snapshots.prepare(record.id, self.image.snapshot)
        store.snapshots.mount(record.id, rootfs)
        check_kernel_folders(rootfs)
        return rootfs

    def _fill(self, rootfs: Path, placed: list[ResolvedVolume], intent: ProcessConfig) -> None:
        if placed:
            self._check()  # a volume keeps what it is filled with
        for item in placed:
            self.life.volumes.make(item, rootfs)
        if not self.options.readonly:
            make_folder(rootfs, intent.workdir)

    def _join(self, record: Container, intent: ProcessConfig) -> tuple[Container, str]:
        folder, network = self.life.records.folder(record.id), self.options.network
        etc_files.write(folder / "hostname", f"{intent.hostname}\n")
        etc_files.write(folder / "resolv.conf", etc_files.resolv_conf(shared=network == "host"))
        if network != "default":
            text = etc_files.host_file("hosts") if network == "host" else ""
            etc_files.write(folder / "hosts", text or etc_files.hosts(f"127.0.1.1\t{intent.hostname}\n"))
            return record, "new" if network == "none" else "host"
        attachment = networks.join(self.life.driver, record, self.options, intent.hostname, self.life.config.run_dir)
        etc_files.write(folder / "hosts", etc_files.hosts(networks.own_lines(attachment, intent.hostname), shared=True))
        if self.life.driver:
            networks.refresh(self.life.driver, self.life.records, self.life.config.run_dir)
        return replace(record, attachment=json.loads(attachment.json())), str(attachment.netns)

    def _rights(self, rootfs: Path, intent: ProcessConfig) -> Rights:
        root = os.open(rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            user = users.resolve(root, intent.user)
        finally:
            os.close(root)
        return Rights(user, capabilities.resolve(self.options.cap_add, self.options.cap_drop))

    def _plan(
        self,
        record: Container,
        intent: ProcessConfig,
        rights: Rights,
        placed: list[ResolvedVolume],
        rootfs: Path,
        netns: str,
    ) -> ContainerSpec:
        options, image = self.options, self.image.config
        self.life.cgroups.prepare()
        return ContainerSpec(
            rootfs=rootfs,
            args=(*init.WORDS, *intent.args) if options.init else intent.args,
            env=environment(options.env, image.env, hostname=intent.hostname, home=rights.user.home, tty=options.tty),
            cwd=intent.workdir,
            user=rights.user,
            hostname=intent.hostname,
            netns=netns,
            cgroup=self.life.cgroups.path_of(record.id),
            resources=self.life.cgroups.resources(options.limits),
            capabilities=rights.capabilities,
            readonly=options.readonly,
            terminal=options.tty,
            size=self.streams.size() if self.streams.size else None,
            filters=self.life.config.root / "filters",
            mounts=self._mounts(record, placed, rootfs),
        )

    def _mounts(self, record: Container, placed: list[ResolvedVolume], rootfs: Path) -> list[Mount]:
        mounts = [*(item.mount() for item in placed), *tmpfs_mounts(self.options.tmpfs, rootfs)]
        folder, taken = self.life.records.folder(record.id), {item["destination"] for item in mounts}
        for name in _ETC:
            target = settled(rootfs, f"/etc/{name}", folder=False)
            if target not in taken:
                mounts.append(bind(str(folder / name), target))
        return [*mounts, *([init.init_mount()] if self.options.init else [])]

    def _bundle(self, record: Container, plan: ContainerSpec) -> None:
        """Writes the bundle; the lock that says who will clean up is taken before there is anything to clean."""
        bundle = self.life.records.run(record.id)
        (bundle / "config.json").write_text(json.dumps(plan.spec()))
        if not self.options.detach:
            self._owner = open_lock(bundle / OWNER)
            take(self._owner)

    def close(self) -> None:
        """Whatever is left to clean up from here on, the monitor's exit command does."""
        if self._owner is not None:
            os.close(self._owner)
            self._owner = None

    def _meanwhile(self) -> None:
        self._check()
        self._beside()


@dataclass(frozen=True, slots=True)
class Created:
    """A container whose program waits for `start`."""

    life: Lifecycle
    record: Container
    program: str

    def start(self) -> Container:
        """Lets the program run. Raises `StartError`, and then leaves nothing behind."""
        try:
            self.life.oci.start(self.record.id, self.program)
        except BaseException:
            self.life.finish(self.record)
            raise
        record = replace(self.record, status="running", started=naming.now())
        self.life.records.write(record, durable=not record.remove)
        return record

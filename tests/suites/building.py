"""What tests of builds share: a real store, a sandbox that is a plain chroot, images by name, a fixed key."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lading.build.builder import build
from lading.build.graph import executor
from lading.build.graph.request import BaseImage, BuildEnvironment, BuildRequest, Built, KeySource, StepReport
from lading.build.graph.steps.step import Step
from lading.store.errors import InputError
from lading.store.oci.descriptors import Descriptor, Platform
from lading.store.oci.documents import Index, Manifest, chain_ids
from lading.store.oci.platform_choice import child_for
from lading.store.snapshots.mounts import unmount
from lading.store.snapshots.unpack_layers import unpack
from lading.store.store import Store
from lading.verify.keys.keys import PrivateKey

PLATFORM = Platform("linux", "amd64")


class ChrootExecutor:
    """RUN by chroot(8): good enough where a test asks what a build makes of a command, not how it is confined."""

    isolation = "chroot"
    privileges: Mapping[str, object] = {"capabilities": ["ALL"], "noNewPrivileges": False}

    def __init__(self) -> None:
        self.runs = 0

    def execute(
        self, rootfs: Path, step: executor.ProcessSpec, output: executor.OutputListener, halt: int | None = None
    ) -> int:
        self.runs += 1
        user = ["--userspec", step.user] if step.user else []
        script = 'cd "$0" && exec "$@"'
        done = subprocess.run(
            ["/usr/sbin/chroot", *user, str(rootfs), "/bin/sh", "-c", script, step.cwd, *step.argv],
            env=dict(step.env),
            capture_output=True,
            check=False,
            umask=0o022,
        )
        output(done.stdout, "stdout")
        output(done.stderr, "stderr")
        return done.returncode


@dataclass
class Recorder:
    """Listens, and keeps what it is told."""

    warnings: list[str] = field(default_factory=list)
    reports: list[StepReport] = field(default_factory=list)
    ended: list[Step] = field(default_factory=list)
    why: dict[str, tuple[str, ...]] = field(default_factory=dict)
    output: bytes = b""

    def planned(self, steps: tuple[Step, ...]) -> None:
        pass

    def started(self, step: Step) -> None:
        pass

    def wrote(self, step: Step, data: bytes, stream: Literal["stdout", "stderr"]) -> None:
        self.output += data

    def finished(self, report: StepReport) -> None:
        self.reports.append(report)

    def missed(self, step: Step, why: tuple[str, ...]) -> None:
        self.why[step.written] = why

    def halted(self, step: Step) -> None:
        self.ended.append(step)

    def warned(self, text: str) -> None:
        self.warnings.append(text)


@dataclass
class Images:
    """Base images from the store, by name; nobody vouches for them."""

    store: Store
    asked: list[str] = field(default_factory=list)

    def resolve(self, name: str, platform: Platform) -> BaseImage:
        self.asked.append(name)
        full = f"localhost/{name}:latest" if ":" not in name else f"localhost/{name}"
        found = self.store.reference(full)
        if found is None:
            raise InputError(f"{full}: not in the local store")
        manifest = self.store.document(found.descriptor)
        if isinstance(manifest, Index):
            manifest = self.store.document(child_for(manifest, platform, full))
        assert isinstance(manifest, Manifest)
        return BaseImage(full, found.descriptor, manifest, self.store.config(manifest), "unverified", "a test")


@dataclass
class Key:
    """A key that counts how often it is opened."""

    key: PrivateKey
    opened: int = 0

    @property
    def fingerprint(self) -> str:
        return self.key.public.fingerprint

    def open(self) -> PrivateKey:
        self.opened += 1
        return self.key


class Bench:
    """A store and everything a build needs."""

    def __init__(self, root: Path, key: KeySource | None = None, clock: Callable[[], float] = lambda: 1e9) -> None:
        self.root = root
        self.store = Store.open(root)
        self.executor = ChrootExecutor()
        self.images = Images(self.store)
        self.listener = Recorder()
        self.environment = BuildEnvironment(
            self.store, self.executor, self.images, PLATFORM, clock, key=key, listener=self.listener, version="test"
        )

    def build(self, context: Path, **options: object) -> Built:
        """Builds; `options` are those of a request."""
        self.listener.reports, self.listener.warnings, self.listener.output = [], [], b""
        self.listener.why = {}
        return build(BuildRequest(context, **options), self.environment)  # type: ignore[arg-type]

    def manifest(self, image: Descriptor) -> Manifest:
        """Of an image."""
        found = self.store.document(image)
        assert isinstance(found, Manifest)
        return found

    def files(self, image: Descriptor) -> dict[str, tuple[object, ...]]:
        """The root file system of an image, unpacked from its layers: path to type, mode, owner, content or target."""
        manifest = self.manifest(image)
        config = self.store.config(manifest)
        top = unpack(self.store.snapshots, self.store.blobs, manifest, config)
        if top is None:
            return {}
        assert top == str(chain_ids(config.diff_ids)[-1])
        with tempfile.TemporaryDirectory() as target:
            self.store.snapshots.mount(top, Path(target), readonly=True)
            try:
                return listing(Path(target))
            finally:
                unmount(Path(target))

    def close(self) -> None:
        self.store.close()


def listing(root: Path) -> dict[str, tuple[object, ...]]:
    """Everything below a folder."""
    found: dict[str, tuple[object, ...]] = {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = Path(folder, name)
            info = path.lstat()
            what: object = None
            if path.is_symlink():
                what = os.readlink(path)
            elif path.is_file():
                what = path.read_bytes()
            mode = None if path.is_symlink() else oct(info.st_mode)
            found[str(path.relative_to(root))] = (mode, info.st_uid, info.st_gid, what)
    return found


def write(root: Path, files: Mapping[str, str | bytes | None]) -> Path:
    """Makes a folder of files: text, bytes, or None for a folder."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.mkdir(exist_ok=True)
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def busybox(folder: Path) -> Path:
    """A context that makes a base image of this machine's static busybox, with users and groups."""
    program = shutil.which("busybox")
    assert program
    applets = (
        "sh",
        "cat",
        "cp",
        "date",
        "echo",
        "env",
        "false",
        "id",
        "ln",
        "ls",
        "mkdir",
        "mv",
        "rm",
        "stat",
        "touch",
    )
    write(
        folder,
        {
            "Dockerfile": 'FROM scratch\nCOPY root /\nENV GREETING=hello\nWORKDIR /work\nCMD ["sh"]\n',
            "root/etc/passwd": "root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1001:web:/home/web:/bin/sh\n",
            "root/etc/group": "root:x:0:\nweb:x:1001:\nlogs:x:2000:\n",
            "root/tmp": None,
        },
    )
    (folder / "root/bin").mkdir()
    shutil.copy(program, folder / "root/bin/busybox")
    for applet in applets:
        (folder / "root/bin" / applet).symlink_to("busybox")
    return folder

"""A busybox image in a real store, its verdict by a real verifier, and a runtime of its own to run it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lading.runtime.containers.networks import Drivers
from lading.runtime.containers.run_folder import RunFolder
from lading.runtime.lifecycle.lifecycle import RuntimeConfig
from lading.runtime.options import RunOptions, Streams
from lading.runtime.process.session import RunResult
from lading.runtime.runtime import Runtime
from lading.store.archives.layers import write_layer
from lading.store.archives.trees import scan
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.documents import CONFIG, Manifest
from lading.store.oci.json import canonical
from lading.store.store import Store
from lading.verify.judgement.targets import Target
from lading.verify.judgement.verdict import Verdict
from lading.verify.judgement.verifier import Verifier
from lading.verify.policy.yaml_reader import parse_policy
from suites.images import put_manifest
from suites.patience import PATIENCE

PASSWD = "root:x:0:0:root:/root:/bin/sh\nsailor:x:1000:1001:A sailor:/home/sailor:/bin/sh\n"
GROUP = "root:x:0:\ncrew:x:1001:\ndeck:x:1002:sailor\nhold:x:1003:sailor,root\n"
APPLETS = """
    sh cat chmod chown cp date dd df echo env false grep head hostname id ip kill ln ls mkdir mknod mount mv nc nproc
    ping ps pwd readlink rm sed sleep sort stat stty sync tail tee test touch tr true tty umount uname unshare wc
    which yes
"""


def fill(root: Path) -> Path:
    """A root file system of this machine's static busybox, with users, groups and a folder for volumes."""
    program = shutil.which("busybox")
    assert program
    for folder in ("bin", "etc", "tmp", "root", "home/sailor", "data/deep", "proc", "dev", "sys"):
        (root / folder).mkdir(parents=True)
    shutil.copy(program, root / "bin/busybox")
    for applet in APPLETS.split():
        (root / "bin" / applet).symlink_to("busybox")
    (root / "etc/passwd").write_text(PASSWD)
    (root / "etc/group").write_text(GROUP)
    (root / "data/deep/file").write_text("from the image\n")
    (root / "data/link").symlink_to("deep/file")
    os.chown(root / "home/sailor", 1000, 1001)
    os.chown(root / "data", 1000, 1001)
    (root / "data").chmod(0o750)
    (root / "tmp").chmod(0o1777)
    (root / "bin/plain").write_text("not a program\n")
    return root


def put_tree(store: Store, tree: Path, config: Mapping[str, object] | None = None) -> Descriptor:
    """A one-layer image of a folder."""
    layer = write_layer(scan(tree), store.blobs, compression="none")
    document = {
        "os": "linux",
        "architecture": "amd64",
        "rootfs": {"type": "layers", "diff_ids": [str(layer.diff_id)]},
        "config": {"Env": ["PATH=/bin", "CARGO=tea"], "Cmd": ["sh"], **(config or {})},
    }
    return put_manifest(store, canonical(document), CONFIG, [layer.descriptor.json()])


@dataclass
class Harbour:
    """A root with a store, a busybox image and a runtime."""

    root: Path
    run_dir: Path
    driver: Drivers | None = None
    oci: str = "crun"

    @cached_property
    def store(self) -> Store:
        return Store.open(self.root)

    @cached_property
    def tree(self) -> Path:
        tree = self.root.parent / "tree"
        return tree if tree.exists() else fill(tree)

    @cached_property
    def busybox(self) -> Descriptor:
        return put_tree(self.store, self.tree)

    @property
    def config(self) -> RuntimeConfig:
        return RuntimeConfig(self.root, self.run_dir, self.oci)

    @cached_property
    def use(self) -> RunFolder:
        """Held by every process that uses the run folder, as `Host` does: else the last container takes it away."""
        return RunFolder(self.store.root, self.run_dir)

    @property
    def runtime(self) -> Runtime:
        """A new one each time, as each command has."""
        _ = self.use
        return Runtime(self.config, lambda: self.store, self.driver)

    def verdict(self, image: Descriptor | None = None) -> Verdict:
        document = self.store.document(image or self.busybox)
        assert isinstance(document, Manifest)
        policy = parse_policy("version: 1\nscopes:\n  default: {reject: true}\n", "policy.yaml")
        return Verifier(policy).override(Target(document, names=("docker.io/library/busybox:latest",)), "a test")

    def run(self, *command: str, image: Descriptor | None = None, stdin: bytes | None = None, **options: object) -> Out:
        """Runs to the end in the foreground; what it wrote, and its exit code."""
        options.setdefault("network", "none")
        wanted = RunOptions("busybox", command, interactive=stdin is not None, **options)  # type: ignore[arg-type]
        with (
            (self.root.parent / "stdout").open("w+b") as out,
            (self.root.parent / "stderr").open("w+b") as err,
            (self.root.parent / "stdin").open("w+b") as given,
        ):
            given.write(stdin or b"")
            given.seek(0)
            streams = Streams(given.fileno(), out.fileno(), err.fileno())
            ran = self.runtime.run(self.verdict(image), wanted, streams)
            out.seek(0)
            err.seek(0)
            return Out(ran, out.read().decode(), err.read().decode())

    def start(self, *command: str, image: Descriptor | None = None, **options: object) -> RunResult:
        """Runs detached."""
        options.setdefault("network", "none")
        return self.runtime.run(self.verdict(image), RunOptions("busybox", command, detach=True, **options))  # type: ignore[arg-type]

    def leftovers(self) -> list[str]:
        """Whatever of containers is left on disk or in the kernel."""
        folders = [self.root / "containers", self.root / "volumes", self.run_dir / "containers", self.run_dir / "oci"]
        folders += [self.run_dir / "sandboxes", self.root / "containers/names"]
        found = [str(entry) for folder in folders if folder.is_dir() for entry in folder.iterdir()]
        found = [entry for entry in found if entry != str(self.root / "containers/names")]
        found += [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(self.root) in line]
        found += [row[0] for row in self.store.index.all("SELECT key FROM snapshot WHERE committed = 0")]
        found += [row[0] for row in self.store.index.all("SELECT id FROM lease")]
        return found + self.processes()

    def gone(self) -> list[str]:
        """What is left once the monitors, which outlive their containers by a moment, are gone too."""
        end = time.monotonic() + PATIENCE
        while (left := self.leftovers()) and time.monotonic() < end:
            time.sleep(0.02)
        return left

    def processes(self) -> list[str]:
        """The monitors and runtimes that work for this root."""
        found: list[str] = []
        for entry in Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
            except OSError:
                continue
            if str(self.run_dir).encode() in words and int(entry.name) != os.getpid():
                found.append(words.replace(b"\0", b" ").decode("utf-8", "replace"))
        return found


@dataclass(frozen=True)
class Out:
    """What a container in the foreground did."""

    ran: RunResult
    stdout: str
    stderr: str

    @property
    def code(self) -> int | None:
        return self.ran.exit_code

"""Whatever stands in a Dockerfile, a context or a call: it is built, or one line says where it cannot be."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import HealthCheck, example, given, settings

from lading.build.builder import build
from lading.build.convert.dockerfile_graph import ConvertOptions, resolve
from lading.build.dockerfile.instruction_reader import read
from lading.build.errors import DockerfileError
from lading.build.graph import executor
from lading.build.graph.request import BaseImage, BuildRequest
from lading.runtime.lifecycle.lifecycle import RuntimeConfig
from lading.runtime.sandbox import Sandbox
from lading.store.errors import InputError, LadingError
from lading.store.oci.descriptors import Platform
from suites import dockerfiles
from suites.building import PLATFORM, Bench, Images, busybox
from suites.dockerfiles import Call
from suites.machine import needs

PLACED = re.compile(
    r"D:[0-9]+: \S|D: no stage |D\.dockerignore: |\.dockerignore: |(?:build-arg|label|platform) |SOURCE_DATE_EPOCH: "
)
"""How every refusal begins: where in the Dockerfile, or which part of the call."""


class Idle:
    """Executes nothing: what a RUN does is not in question here."""

    isolation = "none"
    privileges: Mapping[str, object] = MappingProxyType({})

    def execute(
        self, rootfs: Path, step: executor.ProcessSpec, output: executor.OutputListener, halt: int | None = None
    ) -> int:
        del rootfs, step, output
        return 0


class Everything(Images):
    """Every image that somebody may have is the base."""

    def resolve(self, name: str, platform: Platform) -> BaseImage:
        return super().resolve("base" if name[:1].isalpha() and name.isascii() else name, platform)


class Yard:
    """A store with a base, and a context; the store is made anew before it grows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.context = dockerfiles.fill(folder / "context")
        self.base = busybox(folder / "base")
        self.builds = 0
        self.bench = self._bench()

    def _bench(self) -> Bench:
        bench = Bench(self.folder / "store")
        bench.build(self.base, names=("localhost/base:latest",))
        bench.environment = replace(bench.environment, executor=Idle(), images=Everything(bench.store))
        return bench

    def close(self) -> None:
        self.bench.close()
        shutil.rmtree(self.folder / "store")

    def build(self, text: bytes, ignore: bytes, call: Call) -> str | None:
        """What is said of it, None where it was built."""
        self.builds += 1
        if self.builds % 500 == 0:
            self.close()
            self.bench = self._bench()
        (self.context / "D").write_bytes(text)
        (self.context / ".dockerignore").write_bytes(ignore)
        request = BuildRequest(
            self.context,
            self.context / "D",
            arguments=call.arguments,
            labels=call.labels,
            target=call.target,
            platforms=(call.platform,) if call.platform else (),
        )
        try:
            build(request, self.bench.environment)
        except LadingError as error:
            return error.message
        return None


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    yard = Yard(tmp_path_factory.mktemp("fuzz"))
    yield yard
    yard.close()


def _check(said: str | None) -> None:
    if said is not None:
        assert PLACED.match(said), said
        assert "\n" not in said, said
        assert "/cache/work" not in said, said


@needs("root", "overlay", "busybox")
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(dockerfiles.dockerfile, dockerfiles.ignore_file, dockerfiles.call)
@example(b"FROM base\nUSER web:\nWORKDIR /w\n", b"", Call())
@example(b"FROM scratch\nCOPY caf* /one/\n", b"", Call())
@example(b"FROM scratch\nCOPY [a-z]* /one/\n", b"caf\xe9\n", Call())
@example(b"FROM scratch\nWORKDIR /a\0b\n", b"", Call())
@example(b'FROM scratch\nCOPY ["a\\u0000", "/"]\n', b"", Call())
@example(b"FROM base\nRUN <<E\n\xff\nE\n", b"", Call())
@example(b"FROM scratch\nARG A\nENV B=$A\n", b"", Call({"A": "\udcff"}))
@example(b"FROM scratch\n", b"", Call(labels={"a": "\udcff"}))
@example(b'FROM base\nCOPY <<"E F" /x\n1\nE F\n', b"", Call())
@example(b"FROM scratch\nHEALTHCHECK --retries=" + b"9" * 5000 + b" CMD x\n", b"", Call())
def test_any_build_succeeds_or_says_where_it_cannot(yard: Yard, text: bytes, ignore: bytes, call: Call) -> None:
    _check(yard.build(text, ignore, call))


@needs("root", "overlay", "busybox", "crun")
@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@given(dockerfiles.executed)
@example(b"FROM base\nRUN rm -rf /etc; ln -s /proc/1/root/etc /etc\nUSER web\nRUN true\n")
@example(b'FROM base\nRUN [""]\n')
@example(b"FROM base\nRUN rm -rf /tmp /proc /sys; touch /tmp\nWORKDIR /tmp/x\n")
def test_what_a_step_does_is_no_fault_of_ours(yard: Yard, text: bytes) -> None:
    folder = yard.folder / "run"
    folder.mkdir(exist_ok=True)
    idle = yard.bench.environment
    sandbox = Sandbox(RuntimeConfig(yard.folder / "store", folder), None)
    yard.bench.environment = replace(idle, executor=sandbox)
    try:
        _check(yard.build(text, b"", Call()))
    finally:
        yard.bench.environment = idle
    assert list((folder / "sandboxes").iterdir() if (folder / "sandboxes").exists() else []) == []


@settings(max_examples=1000, suppress_health_check=list(HealthCheck))
@given(dockerfiles.dockerfile, dockerfiles.call)
def test_any_text_is_understood_or_refused_in_its_place(text: bytes, call: Call) -> None:
    def image(name: str, place: object) -> object:
        raise DockerfileError(place, f"{name}: not here")  # type: ignore[arg-type]

    try:
        resolve(read(text, "D"), ConvertOptions(call.arguments, PLATFORM, PLATFORM, target=call.target), image)  # type: ignore[arg-type]
    except InputError as error:
        _check(error.message)

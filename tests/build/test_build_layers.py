"""What a step's layer holds: unpacked elsewhere it gives what the kernel showed when the step ended."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lading.build.graph import executor
from lading.build.operations.spurious_changes import prune
from lading.store.archives.trees import capture
from suites.building import Bench, write
from suites.changes import View, WatchingExecutor, elsewhere, here, members, shell
from suites.machine import needs
from suites.odd_trees import CAPABILITY
from suites.trees import seen

pytestmark = needs("root", "overlay", "busybox")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("layers")
    bench = Bench(folder / "store")
    bench.environment = replace(bench.environment, executor=WatchingExecutor())
    bench.build(shell(folder / "base"), names=("localhost/base:latest",))
    yield bench
    bench.close()


MODULES = "mkdir -p /app/left /app/right && echo 1 > /app/left/index && echo 2 > /app/right/index"


def left(bench: Bench) -> View:
    """What the kernel showed when the last RUN ended."""
    watching = bench.environment.executor
    assert isinstance(watching, WatchingExecutor)
    return watching.views[-1]


CHANGES = {
    "made again the same": (MODULES, f"rm -rf /app && {MODULES}"),
    "made again, other owner": (MODULES, f"rm -rf /app && {MODULES} && chown 5:6 /app/left && chmod 700 /app/left"),
    "made again, less": (MODULES, f"rm -rf /app && {MODULES} && rm -r /app/right"),
    "made again, one file new": (MODULES, f"rm -rf /app && {MODULES} && echo 3 > /app/left/new"),
    "there and back": (MODULES, "mv /app /away && mv /away /app"),
    "a file there and back": (MODULES, "mv /app/left/index /x && mv /x /app/left/index"),
    "hidden in hidden": (
        MODULES,
        f"rm -rf /app && {MODULES} && rm -rf /app/left && mkdir /app/left && echo > /app/left/n",
    ),
    "a folder becomes a link": (MODULES, "mv /app/left /kept && ln -s /kept /app/left && echo 9 > /app/left/index"),
    "a folder becomes a link and a folder again": (
        MODULES,
        f"rm -rf /app/left && ln -s right /app/left && rm /app/left && {MODULES}",
        "rm -rf /app/left && ln -s right /app/left",
        f"rm /app/left && {MODULES}",
    ),
    "a link becomes a folder": (
        f"{MODULES} && ln -s /app/left /app/link",
        "rm /app/link && mkdir /app/link && echo 1 > /app/link/index",
    ),
    "a file becomes a folder and a file again": (
        "echo f > /f",
        "rm /f && mkdir /f && echo 1 > /f/in",
        "rm -r /f && echo f > /f",
        "mv /f /g && mkdir /f && mv /g /f/f && mv /f/f /g && rmdir /f && mv /g /f",
    ),
    "of several names one is written": ("echo 1 > /one && ln /one /two", "echo 1 > /one", "touch /two"),
    "names of one file in several folders": (
        MODULES,
        "ln /app/left/index /app/right/same && ln /app/left/index /srv/a/n",
    ),
    "times, owners and modes alone": (
        MODULES,
        "touch -d 2001-01-01 /app/left/index",
        "chown 7 /app/left",
        "chmod 1700 /app",
    ),
    "a removed one comes and goes": (
        MODULES,
        "rm -r /app/left",
        "mkdir /app/left && rmdir /app/left",
        "touch /app/left && rm /app/left",
    ),
    "pipes": ("mkfifo /p", "rm /p && mkfifo /p", "rm /p && echo > /p"),
    "links with far ends": (
        "ln -s /nowhere/at/all /l && ln -s / /root/all",
        "rm /l && ln -s /nowhere/at/all /l",
        "rm -r /root && mkdir /root",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_layer_gives_what_the_step_left(bench: Bench, tmp_path: Path, name: str) -> None:
    lines = [f"RUN {command}\n" for command in CHANGES[name]]
    context = write(tmp_path / "context", {})
    for count in range(1, len(lines) + 1):
        write(context, {"Dockerfile": f"FROM base\n{''.join(lines[:count])}"})
        built = bench.build(context, no_cache=True)
        expected = left(bench)
        assert elsewhere(bench, built.descriptor, tmp_path / f"root{count}") == expected
        assert here(bench, built.descriptor) == expected


def test_what_is_not_below_is_not_compared(bench: Bench, tmp_path: Path) -> None:
    """A folder where a link to this machine's own files was: what it holds is new, however alike."""
    outside = write(tmp_path / "outside", {"config": "the machine's own\n"})
    again = 'rm /etc/app && mkdir /etc/app && echo "the machine\'s own" > /etc/app/config'
    text = f"FROM base\nRUN ln -s {outside} /etc/app\nRUN {again}\n"
    built = bench.build(write(tmp_path / "context", {"Dockerfile": text}), no_cache=True)
    assert elsewhere(bench, built.descriptor, tmp_path / "root")[b"etc/app/config"][3] == b"the machine's own\n"


def test_folders_above_a_change_are_in_its_layer(bench: Bench, tmp_path: Path) -> None:
    """Others unpack a layer by itself, and take the owner and mode of a folder from it alone."""
    first = "mkdir -p /d/e && chmod 1777 /d && chown 3:4 /d/e"
    text = f"FROM base\nRUN {first}\nRUN echo > /d/e/f\nRUN rm /d/e/f\nRUN touch /d/e\n"
    built = bench.build(write(tmp_path / "context", {"Dockerfile": text}), no_cache=True)
    layers = [members(bench, layer) for layer in bench.manifest(built.descriptor).layers[-3:]]
    assert layers == [["d", "d/e"], ["d", "d/e", "d/e/f"], ["d", "d/e", "d/e/.wh.f"]]
    assert elsewhere(bench, built.descriptor, tmp_path / "root") == left(bench)


class AttributeExecutor(WatchingExecutor):
    """Takes ``PATH NAME [VALUE]`` for a command as well: busybox cannot set attributes."""

    def execute(
        self, rootfs: Path, step: executor.ProcessSpec, output: executor.OutputListener, halt: int | None = None
    ) -> int:
        words = step.argv[-1].split(" ")
        if not words[0].startswith("/") or len(words) < 2 or "." not in words[1]:
            return super().execute(rootfs, step, output)
        path = rootfs / words[0][1:]
        if len(words) == 3:
            os.setxattr(path, words[1], CAPABILITY if words[2] == "CAP" else words[2].encode())
        else:
            os.removexattr(path, words[1])
        self.views.append(seen(rootfs))
        return 0


@pytest.mark.parametrize(
    ("steps", "layers"),
    [
        (("echo > /f", "/f user.a 1", "/f user.a 2", "/f user.a"), 4),
        (("echo > /f", "/f security.capability CAP", "rm /f && echo > /f"), 3),
        (("echo > /f", "/f security.capability CAP", "/f security.capability CAP", "touch /f"), 2),
        (("echo > /f", "/f security.capability CAP", "chown 5 /f"), 3),
        (("mkdir /d", "/d user.a 1", "rm -r /d && mkdir /d", "echo > /d/f", "/d user.b 1", "rm /d/f"), 6),
        (("echo > /f && ln /f /g", "/f user.a 1", "/g user.b 1"), 3),
    ],
)
def test_attributes_and_capabilities(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: tuple[str, ...], layers: int
) -> None:
    monkeypatch.setattr(bench, "environment", replace(bench.environment, executor=AttributeExecutor()))
    context = write(tmp_path / "context", {})
    for count in range(1, len(steps) + 1):
        text = "".join(f"RUN {step}\n" for step in steps[:count])
        built = bench.build(write(context, {"Dockerfile": f"FROM base\n{text}"}), no_cache=True)
        assert elsewhere(bench, built.descriptor, tmp_path / f"root{count}") == left(bench)
    base = bench.build(write(context, {"Dockerfile": "FROM base\n"}))
    assert len(bench.manifest(built.descriptor).layers) - len(bench.manifest(base.descriptor).layers) == layers


def test_an_attribute_without_a_value_is_in_no_layer(tmp_path: Path) -> None:
    """Go's readers of layers pass such a record over; what the builder keeps is what others unpack."""
    (tmp_path / "upper").mkdir()
    (tmp_path / "below").mkdir()
    (tmp_path / "upper/f").touch()
    os.setxattr(tmp_path / "upper/f", "user.empty", b"")
    os.setxattr(tmp_path / "upper/f", "user.full", b"1")
    (entry,) = prune(capture(tmp_path / "upper"), tmp_path / "below").entries
    assert entry.xattrs == (("user.full", b"1"),)
    assert os.listxattr(tmp_path / "upper/f") == ["user.full"]


def test_the_root_folder_itself_is_everywhere_the_same(bench: Bench, tmp_path: Path) -> None:
    """Neither containerd nor containers/storage take anything of it from a layer, so no step changes it either."""
    first = "chmod 700 / && chown 5:5 / && touch /x"
    context = write(tmp_path / "context", {"Dockerfile": f"FROM base\nRUN {first}\nRUN stat -c %a-%u / > /root/was\n"})
    built = bench.build(context, no_cache=True)
    assert [text for text in bench.listener.warnings if "/ itself" in text] == bench.listener.warnings
    assert len(bench.listener.warnings) == 1
    assert elsewhere(bench, built.descriptor, tmp_path / "root")[b"root/was"][3] == b"755-0\n"


def test_what_an_archive_says_of_its_own_folder_is_passed_over(bench: Bench, tmp_path: Path) -> None:
    folder = write(tmp_path / "folder", {"marker": "m", "sub/file": "f"})
    folder.chmod(0o700)
    (folder / "sub").chmod(0o711)
    subprocess.run(["tar", "-C", folder, "--owner=1000", "--group=1000", "-czf", tmp_path / "r.tgz", "."], check=True)
    text = "FROM base\nRUN mkdir -p /opt/app/sub\nADD r.tgz /opt/app/\nADD r.tgz /opt/new/\nADD r.tgz /\nRUN true\n"
    context = write(tmp_path / "context", {"Dockerfile": text, "r.tgz": (tmp_path / "r.tgz").read_bytes()})
    built = bench.build(context, no_cache=True)
    found = elsewhere(bench, built.descriptor, tmp_path / "root")
    assert found == left(bench)
    assert not bench.listener.warnings
    for path in (b"opt/app", b"opt/new"):
        assert found[path][:3] == (stat.S_IFDIR | 0o755, 0, 0)
    assert found[b"opt/app/sub"][:3] == (stat.S_IFDIR | 0o711, 1000, 1000)

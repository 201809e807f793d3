"""Start-up of the verbs people repeat, beside podman's and cosign's, interleaved in one run.

    scripts/bench [--runs N] [--images N]

Each row is the median of N runs of each side, taken in turns after one run of each to warm up, so that whatever
else the machine does falls on both. Everything lies below one temporary folder; the image is a static busybox.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

LADING = Path(sys.executable).with_name("lading")
PEERS = Path(os.environ.get("LADING_PEERS", Path.home() / ".local/share/lading-peers/bin"))
CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
DOCKERFILE = "FROM scratch\nCOPY bin /bin\nLABEL number={number}\nCMD true\n"
COSIGN = ("--allow-http-registry", "--insecure-ignore-tlog=true")

Act = Callable[[], object]


class Bench:
    """One folder with a root for each side, and what both are called with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "containers.conf").write_text(CONTAINERS_CONF)
        self.environment = {
            "PATH": f"{PEERS}:{os.environ['PATH']}:/usr/sbin:/sbin",
            "HOME": str(folder),
            "LADING_ROOT": str(folder / "lading"),
            "LADING_PASSWORD": "bench",
            "CONTAINERS_CONF": str(folder / "containers.conf"),
        }
        self.podman = ("podman", "--root", str(folder / "storage"), "--runroot", str(folder / "run"))

    def call(self, *words: object) -> str:
        """Runs a command that has to succeed; its output."""
        argv = [str(word) for word in words]
        done = subprocess.run(argv, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(argv)}: exit code {done.returncode}\n{done.stderr.decode()}")
        return done.stdout.decode().strip()

    def has(self, program: str) -> bool:
        """Whether the peer is here."""
        return shutil.which(program, path=self.environment["PATH"]) is not None

    def lading(self, *words: object) -> str:
        """Runs `lading WORDS`."""
        return self.call(LADING, *words)

    def build(self, name: str, number: int = 0, *more: object) -> None:
        """A busybox image, signed; `number` makes its digest."""
        context = self.folder / "context"
        if not context.exists():
            (context / "bin").mkdir(parents=True)
            shutil.copy(shutil.which("busybox", path=self.environment["PATH"]) or "/bin/busybox", context / "bin")
            (context / "bin/true").symlink_to("busybox")
        (context / "Dockerfile").write_text(DOCKERFILE.format(number=number))
        self.lading("build", "-q", "-t", name, *more, context)


def compare(label: str, ours: Act, theirs: Act, *, runs: int, weight: int = 1) -> None:
    """Prints a row. `weight`: how often their call would be made for one of ours."""
    sides: tuple[tuple[Act, list[float]], ...] = ((ours, []), (theirs, []))
    for turn in range(runs + 1):
        for act, times in sides:
            start = time.perf_counter()
            act()
            if turn:
                times.append((time.perf_counter() - start) * 1000)
    mine, other = statistics.median(sides[0][1]), weight * statistics.median(sides[1][1])
    print(f"| {label} | {mine:.0f} | {other:.0f} | {mine / other:.2f} |", flush=True)


def versions(bench: Bench) -> None:
    """The head of the report: machine and versions."""
    print(f"Machine: {os.cpu_count()} processors, Linux {platform.release()}, Python {platform.python_version()}.")
    print(bench.lading("--version"))
    for program in ("podman", "crun", "conmon"):
        if bench.has(program):
            print(bench.call(program, "--version").splitlines()[0])
    if bench.has("cosign"):
        print(
            "cosign", next(line.split()[1] for line in bench.call("cosign", "version").splitlines() if "GitV" in line)
        )


def run_rows(bench: Bench, runs: int) -> None:
    """`run --rm IMAGE true` without and with a network of its own."""
    name = "localhost/bench/busybox:1"
    bench.build(name)
    archive = bench.folder / "busybox.tar"
    bench.lading("save", "-o", f"docker-archive:{archive}", name)
    bench.call(*bench.podman, "load", "-q", "-i", archive)
    for label, words in (("without network", ("--network", "none")), ("with the default network", ())):
        compare(
            f"`run --rm` of busybox `true`, {label}",
            lambda words=words: bench.lading("run", "--rm", *words, name, "true"),  # type: ignore[misc]
            lambda words=words: bench.call(*bench.podman, "run", "--rm", *words, name, "true"),  # type: ignore[misc]
            runs=runs,
        )


def verify_rows(bench: Bench, address: str, runs: int, images: int) -> None:
    """`verify` of signed images in a registry on the loopback."""
    names = [f"{address}/bench/app:{number}" for number in range(images)]
    for number, name in enumerate(names):
        bench.build(name, number, "--push")
    key = bench.folder / "lading/keys/cosign.pub"

    def cosign(which: Sequence[str]) -> str:
        return bench.call("cosign", "verify", *COSIGN, "--key", key, *which)

    compare(
        "`verify` of one image in a registry",
        lambda: bench.lading("verify", "--remote", names[0]),
        lambda: cosign(names[:1]),
        runs=runs,
    )
    compare(
        f"`verify` of {images} images in one call, cosign called {images} times",
        lambda: bench.lading("verify", "--remote", *names),
        lambda: [cosign([name]) for name in names],
        runs=max(3, runs // 7),
    )


def main() -> None:
    """Prints a Markdown table; a side that is missing leaves its rows out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=21, help="runs of each side (default: 21)")
    parser.add_argument("--images", type=int, default=100, help="images in the long verify (default: 100)")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="lad", dir="/tmp"))  # podman's runroot has at most 50 characters
    bench = Bench(folder)
    try:
        versions(bench)
        bench.lading("keygen")
        print("\n| milliseconds, medians | lading | peer | ratio |\n|---|---|---|---|", flush=True)
        if os.geteuid() == 0 and bench.has("podman"):
            run_rows(bench, given.runs)
        if bench.has("cosign"):
            with subprocess.Popen(
                [LADING, "registry", "serve", "--listen", "127.0.0.1:0", "--storage", folder / "registry"],
                env=bench.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            ) as server:
                try:
                    verify_rows(bench, _address(server), given.runs, given.images)
                finally:
                    server.terminate()
    finally:
        if bench.has("podman"):
            subprocess.run([*bench.podman, "rmi", "-af"], env=bench.environment, capture_output=True, check=False)
            subprocess.run(["umount", folder / "storage/overlay"], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _address(server: subprocess.Popen[str]) -> str:
    for line in server.stdout or ():
        for word in line.replace("/", " ").split():
            if word.startswith("127.0.0.1:"):
                return word.rstrip(".,")
    raise SystemExit("the registry did not start")


if __name__ == "__main__":
    main()

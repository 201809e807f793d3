"""Start-up of the verbs people repeat, beside podman's, cosign's and Python's own, interleaved in one run.

    scripts/bench [--runs N] [--images N] [--side-by-side N] [--only WORD]

Each row is the median of N runs of each side, taken in turns after one run of each to warm up, so that whatever
else the machine does falls on both. The processor's time is that of the call and of all that it waited for, which
leaves out a container's monitor on both sides. Everything lies below one temporary folder; the image is a static
busybox.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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

IMAGE = "localhost/bench/busybox:1"

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

    def peer(self, *words: object) -> str:
        """Runs `podman WORDS`."""
        return self.call(*self.podman, *words)

    def image(self) -> None:
        """The image of the rows that run something, on both sides."""
        self.build(IMAGE)
        archive = self.folder / "busybox.tar"
        self.lading("save", "-o", f"docker-archive:{archive}", IMAGE)
        self.peer("load", "-q", "-i", archive)

    def build(self, name: str, number: int = 0, *more: object) -> None:
        """A busybox image, signed; `number` makes its digest."""
        context = self.folder / "context"
        if not context.exists():
            (context / "bin").mkdir(parents=True)
            shutil.copy(shutil.which("busybox", path=self.environment["PATH"]) or "/bin/busybox", context / "bin")
            (context / "bin/true").symlink_to("busybox")
        (context / "Dockerfile").write_text(DOCKERFILE.format(number=number))
        self.lading("build", "-q", "-t", name, *more, context)


@dataclass(frozen=True)
class Cost:
    """What a call took, in milliseconds: time that went by, and time of the processors."""

    wall: float
    cpu: float


def cost(act: Act) -> Cost:
    """Does it once."""
    spent, start = _cpu(), time.perf_counter()
    act()
    return Cost((time.perf_counter() - start) * 1000, (_cpu() - spent) * 1000)


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def row(label: str, ours: Sequence[Cost], theirs: Sequence[Cost], weight: int = 1) -> None:
    """Prints a row. `weight`: how often their call would be made for one of ours."""
    cells: list[str] = []
    for which in ("wall", "cpu"):
        mine, other = (statistics.median(getattr(one, which) for one in costs) for costs in (ours, theirs))
        cells += [f"{mine:.0f}", f"{weight * other:.0f}", f"{mine / (weight * other):.2f}"]
    print(f"| {label} | {' | '.join(cells)} |", flush=True)


def compare(label: str, ours: Act, theirs: Act, *, runs: int, weight: int = 1) -> None:
    """Measures both in turns, and prints the row."""
    turns = [(cost(ours), cost(theirs)) for _ in range(runs + 1)][1:]
    row(label, [mine for mine, _ in turns], [other for _, other in turns], weight)


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


def python_rows(bench: Bench, runs: int) -> None:
    """What costs nothing but the start of Python."""
    complete = ["env", "_LADING_COMPLETE=complete_bash", "COMP_WORDS=lading ru", "COMP_CWORD=1", LADING]
    rows: dict[str, Act] = {
        "`--help`, beside `python -c pass`": lambda: bench.lading("--help"),
        "completion of `lading ru`, beside `python -c pass`": lambda: bench.call(*complete),
    }
    for label, ours in rows.items():
        compare(label, ours, lambda: bench.call(sys.executable, "-c", "pass"), runs=runs)


def run_rows(bench: Bench, runs: int) -> None:
    """`run --rm IMAGE true` without and with a network of its own."""
    for label, words in (("without network", ("--network", "none")), ("with the default network", ())):
        compare(
            f"`run --rm` of busybox `true`, {label}",
            lambda words=words: bench.lading("run", "--rm", *words, IMAGE, "true"),  # type: ignore[misc]
            lambda words=words: bench.peer("run", "--rm", *words, IMAGE, "true"),  # type: ignore[misc]
            runs=runs,
        )


def running_rows(bench: Bench, runs: int) -> None:
    """`exec` and `ps` beside one running container."""
    words = ("run", "-d", "--name", "sleeper", "--network", "none", IMAGE, "busybox", "sleep", "100000")
    bench.lading(*words)
    bench.peer(*words)
    for label, asked in (("`exec` of `true`", ("exec", "sleeper", "true")), ("`ps`", ("ps",))):
        compare(
            label,
            lambda asked=asked: bench.lading(*asked),  # type: ignore[misc]
            lambda asked=asked: bench.peer(*asked),  # type: ignore[misc]
            runs=runs,
        )
    bench.lading("rm", "-f", "sleeper")
    bench.peer("rm", "-f", "-t", "0", "sleeper")


def together_rows(bench: Bench, runs: int, count: int) -> None:
    """Containers started by as many calls at once, and removed so."""
    names = [f"c{number}" for number in range(count)]

    def all_at_once(call: Callable[..., str], *words: str) -> Act:
        def act() -> None:
            with ThreadPoolExecutor(count) as pool:
                list(pool.map(lambda name: call(*[name if word == "NAME" else word for word in words]), names))

        return act

    remove = (all_at_once(bench.lading, "rm", "-f", "NAME"), all_at_once(bench.peer, "rm", "-f", "-t", "0", "NAME"))
    for network, words in (("without network", ("--network", "none")), ("with the default network", ())):
        start = ("run", "-d", "--name", "NAME", *words, IMAGE, "busybox", "sleep", "100000")
        acts = [all_at_once(bench.lading, *start), all_at_once(bench.peer, *start), *remove]
        turns = [[cost(act) for act in acts] for _ in range(runs + 1)][1:]
        for label, column in (("started", 0), ("removed by force", 2)):
            row(
                f"{count} containers {label} side by side, {network}",
                [turn[column] for turn in turns],
                [turn[column + 1] for turn in turns],
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


def registry_rows(bench: Bench, runs: int, images: int) -> None:
    """`verify` beside cosign's, of images in a registry of ours."""
    with subprocess.Popen(
        [LADING, "registry", "serve", "--listen", "127.0.0.1:0", "--storage", bench.folder / "registry"],
        env=bench.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as server:
        try:
            verify_rows(bench, _address(server), runs, images)
        finally:
            server.terminate()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=21, help="runs of each side (default: 21)")
    parser.add_argument("--images", type=int, default=100, help="images in the long verify (default: 100)")
    parser.add_argument("--side-by-side", type=int, default=20, help="containers at once (default: 20)")
    parser.add_argument("--only", choices=("python", "run", "running", "together", "verify"), help="these rows alone")
    return parser.parse_args()


def main() -> None:
    """Prints a Markdown table; a side that is missing leaves its rows out."""
    given = _arguments()
    folder = Path(tempfile.mkdtemp(prefix="lad", dir="/tmp"))  # podman's runroot has at most 50 characters
    bench = Bench(folder)
    groups: dict[str, Act] = {"python": lambda: python_rows(bench, given.runs)}
    if os.geteuid() == 0 and bench.has("podman"):
        groups["run"] = lambda: run_rows(bench, given.runs)
        groups["running"] = lambda: running_rows(bench, given.runs)
        groups["together"] = lambda: together_rows(bench, max(3, given.runs // 3), given.side_by_side)
    if bench.has("cosign"):
        groups["verify"] = lambda: registry_rows(bench, given.runs, given.images)
    wanted = [name for name in groups if given.only in (None, name)]
    try:
        versions(bench)
        bench.lading("keygen")
        if {"run", "running", "together"} & set(wanted):
            bench.image()
        print("\n| milliseconds, medians | lading | peer | ratio | CPU: lading | peer | ratio |")
        print("|---|---|---|---|---|---|---|", flush=True)
        for name in wanted:
            groups[name]()
    finally:
        _clean(bench)


def _clean(bench: Bench) -> None:
    """Also what a broken run left running."""
    if bench.has("podman"):
        for words in (("rm", "-af", "-t", "0"), ("rmi", "-af")):
            subprocess.run([*bench.podman, *words], env=bench.environment, capture_output=True, check=False)
        subprocess.run(["umount", bench.folder / "storage/overlay"], capture_output=True, check=False)
    shown = subprocess.run([LADING, "ps", "-aq"], env=bench.environment, capture_output=True, text=True, check=False)
    for name in shown.stdout.split():
        subprocess.run([LADING, "rm", "-f", name], env=bench.environment, capture_output=True, check=False)
    shutil.rmtree(bench.folder, ignore_errors=True)


def _address(server: subprocess.Popen[str]) -> str:
    for line in server.stdout or ():
        for word in line.replace("/", " ").split():
            if word.startswith("127.0.0.1:"):
                return word.rstrip(".,")
    raise SystemExit("the registry did not start")


if __name__ == "__main__":
    main()

"""Builds beside BuildKit's and buildah's, interleaved in one run, as a Markdown table.

    scripts/bench build [--runs N] [--only WORD] [--without WORD]

Each row is the median of N builds of each side, taken in turns, so that whatever else the machine does falls on all.
Every side ends with a whole image in its own store: Lading's compressed by zstd and signed, BuildKit's by zstd and by
gzip without attestations, buildah's as it keeps layers, uncompressed. The processors' time is that of the call, of all
that it waited for, and of the daemon. Cold is with nothing remembered but the files in the page cache.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import contexts
from builders import Buildah, Builder, BuildKit, Lading, has
from measure import Cost, cost, middle

Before = Callable[[Builder, int], object]
MIB = 1 << 20


class Bench:
    """The builders, and a folder for what they build."""

    def __init__(self, folder: Path, without: Sequence[str]) -> None:
        self.folder = folder
        self.builders: list[Builder] = [Lading(_made(folder / "l"))]
        if "buildkit" not in without and has("buildkitd"):
            for compression in ("zstd", "gzip"):
                self.builders.append(BuildKit(_made(folder / compression), compression))
        if "buildah" not in without and has("buildah"):
            self.builders.append(Buildah(_made(folder / "b")))

    def close(self) -> None:
        """Ends the daemons, and removes everything."""
        for builder in self.builders:
            builder.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def head(self) -> None:
        """Machine, versions and the first lines of the table."""
        print(f"Machine: {os.cpu_count()} processors, Linux {platform.release()}, Python {platform.python_version()}.")
        for version in dict.fromkeys(builder.version() for builder in self.builders):
            print(version)
        titles = [builder.title for builder in self.builders]
        cells = [titles[0], *(cell for title in titles[1:] for cell in (title, "ratio"))]
        print(f"\n| milliseconds, medians (in brackets: CPU) | {' | '.join(cells)} |")
        print(f"|---|{'---|' * len(cells)}", flush=True)

    def row(self, label: str, context: Path, runs: int, before: Before) -> list[Cost]:
        """Measures all in turns, `before` done before each build; the median of each."""
        costs: list[list[Cost]] = [[] for _ in self.builders]
        for number in range(runs):
            for builder, found in zip(self.builders, costs, strict=True):
                before(builder, number)
                found.append(cost(lambda builder=builder: builder.build(context), builder.daemon))  # type: ignore[misc]
        medians = [middle(one) for one in costs]
        self.show(label, medians)
        return medians

    def show(self, label: str, medians: Sequence[Cost]) -> None:
        """Prints a row of costs beside ours."""
        ours = medians[0]
        cells = [f"{ours.wall * 1000:.0f} ({ours.cpu * 1000:.0f})"]
        for one in medians[1:]:
            cells += [
                f"{one.wall * 1000:.0f} ({one.cpu * 1000:.0f})",
                f"{ours.wall / one.wall:.2f} ({ours.cpu / one.cpu:.2f})",
            ]
        print(f"| {label} | {' | '.join(cells)} |", flush=True)

    def memory(self, label: str, context: Path, runs: int) -> None:
        """The peak of all processes together, one cold build each."""
        costs: list[list[Cost]] = [[] for _ in self.builders]
        for _ in range(runs):
            for builder, found in zip(self.builders, costs, strict=True):
                builder.forget()
                act = lambda builder=builder: builder.build(context)  # noqa: E731
                others = [one.daemon for one in self.builders if one is not builder and one.daemon is not None]
                found.append(cost(act, builder.daemon, memory=True, without=others))
        peaks = [middle(one).memory for one in costs]
        cells = [f"{peaks[0] / MIB:.0f} MiB"]
        for peak in peaks[1:]:
            cells += [f"{peak / MIB:.0f} MiB", f"{peaks[0] / peak:.2f}"]
        print(f"| {label} | {' | '.join(cells)} |", flush=True)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def cold(builder: Builder, number: int) -> None:
    """Nothing is remembered."""
    del number
    builder.forget()


def same(builder: Builder, number: int) -> None:
    """Everything is as it was."""


def files_rows(bench: Bench, runs: int) -> None:
    """5,000 small files and a large one."""
    context = contexts.files(bench.folder / "files", 5000, 200_000_000)
    what = "5,000 files and one of 200 MB"

    def changed(builder: Builder, number: int) -> None:
        contexts.change(context / "src/017/01717.txt", hash((builder.title, number)) % (1 << 30))

    bench.row(f"{what}: cold", context, runs, cold)
    bench.row(f"{what}: unchanged", context, 2 * runs, same)
    bench.row(f"{what}: one small file changed", context, runs, changed)
    bench.memory(f"{what}: peak memory of all processes, cold", context, min(runs, 3))


def many_rows(bench: Bench, runs: int) -> None:
    """30,000 files that did not change, and 1,000, so that what a file costs can be told from what a call does."""
    counts = (30_000, 1_000)
    found: list[list[Cost]] = []
    for count in counts:
        context = contexts.files(bench.folder / f"many{count}", count)
        for builder in bench.builders:
            builder.build(context)
            builder.build(context)
        found.append(bench.row(f"{count:,} files: unchanged", context, runs, same))
    more = counts[0] - counts[1]
    each = [
        Cost((many.wall - few.wall) / more * 1000, (many.cpu - few.cpu) / more * 1000)
        for many, few in zip(*found, strict=True)
    ]
    bench.show("microseconds for each file more", each)


def stages_rows(bench: Bench, runs: int) -> None:
    """Stages side by side."""
    bench.row("12 independent stages: cold", contexts.stages(bench.folder / "stages", 12), runs, cold)


def instructions_rows(bench: Bench, runs: int) -> None:
    """A long Dockerfile."""
    context = contexts.instructions(bench.folder / "instructions", 1000, 100)
    what = "1,000 instructions, 100 layers"
    bench.row(f"{what}: cold", context, runs, cold)
    bench.row(f"{what}: unchanged", context, runs, same)


GROUPS = {"files": files_rows, "many": many_rows, "stages": stages_rows, "instructions": instructions_rows}


def main() -> None:
    """Prints the table; a side that is missing leaves its columns out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7, help="builds of each side (default: 7)")
    parser.add_argument("--only", choices=GROUPS, action="append", help="these rows alone")
    parser.add_argument("--without", choices=("buildkit", "buildah"), action="append", default=[])
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="lad", dir="/tmp"))
    bench = Bench(folder, given.without)
    try:
        bench.head()
        for name, rows in GROUPS.items():
            if given.only is None or name in given.only:
                rows(bench, given.runs)
    finally:
        bench.close()


if __name__ == "__main__":
    main()

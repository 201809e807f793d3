"""kill -9 of whole commands at random steps of theirs, and what has to hold afterwards."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from suites import dying
from suites.commands import Lading, busybox
from suites.patience import PATIENCE


class Kills:
    """One root and one registry, and a verb to be killed; `check` says what is wrong, or nothing."""

    def __init__(self, folder: Path, registry: str) -> None:
        self.folder = folder
        self.lading = Lading(folder / "root")
        self.run_dir = f"/run/lading/{sha256(os.fsencode(self.lading.root)).hexdigest()[:12]}/"
        self.name = f"{registry}/kills/app"
        self.lading.ok("keygen")
        self.context = busybox(folder / "context")
        (self.context / "ballast").write_bytes(random.Random(1).randbytes(8_000_000))
        dockerfile = "FROM scratch\nCOPY bin /bin\nCOPY ballast /ballast\nRUN echo made > /made\n"
        dockerfile += 'COPY change /change\nCMD ["/bin/sh"]\n'
        (self.context / "Dockerfile").write_text(dockerfile)
        (self.context / "change").write_text("none")
        self.lading.ok("build", "-q", "-t", f"{self.name}:kept", self.context)
        self.lading.ok("push", "-q", f"{self.name}:kept")
        self.before = self.kernel()

    def kernel(self) -> list[str]:
        """What of ours is in the kernel: mounts below the folder, links, and processes that name it."""
        mounts = [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(self.folder) in line]
        links = sorted(name for name in os.listdir("/sys/class/net") if self.owns(name))
        processes = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    words = (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                if str(self.folder).encode() in words and b"registry\0serve" not in words:
                    processes.append(words.decode(errors="replace"))
        return [*mounts, *links, *processes]

    def owns(self, link: str) -> bool:
        """Whether a link of the host is of this root: each names the folder of its network's records."""
        try:
            return self.run_dir in Path("/sys/class/net", link, "ifalias").read_text()
        except OSError:
            return False  # it went meanwhile

    @property
    def environment(self) -> dict[str, str]:
        """What the killed commands see."""
        return self.lading.variables(HOME=str(self.folder))

    def kill(self, words: list[str], at: int) -> bool:
        """Starts `lading WORDS`, which kills itself at its step number `at`; whether it was killed.

        At the latest, it is killed when it says that it is up: what runs then would go on for ever.
        """
        process = dying.start_lading(words, at=at, environment=self.environment, stderr=subprocess.DEVNULL)
        assert process.stdout
        if process.stdout.readline() == "up\n":
            process.kill()
        return dying.killed(process)

    def takes(self, verb: str) -> int:
        """Steps of a verb that is left alone."""
        return dying.steps_of_lading(self.words(verb, -1), environment=self.environment, folder=self.folder)

    def words(self, verb: str, number: int) -> list[str]:
        """A call of `verb` that has something to do, and what has to be so before it."""
        with (self.context / "change").open("wb") as stream:
            stream.write(random.Random(number).randbytes(1_000_000))
        if verb == "build":
            return ["build", "-q", "--no-cache", "-t", f"{self.name}:new", str(self.context)]
        if verb == "push":
            # Another digest each time, so that there are blobs to send.
            self.lading.ok("build", "-q", "-t", f"{self.name}:t{number}", self.context)
            return ["push", "-q", f"{self.name}:t{number}"]
        if verb == "pull":
            self.lading.call("rmi", "-f", f"{self.name}:kept")
            self.lading.call("builder", "prune", "-fa")  # else nothing is left to be fetched
            return ["pull", "-q", f"{self.name}:kept"]
        program = ["true"] if number % 2 else ["sh", "-c", "echo up; exec sleep 600"]
        return ["run", "--rm", f"{self.name}:kept", *program]

    def check(self) -> list[str]:
        """Whether the next commands work, nothing promised is lost, and nothing leaks."""
        problems: list[str] = []
        for words in (["pull", "-q", f"{self.name}:kept"], ["verify", f"{self.name}:kept"]):
            said = self.lading.call(*words)
            if said.code != 0:
                problems.append(f"{' '.join(words)}: {said.code} {said.err}")
        said = self.lading.call("run", "--rm", f"{self.name}:kept", "cat", "/made")
        if (said.code, said.out) != (0, "made\n"):
            problems.append(f"run: {said.code} {said.out} {said.err}")
        for container in self.lading.ok("ps", "-aq").split():
            self.lading.call("rm", "-f", container)
        until = time.monotonic() + PATIENCE
        while (left := self.kernel()) != self.before and time.monotonic() < until:
            time.sleep(0.1)
        if left != self.before:
            problems.append(f"left behind: {[item for item in left if item not in self.before]}")
        return problems


def kill_loop(folder: Path, registry: str, verbs: list[str], times: int, say: Callable[[str], None]) -> list[str]:
    """Kills each verb `times` times; every problem found."""
    kills = Kills(folder, registry)
    chance = random.Random()
    problems: list[str] = []
    for verb in verbs:
        hits, length = 0, kills.takes(verb)
        for number in range(times):
            hits += kills.kill(kills.words(verb, number), chance.randrange(1, length + 1))
            found = kills.check()
            problems += [f"{verb} #{number}: {problem}" for problem in found]
        say(f"{verb}: killed {times} times, {hits} of them while it worked; {len(problems)} problems so far")
    return problems

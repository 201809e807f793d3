"""The program git for one foreign repository: no configuration but what stands here, and nothing of it is executed.

Neither system nor user configure it, templates and hooks are off, filters have no drivers, nobody is asked for a
password, and one protocol is allowed: that of the address. The address is never a word of a command line, which
every user of the machine can read.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from lading.build.context.remote.addresses import Repository
from lading.store.errors import InputError, MachineError
from lading.store.fastclass import dataclass

_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SSH: Final = "ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=yes"
_BEAT: Final = 0.2
_MAX_OUTPUT: Final = 64 * 1024 * 1024
_SETTINGS: Final = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.symlinks": "true",
    "core.logAllRefUpdates": "false",
    "core.attributesFile": os.devnull,
    "core.excludesFile": os.devnull,
    "init.defaultBranch": "master",
    "init.templateDir": "",
    "fetch.fsckObjects": "true",
    "fetch.writeCommitGraph": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "credential.helper": "",
    "http.followRedirects": "initial",
    "submodule.recurse": "false",
    "pack.threads": "1",
    "pack.window": "0",
    "pack.writeReverseIndex": "false",
}


@dataclass(frozen=True, slots=True)
class GitProgram:
    """Calls git in the folder `place` for `repository`, which it knows as origin.

    `check` raises where the build is over; no file that git writes is longer than `most` bytes.
    """

    repository: Repository
    place: Path
    most: int
    check: Callable[[], None]

    def run(self, *words: str) -> bytes:
        """What git says. Raises `InputError` with its last words where it fails, `MachineError` where there is none."""
        try:
            process = subprocess.Popen(
                ["git", "--no-pager", *words],
                cwd=self.place,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                umask=0o022,
                start_new_session=True,
            )
        except OSError as error:
            raise MachineError(f"git: {error.strerror}", hint="install git") from error
        with suppress(OSError):
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (self.most, self.most))
        try:
            output, errors = self._end(process)
        finally:
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
        if process.returncode != 0 or len(output) > _MAX_OUTPUT:
            raise InputError(f"{self.repository.public}: {self._words(errors)}")
        return output

    def _end(self, process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
        while True:
            try:
                return process.communicate(timeout=_BEAT)
            except subprocess.TimeoutExpired:
                self.check()

    def _words(self, errors: bytes) -> str:
        """The last line that says what is wrong; what lets one in is in none of it."""
        lines = errors.decode("utf-8", "replace").replace(self.repository.remote, self.repository.public).splitlines()
        wrong = [line for line in lines if line.startswith(("fatal: ", "error: ", "remote: "))]
        found = [line for line in wrong if line.startswith("error: object ")]  # which what follows only sums up
        return (found or wrong or lines or ["git failed"])[-1].removeprefix("fatal: ")[:500]

    def _environment(self) -> Mapping[str, str]:
        scheme = self.repository.scheme
        settings = {
            **_SETTINGS,
            "remote.origin.url": self.repository.remote,
            "protocol.allow": "never",
            f"protocol.{scheme}.allow": "always",
        }
        found = {
            "PATH": _PATH,
            "HOME": os.devnull,
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": scheme,
            "GIT_SSH_COMMAND": _SSH,
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_CONFIG_COUNT": str(len(settings)),
        }
        for at, (name, value) in enumerate(settings.items()):
            found |= {f"GIT_CONFIG_KEY_{at}": name, f"GIT_CONFIG_VALUE_{at}": value}
        return found

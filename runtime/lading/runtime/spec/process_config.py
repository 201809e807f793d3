"""What a container shall run: an image's config and the caller's options, joined by docker's rules."""

from __future__ import annotations

import re
import signal

from lading.runtime.options import RunOptions, absolute
from lading.store.errors import UsageError
from lading.store.fastclass import dataclass
from lading.store.oci.documents import ImageConfig


@dataclass(frozen=True, slots=True)
class ProcessConfig:
    """The joined values. `entrypoint` and `cmd` make up the arguments; `env` is the image's, not yet the given one."""

    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]
    user: str
    workdir: str
    hostname: str
    stop_signal: str

    @property
    def args(self) -> tuple[str, ...]:
        """What is executed."""
        return self.entrypoint + self.cmd

    @classmethod
    def of(cls, image: ImageConfig, options: RunOptions, *, hostname: str) -> ProcessConfig:
        """Raises `UsageError` where nothing is left to run, or for an unknown stop signal.

        A given entrypoint drops the image's command too; an empty one drops both.
        """
        if options.entrypoint is None:
            entrypoint = image.entrypoint or ()
            cmd = options.command or image.cmd or ()
        else:
            entrypoint = tuple(word for word in options.entrypoint if word)
            cmd = options.command
        if not entrypoint + cmd:
            raise UsageError(f"{options.image}: no command specified, and the image has none")
        workdir = options.workdir or image.working_dir or "/"
        return cls(
            entrypoint,
            cmd,
            options.user if options.user is not None else image.user,
            absolute("/" + workdir if options.workdir is None else workdir, "workdir", option=True),
            options.hostname or hostname,
            signal_name(options.stop_signal or image.stop_signal or "SIGTERM"),
        )


def signal_name(text: str) -> str:
    """SIGTERM for TERM, SIGTERM or 15; real-time signals as SIGRTMIN+3. Raises `UsageError`."""
    number = signal_number(text)
    try:
        return signal.Signals(number).name
    except ValueError:  # the C library keeps the first ones of the kernel's to itself, and they have no name
        return f"SIGRTMIN+{number - signal.SIGRTMIN}" if number > signal.SIGRTMIN else str(number)


def signal_number(text: str) -> int:
    """The number of a signal by name (any case, with or without SIG) or number. Raises `UsageError`."""
    name = text.upper().removeprefix("SIG")
    if re.fullmatch(r"\+?[0-9]{1,4}", name) and 0 < int(name) < signal.NSIG:
        return int(name)
    found = re.fullmatch(r"RT(MIN\+|MAX-)([0-9]{1,2})", name)
    if found and int(found[2]) <= signal.SIGRTMAX - signal.SIGRTMIN:
        return signal.SIGRTMIN + int(found[2]) if found[1] == "MIN+" else signal.SIGRTMAX - int(found[2])
    try:
        return int(signal.Signals["SIG" + name])
    except KeyError:
        raise UsageError(f"{text}: no such signal") from None

"""`lading`: the one place where errors become a line and an exit code."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import TextIOWrapper
from typing import TYPE_CHECKING, cast

from lading.cli.endings import EndedError, keep_children, keep_interrupts
from lading.store.errors import LadingError

if TYPE_CHECKING:
    from lading.verify.judgement.errors import GateError

_OF_THE_COMMAND = (126, 127, 129, 141)
"""Exit codes that say what is wrong with the command in a container, or that its caller is gone."""

_FILES = 64
"""How many files a call has open at most where little goes on at once: crun has thirty of its own."""

_VALUED = ("--root", "--color")
"""Global options that a value follows."""


def main() -> None:
    """The console script.

    A call lasts for milliseconds: collecting cycles while modules load, and taking the interpreter apart at the
    end, would cost a tenth of that. Servers collect as usual.
    """
    gc.disable()
    keep_interrupts()
    keep_children()
    _open_streams()
    code = call(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = 141
    except OSError as error:
        code = code or _fail(sys.argv[1:], LadingError(f"standard output: {error.strerror}"), 1)
    with suppress(OSError):
        sys.stderr.flush()
    os._exit(code)


def _open_streams() -> None:
    """What the caller closed is the null device, or the next file would get its number; to write to it is an error."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_WRONLY if number == 2 else os.O_RDONLY)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115


def call(arguments: Sequence[str]) -> int:
    """Runs one command line; its exit code. Nothing escapes but a traceback asked for with LADING_DEBUG."""
    # The same modes whatever the caller's umask; the state folder's own 0700 keeps others out.
    os.umask(0o022)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a name that the locale cannot write is no reason to fail
            stream.reconfigure(errors="backslashreplace")
    try:
        return _call(arguments)
    except LadingError as error:
        return _fail(arguments, error, error.exit_code)
    except KeyboardInterrupt:
        return _interrupted(arguments)
    except BrokenPipeError:
        # Whoever read our output has gone; there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    except OSError as error:
        from lading.store.errors import MachineError  # noqa: PLC0415
        from lading.store.system.machine_errors import in_words  # noqa: PLC0415

        return _fail(arguments, MachineError(in_words(error)), 1)
    except Exception as error:
        if os.environ.get("LADING_DEBUG"):
            raise
        fault = LadingError(
            f"internal error: {type(error).__name__}: {error}",
            hint="this is a fault in lading; LADING_DEBUG=1 shows where, please report it",
        )
        return _fail(arguments, fault, 1)


def _call(arguments: Sequence[str]) -> int:
    _need_files()
    try:
        result = _run(arguments)
    except EndedError as ended:
        return ended.code
    except EOFError:  # ^D, where something was asked
        sys.stderr.write("\n")
        return 130
    return result if isinstance(result, int) else 0


def _need_files() -> None:
    """Before anything is begun: with fewer files there is no saying where a call would fail."""
    import resource  # noqa: PLC0415

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit < _FILES:
        from lading.store.errors import MachineError  # noqa: PLC0415

        raise MachineError(
            f"a process may have {limit} files open here (ulimit -n), and lading needs {_FILES}",
            hint="`ulimit -n 1024` allows that, where the hard limit is not lower",
        )


def _run(arguments: Sequence[str]) -> object:
    if "_LADING_COMPLETE" in os.environ:
        return _complete(arguments)
    if os.geteuid() != 0:
        from lading.cli.as_root import called_as_root  # noqa: PLC0415

        code = called_as_root(arguments)
        if code is not None:
            return code
    if list(arguments) in (["--help"], ["-h"], ["help"]):
        from lading.cli.calls.help_page import page  # noqa: PLC0415

        sys.stdout.write(f"{page()}\n")
        return 0
    from lading.cli.calls.call_reader import Call, UnsureError  # noqa: PLC0415

    try:
        call = Call(arguments)
    except UnsureError:
        return _by_typer(arguments)
    session = call.session()
    try:
        return call.command(session, **call.values)
    finally:
        session.close()


def _complete(arguments: Sequence[str]) -> object:
    from lading.cli.calls.completing import answer  # noqa: PLC0415

    found = answer(os.environ)
    if found is None:
        return _by_typer(arguments)
    sys.stdout.write(found[0])
    return found[1]


def _by_typer(arguments: Sequence[str]) -> object:
    from typer.exceptions import Abort, TyperException  # noqa: PLC0415

    from lading.cli.calls.typer_app import application  # noqa: PLC0415

    if "_LADING_COMPLETE" in os.environ:
        from typer._completion_classes import completion_init  # noqa: PLC0415 - what the shell scripts call upon

        completion_init()
    command = application()
    words = [*arguments[1:], "--help"] if arguments[:1] == ["help"] else list(arguments)
    try:
        return command.main(words, prog_name="lading", standalone_mode=False)
    except Abort:
        return 130
    except TyperException as error:
        from lading.cli.usage_words import usage_error  # noqa: PLC0415 - only where a call is wrong

        raise usage_error(error) from None


def _fail(arguments: Sequence[str], error: LadingError, code: int) -> int:
    from lading.cli.calls.command_table import entry_of  # noqa: PLC0415

    # A terminal that was closed, or a full disk, hears nothing; the exit code still tells.
    with suppress(OSError):
        _tell(error, _options(arguments))
    entry = entry_of(_words(arguments))
    if entry is None or entry.failure is None or code in _OF_THE_COMMAND:
        return code
    return entry.failure


def _interrupted(arguments: Sequence[str]) -> int:
    """Says so: what was drawn is gone. At a terminal the line begins where ^C was echoed."""
    with suppress(OSError):
        if sys.stderr.isatty():
            sys.stderr.write("\r")
        _tell(LadingError("interrupted"), _options(arguments))
    return 130


def _tell(error: LadingError, options: dict[str, str]) -> None:
    from lading.cli.display.output import Output  # noqa: PLC0415

    output = Output(options.get("--color", "auto"), os.environ)
    if hasattr(error, "decision"):
        from lading.cli.commands.verdicts import refused  # noqa: PLC0415

        refused(output, cast("GateError", error), verbose="-v" in options or "--verbose" in options)
    else:
        output.error(error)


def _words(arguments: Sequence[str]) -> Iterator[str]:
    """The words that are neither options nor the values of global ones: the command comes first."""
    words = iter(arguments)
    for word in words:
        if word in _VALUED:
            next(words, None)
        elif not word.startswith("-"):
            yield word


def _options(arguments: Sequence[str]) -> dict[str, str]:
    """The global options of a call and their values, also where the rest is not understood."""
    found: dict[str, str] = {}
    words = iter(arguments)
    for word in words:
        name, equals, value = word.partition("=")
        if not name.startswith("-"):
            break
        found[name] = value if equals or name not in _VALUED else next(words, "")
    return found

"""What moves at a terminal, and the lines that stay: in a window of any size, whatever is said meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from suites.machine import needs
from suites.patience import PATIENCE, until
from suites.screen import terminal

BEGIN = """
import atexit, os, sys, termios, time
before = termios.tcgetattr(0)
quiet = list(before)
quiet[3] &= ~termios.ECHO
termios.tcsetattr(0, termios.TCSANOW, quiet)
atexit.register(termios.tcsetattr, 0, termios.TCSANOW, before)
from lading.cli.display.output import Output
from lading.cli.display.progress_display import progress_for
output = Output("auto", os.environ)
progress = progress_for("auto", output)
"""
"""Keys that are pressed are not shown; for each there is a next step."""


def script(*steps: str) -> list[str]:
    return [sys.executable, "-c", BEGIN + "\nsys.stdin.readline()\n".join(steps)]


MANY = "tasks = [progress.task(f'layer {number:04}', 100) for number in range(60)]\nfor task in tasks: task.advance(50)"
DONE = "for task in tasks: task.done()\noutput.result('the end')"


def test_notes_pass_above_what_moves() -> None:
    said = "for number in range(40): output.note(f'note {number} ' + 'x' * 100)"
    with terminal(script("task = progress.task('layer', 100)", said, "task.done(); output.result('end')"), {}) as shown:
        shown.until("layer")
        shown.type(b"\n")
        shown.until("note 39")
        shown.until(lambda now: now.lines[-1].startswith("layer"))
        shown.type(b"\n")
        assert shown.end() == 0
    text = shown.text.replace("\n", "")
    assert text.startswith("".join(f"note {number} {'x' * 100}" for number in range(40)))
    assert shown.lines[-2].startswith("layer                 100B")  # and how long it took, if that was a second
    assert shown.lines[-1] == "end"


def test_threads_that_begin_at_once_have_one_screen() -> None:
    begin = """
import threading
together, screens = threading.Barrier(16), []
def work():
    together.wait()
    screens.append(output.screen)
threads = [threading.Thread(target=work) for _ in range(16)]
for thread in threads: thread.start()
for thread in threads: thread.join()
output.result(f"{len(set(screens))} screen")
"""
    with terminal(script(begin), {}) as shown:
        assert shown.end() == 0
    assert shown.lines == ["1 screen"]


def test_more_rows_than_the_screen_has() -> None:
    with terminal(script(MANY, DONE), {}, rows=10) as shown:
        shown.until("layer 0059")
        shown.until(lambda now: len(now.lines) <= 10)
        shown.type(b"\n")
        assert shown.end() == 0
    assert [line.split()[1] for line in shown.lines[:-1]] == [f"{number:04}" for number in range(60)]
    assert shown.lines[-1] == "the end"


def test_what_somebody_types_meanwhile_does_no_harm() -> None:
    begin = "termios.tcsetattr(0, termios.TCSANOW, before); task = progress.task('layer', 100)"
    with terminal(script(begin, "task.done(); output.result('end')"), {}) as shown:
        shown.until("layer")
        shown.type(b"^C and more of that")
        shown.until("more of that")
        shown.type(b"\n")
        assert shown.end() == 0
    assert shown.lines[-2].startswith("layer                 100B")  # and how long it took, if that was a second
    assert shown.lines[-1] == "end"


def test_words_are_never_broken_over_the_edge() -> None:
    words = " ".join(f"word{number}" for number in range(40))
    say = f"from lading.store.errors import InputError\noutput.error(InputError({words!r}, hint={words!r}))"
    with terminal(script(say), {}) as shown:
        assert shown.end() == 0
    assert all(line.endswith(tuple("0123456789")) for line in shown.lines)
    assert " ".join(shown.text.split()) == f"lading: {words} hint: {words}"


class Tmux:
    """A terminal that wraps its lines anew when it gets another width, as most do today."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "tmux"

    def call(self, *words: str) -> str:
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}
        done = subprocess.run(
            ["tmux", "-S", self.socket, "-f", "/dev/null", *words],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def press_and_wait_for(self, word: str) -> None:
        """Presses Enter, until the script says so."""
        self.call("send-keys", "Enter")
        self.wait_for(word)

    def wait_for(self, word: str) -> None:
        """Until the script says so."""
        until((self.folder / word).exists, word)

    def until(self, *seen: str, width: int = 0) -> list[str]:
        """All lines, what was scrolled away first, once all of `seen` is among them and the widest is so wide."""
        deadline = time.monotonic() + PATIENCE
        while True:
            lines = self.call("capture-pane", "-p", "-S", "-").rstrip().splitlines()
            wide = max(map(len, lines), default=0)
            if all(any(word in line for line in lines) for word in seen) and width in (0, wide):
                return lines
            assert time.monotonic() < deadline, "\n".join(lines)
            time.sleep(0.05)


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    made = Tmux(tmp_path)
    yield made
    made.call("kill-server")


WIDTHS = (64, 130, 90)
FROZEN = """
def say(word):
    open(f"{here}/{{word}}", "w").close()
def drawn():  # the terminal answers where its cursor is, once it has drawn all that came before
    sys.stderr.write("\\x1b[6n")
    sys.stderr.flush()
    while sys.stdin.read(1) != "R":
        pass
quiet[3] &= ~termios.ICANON
termios.tcsetattr(0, termios.TCSANOW, quiet)
for number in range(12): print('before', number, flush=True)
tasks = [progress.task(f'layer {{number:04}}', 100) for number in range(4)]
for task in tasks: task.advance(50)
for number, width in enumerate({widths}):
    sys.stdin.readline()
    with output.screen._lock:  # no picture is half drawn while the window changes
        drawn()
        say(f"frozen{{number}}")
        while os.get_terminal_size(0).columns != width:  # tmux tells of its windows' sizes one at a time
            time.sleep(0.01)
    output.screen.keep()
    say(f"drawn{{number}}")
sys.stdin.readline()
for task in tasks: task.done()
output.result('the end')
say("ended")
"""


@needs("tmux")
def test_a_window_that_becomes_narrow_and_wide_again(tmux: Tmux) -> None:
    file = tmux.folder / "draw.py"
    file.write_text(BEGIN + FROZEN.format(here=tmux.folder, widths=WIDTHS))
    tmux.call("new-session", "-d", "-x", "150", "-y", "40", f"{sys.executable} {file}; cat")
    tmux.until("layer 0003", "50B / 100B")
    for number, width in enumerate(WIDTHS):
        tmux.press_and_wait_for(f"frozen{number}")
        tmux.call("resize-window", "-x", str(width))
        tmux.wait_for(f"drawn{number}")
        lines = tmux.until("layer 0003", width=width - 1)
        assert lines[:12] == [f"before {number}" for number in range(12)]
        assert [line.split()[:2] for line in lines[12:]] == [["layer", f"{number:04}"] for number in range(4)]
    tmux.press_and_wait_for("ended")
    lines = tmux.until("the end")
    assert lines[:12] == [f"before {number}" for number in range(12)]
    assert [line.split()[:2] for line in lines[12:16]] == [["layer", f"{number:04}"] for number in range(4)]
    assert lines[16:] == ["the end"]

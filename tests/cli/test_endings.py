"""An interrupt ends the call, wherever it comes."""

from __future__ import annotations

import subprocess
import sys

from suites.patience import PATIENCE

LOST = """
import threading, time, weakref
from lading.cli.endings import keep_interrupts

class Thing:
    pass

def interrupt(gone):
    raise KeyboardInterrupt

start = threading.Thread.start

def slowly(thread):
    start(thread)
    time.sleep(0.2)

threading.Thread.start = slowly
keep_interrupts()
thing = Thing()
seen = weakref.ref(thing, interrupt)
try:
    del thing
    while True:
        pass
except KeyboardInterrupt:
    print("ended")
"""


def test_one_that_comes_in_a_callback_of_pythons_own() -> None:
    """On a machine so slow that Python is still telling of the first when the next could come."""
    argv = [sys.executable, "-c", LOST]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ended\n", "")

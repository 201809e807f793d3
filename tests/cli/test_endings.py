"""An interrupt ends the call, wherever it comes."""

from __future__ import annotations

import subprocess
import sys

LOST = """
import weakref
from lading.cli.endings import keep_interrupts

class Thing:
    pass

def interrupt(gone):
    raise KeyboardInterrupt

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
    done = subprocess.run([sys.executable, "-c", LOST], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ended\n", "")

"""What is asked at the terminal, in one way: below what was drawn, on standard error, answered on a line."""

from __future__ import annotations

import sys

from lading.cli.display.output import end_drawing, escape


def ask(prompt: str, *, secret: bool = False) -> str:
    """What is typed; of a `secret` nothing is shown. Raises `EOFError` where the secret's input ends."""
    end_drawing()
    try:
        if secret:
            from getpass import getpass  # noqa: PLC0415

            return getpass(escape(prompt))
        sys.stderr.write(escape(prompt))
        sys.stderr.flush()
        return sys.stdin.readline().strip()
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        raise

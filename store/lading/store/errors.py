"""The errors of Lading, by culprit.

::

    LadingError
    ├── InputError          what the user gave: a flag, a file, a Dockerfile, a reference
    │   └── UsageError      the words of the call itself (exit 2)
    ├── DocumentError       a document or blob from outside is malformed, too large, or not as its digest says
    ├── RegistryError       a registry could not be reached, refused, or broke the protocol
    └── MachineError        this machine: kernel, disk, a missing program, a port in use

Components derive their own from these. They are caught once, in ``lading.cli.main``.
"""

from __future__ import annotations


class LadingError(Exception):
    """Something the user can be told in one line, with a hint where there is one."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def reword(self, message: str) -> None:
        """Says more of where it comes from; what kind of error it is, and its hint, stay."""
        self.message = message
        self.args = (message,)


class InputError(LadingError):
    """What the user gave cannot be used."""


class UsageError(InputError):
    """The call itself is wrong."""

    exit_code = 2


class DocumentError(LadingError):
    """A document or blob from outside is malformed, out of bounds, or not what its digest says."""


class RegistryError(LadingError):
    """A registry could not be reached, refused the request, or broke the protocol."""


class MachineError(LadingError):
    """This machine lacks or refuses something: a kernel feature, a program, space, a port."""

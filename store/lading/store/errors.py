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

from typing import Literal, Self

RemedyName = Literal[
    # the machine and the root folder
    "free space",
    "prune",
    "restore",
    "upgrade",
    "unpack again",
    "pull again",
    "build again",
    "pull or build again",
    "pull or give up",
    "give up container",
    "give up image",
    # keys and judgements
    "look closer",
    "sign",
    "sign instead",
    "make key",
    "make a key",
    "make key of this kind",
    "make or name key",
    "make key and policy",
    "give password",
    "give another password",
    "allow unverified",
    # registries
    "log in",
    "log in anew",
    "wait longer",
    "raise limit",
    "serve HTTPS",
    "trust certificate",
    "give passwords",
    "give certificate",
    "listen elsewhere",
    "store elsewhere",
    "restore or store elsewhere",
    "store elsewhere, it is another version's",
    # images
    "list images",
    "list all images",
    "name destination",
    "name otherwise",
    "remove by force",
    "remove container or force",
    "remove index",
    # builds
    "name file",
    "name another file",
    "give argument",
    "give withheld",
    "name context",
    "name contexts",
    "look at provenance",
    "give secret",
    "give agent",
    "allow",
    "fetch lists",
    "lock anew",
    "update lock",
    "lock for more",
    # containers
    "list containers",
    "remove container",
    "stop container",
    "stop container first",
    "stop or remove by force",
    "container goes on",
    "other network",
    "leave out",
]
"""What an error can be mended by."""


class Remedy(str):
    """A hint that is more than words: what would mend the error, and what that is done to.

    As text it is a neutral sentence; `name` is for whoever has words of their own for it, as the command line has.
    """

    __slots__ = ("about", "name")
    name: RemedyName
    about: tuple[str, ...]

    def __new__(cls, name: RemedyName, sentence: str, *about: str) -> Self:
        """`about` is what a template of the words needs: a name, a place."""
        made = super().__new__(cls, sentence)
        made.name, made.about = name, about
        return made


class Notice(str):
    """Something to be told, not raised, that names an option of the call: `option` is that name."""

    __slots__ = ("option",)
    option: str

    def __new__(cls, text: str, option: str) -> Self:
        """As text it is neutral, as an error's message is."""
        made = super().__new__(cls, text)
        made.option = option
        return made


class LadingError(Exception):
    """Something the user can be told in one line, with a hint where there is one, which may be a `Remedy`.

    Where the message names an option of the call, at its beginning or as a word, `option` is that name.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None, option: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.option = option

    @property
    def remedy(self) -> Remedy | None:
        """The hint, where it is more than words."""
        return self.hint if isinstance(self.hint, Remedy) else None

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

"""The Dockerfile and the ignore file: which they are, and how they are read.

Both are names in a folder that others may have filled: read as `lading.store.system.regular_files` reads, so that no
link in it shows a word of a file outside.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from lading.build.context.folders import normalised
from lading.build.dockerfile import ignore as ignoring
from lading.build.dockerfile.glob import PatternError
from lading.build.dockerfile.ignore import Ignore
from lading.build.dockerfile.parser import MAX_SIZE
from lading.build.graph.request import BuildRequest
from lading.store.archives import trees
from lading.store.errors import InputError, Remedy
from lading.store.fastclass import dataclass
from lading.store.system.regular_files import read_below

FILE: Final = "Dockerfile"
_OTHER: Final = "dockerfile"
_IGNORE: Final = ".dockerignore"
_MAX_IGNORE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Named:
    """A file by its name in a folder, which is the root for the links in it."""

    folder: Path
    name: str

    @property
    def title(self) -> str:
        """The name as errors and the provenance have it: never a path of this machine, and always text."""
        return trees.text(os.fsencode(self.name))

    def read(self, limit: int, hint: str | None = None) -> bytes | None:
        """At most `limit` bytes and one; None where there is nothing of that name.

        Raises `InputError` for what is no file, and for a link that leads to nothing inside the folder.
        """
        try:
            return read_below(self.folder, self.name, limit)
        except FileNotFoundError:
            if os.path.islink(self.folder / self.name):
                raise InputError(f"{self.title}: a link that leads out of {self.folder}, or to nothing") from None
            return None
        except OSError as error:
            raise InputError(f"{self.title}: cannot be read: {error.strerror}", hint=hint) from error


def dockerfile(request: BuildRequest) -> tuple[Named, bytes]:
    """The Dockerfile of a call and its text. Raises `InputError`."""
    if request.dockerfile is not None:
        return Named(request.context, str(request.file or FILE)), request.dockerfile
    hint = Remedy("name another file", "name another") if request.file is None else None
    for named in _candidates(request):
        data = named.read(MAX_SIZE, hint)
        if data is not None:
            return named, data
    name = _candidates(request)[0].title
    raise InputError(f"{name}: cannot be read: No such file or directory", hint=hint)


def _candidates(request: BuildRequest) -> list[Named]:
    context, file = request.context, request.file
    if file is not None and request.source is not None:
        return [Named(context, normalised(str(file))[1:])]
    if file is None:
        return [Named(context, FILE), Named(context, _OTHER)]
    folder = Path(os.path.realpath(file.parent))
    root = Path(os.path.realpath(context))
    if folder.is_relative_to(root):
        return [Named(context, str(folder.relative_to(root) / file.name))]
    return [Named(folder, file.name or ".")]


def ignore(context: Path, dockerfile: Named | None) -> Ignore:
    """The patterns of the ignore file that counts. Raises `InputError`.

    ``<Dockerfile>.dockerignore`` beside the Dockerfile comes before ``.dockerignore`` at the root.
    """
    own = [Named(dockerfile.folder, dockerfile.name + _IGNORE)] if dockerfile else []
    for named in (*own, Named(context, _IGNORE)):
        data = named.read(_MAX_IGNORE)
        if data is None:
            continue
        if len(data) > _MAX_IGNORE:
            raise InputError(f"{named.title}: more than the {_MAX_IGNORE} bytes allowed")
        try:
            return Ignore(ignoring.read(data.decode("utf-8", "surrogateescape")))
        except PatternError as error:
            raise InputError(f"{named.title}: {error}") from None
    return Ignore(())

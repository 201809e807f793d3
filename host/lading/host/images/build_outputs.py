"""What ``build --output`` asks for, in buildx's words and skopeo's."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Final

from lading.host.images.outputs import ImageOutput, OutputKind, parse_output
from lading.store.archives.writer import Sink
from lading.store.errors import UsageError
from lading.store.fastclass import dataclass, replace

_TYPES: Final[dict[str, OutputKind]] = {
    "local": "local",
    "tar": "tar",
    "oci": "oci-archive",
    "docker": "docker-archive",
    "oci-archive": "oci-archive",
    "docker-archive": "docker-archive",
}
_STORED: Final = ("image", "registry", "cacheonly")
_FORM: Final = (
    "expected type=local|tar|oci|docker,dest=PATH, type=image|registry[,name=NAME][,push=true], or type=cacheonly"
)


@dataclass(frozen=True, slots=True)
class BuildOutputs:
    """Where an image goes beside the store: `places`, and to registries where `push`; `names` are further ones."""

    places: tuple[ImageOutput, ...] = ()
    names: tuple[str, ...] = ()
    push: bool = False

    def check(self, platforms: int) -> None:
        """Raises `UsageError` where one of the places cannot take the images of so many platforms."""
        for place in self.places if platforms > 1 else ():
            if place.kind == "docker-archive":
                words = f"{place.path}: a docker-archive holds the image of one platform"
                raise UsageError(f"{words}: oci-archive:FILE and oci:DIR take several", option="output")
            if place.split is False:
                words = "platform-split=false: the files of several platforms are in a folder each"
                raise UsageError(words, option="output")

    @property
    def streamed(self) -> bool:
        """Whether standard output is taken by one of them."""
        return any(place.sink for place in self.places)


def parse_outputs(words: list[str], stdout: Sink) -> BuildOutputs:
    """All that ``-o`` says, a path alone being a folder for the files, ``-`` a tar of them. Raises `UsageError`."""
    found = [_one(word, stdout) for word in words]
    places = tuple(place for output in found for place in output.places)
    if sum(place.sink is not None for place in places) > 1:
        raise UsageError("two outputs to standard output", option="output")
    return BuildOutputs(
        places, tuple(name for output in found for name in output.names), any(output.push for output in found)
    )


def _one(word: str, stdout: Sink) -> BuildOutputs:
    if "=" in word.partition(":")[0].partition(",")[0]:
        return _buildx(word, stdout)
    if word == "-":
        return BuildOutputs((_place("tar", word, stdout),))
    if ":" not in word and word:
        return BuildOutputs((_place("local", word, stdout),))
    return BuildOutputs((parse_output(word),))


def _buildx(word: str, stdout: Sink) -> BuildOutputs:
    fields: dict[str, str] = {}
    for part in next(csv.reader([word])):
        name, _, value = part.partition("=")
        fields[name] = value
    kind, destination = fields.pop("type", ""), fields.pop("dest", "")
    if kind in _STORED and not destination:
        return _stored(word, kind, fields)
    as_folder = fields.pop("tar", "true") == "false"
    split = _split(word, kind, fields.pop("platform-split", None))
    if kind not in _TYPES or fields or (kind == "local" and destination in ("", "-")) or (as_folder and kind != "oci"):
        raise UsageError(f"output {word}: {_FORM}", option="output")
    if kind == "docker" and not destination:
        return BuildOutputs()  # docker's own store; ours has the image anyway
    place = _place("oci" if as_folder else _TYPES[kind], destination or "-", stdout)
    return BuildOutputs((replace(place, split=split),))


def _split(word: str, kind: str, value: str | None) -> bool | None:
    if value is not None and (kind not in ("local", "tar") or value not in ("true", "false")):
        raise UsageError(f"output {word}: platform-split=true|false is for type=local and type=tar", option="output")
    return None if value is None else value == "true"


def _stored(word: str, kind: str, fields: dict[str, str]) -> BuildOutputs:
    push = fields.pop("push", "true" if kind == "registry" else "false")
    names = tuple(filter(None, fields.pop("name", "").split(",")))
    if fields or push not in ("true", "false"):
        raise UsageError(f"output {word}: {_FORM}", option="output")
    return BuildOutputs((), names, push == "true")


def _place(kind: OutputKind, path: str, stdout: Sink) -> ImageOutput:
    return ImageOutput(kind, Path(path if path == "-" else os.path.abspath(path)), sink=stdout if path == "-" else None)

"""Why a step was executed: what of its inputs differs from those of an earlier action in the same place."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeGuard, cast

from lading.store.fastclass import dataclass

_FILES: Final = 10
"""Files of the context that are named; the rest is counted."""
_LONGEST: Final = 80
_CHAIN: Final = {"image", "trees"}
Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class StepInputs:
    """What an action depends on, and of the files of the context among that, by path, what a link would say."""

    inputs: Json
    files: Mapping[str, str]


def differences(old: StepInputs, new: StepInputs, names: Mapping[str, str]) -> tuple[str, ...]:
    """Field by field, a line each; `names` says of trees, by digest, which step made them."""
    found = [*_differences("", old.inputs, new.inputs, names), *_files(old.files, new.files)]
    return tuple(found) or ("what is taken of the context has other names",)


def _differences(path: str, was: Json, now: Json, names: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*was, *now}):
        one, other = was.get(name), now.get(name)
        here = f"{path}.{name}" if path else name
        title = "--from" if name == "origin" else here.removeprefix("operation.")
        if one == other:
            continue
        match name:
            case "environment":
                yield from _environment(_pairs(one), _pairs(other))
            case "documents":
                yield from _named("heredoc", _pairs(one), _pairs(other))
            case "context":
                pass  # its files tell
            case "mounts":
                yield from _differences("mount", _by_target(one), _by_target(other), names)
            case "tree":
                yield f"{path.replace('.', ' ')} changed its tree"
            case _ if _is_object(one) and _is_object(other):
                if set(one) == set(other) == _CHAIN:
                    yield from _chain(title, one, other, names)
                else:
                    yield from _differences(here, one, other, names)
            case _:
                yield f"{'command' if name == 'argv' else title}: {_shown(one)} -> {_shown(other)}"


def _is_object(value: object) -> TypeGuard[Json]:
    return isinstance(value, dict)


def _chain(title: str, was: Json, now: Json, names: Mapping[str, str]) -> Iterator[str]:
    """A root file system: its image, and the trees on it."""
    if was["image"] != now["image"]:
        yield f"{title}: base image {_shown(was['image'])} -> {_shown(now['image'])}"
    one, other = cast("list[str]", was["trees"]), cast("list[str]", now["trees"])
    fresh = [tree for tree in other if tree not in one]
    for tree in fresh:
        yield f"{title}: {names.get(tree, f'tree {tree}')} changed its tree"
    gone = sum(tree not in other for tree in one) - len(fresh)
    if gone > 0:
        yield f"{title}: {gone} {'tree is' if gone == 1 else 'trees are'} not there any more"
    elif not fresh and one != other:
        yield f"{title}: the same trees in another order"


def _by_target(mounts: object) -> dict[str, object]:
    return {str(mount["target"]): mount for mount in cast("list[Json]", mounts or [])}


def _pairs(value: object) -> dict[str, str]:
    return dict(cast("list[tuple[str, str]]", value or []))


def _environment(was: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*was, *now}):
        if was.get(name) != now.get(name):
            yield f"environment {name}: {_shown(was.get(name))} -> {_shown(now.get(name))}"


def _files(was: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    found = list(_named("context file", was, now))
    yield from found[:_FILES]
    if len(found) > _FILES:
        yield f"and {len(found) - _FILES} more files of the context"


def _named(title: str, was: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*was, *now}):
        if name not in was:
            yield f"{title} {name} is new"
        elif name not in now:
            yield f"{title} {name} is gone"
        elif was[name] != now[name]:
            yield f"{title} {name} changed{_metadata(was[name], now[name])}"


def _metadata(was: str, now: str) -> str:
    """Where the content of a file is the same: what of it is not."""
    (*one, content), (*other, latter) = was.split(" "), now.split(" ")
    return f": {' '.join(one)} -> {' '.join(other)}" if content == latter else ""


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    words = cast("list[object]", value) if isinstance(value, list) else None
    text = json.dumps(value, ensure_ascii=False) if words is None else " ".join(_words(words))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _words(value: Iterable[object]) -> Iterator[str]:
    return (word if isinstance(word, str) else json.dumps(word, ensure_ascii=False) for word in value)

"""Targets and groups as JSON, as buildx prints them: such a file can be baked again."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Mapping

from lading.build.bake.bake_selection import Selection
from lading.build.bake.bake_target import FIELDS, BakeGroup, BakeTarget, FieldValue
from lading.build.bake.hcl.functions.encoding_functions import escaped

_TEMPLATED = ("annotations", "dockerfile-inline", "labels", "args", "extra-hosts")
_EPOCH = "SOURCE_DATE_EPOCH"
_MIXED = ("secret", "ssh")
"""Whose members stand in an order of their own."""


def printed(selection: Selection, epoch: str = "") -> str:
    """The JSON, indented, without a newline at its end; `epoch` is an argument of every target that has none."""
    found: dict[str, object] = {}
    if selection.groups:
        found["group"] = {name: _group(group) for name, group in selection.groups.items()}
    found["target"] = {name: _target(_dated(target, epoch)) for name, target in selection.targets.items()}
    return escaped(json.dumps(found, indent=2, ensure_ascii=False))


def _dated(target: BakeTarget, epoch: str) -> BakeTarget:
    given = target.members("args")
    return target.having(args={**given, _EPOCH: epoch}) if epoch and _EPOCH not in given else target


def _group(group: BakeGroup) -> dict[str, object]:
    described = {"description": group.description} if group.description else {}
    return {**described, "targets": list(group.targets)}


def _target(target: BakeTarget) -> dict[str, object]:
    found: dict[str, object] = {}
    for name in FIELDS:
        value = target.fields.get(name)
        if value is not None and (value or (isinstance(value, bool | str) and name != "description")):
            found[name] = _shown(name, value)
    return found


def _shown(name: str, value: FieldValue) -> object:
    if name == "context" and isinstance(value, str):
        return cleaned(value)
    if isinstance(value, str):
        return _literal(value) if name in _TEMPLATED else value
    if isinstance(value, bool):
        return value
    if isinstance(value, Mapping):
        return {key: _member(name, one) for key, one in sorted(value.items())}
    if FIELDS[name] == "entries":
        return [_entry(name, one) for one in value if isinstance(one, Mapping)]
    texts: Iterable[str] = (one for one in value if isinstance(one, str))
    return [_literal(one) if name in _TEMPLATED else one for one in texts]


def _member(name: str, value: str | None) -> str | None:
    return _literal(value) if value is not None and name in _TEMPLATED else value


def _entry(name: str, entry: Mapping[str, str | bool | tuple[str, ...]]) -> dict[str, object]:
    names = list(entry) if name in _MIXED else sorted(entry)
    return {key: entry[key] for key in names if entry[key] or key == "type"}


def _literal(text: str) -> str:
    """As a string that is no template."""
    return text.replace("${", "$${").replace("%{", "%%{")


def is_elsewhere(text: str) -> bool:
    """Whether a context is a URL or a git repository."""
    return text.startswith(("http://", "https://", "git://", "ssh://", "git@", "github.com/"))


def cleaned(context: str) -> str:
    """A folder without detours."""
    if is_elsewhere(context):
        return context
    if context.startswith("cwd://"):
        return _clean(context.removeprefix("cwd://"))
    return _clean(context)


def _clean(path: str) -> str:
    found = posixpath.normpath(path) if path else "."
    return found[1:] if found.startswith("//") else found

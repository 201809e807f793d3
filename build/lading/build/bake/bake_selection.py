"""What of a bake file a call asks for: groups opened, targets with all that they inherit, and those they build on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from lading.build.bake.bake_overrides import Override, for_target, overridden
from lading.build.bake.bake_target import FIELDS, BakeGroup, BakeTarget, FieldValue, each_once
from lading.build.bake.definitions.bake_variables import BakeVariable
from lading.build.bake.entries import normalized
from lading.build.bake.hcl.hcl_source import BakeError
from lading.build.bake.name_patterns import chosen
from lading.build.convert.target_platforms import LOCAL, platform_words
from lading.build.errors import naming_target, suggestion
from lading.store.fastclass import dataclass, field, replace
from lading.store.oci.platforms import parse_platform

TARGET: Final = "target:"
_MAX_DEPTH: Final = 200


@dataclass(frozen=True, slots=True)
class BakeFile:
    """All that the files of a call define."""

    groups: tuple[BakeGroup, ...]
    targets: tuple[BakeTarget, ...]
    variables: tuple[BakeVariable, ...] = ()
    warnings: tuple[str, ...] = ()
    """What means nothing in them and is passed over."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The targets to be built by name, and the groups that led to them."""

    groups: Mapping[str, BakeGroup]
    targets: Mapping[str, BakeTarget]


@dataclass(slots=True)
class _Choosing:
    groups: dict[str, BakeGroup]
    given: dict[str, BakeTarget]
    overrides: dict[str, list[Override]]
    seen: dict[str, BakeTarget | None] = field(default_factory=dict[str, "BakeTarget | None"])

    def open(self, name: str, way: dict[str, tuple[list[str], list[str]]]) -> tuple[list[str], list[str]]:
        """The targets and groups that a name stands for; a group in itself stands for nothing more."""
        if name in way:
            return way[name]
        group = self.groups.get(name)
        if group is None:
            return [name], []
        way[name] = [], []
        targets: list[str] = []
        groups = [name]
        for member in group.targets:
            inner, others = self.open(member, way)
            targets += inner or [member]
            groups += others
        way[name] = targets, groups
        return way[name]

    def target(self, name: str, depth: int = 0) -> BakeTarget | None:
        """A target with what it inherits under it, and over it what the call sets; None within itself."""
        if name in self.seen:
            return self.seen[name]
        own = self.given.get(name)
        if own is None:
            raise BakeError(f"there is no target {name!r}{suggestion(name, [*self.given, *self.groups])}")
        if depth > _MAX_DEPTH:
            raise BakeError(f"{name}: targets that inherit from each other more than {_MAX_DEPTH} deep")
        self.seen[name] = None
        found = BakeTarget(name)
        for base in own.texts("inherits"):
            inherited = self.target(base, depth + 1)
            if inherited is not None:
                found = found.merged(inherited)
        found = _normal(overridden(found.merged(own), self.overrides.get(name, [])))
        self.seen[name] = found
        return found

    def resolved(self, name: str) -> BakeTarget:
        """The same on its own, with what every target has."""
        self.seen = {}
        found = self.target(name)
        assert found is not None
        fields = {key: value for key, value in found.fields.items() if key != "inherits"}
        return BakeTarget(name, {**fields, "context": fields.get("context", "."), "dockerfile": _dockerfile(fields)})


def _dockerfile(fields: Mapping[str, FieldValue]) -> FieldValue:
    return fields.get("dockerfile") or "Dockerfile"


def _normal(target: BakeTarget) -> BakeTarget:
    """Each of several once; what the host's network asks for."""
    fields = dict(target.fields)
    if fields.get("network") == "host":
        fields["entitlements"] = (*target.texts("entitlements"), "network.host")
    for name, value in list(fields.items()):
        if FIELDS[name] == "texts" and name != "inherits":
            fields[name] = each_once(value if isinstance(value, tuple) else ())  # type: ignore[arg-type]
        elif FIELDS[name] == "entries":
            fields[name] = normalized(name, target.entries(name))
    if "contexts" in fields:
        fields["contexts"] = {key: value for key, value in target.members("contexts").items() if value}
    return replace(target, fields=fields)


def select(file: BakeFile, words: Iterable[str], overrides: Iterable[Override]) -> Selection:
    """The targets and groups that `words` ask for. Raises `BakeError`."""
    given = {target.name: target for target in file.targets}
    groups = {group.name: group for group in file.groups}
    choosing = _Choosing(groups, given, for_target(overrides, given))
    asked = chosen(words, list(groups), list(given))
    targets: dict[str, BakeTarget] = {}
    opened: dict[str, BakeGroup] = {}
    for word in asked:
        names, others = choosing.open(word, {})
        targets.update({name: choosing.resolved(name) for name in names if name not in targets})
        opened.update({name: groups[name] for name in others})
    opened = _with_default(opened, asked)
    for target in targets.values():
        with naming_target(target.name):
            for word in platform_words(target.texts("platforms")):
                if word != LOCAL:
                    parse_platform(word)
    for name in sorted(targets):
        _link(choosing, name, targets, ())
    return Selection({name: opened[name] for name in sorted(opened)}, {name: targets[name] for name in sorted(targets)})


def _with_default(groups: dict[str, BakeGroup], asked: list[str]) -> dict[str, BakeGroup]:
    """The group ``default`` is what the call asks for."""
    default = groups.get("default") or BakeGroup("default")
    more = [name for name in asked if not (name == "default" and "default" in groups)]
    return {**groups, "default": replace(default, targets=tuple(sorted({*default.targets, *more})))}


def _link(choosing: _Choosing, name: str, targets: dict[str, BakeTarget], way: tuple[str, ...]) -> None:
    """The targets that contexts of `name` are, too, and what their steps may ask for."""
    for context in targets[name].members("contexts").values():
        if context is None or not context.startswith(TARGET):
            continue
        other = context.removeprefix(TARGET)
        if other == name:
            raise BakeError(f"target {name} cannot link to itself")
        if other in way:
            raise BakeError(f"target {name} stands on {other}, and that on {name}")
        if other not in targets:
            linked = choosing.resolved(other).having(output=({"type": "cacheonly"},))
            targets[other] = replace(linked, linked=True)
        _link(choosing, other, targets, (*way, name))
        asked = each_once((*targets[name].texts("entitlements"), *targets[other].texts("entitlements")))
        if asked:
            targets[name] = targets[name].having(entitlements=asked)
        _check_platforms(targets[name], targets[other])


def _check_platforms(target: BakeTarget, other: BakeTarget) -> None:
    wanted, made = target.texts("platforms"), other.texts("platforms")
    if len(wanted) > 1 and len(made) > 1 and not set(wanted) <= set(made):
        raise BakeError(
            f"target {target.name} cannot use {other.name}: its platforms {', '.join(wanted)}"
            f" are not all of {', '.join(made)}"
        )

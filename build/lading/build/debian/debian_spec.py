"""The TOML file that names a suite, packages and an image config.

::

    version = 1

    [debian]
    suite = "bookworm"                  # left out: the machine's own
    suites = { "bookworm-backports" = 100 }  # others beside it, with apt's priority for what is in them
    sources = []                        # lines as in apt's sources.list, in place of the machine's own
    components = ["main"]               # left out: main
    packages = ["python3", "ca-certificates"]
    essential = false                   # true adds all packages that the suite calls essential
    status = "installed"                # with dpkg among the packages: what it is told; or "unpacked"
    architectures = ["amd64", "arm64"]  # that `lading lock` locks; left out: the machine's own
    layers = "package"                  # one layer a package; "one" puts all packages into one
    ld_so_cache = false                 # true writes /etc/ld.so.cache

    [image]                             # as in an image config; everything may be left out
    entrypoint = ["/usr/bin/python3"]
    cmd = []
    env = { LANG = "C.UTF-8" }
    user = "10001:10001"
    workdir = "/srv"
    labels = {}
    expose = ["8080/tcp"]
    volumes = ["/data"]
    stop_signal = "SIGTERM"
"""

from __future__ import annotations

import re
import string
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from lading.build.debian.archives.package_lists import NAME
from lading.build.dockerfile.instruction_values import check_signal, parse_owner, parse_ports
from lading.build.errors import TextError
from lading.store.errors import InputError
from lading.store.fastclass import dataclass
from lading.store.oci.json import Fields
from lading.store.system.patterns import pattern
from lading.store.system.regular_files import read_below

_SUITE: Final = pattern(r"[a-z][a-z0-9.-]*")
_PASSWORD: Final = pattern(r"://[^/@\s]*@")
_ARCHITECTURE: Final = pattern(r"[a-z0-9]+")
_COMPONENT: Final = pattern(r"[a-z][a-z0-9-]*(/[a-z0-9-]+)*")
MAX_SIZE: Final = 1024 * 1024
"""Bytes of a file that are read."""


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """What the image's config says beside its layers."""

    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]
    env: Mapping[str, str]
    user: str
    workdir: str
    labels: Mapping[str, str]
    expose: tuple[str, ...]
    volumes: tuple[str, ...]
    stop_signal: str | None


@dataclass(frozen=True, slots=True)
class DebianSpec:
    """What to install from which suite, and what the image runs."""

    suite: str | None
    suites: Mapping[str, int]
    sources: tuple[str, ...]
    components: tuple[str, ...]
    packages: tuple[str, ...]
    essential: bool
    architectures: tuple[str, ...]
    status: str
    layer_per_package: bool
    ld_so_cache: bool
    image: ImageSettings

    @property
    def shown_sources(self) -> list[str]:
        """The lines of its sources, without user and password."""
        return [_PASSWORD.sub("://", line) for line in self.sources]

    def asked(self) -> dict[str, object]:
        """What a resolution depends on, as JSON; what the file leaves out to the machine is left out."""
        values: dict[str, object] = {
            "suite": self.suite,
            "suites": dict(self.suites),
            "sources": self.shown_sources,
            "components": list(self.components),
            "packages": list(self.packages),
            "essential": self.essential,
            "architectures": list(self.architectures),
        }
        return {name: value for name, value in values.items() if value}


def read_spec(file: Path) -> tuple[DebianSpec, bytes]:
    """The set in a file, and its bytes. Raises `InputError` for a file that cannot be read, or is not one."""
    try:
        data = read_below(file.parent, file.name, MAX_SIZE)
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from error
    return parse_spec(data, str(file)), data


def parse_spec(data: bytes, source: str) -> DebianSpec:
    """Raises `InputError` with the file, the line where TOML has one, and the member."""
    if len(data) > MAX_SIZE:
        raise InputError(f"{source}: larger than {MAX_SIZE} bytes")
    try:
        found = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise InputError(f"{source}: not valid TOML: {error}") from None
    return spec_of(found, source)


def spec_of(value: object, source: str) -> DebianSpec:
    """As `parse_spec`, of what such a file holds."""
    fields = Fields(value, source)
    if fields.integer("version") != 1:
        raise InputError(f"{source}: version must be 1")
    debian = fields.fields("debian")
    image = fields.optional_fields("image") or Fields({}, source)
    fields.close()
    return _spec(debian, _image(image), source)


def _spec(debian: Fields, image: ImageSettings, source: str) -> DebianSpec:
    suite = debian.optional_text("suite")
    suites = {name: _priority(value, f"{source}: suites: {name}") for name, value in debian.mapping("suites").items()}
    layers = debian.optional_text("layers") or "package"
    if layers not in ("package", "one"):
        raise InputError(f'{source}: layers must be "package" or "one", not "{layers}"')
    status = debian.optional_text("status") or "installed"
    if status not in ("installed", "unpacked"):
        raise InputError(f'{source}: status must be "installed" or "unpacked", not "{status}"')
    spec = DebianSpec(
        suite=suite,
        suites=suites,
        sources=debian.strings("sources"),
        components=debian.strings("components") or ("main",),
        packages=debian.strings("packages"),
        essential=debian.boolean("essential"),
        status=status,
        architectures=debian.strings("architectures"),
        layer_per_package=layers == "package",
        ld_so_cache=debian.boolean("ld_so_cache"),
        image=image,
    )
    debian.close()
    if not spec.packages:
        raise InputError(f"{source}: packages: name at least one")
    _check(spec.packages, NAME, "package", source)
    _check(spec.components, _COMPONENT, "component", source)
    _check((*([suite] if suite else []), *suites), _SUITE, "suite", source)
    _check(spec.architectures, _ARCHITECTURE, "architecture", source)
    return spec


def _priority(value: object, where: str) -> int:
    """Of apt_preferences(5): negative ones forbid, those above 1000 go back to older versions."""
    if not isinstance(value, int) or isinstance(value, bool) or not -32768 < value < 32768 or value == 0:
        raise InputError(f"{where}: expected a priority as apt has it, such as 100 or 500")
    return value


def _check(names: tuple[str, ...], pattern: re.Pattern[str], kind: str, source: str) -> None:
    for name in names:
        if not pattern.fullmatch(name):
            raise InputError(f"{source}: not a {kind} name: {name!r}")


def _image(fields: Fields) -> ImageSettings:
    """Held to the same rules as the instructions of a Dockerfile that say the same."""
    settings = ImageSettings(
        entrypoint=fields.strings("entrypoint"),
        cmd=fields.strings("cmd"),
        env=fields.string_map("env"),
        user=fields.optional_text("user") or "",
        workdir=fields.optional_text("workdir") or "",
        labels=fields.string_map("labels"),
        expose=fields.strings("expose"),
        volumes=fields.strings("volumes"),
        stop_signal=fields.optional_text("stop_signal"),
    )
    fields.close()
    _check_value(fields, "user", settings.user, parse_owner)
    _check_value(fields, "stop_signal", settings.stop_signal or "", check_signal)
    for port in settings.expose:
        _check_value(fields, "expose", port or " ", parse_ports)
    if set(settings.user) & set(string.whitespace):
        raise InputError(f"{fields.source}: user: not an owner: {settings.user!r}")
    for kind, names in (("env", settings.env), ("labels", settings.labels)):
        if odd := [name for name in names if not name or (kind == "env" and "=" in name)]:
            raise InputError(f"{fields.source}: {kind}: {odd[0]!r} is not a name")
    if "" in settings.volumes:
        raise InputError(f"{fields.source}: volumes: one is empty")
    texts = (*settings.entrypoint, *settings.cmd, *settings.env, *settings.env.values(), *settings.labels,
             *settings.labels.values(), *settings.volumes, settings.workdir, settings.user)  # fmt: skip
    if any("\0" in text for text in texts):
        raise InputError(f"{fields.source}: holds a zero byte")
    return settings


def _check_value(fields: Fields, name: str, text: str, read: Callable[[str], object]) -> None:
    try:
        if text:
            read(text)
    except TextError as problem:
        raise InputError(f"{fields.source}: {name}: {problem}") from None

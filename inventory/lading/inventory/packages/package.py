"""A package as a package manager's own record has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, Self
from urllib.parse import quote

from lading.store.fastclass import dataclass

PackageKind = Literal["deb", "apk", "rpm", "pypi", "npm", "golang"]
"""As package URLs have it (purl-spec)."""
_SAFE: Final = "-._~:"


@dataclass(frozen=True, slots=True)
class Distribution:
    """What os-release says of it: `name` is its ID, `version` that of the release, else of the build."""

    name: str = ""
    version: str = ""

    @classmethod
    def of(cls, release: Mapping[str, str]) -> Self:
        """Both are empty where os-release does not say."""
        return cls(release.get("ID", ""), release.get("VERSION_ID", "") or release.get("BUILD_ID", ""))

    @property
    def word(self) -> str:
        """As package URLs name it, where it is known: ``debian-12``."""
        return "-".join(filter(None, (self.name, self.version)))


@dataclass(frozen=True, slots=True)
class Package:
    """`record` is the path of the record, `files` are those that it lists; both without a leading slash.

    `namespace` is the distribution, the scope of npm, the path of a module but its last word. `layer` is the one that
    brought the record, counted from 0. `licenses` are names and expressions as they are recorded, `qualifiers` what
    the package URL has beside the architecture. `version` is empty where none is recorded.
    """

    kind: PackageKind
    name: str
    version: str
    record: bytes
    layer: int
    architecture: str = ""
    namespace: str = ""
    source: str = ""
    files: tuple[bytes, ...] = ()
    licenses: tuple[str, ...] = ()
    qualifiers: tuple[tuple[str, str], ...] = ()

    @property
    def full_name(self) -> str:
        """As its manager calls it."""
        return f"{self.namespace}/{self.name}" if self.namespace and self.kind in ("npm", "golang") else self.name

    @property
    def url(self) -> str:
        """Its package URL."""
        space = "".join(f"{quote(part, safe=_SAFE)}/" for part in self.namespace.split("/") if part)
        epoch, _, rest = self.version.rpartition(":") if self.kind == "rpm" else ("", "", self.version)
        version = f"@{quote(rest, safe=_SAFE)}" if rest else ""
        pairs = sorted((("arch", self.architecture), ("epoch", epoch), *self.qualifiers))
        more = "&".join(f"{name}={quote(value, safe=_SAFE)}" for name, value in pairs if value)
        return f"pkg:{self.kind}/{space}{quote(self.name, safe=_SAFE)}{version}{'?' * bool(more)}{more}"

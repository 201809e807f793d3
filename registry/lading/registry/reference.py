"""Image references, normalised exactly as docker normalises them (distribution/reference, `normalize.go`).

``app`` is ``docker.io/library/app:latest``. A first part with a dot, a colon or an upper-case letter, or
``localhost``, is a registry. A tag beside a digest is kept for display only: nobody but the registry could
say that it names this digest, so it is never part of `Reference.name`.
"""

from __future__ import annotations

from typing import Final, Self

from lading.store.errors import DocumentError, InputError
from lading.store.fastclass import dataclass, replace
from lading.store.oci.digests import Digest
from lading.store.system.patterns import pattern
from lading.verify.policy.image_names import DOCKER_HUB, HOST, PATH, TAG

DEFAULT_REGISTRY: Final = DOCKER_HUB
DEFAULT_TAG: Final = "latest"
MAX_NAME: Final = 255
"""Characters of registry, slash and repository together (distribution-spec, "Pulling manifests")."""

_OFFICIAL: Final = "library"
_BARE_DIGEST: Final = pattern(r"[a-f0-9]{64}")


class InvalidReferenceError(InputError):
    """The text is not an image reference."""


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """A repository in a registry, and a tag or a digest in it; without either it is the tag ``latest``."""

    registry: str
    """``host[:port]``; Docker Hub is ``docker.io``, whatever host serves it."""
    repository: str
    """The path within the registry: ``library/app``."""
    tag: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises `InvalidReferenceError`, an `InputError` that says which part is wrong."""
        if _BARE_DIGEST.fullmatch(text):
            raise _invalid(text, "64 hexadecimal digits are an image ID, not a name")
        rest, digest = _split_digest(text)
        registry, path = _split_registry(rest)
        path, colon, tag = path.partition(":")
        if registry == DEFAULT_REGISTRY and "/" not in path:
            path = f"{_OFFICIAL}/{path}"
        _check(text, registry, path, tag if colon else None)
        return cls(registry, path, tag if colon else None if digest else DEFAULT_TAG, digest)

    @property
    def repository_name(self) -> str:
        """``docker.io/library/app``: where it is, without tag or digest."""
        return f"{self.registry}/{self.repository}"

    @property
    def name(self) -> str:
        """As it is stored, judged and recorded: the repository with ``@digest`` if there is one, else ``:tag``."""
        if self.digest:
            return f"{self.repository_name}@{self.digest}"
        return f"{self.repository_name}:{self.tag or DEFAULT_TAG}"

    @property
    def familiar(self) -> str:
        """As people write it: without docker.io and library, where that reads back as the same reference."""
        suffix = (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")
        if self.registry == DEFAULT_REGISTRY:
            first, _, rest = self.repository.partition("/")
            short = rest if first == _OFFICIAL and rest and "/" not in rest else self.repository
            if _split_registry(short) == (DEFAULT_REGISTRY, short):
                return short + suffix
        return self.repository_name + suffix

    @property
    def selector(self) -> str:
        """What names the manifest in the registry's API: the digest if there is one, else the tag."""
        return str(self.digest) if self.digest else self.tag or DEFAULT_TAG

    def at(self, digest: Digest) -> Self:
        """Another manifest of the same repository, by digest alone."""
        return replace(self, tag=None, digest=digest)

    def tagged(self, tag: str) -> Self:
        """Another manifest of the same repository, by tag. Raises `InvalidReferenceError`."""
        if not TAG.fullmatch(tag):
            raise _invalid(tag, "not a tag: at most 128 letters, digits, '_', '.' and '-', not first '.' or '-'")
        return replace(self, tag=tag, digest=None)

    def __str__(self) -> str:
        return self.repository_name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def _split_digest(text: str) -> tuple[str, Digest | None]:
    name, at, digest = text.partition("@")
    if not at:
        return name, None
    try:
        return name, Digest.parse(digest)
    except DocumentError as error:
        raise _invalid(text, error.message) from None


def _split_registry(text: str) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    if not slash or (not set(".:") & set(first) and first != "localhost" and first == first.lower()):
        return DEFAULT_REGISTRY, text
    return DEFAULT_REGISTRY if first == f"index.{DEFAULT_REGISTRY}" else first, rest


def _check(text: str, registry: str, path: str, tag: str | None) -> None:
    if not path or path == f"{_OFFICIAL}/":
        raise _invalid(text, "the repository's name is missing")
    if path != path.lower():
        raise _invalid(text, "the repository's name must be lower case")
    if not HOST.fullmatch(registry):
        raise _invalid(text, f"{registry!r} is not a host name with an optional port")
    if not PATH.fullmatch(path):
        raise _invalid(text, f"{path!r} is not a repository name")
    if len(registry) + 1 + len(path) > MAX_NAME:
        raise _invalid(text, f"the name is longer than {MAX_NAME} characters")
    if tag is not None and not TAG.fullmatch(tag):
        raise _invalid(text, f"{tag!r} is not a tag")


def _invalid(text: str, why: str) -> InvalidReferenceError:
    shown = text if len(text) <= 80 else f"{text[:77]}..."
    return InvalidReferenceError(
        f"{shown!r}: not an image reference: {why}", hint="write it as [REGISTRY[:PORT]/]NAME[:TAG][@DIGEST]"
    )

"""Names in requests, held to the letter of the specification: repositories, tags, digests."""

from __future__ import annotations

from typing import Final

from lading.registry.server.api_errors import ApiError
from lading.store.errors import DocumentError
from lading.store.oci.digests import Digest
from lading.store.system.patterns import pattern

_COMPONENT: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY: Final = pattern(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG: Final = pattern(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_MAX_REPOSITORY: Final = 255


def repository(text: str) -> str:
    """Raises `ApiError` NAME_INVALID."""
    if len(text) > _MAX_REPOSITORY or not _REPOSITORY.fullmatch(text):
        raise ApiError("NAME_INVALID", "not a repository name")
    return text


def tag(text: str) -> str:
    """Raises `ApiError` TAG_INVALID."""
    if not _TAG.fullmatch(text):
        raise ApiError("TAG_INVALID", "not a tag", status=400)
    return text


def digest(text: str) -> Digest:
    """Raises `ApiError` DIGEST_INVALID."""
    try:
        return Digest.parse(text)
    except DocumentError:
        raise ApiError("DIGEST_INVALID", "not a digest of a known algorithm") from None

"""Which scope of a policy covers a reference: component-wise prefixes, the most specific wins.

A reference and a scope are split alike: the registry, each part of the repository's path, the tag or digest.
So ``example.com/app`` covers ``example.com/app:1`` and ``example.com/app/web:1``, not ``example.com/apple:1``.
Registries are compared as `canonical_host` spells them, so that case, a dot at the end or zeros open no door.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from lading.store.errors import DocumentError
from lading.store.oci.digests import Digest
from lading.verify.policy.image_names import DOCKER_HUB, HOST, PATH, TAG, canonical_host

DEFAULT: Final = "default"
"""The scope that comes last."""


def components(reference: str) -> tuple[str, ...]:
    """The parts of a normalised reference, or of a scope, by which scopes are compared."""
    host, _, path = reference.removesuffix("/").partition("/")
    host = canonical_host(host)
    if not path:
        return (host,)
    name, at, digest = path.partition("@")
    *folders, last = name.split("/")
    last, colon, tag = last.partition(":")
    return (host, *folders, last, *([colon + tag] if colon else []), *([at + digest] if at else []))


def covering(scopes: Iterable[str], reference: str | None) -> str | None:
    """The most specific of `scopes` that covers `reference`; the default where none does, None without one.

    No reference at all (an image addressed by digest that has no name) is covered by the default alone.
    """
    parts = () if reference is None else components(reference)
    known = tuple(scopes)
    fitting = [scope for scope in known if scope != DEFAULT and _covers(components(scope), parts)]
    if fitting:
        return max(fitting, key=lambda scope: len(components(scope)))
    return DEFAULT if DEFAULT in known else None


def is_full(reference: str) -> bool:
    """Whether `reference` begins with a registry, as every normalised one does; no scope would fit another."""
    host, slash, _ = reference.partition("/")
    return bool(slash) and (host == "localhost" or "." in host or ":" in host or host != host.lower())


def why_empty(scope: str) -> tuple[str, str | None] | None:
    """Why no reference could ever be covered by `scope`, and what may have been meant; None where one could.

    Below Docker Hub a path of one part is what people call an official image, of which the full name differs; so
    a user's name is written there with a slash at its end.
    """
    if scope == DEFAULT:
        return None
    host, slash, rest = scope.partition("/")
    host = host.replace(".:", ":").removesuffix(".")
    path, at, digest = rest.partition("@")
    path, colon, tag = path.partition(":")
    on_hub = canonical_host(host) == DOCKER_HUB and path != "library" and "/" not in path.removesuffix("/")
    fits = (
        HOST.fullmatch(host)
        and (not slash or PATH.fullmatch(path.removesuffix("/") if on_hub and path == rest else path))
        and (not colon or TAG.fullmatch(tag))
        and (not at or _is_digest(digest))
    )
    if not fits:
        return f"{scope!r} is not a reference or the beginning of one", None
    if not is_full(f"{host}/"):
        return (
            f"{host!r} is not a registry",
            f"on Docker Hub it is 'docker.io/{scope if slash else f'library/{scope}'}'",
        )
    if on_hub and slash and not path.endswith("/"):
        user = "" if colon or at else f"; what belongs to a user of that name is 'docker.io/{path}/'"
        return f"no reference begins with {scope!r}", f"the official image is 'docker.io/library/{rest}'{user}"
    return None


def _is_digest(text: str) -> bool:
    try:
        Digest.parse(text)
    except DocumentError:
        return False
    return True


def repository(reference: str) -> str:
    """A reference without its tag and digest."""
    return "/".join(part for part in components(reference) if not part.startswith((":", "@")))


def _covers(scope: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    return parts[: len(scope)] == scope

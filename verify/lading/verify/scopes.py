"""Which scope of a policy covers a reference: component-wise prefixes, the most specific wins.

A reference and a scope are split alike: the registry, each part of the repository's path, the tag or digest.
So ``example.com/app`` covers ``example.com/app:1`` and ``example.com/app/web:1``, not ``example.com/apple:1``.
The registry's name is compared without regard to case, and without ``:443``, which HTTPS means anyway.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

DEFAULT: Final = "default"
"""The scope that comes last."""


def components(reference: str) -> tuple[str, ...]:
    """The parts of a normalised reference, or of a scope, by which scopes are compared."""
    host, _, path = reference.partition("/")
    host = host.lower().removesuffix(":443")
    host = "docker.io" if host == "index.docker.io" else host
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


def repository(reference: str) -> str:
    """A reference without its tag and digest."""
    return "/".join(part for part in components(reference) if not part.startswith((":", "@")))


def _covers(scope: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    return parts[: len(scope)] == scope

"""How the words of a call are read, where several commands take the same."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from lading.cli.endings import EndedError
from lading.store.errors import InputError, LadingError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lading.cli.cli_session import CliSession
    from lading.registry.credentials.files import Given
    from lading.store.archives.compression import Compression
    from lading.store.oci.descriptors import Descriptor


class OutputForm(StrEnum):
    """How an outcome is shown."""

    text = "text"
    json = "json"


def boolean(text: str | None, option: str) -> bool | None:
    """What a boolean option with a value says; None where it was not given. Raises `UsageError`."""
    if text is None:
        return None
    if text.lower() in ("true", "1", "yes"):
        return True
    if text.lower() in ("false", "0", "no"):
        return False
    raise UsageError(f"{option}={text}: expected true or false")


def compression(text: str | None) -> Compression | None:
    """What `Compress` says. Raises `UsageError`."""
    known: dict[str, Compression] = {"gzip": "gzip", "zstd": "zstd", "none": "none"}
    if text is not None and text not in known:
        raise UsageError(f"--compression {text}: expected {', '.join(known)}")
    return known[text] if text else None


def another(before: Descriptor, after: Descriptor, how: str) -> str:
    """What is said when an image becomes another."""
    return f"{before.digest.short} compressed by {how} is another image, {after.digest}: no signature speaks of it"


def access(session: CliSession, tls_verify: str | None, authfile: Path | None, creds: str | None, *images: str) -> None:
    """How registries are spoken to in this call; `creds` are for the one registry of the `images`."""
    session.tls_verify = boolean(tls_verify, "--tls-verify")
    if authfile is not None and not authfile.exists():
        raise InputError(f"--authfile {authfile}: no such file")
    session.authfile = authfile
    if creds is not None:
        session.given = _given(creds, images)


def _given(creds: str, images: Sequence[str]) -> Given:
    """Errors say nothing of the password."""
    from lading.registry.credentials.files import Credential, Given  # noqa: PLC0415
    from lading.registry.reference import Reference  # noqa: PLC0415

    registries = {Reference.parse(image).registry for image in images}
    if len(registries) != 1:
        what = f"{len(registries)} registries are asked" if registries else "no registry is named"
        raise UsageError(f"--creds: {what}, and a password is for one", hint="log in, or use --authfile")
    user, colon, password = creds.partition(":")
    if not user:
        raise UsageError("--creds: expected USER:PASSWORD")
    return Given(registries.pop(), Credential(user, password if colon else ask_login("Password: ", secret=True)))


def ask_login(prompt: str, *, secret: bool) -> str:
    """A name or password for a registry. Raises `UsageError` where there is no terminal to ask at."""
    if not sys.stdin.isatty():
        raise UsageError("not at a terminal: use --username and --password-stdin, or --creds USER:PASSWORD")
    from lading.cli.display.questions import ask  # noqa: PLC0415

    return ask(prompt, secret=secret)


def each(session: CliSession, names: Sequence[str], act: Callable[[str], None]) -> None:
    """`act` for every name: the error of one is told, the rest is done, and then the call fails."""
    failed: list[LadingError] = []
    for name in names:
        try:
            act(name)
        except LadingError as error:
            failed.append(error)
            session.output.error(error)
    if failed:
        raise EndedError(failed[0].exit_code if len(names) == 1 else 1)


def pairs(words: list[str] | None, option: str, *, bare: bool = False) -> dict[str, str]:
    """``NAME=VALUE`` words as a mapping; with `bare` a NAME alone has an empty value. Raises `UsageError`."""
    found: dict[str, str] = {}
    for word in words or []:
        name, equals, value = word.partition("=")
        if not name or not (equals or bare):
            raise UsageError(f"{option} {word}: expected NAME=VALUE")
        found[name] = value
    return found


def environment(words: list[str] | None, outside: dict[str, str]) -> tuple[str, ...]:
    """``-e`` words: ``NAME=VALUE``, or a bare NAME whose value is that of the caller, if it has one."""
    found: list[str] = []
    for word in words or []:
        if "=" in word:
            found.append(word)
        elif word in outside:
            found.append(f"{word}={outside[word]}")
    return tuple(found)


def require_terminal() -> None:
    """Raises `InputError`, as docker does, where -i and -t are given and there is no terminal."""
    if not sys.stdin.isatty():
        raise InputError("the input device is not a terminal", hint="leave -i or -t out, or call from a terminal")


def read_input(path: str, source: str, limit: int) -> bytes:
    """A file that the user names, or with ``-`` standard input. Raises `UsageError` beyond `limit` bytes."""
    if path == "-":
        data = sys.stdin.buffer.read(limit + 1)
    else:
        try:
            with open(path, "rb") as stream:
                data = stream.read(limit + 1)
        except OSError as error:
            raise UsageError(f"{source} {path}: {error.strerror}") from None
    if len(data) > limit:
        raise UsageError(f"{source} {path}: larger than {limit} bytes")
    return data


def short(name: str) -> str:
    """A full reference as people write it."""
    from lading.registry.reference import Reference  # noqa: PLC0415

    return Reference.parse(name).familiar

"""docker's credential helpers: ``docker-credential-NAME get|store|erase``, one process for one question.

The server's name goes in by standard input, JSON comes out; both are bounded, and so is the time.
"""

from __future__ import annotations

import json
import threading
from typing import IO, TYPE_CHECKING, Final

from lading.store.errors import DocumentError, InputError, MachineError
from lading.store.oci.json import Fields, parse
from lading.store.system.patterns import pattern

if TYPE_CHECKING:
    import subprocess

MAX_OUTPUT: Final = 64 * 1024
SECONDS: Final = 60.0
_NAME: Final = pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ABSENT: Final = ("credentials not found", "no credentials server url")


def get(name: str, server: str) -> tuple[str, str] | None:
    """User name and secret, None where the helper has none. Raises `MachineError` where it fails."""
    code, output = _run(name, "get", server.encode())
    if code != 0:
        words = _words(output)
        if any(absent in words.lower() for absent in _ABSENT):
            return None
        raise MachineError(f"docker-credential-{name} failed for {server}: {words or f'exit code {code}'}")
    try:
        fields = Fields(parse(output, f"docker-credential-{name}", limit=MAX_OUTPUT), f"docker-credential-{name}")
        return fields.text("Username"), fields.text("Secret")
    except DocumentError as error:
        raise MachineError(f"{error.message.partition(': ')[0]}: its answer is not what a helper says") from None


def store(name: str, server: str, username: str, secret: str) -> None:
    """Hands a secret over. Raises `MachineError`."""
    document = json.dumps({"ServerURL": server, "Username": username, "Secret": secret})
    code, output = _run(name, "store", document.encode())
    if code != 0:
        raise MachineError(f"docker-credential-{name} did not keep the password: {_words(output)}")


def erase(name: str, server: str) -> bool:
    """Forgets a secret; whether the helper said that it did."""
    code, _ = _run(name, "erase", server.encode())
    return code == 0


def _run(name: str, verb: str, text: bytes) -> tuple[int, bytes]:
    import subprocess  # noqa: PLC0415

    program = f"docker-credential-{name}"
    if not _NAME.fullmatch(name):
        raise InputError(f"{name[:80]!r}: not the name of a credential helper")
    try:
        child = subprocess.Popen(
            [program, verb], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except OSError as error:
        raise MachineError(
            f"{program}: cannot be started: {error.strerror}",
            hint="install the helper, or take it out of config.json (credsStore, credHelpers)",
        ) from None
    return _converse(child, program, text)


def _converse(child: subprocess.Popen[bytes], program: str, text: bytes) -> tuple[int, bytes]:
    assert child.stdin and child.stdout
    late = threading.Timer(SECONDS, child.kill)
    late.start()
    writer = threading.Thread(target=_feed, args=(child.stdin, text), daemon=True)
    writer.start()
    try:
        output = child.stdout.read(MAX_OUTPUT + 1)
        if len(output) > MAX_OUTPUT:
            raise MachineError(f"{program}: says more than {MAX_OUTPUT} bytes")
        code = child.wait()
    finally:
        timed_out = not late.is_alive()
        late.cancel()
        child.kill()
        child.wait()
        writer.join()
        child.stdout.close()
    if timed_out:
        raise MachineError(f"{program}: no answer after {SECONDS:.0f} seconds")
    return code, output


def _feed(pipe: IO[bytes], text: bytes) -> None:
    try:
        pipe.write(text)
        pipe.close()
    except OSError:
        pass  # it did not want to hear it all; its answer says why


def _words(output: bytes) -> str:
    return " ".join(output.decode(errors="replace").split())[:200]

"""One machine's Lading as an opened root folder: what every call stands on."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from lading.api.watching import Watch, Watcher
from lading.host.configuration import Configuration, run_folder_in
from lading.host.host import Host

if TYPE_CHECKING:
    from lading.host.trust.signing_keys import SigningKeyText
    from lading.store.oci.descriptors import Platform

RUNS: Final = Path("/run/lading")
"""Where root's command line has what lasts until the next boot; a program beside it has to agree with it."""


class _Password:
    """The one that the program gave."""

    def __init__(self, password: bytes | None) -> None:
        self._password = password

    def given(self) -> tuple[bytes, str] | None:
        return None if self._password is None else (self._password, "the call")

    def ask(self, prompt: str) -> bytes | None:
        del prompt
        return None


class OpenedRoot:
    """A root folder, opened when it is first needed. A context manager."""

    def __init__(self, where: Path | str | Configuration, *, password: bytes | None = None) -> None:
        """`where` is a root folder, or all that can be configured; `password` opens keys."""
        if not isinstance(where, Configuration):
            root = Path(where).absolute()
            where = Configuration(root=root, run=run_folder_in(RUNS, root), runs=RUNS)
        self._host = Host(where, passwords=_Password(password))
        self._lock = Lock()

    def _host_for(self, watch: Watcher | None, stack: ExitStack) -> Host:
        """The host as one call uses it: the parts are shared, what watches is the call's own."""
        with self._lock:
            _ = self._host.images, self._host.client, self._host.keyring
        seen = Watch(watch)
        stack.enter_context(seen.watching())
        return self._host.watched_by(seen)

    def close(self) -> None:
        """Closes what was opened."""
        self._host.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()


def platform_of(text: str | None) -> Platform | None:
    """OS/ARCH[/VARIANT]. Raises `InputError`."""
    from lading.store.oci.platforms import parse_platform  # noqa: PLC0415

    return None if text is None else parse_platform(text)


def key_of(file: Path | None) -> SigningKeyText | None:
    """A private key in a file, read now. Raises `InputError`."""
    from lading.host.trust.signing_keys import SigningKeyText  # noqa: PLC0415

    return SigningKeyText.read(file) if file else None

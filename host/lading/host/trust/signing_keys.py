"""Private keys as they were named, still closed, and the passwords that open them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from lading.host.trust.keyring import Keyring, read_file
from lading.store.errors import InputError, Remedy
from lading.store.fastclass import dataclass, field
from lading.verify.keys.keys import PrivateKey, PublicKey

_TRIES: Final = 3
_GIVE: Final = Remedy("give password", "give the password with the call")


class NoKeyError(InputError):
    """There is no key of one's own yet."""


class PasswordSource(Protocol):
    """Where passwords of keys come from; asked when one is needed and not before."""

    def given(self) -> tuple[bytes, str] | None:
        """The password that was given for all keys, and where; None where none was."""
        ...

    def ask(self, prompt: str) -> bytes | None:
        """What somebody at a terminal types; None where nobody is there to be asked."""
        ...


class NoPasswords:
    """Nothing was given, and nobody is there."""

    def given(self) -> None:
        """None."""

    def ask(self, prompt: str) -> None:
        """None."""


@dataclass(frozen=True, slots=True)
class SigningKeyText:
    """A private key as the user named it: what to call it, its encrypted PEM, the public half where it lies beside."""

    source: str
    pem: bytes = field(repr=False)
    public: bytes | None = None

    @classmethod
    def read(cls, path: Path) -> SigningKeyText:
        """From a file or pipe, read once. Raises `InputError`."""
        pem = read_file(path, Remedy("make a key", "make a key"))
        beside = path.with_suffix(".pub")
        public = read_file(beside, "") if path.is_file() and beside.is_file() else None
        return cls(str(path), pem, public)

    @classmethod
    def own(cls, keyring: Keyring) -> SigningKeyText:
        """The key that `keygen` made. Raises `NoKeyError` where there is none."""
        if not keyring.exists():
            raise NoKeyError(
                "there is no key to sign with",
                hint=Remedy("make or name key", "make one, or name another"),
            )
        return cls.read(keyring.private_file)

    @property
    def fingerprint(self) -> str | None:
        """Of the public half, where it is known without opening the key."""
        return None if self.public is None else PublicKey.from_pem(self.public, f"{self.source}: .pub").fingerprint

    def open(self, passwords: PasswordSource) -> PrivateKey:
        """The key (about 0.2 s: its own guard against guessing); somebody at a terminal may try three times.

        Raises `PasswordError`, which tells a wrong password from none.
        """
        from lading.verify.keys.keyfiles import PasswordError  # noqa: PLC0415 - only where a key is opened

        if (given := passwords.given()) is not None:
            return self._try(given[0], f"the password in {given[1]} does not open this key")
        with suppress(PasswordError):  # for a key without one nobody is asked
            return PrivateKey.read(self.pem, b"", self.source)
        prompt = f"Password of {self.source}"
        for _ in range(_TRIES):
            if (typed := passwords.ask(prompt)) is None:
                raise PasswordError(f"{self.source}: has a password, and none was given", hint=_GIVE)
            with suppress(PasswordError):
                return PrivateKey.read(self.pem, typed, self.source)
            prompt = f"That does not open it. Password of {self.source}"
        raise PasswordError(f"{self.source}: not opened in {_TRIES} tries")

    def _try(self, password: bytes, trouble: str, hint: str | None = None) -> PrivateKey:
        from lading.verify.keys.keyfiles import PasswordError  # noqa: PLC0415 - only where a key is opened

        try:
            return PrivateKey.read(self.pem, password, self.source)
        except PasswordError:
            raise PasswordError(f"{self.source}: {trouble}", hint=hint) from None

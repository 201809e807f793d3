"""The keys below the root: `keys/cosign.key`, `keys/cosign.pub`, and the first policy that trusts them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from lading.store.errors import InputError, Remedy
from lading.store.system.atomic import new_file
from lading.store.system.machine_errors import machine_errors
from lading.store.system.private_folders import own_root, private_folder
from lading.store.system.regular_files import open_file
from lading.verify.keys.keys import PrivateKey, PublicKey

KMS: Final = ("awskms", "azurekms", "gcpkms", "hashivault", "k8s", "pkcs11")
"""The schemes by which cosign is told of keys that are no files."""


class Keyring:
    """The user's own key pair. Nothing here is read before it is asked for."""

    def __init__(self, root: Path) -> None:
        self._folder = root / "keys"
        self._policy = root / "policy.yaml"

    @property
    def private_file(self) -> Path:
        """cosign's encrypted PEM."""
        return self._folder / "cosign.key"

    @property
    def public_file(self) -> Path:
        """PEM."""
        return self._folder / "cosign.pub"

    def exists(self) -> bool:
        """Whether there is a private key."""
        return self.private_file.exists()

    def check_absent(self) -> None:
        """Raises `InputError` where there is a key already."""
        check_absent(self.private_file, self.public_file)

    def generate(self, password: bytes) -> PublicKey:
        """Makes the pair, and `policy.yaml` where there is none. Raises `InputError` rather than overwrite a key."""
        self.check_absent()
        own_root(self._folder.parent)
        private_folder(self._folder)
        public = write_pair(self.private_file, self.public_file, password)
        self.trust_own()
        return public

    def trust_own(self) -> bool:
        """Makes `policy.yaml`, which trusts the key that is here, where there is none; whether there was none."""
        if self._policy.exists():
            return False
        from lading.verify.policy.template import default_policy  # noqa: PLC0415

        write_new(self._policy, default_policy(self.public().pem.decode()).encode(), 0o644)
        return True

    def public(self, file: Path | None = None) -> PublicKey:
        """The public key in `file`, else our own."""
        path = self.public_file if file is None else file
        return PublicKey.from_pem(read_file(path, Remedy("make key", "make one")), str(path))


def check_absent(private: Path, public: Path) -> None:
    """Raises `InputError` where one of a pair is there."""
    if private.exists():
        raise InputError(f"{private} exists", hint="keys are never overwritten: move it away first")
    if public.exists():
        hint = "a call that was ended early left it, or somebody put it there: remove it if nobody needs it"
        raise InputError(f"{public} exists, without {private.name}", hint=hint)


def write_pair(private: Path, public: Path, password: bytes) -> PublicKey:
    """A new key pair in two new files. Raises `InputError` rather than overwrite one."""
    check_absent(private, public)
    key = PrivateKey.generate()
    closed = key.write(password)  # takes its time
    write_new(public, key.public.pem, 0o644)  # first: a private key is never there without its public half
    write_new(private, closed, 0o600)
    return key.public


def read_file(path: Path, hint: str | None, limit: int = 1024 * 1024, *, pipes: bool = True) -> bytes:
    """A small file the user named, or, with `pipes`, what a shell names so.

    Raises `InputError` in one line, for a key in a KMS too.
    """
    if (scheme := str(path).partition(":/")[0]) in KMS:
        raise InputError(f"{scheme}: keys in a KMS are not built yet", hint="name the file of a key")
    try:
        with open(path if pipes else open_file(path), "rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", hint=hint) from None
    if len(data) > limit:
        raise InputError(f"{path}: larger than {limit} bytes")
    return data


def write_new(path: Path, data: bytes, mode: int) -> None:
    """A new file, durable and whole or not there at all; an existing one is left and `InputError` raised."""
    with machine_errors(path):
        try:
            with new_file(path, mode, over=False) as stream:
                os.fchmod(stream.fileno(), mode)
                stream.write(data)
        except FileExistsError:
            raise InputError(f"{path} exists", hint="it is never overwritten: move it away first") from None

"""Passwords for registries: docker's `config.json`, containers' `auth.json`, and credential helpers.

The order is docker's: the helper named for the registry, the store for all, then what stands in the file.
Members of the file that are not understood here are kept when it is written.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from lading.registry.credentials import helpers
from lading.registry.reference import DEFAULT_REGISTRY
from lading.store.errors import DocumentError, InputError, MachineError
from lading.store.fastclass import dataclass
from lading.store.oci.json import Fields, parse
from lading.store.system.atomic import new_file
from lading.store.system.locks import locked, open_folder

_HUB_KEY: Final = "https://index.docker.io/v1/"
_HUB_HOSTS: Final = frozenset({DEFAULT_REGISTRY, f"index.{DEFAULT_REGISTRY}", f"registry-1.{DEFAULT_REGISTRY}"})
_MAX_FILE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Credential:
    """One way to say who asks: a password, an identity token (OAuth2 refresh token), or a ready bearer token."""

    username: str = ""
    password: str = ""
    identity_token: str = ""
    bearer: str = ""

    def __repr__(self) -> str:
        return f"Credential({self.username!r})"

    @property
    def basic(self) -> str:
        """The value of an Authorization header (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


class Credentials(Protocol):
    """Where passwords are looked up."""

    def find(self, registry: str, repository: str | None = None) -> Credential | None:
        """For a registry, or for a repository in it where the file tells them apart."""
        ...


@dataclass(frozen=True, slots=True)
class Given:
    """One credential for one registry, as a flag gives it."""

    registry: str
    credential: Credential

    def find(self, registry: str, repository: str | None = None) -> Credential | None:
        """The credential, for its own registry."""
        del repository
        return self.credential if registry == self.registry else None


@dataclass(frozen=True, slots=True)
class Layered:
    """Several places, the first that knows a registry wins."""

    places: tuple[Credentials, ...]

    def find(self, registry: str, repository: str | None = None) -> Credential | None:
        """Raises what they raise."""
        for place in self.places:
            if found := place.find(registry, repository):
                return found
        return None


@dataclass(frozen=True, slots=True)
class CredentialFiles:
    """Several files, the first that knows a registry wins; `login` writes to the first."""

    paths: tuple[Path, ...]

    def find(self, registry: str, repository: str | None = None) -> Credential | None:
        """Raises `InputError` for a file that cannot be understood, `MachineError` for a helper that fails."""
        for path in self.paths:
            if found := _File(path).find(registry, repository):
                return found
        return None

    def save(self, registry: str, credential: Credential) -> str:
        """Keeps a credential; returns where: the file, or the helper's name. Raises `InputError` without any file."""
        if not self.paths:
            raise InputError("no file is configured in which passwords are kept")
        with _locked(self.paths[0]):
            return _File(self.paths[0]).save(registry, credential)

    def erase(self, registry: str) -> bool:
        """Forgets a registry's credential; whether there was one."""
        found = False
        for path in self.paths:
            if path.exists():
                with _locked(path):
                    found = _File(path).erase(registry) or found
        return found


class _File:
    """One `config.json` or `auth.json`."""

    def __init__(self, path: Path) -> None:
        self.path = Path(os.path.realpath(path))  # a link is written through, as docker does
        self.value = self._read()

    def _read(self) -> dict[str, object]:
        try:
            with open(self.path, "rb") as file:
                data = file.read(_MAX_FILE + 1)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise MachineError(f"{self.path}: cannot be read: {error.strerror}") from error
        try:
            return Fields(parse(data, str(self.path), limit=_MAX_FILE) if data.strip() else {}, str(self.path)).rest()
        except DocumentError as error:
            raise _unusable(error) from None

    def find(self, registry: str, repository: str | None) -> Credential | None:
        if helper := self._helper(registry):
            return self._from_helper(helper, registry)
        auths = self._object("auths")
        for key in _keys(registry, repository):
            if key in auths:
                return self._entry(key, auths[key])
        for key, entry in auths.items():
            if host_of(key) == registry:
                return self._entry(key, entry)
        return None

    def save(self, registry: str, credential: Credential) -> str:
        if helper := self._helper(registry):
            helpers.store(helper, _server(registry), credential.username, credential.password)
            return f"docker-credential-{helper}"
        entry: dict[str, object] = {"auth": credential.basic.removeprefix("Basic ")}
        if credential.identity_token:
            entry["identitytoken"] = credential.identity_token
        auths = self._object("auths")
        self.value["auths"] = {k: v for k, v in auths.items() if host_of(k) != registry} | {_server(registry): entry}
        self._write()
        return str(self.path)

    def erase(self, registry: str) -> bool:
        found = False
        if helper := self._helper(registry):
            found = helpers.erase(helper, _server(registry))
        auths = self._object("auths")
        left = {key: entry for key, entry in auths.items() if host_of(key) != registry}
        if len(left) != len(auths):
            self.value["auths"] = left
            self._write()
            found = True
        return found

    def _helper(self, registry: str) -> str | None:
        fields = Fields(self._object("credHelpers"), f"{self.path}: credHelpers")
        try:
            for key in (registry, _server(registry)):
                if named := fields.optional_text(key):
                    return named
            return Fields(self.value, str(self.path)).optional_text("credsStore") or None
        except DocumentError as error:
            raise _unusable(error) from None

    def _from_helper(self, helper: str, registry: str) -> Credential | None:
        found = helpers.get(helper, _server(registry))
        if found is None:
            return None
        username, secret = found
        if username == "<token>":
            return Credential(identity_token=secret)
        return Credential(username, secret)

    def _entry(self, key: str, value: object) -> Credential | None:
        where = f"{self.path}: auths: {key}"
        try:
            fields = Fields(value, where)
            auth = fields.optional_text("auth")
            username, password = fields.optional_text("username") or "", fields.optional_text("password") or ""
            tokens = fields.optional_text("identitytoken") or "", fields.optional_text("registrytoken") or ""
        except DocumentError as error:
            raise _unusable(error) from None
        if auth:
            username, password = self._decode(key, auth)
        found = Credential(username, password, *tokens)
        return found if found != Credential() else None

    def _decode(self, key: str, auth: str) -> tuple[str, str]:
        try:
            username, colon, password = base64.b64decode(auth, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            username = colon = password = ""
        if not colon:
            raise InputError(f"{self.path}: auths: {key}: auth is not base64 of USER:PASSWORD", hint="log in again")
        return username, password.rstrip("\0")

    def _object(self, name: str) -> dict[str, object]:
        try:
            return Fields(self.value, str(self.path)).mapping(name)
        except DocumentError as error:
            raise _unusable(error) from None

    def _write(self) -> None:
        text = json.dumps(self.value, indent="\t", ensure_ascii=False) + "\n"
        try:
            mode = self.path.stat().st_mode & 0o600 if self.path.exists() else 0o600
            with new_file(self.path, mode) as stream:
                stream.write(text.encode())
        except OSError as error:
            raise MachineError(f"{self.path}: cannot be written: {error.strerror}") from error


def host_of(key: str) -> str:
    """The registry that a key of ``auths`` means: a host, or a URL as docker wrote it once."""
    for scheme in ("https://", "http://"):
        if key.startswith(scheme):
            key = key.removeprefix(scheme)
            host, _, path = key.partition("/")
            return DEFAULT_REGISTRY if host in _HUB_HOSTS else host if path in ("", "v1", "v1/", "v2", "v2/") else key
    key = key.removesuffix("/")
    return DEFAULT_REGISTRY if key in _HUB_HOSTS else key


def _keys(registry: str, repository: str | None) -> list[str]:
    """From the most specific: ``host/a/b``, ``host/a``, ``host`` (containers-auth.json(5))."""
    parts = (repository or "").split("/") if repository else []
    return ["/".join([registry, *parts[:count]]) for count in range(len(parts), 0, -1)] + [_server(registry)]


def _server(registry: str) -> str:
    return _HUB_KEY if registry == DEFAULT_REGISTRY else registry


def _unusable(error: DocumentError) -> InputError:
    return InputError(error.message, hint="mend the file, or log in again after moving it away")


@contextmanager
def _locked(path: Path) -> Generator[None, None, None]:
    """One writer at a time, among those who lock."""
    folder = path.parent
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = open_folder(folder)
    except OSError as error:
        raise MachineError(f"{folder}: cannot be used: {error.strerror}") from error
    with locked(file):
        yield

"""A build on this machine: bases by the policy's ``from`` section, steps in the sandbox, the user's key."""

from __future__ import annotations

import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from lading.build.builder import build as build_image
from lading.build.request import BaseImage, BuildRequest, Built, KeySource, Listener, Tools
from lading.host import policies
from lading.host.gate import local_case, unknown
from lading.host.keyring import read_file
from lading.registry.platforms import host_platform
from lading.registry.reference import Reference
from lading.store.descriptors import Platform
from lading.store.errors import InputError, LadingError
from lading.store.fastclass import dataclass
from lading.verify.keys import PrivateKey
from lading.verify.policy import Policy
from lading.verify.verifier import Verifier

if TYPE_CHECKING:
    from lading.host.host import Host
    from lading.host.keyring import Keyring, Password


def build(host: Host, request: BuildRequest, *, sign_key: Path | None, pull: bool, listener: Listener) -> Built:
    """Builds what `request` asks for; a file that ends in .toml is a Debian package set."""
    tools = _tools(host, sign_key, pull, listener)
    if request.file is not None and request.file.suffix == ".toml":
        from lading.build.debian.builder import build_debian  # noqa: PLC0415

        return build_debian(request, tools, fresh=pull)
    return build_image(request, tools)


def _tools(host: Host, sign_key: Path | None, pull: bool, listener: Listener) -> Tools:
    from lading.runtime.lifecycle import RuntimeConfig  # noqa: PLC0415
    from lading.runtime.sandbox import Sandbox  # noqa: PLC0415

    sandbox = Sandbox(RuntimeConfig(host.configuration.root, host.run_folder()), host.driver)
    return Tools(
        store=host.store,
        executor=sandbox,
        images=Bases(host, pull),
        platform=_native(),
        clock=time.time,
        key=Key(host.keyring, host.password, sign_key),
        listener=listener,
        version=version("lading"),
    )


def _native() -> Platform:
    """This machine's platform as images name it: without the variant that every amd64 and arm64 machine has."""
    own = host_platform()
    implied = (own.architecture, own.variant) in (("amd64", "v1"), ("arm64", "v8"))
    return Platform(own.os, own.architecture) if implied else own


@dataclass(frozen=True, slots=True)
class Key:
    """The signing key: its public half is read at once, the private one when something has to be signed."""

    keyring: Keyring
    password: Password
    file: Path | None

    def __post_init__(self) -> None:
        if self.file is not None:
            read_file(self.file, "`lading keygen` makes a key")  # before the first step, not after the last
        if self.file is None and not self.keyring.exists():
            raise InputError(
                "there is no key to sign the image with", hint="`lading keygen` makes one, --sign-key names another"
            )

    @property
    def fingerprint(self) -> str:
        """Of the public key that lies beside the private one; the private one is opened where none does."""
        public = self.keyring.public_file if self.file is None else self.file.with_suffix(".pub")
        if public.exists():
            return self.keyring.public(public).fingerprint
        return self.open().public.fingerprint

    def open(self) -> PrivateKey:
        """Asks for the password."""
        return self.keyring.signer(self.password, self.file)


_CHECK: type[KeySource] = Key


class Bases:
    """Base images: the local one, else pulled, let in by the ``from`` section of the policy and of the floor."""

    def __init__(self, host: Host, pull: bool) -> None:
        self._host = host
        self._pull = pull
        self._verifier: Verifier | None = None

    def resolve(self, name: str, platform: Platform) -> BaseImage:
        """The image `name` for `platform`. Raises `GateError`, `RejectedError`, `UnknownError`."""
        reference = Reference.parse(name)
        located, pulled = self._host.images.find(name), None
        if located is None or self._pull:
            self._judge().screen_base(reference.name)
            try:
                located = pulled = self._host.pull_beside(name, platform)
            except LadingError as error:
                raise unknown(error) from error
        case = local_case(self._host.store, located, platform)
        base = self._judge().base(case.target, case.evidence)
        if pulled is not None:
            self._host.name(pulled)
        if base.standing != "verified":
            self._host.warn(f"base image {reference.familiar} is {base.standing}: {base.reason}")
        manifest = case.target.manifest
        return BaseImage(
            reference=reference.name,
            descriptor=located.descriptor,
            manifest=manifest,
            config=self._host.store.config(manifest),
            standing=base.standing,
            reason=base.reason,
            index=case.target.index.descriptor.digest if case.target.index else None,
            policy=base.policy,
        )

    def _judge(self) -> Verifier:
        if self._verifier is None:
            path = self._host.configuration.policy or self._host.configuration.root / "policy.yaml"
            policy = policies.load(path) if policies.is_there(path) else Policy("no policy", scopes={})
            self._verifier = self._host.verifier_by(policy)
        return self._verifier

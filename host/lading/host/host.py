"""One machine's Lading: everything joined from one configuration, each part made when it is first asked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from lading.host.configuration import Configuration
from lading.store.errors import InputError, LadingError, MachineError
from lading.store.fastclass import replace
from lading.store.progress import QUIET, Progress
from lading.store.system.locks import is_locked
from lading.store.system.private_folders import own_root, private_folder

if TYPE_CHECKING:
    from lading.build.graph.cache_places import SharedCaches
    from lading.build.graph.check_finding import CheckReport
    from lading.build.graph.request import (
        BuildEnvironment,
        BuildRequest,
        Built,
        Debugger,
        KeySource,
        Listener,
        StepSecrets,
    )
    from lading.host.build_caches import CacheNames
    from lading.host.images.image_archives import ImageArchives
    from lading.host.images.images import Images
    from lading.host.images.linked_images import Joined
    from lading.host.images.transfers import Transfers
    from lading.host.trust.attached_evidence import AttachedEvidence
    from lading.host.trust.attestor import Attestor
    from lading.host.trust.keyring import Keyring
    from lading.host.trust.launch_gate import LaunchGate
    from lading.host.trust.policies import Verifiers
    from lading.host.trust.signing_keys import PasswordSource, SigningKeyText
    from lading.networking.driver import Driver
    from lading.registry.client.client import Client
    from lading.runtime.containers.run_folder import RunFolder
    from lading.runtime.runtime import Runtime
    from lading.store.oci.digests import Digest
    from lading.store.store import Store


def _silent(text: str) -> None:
    del text


def _entries(folder: Path) -> list[Path]:
    try:
        return [folder / name for name in os.listdir(folder)]
    except OSError:
        return []


class Host:
    """What the command line, and later the API server and the cluster's agent, do things with.

    `passwords` opens keys, `warn` tells the user what should be known, `progress` shows long
    work. A context manager; closing brings the store's index for other environment up to date.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        passwords: PasswordSource | None = None,
        warn: Callable[[str], None] = _silent,
        progress: Progress = QUIET,
    ) -> None:
        self.configuration = configuration
        self.progress = progress
        self._passwords = passwords
        self.warn = warn

    def watched_by(self, progress: Progress) -> Host:
        """This host, its parts shared as far as they are made, with another to watch it. Close the first, not this."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.progress = progress
        return other

    # Images

    @cached_property
    def store(self) -> Store:
        """The local store, without what killed work left unpacked half-way or alive."""
        from lading.store.store import Store  # noqa: PLC0415

        store = Store.open(self.configuration.root, self.configuration.limits.get("layer"))
        if self._builds_died():
            from lading.host.recovery import end_dead_builds  # noqa: PLC0415

            end_dead_builds(store, self.run_folder(), self.driver)
        if store.snapshots.has_temporary():
            with suppress(MachineError), store.collecting() as alone:  # a read-only disk: it disturbs nobody
                if alone:
                    store.snapshots.sweep()
        return store

    def _builds_died(self) -> bool:
        """A glance at two folders, empty unless a build is under way or was killed."""
        folders = self.configuration.run / "sandboxes", self.configuration.root / "cache" / "work"
        return not all(is_locked(place / "lock") for folder in folders for place in _entries(folder))

    @cached_property
    def images(self) -> Images:
        """Those of the store, as the user addresses them."""
        from lading.host.images.images import Images  # noqa: PLC0415

        return Images(self.store)

    @property
    def transfers(self) -> Transfers:
        """Pulls and pushes."""
        from lading.host.images.transfers import Transfers  # noqa: PLC0415

        return Transfers(self.images, lambda: self.client, self.progress)

    @property
    def archives(self) -> ImageArchives:
        """Saves and loads."""
        from lading.host.images.image_archives import ImageArchives  # noqa: PLC0415

        return ImageArchives(self.images, self.progress)

    @cached_property
    def client(self) -> Client:
        """The registry client."""
        from lading.host.registries import client  # noqa: PLC0415

        return client(self.configuration, self.warn)

    # Trust

    @cached_property
    def keyring(self) -> Keyring:
        """The user's own key pair."""
        from lading.host.trust.keyring import Keyring  # noqa: PLC0415

        return Keyring(self.configuration.root)

    @cached_property
    def passwords(self) -> PasswordSource:
        """Where the passwords of keys come from."""
        from lading.host.trust.signing_keys import NoPasswords  # noqa: PLC0415

        return self._passwords or NoPasswords()

    @property
    def verifiers(self) -> Verifiers:
        """By the policy as it is now: for one request."""
        from lading.host.trust.policies import Verifiers  # noqa: PLC0415

        return Verifiers(self.configuration, lambda: self.store.index)

    @property
    def gate(self) -> LaunchGate:
        """What finds an image and lets it in: for one request."""
        from lading.host.trust.launch_gate import LaunchGate  # noqa: PLC0415

        return LaunchGate(self.images, lambda: self.transfers, lambda: self.client, self.verifiers)

    def attestor(self, key: SigningKeyText | None) -> Attestor:
        """What signs and attests images where they lie, with one key, else our own."""
        from lading.host.trust.attestor import Attestor  # noqa: PLC0415

        return Attestor(lambda: self.images, lambda: self.client, lambda: self.key_text(key).open(self.passwords))

    def key_text(self, named: SigningKeyText | None) -> SigningKeyText:
        """The key that was named, else our own."""
        from lading.host.trust.signing_keys import SigningKeyText  # noqa: PLC0415

        return named or SigningKeyText.own(self.keyring)

    def attached(self, text: str, *, remote: bool = False) -> AttachedEvidence:
        """Everything that is attached to an image or to a container's, here, else or with `remote` at its registry.

        Raises `InputError`, `RegistryError`.
        """
        from lading.host.trust.attached_evidence import read_attached  # noqa: PLC0415

        gate = self.gate
        case = (
            gate.remote(text) if remote else gate.here(text, self.image_of_container) or gate.remote(text, here=False)
        )
        keys = [self.keyring.public()] if self.keyring.public_file.exists() else []
        return read_attached(case, case.decision(gate.verifiers.own), keys)

    def image_of_container(self, text: str) -> str | None:
        """The digest of a container's image, None where none has this name or, as `ps` shows it, this ID."""
        if (self.configuration.root / "containers").is_dir():
            with suppress(InputError):
                found = self.runtime.find(text)
                if found.name == text or text.startswith(found.short):
                    return found.manifest
        return None

    # Containers and builds

    @cached_property
    def runtime(self) -> Runtime:
        """The containers."""
        from lading.runtime.lifecycle.lifecycle import RuntimeConfig  # noqa: PLC0415
        from lading.runtime.runtime import Runtime  # noqa: PLC0415

        if self._builds_died() or not (self.configuration.root / "index.db").exists():
            _ = self.store  # opening it ends them, and marks a new root as ours
        return Runtime(RuntimeConfig(self.configuration.root, self.run_folder()), lambda: self.store, self.driver)

    def lacking_emulator(self, manifest: Digest) -> str | None:
        """Why this machine cannot execute the programs of an image that is here, None where it can."""
        from lading.host.images.foreign_images import lacking_emulator  # noqa: PLC0415

        return lacking_emulator(self.store, manifest)

    def driver(self) -> Driver:
        """The driver of the default network."""
        from lading.runtime.containers.networks import default_driver  # noqa: PLC0415

        return default_driver(self.run_folder())

    def run_folder(self) -> Path:
        """The folder for what lasts until the next boot, made where it is missing. Raises `MachineError`."""
        return self._run_folder.path

    @cached_property
    def _run_folder(self) -> RunFolder:
        from lading.runtime.containers.run_folder import RunFolder  # noqa: PLC0415

        if self.configuration.runs:
            private_folder(self.configuration.runs)
        return RunFolder(own_root(self.configuration.root), self.configuration.run)

    def build(
        self,
        request: BuildRequest,
        *,
        sign_key: SigningKeyText | None,
        pull: bool,
        listener: Listener,
        secrets: StepSecrets | None = None,
        caches: CacheNames | None = None,
        joined: Joined | None = None,
        debugger: Debugger | None = None,
    ) -> Built:
        """Builds, signs and tags an image, from a Dockerfile or a Debian package set; `joined` with others."""
        from lading.host.building import BuildKey, build  # noqa: PLC0415

        key = BuildKey(self.key_text(sign_key), self.passwords) if joined is None else joined.key
        shared = None
        if caches is not None:
            from lading.host.build_caches import CacheOpener  # noqa: PLC0415

            opener = CacheOpener(lambda: self.client, self.keyring, self.verifiers, listener.warned)
            shared = opener.of(caches, key)
        environment = self._build_environment(key, pull=pull, listener=listener, secrets=secrets, shared=shared)
        environment = replace(environment, debugger=debugger)
        if joined is not None:
            images = joined.images(environment.images, self.images)
            environment = replace(environment, images=images, together=joined.together)
        return build(request, environment, cache_limit=self.cache_limit, fresh=pull)

    def check(self, request: BuildRequest, *, pull: bool, listener: Listener) -> CheckReport:
        """What the build checks find in a Dockerfile; executes and signs nothing."""
        from lading.host.building import check  # noqa: PLC0415
        from lading.host.images.linked_images import LinkedImages  # noqa: PLC0415

        environment = self._build_environment(None, pull=pull, listener=listener, look=True)
        return check(request, replace(environment, images=LinkedImages(environment.images, self.images, {})))

    def _build_environment(
        self,
        key: KeySource | None,
        *,
        pull: bool,
        listener: Listener,
        secrets: StepSecrets | None = None,
        shared: SharedCaches | None = None,
        look: bool = False,
    ) -> BuildEnvironment:
        from lading.host.building import Bases, LateTransport, build_environment  # noqa: PLC0415

        return build_environment(
            self.store,
            self.run_folder(),
            self.driver,
            isolation=self.configuration.isolation,
            images=Bases(self.images, self.transfers, self.gate, pull=pull, warn=self.warn, look=look),
            key=key,
            listener=listener,
            transport=LateTransport(self.configuration, self.warn),
            secrets=secrets,
            shared=shared,
        )

    @property
    def cache_limit(self) -> int:
        """Bytes that the build cache may hold after a build."""
        from lading.build.solver.cache_trimming import default_limit  # noqa: PLC0415

        given = self.configuration.build_cache
        return default_limit(self.configuration.root) if given is None else given

    # The end

    def close(self) -> None:
        """Closes what was opened."""
        if "client" in self.__dict__:
            self.client.close()
        if "store" in self.__dict__:
            self._collect_due()
            self.store.close()
        if "_run_folder" in self.__dict__:
            self._run_folder.close()

    def _collect_due(self) -> None:
        """Removes what others' work was in the way of, once that has ended."""
        with suppress(LadingError):
            if self.store.is_due():
                from lading.store.gc import collect_due  # noqa: PLC0415

                collect_due(self.store)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

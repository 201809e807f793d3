"""A build on this machine: bases by the policy's ``from`` section, steps in the sandbox, the user's key."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING

from lading.build.attest.recorded_build import OF_LAYOUT
from lading.build.builder import build as build_image
from lading.build.builder import check as check_dockerfile
from lading.build.graph.cache_places import SharedCaches
from lading.build.graph.check_finding import CheckReport
from lading.build.graph.request import (
    BaseImage,
    BaseImages,
    BuildEnvironment,
    BuildRequest,
    Built,
    KeySource,
    Listener,
    StepSecrets,
)
from lading.build.solver.cache_trimming import bound
from lading.host.configuration import installed_version
from lading.host.images.layout_images import LAYOUT, in_layout
from lading.host.isolation.step_executors import executor_for
from lading.host.trust.launch_gate import unknown
from lading.host.trust.signing_keys import SigningKeyText
from lading.registry.reference import Reference
from lading.store.errors import LadingError, UsageError
from lading.store.fastclass import replace
from lading.store.oci.descriptors import Platform
from lading.store.oci.platforms import host_platform
from lading.verify.keys.keys import PrivateKey

if TYPE_CHECKING:
    from pathlib import Path

    from lading.host.configuration import Configuration, Isolation
    from lading.host.images.images import Images
    from lading.host.images.transfers import Transfers
    from lading.host.trust.launch_gate import LaunchGate
    from lading.host.trust.signing_keys import PasswordSource
    from lading.host.trust.verification_input import VerificationInput
    from lading.registry.http.transport import HttpRequest, HttpResponse, Transport
    from lading.runtime.containers.networks import Drivers
    from lading.store.oci.descriptors import Descriptor
    from lading.store.store import Store
    from lading.verify.documents.bases import Base


def build(request: BuildRequest, environment: BuildEnvironment, *, cache_limit: int, fresh: bool) -> Built:
    """Builds what `request` asks for; a file that ends in .toml is a Debian package set."""
    begun = time.time()
    try:
        built = _build(request, environment, fresh=fresh)
    except LadingError:
        bound(environment.store, cache_limit, begun)  # the steps that it finished are kept, too
        raise
    bound(environment.store, cache_limit, begun)
    return replace(built, signer=environment.key.fingerprint if environment.key else None)


def check(request: BuildRequest, environment: BuildEnvironment) -> CheckReport:
    """What the build checks find. Raises `UsageError` for a package set: they know Dockerfiles."""
    if _is_package_set(request):
        raise UsageError("checks are for Dockerfiles: a package set has none")
    return check_dockerfile(request, environment)


def _is_package_set(request: BuildRequest) -> bool:
    return request.file is not None and request.file.suffix == ".toml"


def _build(request: BuildRequest, environment: BuildEnvironment, *, fresh: bool) -> Built:
    if _is_package_set(request):
        if request.recording:
            raise UsageError("the network of a Dockerfile's steps is recorded: a package set has none")
        from lading.build.debian.debian_builder import build_debian  # noqa: PLC0415

        return build_debian(request, environment, fresh=fresh)
    return build_image(request, environment)


def build_environment(
    store: Store,
    run_folder: Path,
    driver: Drivers,
    *,
    isolation: Isolation = "auto",
    images: BaseImages,
    key: KeySource | None,
    transport: Transport,
    listener: Listener,
    secrets: StepSecrets | None = None,
    shared: SharedCaches | None = None,
) -> BuildEnvironment:
    """What a build on this machine works with: its steps run under `isolation`, and are lent `secrets`."""
    from lading.runtime.oci.binfmt import BinfmtEmulators  # noqa: PLC0415

    return BuildEnvironment(
        store=store,
        executor=executor_for(isolation, store.root, run_folder, driver, listener.warned),
        images=images,
        platform=host_platform(),
        clock=time.time,
        key=key,
        transport=transport,
        listener=listener,
        version=installed_version(),
        secrets=secrets or StepSecrets(),
        shared=shared or SharedCaches(),
        emulators=BinfmtEmulators(),
    )


class LateTransport:
    """What carries requests that no registry is asked, made when there is one: most builds fetch nothing."""

    def __init__(self, configuration: Configuration, warn: Callable[[str], None]) -> None:
        self._configuration, self._warn = configuration, warn
        self._lock = Lock()
        self._made: Transport | None = None

    def send(self, request: HttpRequest) -> HttpResponse:
        """As `Transport.send`."""
        from lading.host.registries import transport  # noqa: PLC0415

        with self._lock:
            if self._made is None:
                self._made = transport(self._configuration, self._warn)
        return self._made.send(request)

    def close(self) -> None:
        """As `Transport.close`."""
        if self._made is not None:
            self._made.close()


class BuildKey:
    """The signing key: named before the first step, opened once when something is executed or signed.

    It stays open until the build ends: who could read this process's memory could read the password as well.
    """

    def __init__(self, text: SigningKeyText, passwords: PasswordSource) -> None:
        self._text = text
        self._passwords = passwords
        self._lock = Lock()
        self._opened: PrivateKey | None = None

    @property
    def fingerprint(self) -> str:
        """Of the public key that lies beside the private one; the private one is opened where none does."""
        return self._text.fingerprint or self.open().public.fingerprint

    def open(self) -> PrivateKey:
        """Asks for the password the first time."""
        with self._lock:
            if self._opened is None:
                self._opened = self._text.open(self._passwords)
            return self._opened


_CHECK: type[KeySource] = BuildKey


class Bases:
    """Base images: the local one, else pulled, let in by the ``from`` section of the policy and of the floor.

    With `look`, where nothing is executed, nothing is pulled: of a registry's image its config alone is read.
    """

    def __init__(
        self,
        images: Images,
        transfers: Transfers,
        gate: LaunchGate,
        *,
        pull: bool,
        warn: Callable[[str], None],
        look: bool = False,
    ) -> None:
        self._images = images
        self._transfers = transfers
        self._gate = gate
        self._warn = warn
        self._pull = pull
        self._look = look
        self._said: set[str] = set()

    def resolve(self, name: str, platform: Platform) -> BaseImage:
        """The image `name` for `platform`. Raises `GateError`, `RejectedError`, `UnknownError`."""
        if name.startswith(LAYOUT):
            return self._of_layout(name, platform)
        reference = Reference.parse(name)
        located, pulled = self._images.find(name), None
        if located is None or self._pull or not self._images.holds(located, platform):
            self._gate.verifiers.permissive.screen_base(reference.name)
            if self._look:
                return self._at_registry(name, platform, here=located is not None)
            try:
                located = pulled = self._transfers.pull_beside(name, platform)
            except LadingError as error:
                raise unknown(error) from error
        case = self._gate.local(located, platform)
        base = self._gate.verifiers.permissive.base(case.target, case.evidence)
        if pulled is not None:
            self._transfers.name(pulled)
        return self._told(reference.familiar, reference.name, located.descriptor, case, base)

    def _at_registry(self, name: str, platform: Platform, *, here: bool) -> BaseImage:
        """An image judged by what its registry has of it, where it stays."""
        reference = Reference.parse(name)
        try:
            case = self._gate.remote(name, platform, here=here)
        except LadingError as error:
            raise unknown(error) from error
        base = self._gate.verifiers.permissive.base(case.target, case.evidence)
        top = case.target.index or case.target.manifest
        return self._told(reference.familiar, reference.name, top.descriptor, case, base)

    def _of_layout(self, name: str, platform: Platform) -> BaseImage:
        """An image of an OCI layout, which no reference of the policy means: judged by its default."""
        located = in_layout(self._images.store, name)
        case = self._gate.local(located, platform)
        base = self._gate.verifiers.permissive.base(case.target, case.evidence)
        return self._told(name, f"{OF_LAYOUT}{located.descriptor.digest}", located.descriptor, case, base)

    def _told(
        self, shown: str, reference: str, descriptor: Descriptor, case: VerificationInput, base: Base
    ) -> BaseImage:
        line = f"base image {shown} is {base.status}: {base.reason}"
        if base.status != "verified" and line not in self._said:  # as its images of other platforms are
            self._said.add(line)
            self._warn(line)
        manifest = case.target.manifest
        return BaseImage(
            reference=reference,
            descriptor=descriptor,
            manifest=manifest,
            config=case.config(),
            status=base.status,
            reason=base.reason,
            index=case.target.index.descriptor.digest if case.target.index else None,
            policy=base.policy,
        )

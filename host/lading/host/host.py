"""One machine's Lading: everything joined from one configuration, each part made when it is first asked for."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, Self

from lading.host.configuration import Configuration
from lading.store.errors import InputError, LadingError, MachineError, Remedy
from lading.store.fastclass import replace
from lading.store.progress import QUIET, Progress
from lading.store.system.locks import is_locked
from lading.store.system.private import own_root, private_folder

if TYPE_CHECKING:
    from lading.build.graph.request import BuildRequest, Built, Listener
    from lading.host.images.images import Images, ResolvedImage
    from lading.host.images.outputs import ImageOutput
    from lading.host.trust.attestor import Attestor
    from lading.host.trust.gate import VerificationInput
    from lading.host.trust.keyring import Keyring
    from lading.host.trust.signing_keys import KeyText, PasswordSource
    from lading.networking.driver import Driver
    from lading.registry.client.client import Client
    from lading.registry.reference import Reference
    from lading.registry.transfer.pull import Pulled
    from lading.registry.transfer.push import Pushed
    from lading.runtime.containers.run_folder import RunFolder
    from lading.runtime.runtime import Runtime
    from lading.store.archives.compression import Compression
    from lading.store.oci.descriptors import Descriptor, Platform
    from lading.store.store import Store
    from lading.verify.evidence.evidence import Evidence
    from lading.verify.judgement.verdict import Verdict
    from lading.verify.judgement.verifier import Verifier
    from lading.verify.keys.keys import PublicKey
    from lading.verify.policy.policy import Policy


_NONE: Final[Mapping[str, str]] = {}


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
        self._warn = warn

    def watched_by(self, progress: Progress) -> Host:
        """This host, its parts shared as far as they are made, with another to watch it. Close the first, not this."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.progress = progress
        return other

    # The parts

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
        """The store's images as the user addresses them."""
        from lading.host.images.images import Images  # noqa: PLC0415

        return Images(self.store)

    @property
    def cache_limit(self) -> int:
        """Bytes that the build cache may hold after a build."""
        from lading.build.solver.trim import default_limit  # noqa: PLC0415

        given = self.configuration.build_cache
        return default_limit(self.configuration.root) if given is None else given

    @cached_property
    def keyring(self) -> Keyring:
        """The user's own key pair."""
        from lading.host.trust.keyring import Keyring  # noqa: PLC0415

        return Keyring(self.configuration.root)

    @cached_property
    def client(self) -> Client:
        """The registry client."""
        from lading.host.registries import client  # noqa: PLC0415

        return client(self.configuration, self._warn)

    @cached_property
    def verifier(self) -> Verifier:
        """By the policy of the configuration, and the floor. Raises `InputError` where there is none."""
        return self.current_verifier()

    def current_verifier(self) -> Verifier:
        """As `verifier`, by what the files say now: for those who live longer than a policy."""
        from lading.host.trust import policies  # noqa: PLC0415

        named = self.configuration.policy
        own = policies.load(named) if named else policies.load_own(self.configuration.root, lambda: self.store.index)
        return policies.verifier(own, self.configuration.floor)

    def verifier_by(self, policy: Policy) -> Verifier:
        """By another policy, and the floor."""
        from lading.host.trust import policies  # noqa: PLC0415

        return policies.verifier(policy, self.configuration.floor)

    def verifier_by_key(
        self, file: Path, types: Sequence[str] = (), annotations: Mapping[str, str] = _NONE
    ) -> Verifier:
        """By one public key in place of a policy, and the floor. `types` of attestations as cosign names them, or URIs.

        Raises `InputError`.
        """
        from lading.host.trust.keyring import read_file  # noqa: PLC0415
        from lading.verify.documents.statements import predicate_type  # noqa: PLC0415
        from lading.verify.keys.keys import PublicKey  # noqa: PLC0415
        from lading.verify.keys.named_key import NamedKey  # noqa: PLC0415
        from lading.verify.policy.policy import Policy  # noqa: PLC0415

        public = PublicKey.from_pem(read_file(file, "name a public key"), str(file))
        kinds = tuple(predicate_type(word) for word in types)
        key = NamedKey(str(file), public)
        return self.verifier_by(Policy.trusting(key, types=kinds, annotations=annotations, source=str(file)))

    def driver(self) -> Driver:
        """The driver of the default network."""
        from lading.runtime.containers.networks import default_driver  # noqa: PLC0415

        return default_driver(self.run_folder())

    @cached_property
    def runtime(self) -> Runtime:
        """The containers."""
        from lading.runtime.lifecycle.lifecycle import RuntimeConfig  # noqa: PLC0415
        from lading.runtime.runtime import Runtime  # noqa: PLC0415

        if self._builds_died() or not (self.configuration.root / "index.db").exists():
            _ = self.store  # opening it ends them, and marks a new root as ours
        return Runtime(RuntimeConfig(self.configuration.root, self.run_folder()), lambda: self.store, self.driver)

    def run_folder(self) -> Path:
        """The folder for what lasts until the next boot, made where it is missing. Raises `MachineError`."""
        return self._run_folder.path

    @cached_property
    def _run_folder(self) -> RunFolder:
        from lading.runtime.containers.run_folder import RunFolder  # noqa: PLC0415

        if self.configuration.runs:
            private_folder(self.configuration.runs)
        return RunFolder(own_root(self.configuration.root), self.configuration.run)

    # What it does

    def resolve_for_launch(
        self, text: str, *, pull: str = "missing", platform: Platform | None = None, unverified: bool = False
    ) -> VerificationInput:
        """What would run of `text`: the local image, else the one that a registry has (`pull`: missing, always, never).

        No registry is asked for what no scope covers, except with `unverified`. What was pulled takes its name from
        another image only when `admit` accepts it.
        Raises `NoSuchImageError`, `RegistryError`, `RejectedError`.
        """
        located = self.images.find(text)
        if pull == "never" or (located is not None and pull == "missing"):
            return self.local(located or self.images.get(text), platform)
        if not unverified:
            self._screen(text, self.verifier)
        pulled = self.pull_beside(text, platform)
        return replace(self.local(pulled, platform), pulled=pulled)

    def local(self, located: ResolvedImage, platform: Platform | None = None) -> VerificationInput:
        """A located image with the evidence here; where a registry would not list its own, that is asked again."""
        from lading.host.images import unlisted  # noqa: PLC0415
        from lading.host.trust.gate import local_input  # noqa: PLC0415

        asked = unlisted.among(self.store, (*located.names, *located.origins))
        return local_input(self.store, located, platform, [self._evidence_at(name) for name in asked])

    def _evidence_at(self, name: str) -> Evidence:
        from lading.registry.client.evidence import RegistryEvidence  # noqa: PLC0415
        from lading.registry.reference import Reference  # noqa: PLC0415

        return RegistryEvidence(self.client, Reference.parse(name))

    def remote(
        self, text: str, platform: Platform | None = None, *, judge: Verifier | None = None, here: bool = True
    ) -> VerificationInput:
        """What a registry has now under the name `text`, where a scope of the `judge` covers that.

        Raises `RegistryError`, `RejectedError`; for one that is not `here` they say so.
        """
        from lading.host.trust.gate import fetching, remote_input  # noqa: PLC0415
        from lading.registry.reference import Reference  # noqa: PLC0415

        if judge is not None:
            self._screen(text, judge)
        with fetching(text, here=here):
            return remote_input(self.client, Reference.parse(text), platform)

    def input_at(
        self,
        text: str,
        verifier: Verifier,
        *,
        place: Literal["any", "local", "remote"] = "any",
        platform: Platform | None = None,
    ) -> VerificationInput:
        """What `run` would run: the local image, else the registry's; or what is at one of these places alone.

        Nothing is pulled. Raises `NoSuchImageError`, `RegistryError`, `RejectedError`.
        """
        from lading.host.trust.gate import local_input  # noqa: PLC0415

        if place == "remote":
            return self.remote(text, platform, judge=verifier)
        if place == "local":
            return local_input(self.store, self.images.get(text), platform)
        located = self.images.find(text)
        if located is None:
            return self.remote(text, platform, judge=verifier, here=False)
        return self.local(located, platform)

    def _screen(self, text: str, verifier: Verifier) -> None:
        from lading.registry.reference import Reference  # noqa: PLC0415
        from lading.verify.judgement.errors import RejectedError  # noqa: PLC0415

        name = Reference.parse(text).name
        try:
            verifier.screen(name)
        except RejectedError as error:
            raise RejectedError(error.message if name == text else f"{text}: {error.message}") from None

    def admit(self, case: VerificationInput, *, unverified: str | None = None) -> Verdict:
        """The verdict that opens the door. With `unverified`, a reason, one without proof, on record as such.

        Raises `GateError`.
        """
        if unverified:
            verdict = self._override_verifier().override(case.target, unverified)
            self._record(verdict)
        else:
            verdict = case.verdict(self._launch_verifier())
        if case.pulled is not None:
            self.name(case.pulled)
        return verdict

    def _launch_verifier(self) -> Verifier:
        from lading.host.trust.known_signatures import KnownSignatures  # noqa: PLC0415

        named = self.configuration.policy is not None
        return self.verifier if named else self.verifier.remembering(KnownSignatures(self.store.index))

    def _override_verifier(self) -> Verifier:
        from lading.host.trust import policies  # noqa: PLC0415
        from lading.verify.policy.policy import Policy  # noqa: PLC0415

        path = self.configuration.policy or self.configuration.root / "policy.yaml"
        return self.verifier if policies.is_there(path) else self.verifier_by(Policy("no policy", scopes={}))

    def _record(self, verdict: Verdict) -> None:
        from lading.store.oci.json import canonical  # noqa: PLC0415

        row = (time.time(), str(verdict.manifest), verdict.basis, canonical(verdict.decision.json()))
        self.store.index.run("INSERT INTO decision (time, digest, basis, body) VALUES (?, ?, ?, ?)", row)

    def pull(self, text: str, *, platform: Platform | None = None, required: bool = True) -> Pulled:
        """Downloads an image with its evidence, and gives it the name. Raises `RegistryError`.

        Evidence that could not be listed is an error, or with `required` off a note.
        """
        from lading.host.trust.gate import fetching  # noqa: PLC0415

        with fetching(text):
            return self._pull(text, platform, name=True, required=required)

    def _pull(self, text: str, platform: Platform | None, *, name: bool, required: bool = True) -> Pulled:
        from lading.host.images import unlisted  # noqa: PLC0415
        from lading.registry.platforms import host_platform  # noqa: PLC0415
        from lading.registry.reference import Reference  # noqa: PLC0415
        from lading.registry.transfer.pull import pull  # noqa: PLC0415

        reference = Reference.parse(text)
        wanted = platform or host_platform()
        pulled = pull(self.client, reference, self.store, wanted, progress=self.progress, name=name, required=required)
        unlisted.note(self.store, reference.name, complete=pulled.complete)
        return pulled

    def pull_beside(self, text: str, platform: Platform | None = None) -> ResolvedImage:
        """As `pull`, and a name that is taken still means what it meant, until `name` is called with the outcome.

        So a refused image never takes a name from a good one.
        """
        from lading.host.images.images import ResolvedImage  # noqa: PLC0415
        from lading.host.trust.gate import fetching  # noqa: PLC0415
        from lading.registry.reference import Reference  # noqa: PLC0415

        name = Reference.parse(text).name
        before = self.store.reference(name)
        with fetching(text, here=before is not None):
            pulled = self._pull(text, platform, name=before is None)
        same = before is not None and before.descriptor.digest == pulled.descriptor.digest
        return ResolvedImage(pulled.descriptor, (name,), (*(before.origins if before and same else ()), name))

    def name(self, image: ResolvedImage) -> None:
        """Gives an image its names, with its origins."""
        for name in image.names:
            self.store.tag(name, image.descriptor, image.origins)

    def compressed(self, descriptor: Descriptor, compression: Compression | None) -> Descriptor:
        """An image whose layers are compressed so, the image itself where they are: call within `Store.writing`."""
        from lading.store.exchange.convert import convert  # noqa: PLC0415

        return convert(self.store, descriptor, compression, self.progress) if compression else descriptor

    def push(self, text: str, to: str | None = None, *, compression: Compression | None = None) -> Pushed:
        """Uploads an image with its evidence, under its own name or another. Raises `RegistryError`.

        With another `compression` of its layers it is another image, of which no evidence speaks.
        """
        from lading.registry.reference import Reference  # noqa: PLC0415
        from lading.registry.transfer.push import push  # noqa: PLC0415

        located = self.images.get(text)
        if to is None and not located.own:
            hint = Remedy("name destination", "name where it goes", text)
            raise InputError(f"{text}: the image has no name", hint=hint)
        reference = Reference.parse(to or located.own[0])
        with self.store.writing():
            image = self.compressed(located.descriptor, compression)
            return push(self.client, reference, self.store, image, progress=self.progress)

    def push_layout(self, folder: Path, to: str, *, name: str = "") -> Pushed:
        """Uploads an image of an OCI layout with the evidence there, from where it lies: its only one, or `name`'s.

        Raises `InputError`, `DocumentError`, `RegistryError`.
        """
        from lading.registry.reference import Reference  # noqa: PLC0415
        from lading.registry.transfer.push import push  # noqa: PLC0415
        from lading.store.exchange.layout_source import LayoutSource  # noqa: PLC0415

        source = LayoutSource(folder)
        return push(self.client, Reference.parse(to), source, source.image(name), progress=self.progress)

    def deliver(
        self, built: Built, names: Sequence[str], *, outputs: Sequence[ImageOutput] = (), push: bool
    ) -> list[Pushed]:
        """Brings what was built where it is wanted: to files and folders, then under each name to its registry."""
        for output in outputs:
            output.write(self.store, built.descriptor, names)
        return [self.push(name) for name in names] if push else []

    def build(self, request: BuildRequest, *, sign_key: KeyText | None, pull: bool, listener: Listener) -> Built:
        """Builds, signs and tags an image, from a Dockerfile or a Debian package set."""
        from lading.host.building import Bases, BuildKey, build, build_environment  # noqa: PLC0415

        environment = build_environment(
            self.store,
            self.run_folder(),
            self.driver,
            images=Bases(self, self.images, self._base_verifier, pull=pull),
            key=BuildKey(sign_key or self._own_key(), self.passwords),
            listener=listener,
        )
        return build(request, environment, cache_limit=self.cache_limit, fresh=pull)

    def _own_key(self) -> KeyText:
        from lading.host.trust.signing_keys import KeyText  # noqa: PLC0415

        return KeyText.own(self.keyring)

    def _base_verifier(self) -> Verifier:
        from lading.host.trust import policies  # noqa: PLC0415
        from lading.verify.policy.policy import Policy  # noqa: PLC0415

        path = self.configuration.policy or self.configuration.root / "policy.yaml"
        return self.verifier_by(policies.load(path) if policies.is_there(path) else Policy("no policy", scopes={}))

    @cached_property
    def passwords(self) -> PasswordSource:
        """Where the passwords of keys come from."""
        from lading.host.trust.signing_keys import NoPasswords  # noqa: PLC0415

        return self._passwords or NoPasswords()

    def warn(self, text: str) -> None:
        """Tells the user something that should be known."""
        self._warn(text)

    def attestor(self, key: KeyText | None) -> Attestor:
        """What signs and attests images where they lie, with one key."""
        from lading.host.trust.attestor import Attestor  # noqa: PLC0415

        return Attestor(lambda: self.images, lambda: self.client, lambda: (key or self._own_key()).open(self.passwords))

    def own_key(self, file: Path | None) -> PublicKey:
        """The public half of `file`, else our own."""
        return self.keyring.public(file)

    def key_name(self, fingerprint: str) -> str | None:
        """What the policy calls a key, None where it does not know it, or where there is no policy."""
        try:
            return self.verifier.key_name(fingerprint)
        except InputError:
            return None

    def local_reference(self, text: str) -> Reference:
        """A name to be given to a new image. Raises `InputError` for one with a digest."""
        from lading.registry.reference import Reference  # noqa: PLC0415

        reference = Reference.parse(text)
        if reference.digest is not None:
            raise InputError(f"{text!r}: an image cannot be named by digest before it is built")
        return reference

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

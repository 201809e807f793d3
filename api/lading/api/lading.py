"""One machine's Lading for Python programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from lading.api.results import BuildResult, PullResult, PushResult, VerifyResult
from lading.api.watching import Watch, Watcher
from lading.host.configuration import Configuration, run_folder_in
from lading.host.host import Host
from lading.store.errors import LadingError

if TYPE_CHECKING:
    from lading.registry.transfer.push import Pushed
    from lading.runtime.options import RunOptions
    from lading.runtime.process.session import RunResult
    from lading.store.oci.descriptors import Platform
    from lading.verify.judgement.decision import Ending
    from lading.verify.judgement.verdict import Verdict

RUNS = Path("/run/lading")
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


class Lading:
    """The images of one root folder: pull, push, build, verify, and with a verdict unpack and run.

    A context manager. It may be used by several threads at once, and beside other processes, the command line among
    them; `close` it when no call is under way. No environment is read, nothing is printed, nothing exits. Every call
    raises `LadingError` by culprit, but `verify`, whose outcome is a value. `watch` sees long work go on and ends it by
    raising: names then mean what they meant before, and no folder is half full.
    """

    def __init__(self, where: Path | str | Configuration, *, password: bytes | None = None) -> None:
        """`where` is a root folder, or all that can be configured; `password` opens keys."""
        if not isinstance(where, Configuration):
            root = Path(where).absolute()
            where = Configuration(root=root, run=run_folder_in(RUNS, root), runs=RUNS)
        self._host = Host(where, passwords=_Password(password))
        self._lock = Lock()

    def pull(
        self, name: str, *, platform: str | None = None, required: bool = True, watch: Watcher | None = None
    ) -> PullResult:
        """Downloads an image with its evidence, and gives it its name. Nothing is judged.

        `platform` is OS/ARCH[/VARIANT], this machine's where it is left out. Evidence that the registry does not list
        is an error, or where it is not `required` a note.
        """
        with ExitStack() as stack:
            pulled = self._host_for(watch, stack).pull(name, platform=_platform(platform), required=required)
        return PullResult(
            pulled.reference.name,
            str(pulled.descriptor.digest),
            str(pulled.manifest.digest),
            None if pulled.platform is None else str(pulled.platform),
            tuple(str(item.digest) for item in pulled.evidence),
            pulled.fetched,
            pulled.notes,
        )

    def push(self, image: str, name: str | None = None, *, watch: Watcher | None = None) -> PushResult:
        """Uploads an image with its evidence; the name moves last.

        `image` is a name, digest or ID of one that is here. `name` is where it goes, its own name where it is left out.
        """
        with ExitStack() as stack:
            return _told(self._host_for(watch, stack).push(image, name))

    def push_layout(
        self, folder: Path | str, name: str, *, image: str = "", watch: Watcher | None = None
    ) -> PushResult:
        """Uploads an image of an OCI image layout with the evidence there, read where it lies.

        The only one that it holds, or the one that its index calls `image`.
        """
        with ExitStack() as stack:
            return _told(self._host_for(watch, stack).push_layout(Path(folder), name, name=image))

    def verify(
        self,
        image: str,
        *,
        key: Path | None = None,
        types: Sequence[str] = (),
        place: Literal["any", "local", "remote"] = "any",
        platform: str | None = None,
    ) -> VerifyResult:
        """Judges what would run of `image`: by the policy as it is now, or by one public key. It never raises.

        The image here is judged, else the registry's, or what is at one `place` alone. `types` are those of the
        attestations that are asked for with a key. An image is accepted by what is signed on its index, too.
        """
        from lading.host.trust.gate import unknown  # noqa: PLC0415
        from lading.verify.judgement.errors import GateError, RejectedError  # noqa: PLC0415

        where = ""
        try:
            with ExitStack() as stack:
                host = self._host_for(None, stack)
                verifier = host.verifier_by_key(key, types) if key else host.current_verifier()
                case = host.input_at(image, verifier, place=place, platform=_platform(platform))
                where = case.where
                verdict = case.verdict(verifier)
        except GateError as error:
            return VerifyResult(image, error.outcome, error.message, where, error.decision, None, error)
        except LadingError as error:
            outcome: Ending = "refused" if isinstance(error, RejectedError) else "uncheckable"
            return VerifyResult(image, outcome, error.message, where, None, None, unknown(error))
        return VerifyResult(image, "accepted", verdict.decision.reason, where, verdict.decision, verdict)

    def unpack(self, verdict: Verdict, folder: Path | str, *, watch: Watcher | None = None) -> Path:
        """The tree of the image that `verdict` let in, as a container would see it, in a new `folder`.

        From verified blobs that are here (`pull`), with owners and modes, which takes root; all of it or nothing.
        """
        from lading.host.upkeep.unpacking import unpack_into  # noqa: PLC0415

        target, seen = Path(folder).absolute(), Watch(watch)
        with ExitStack() as stack, seen.watching():
            unpack_into(self._host_for(None, stack).store, verdict, target, seen)
        return target

    def run(
        self,
        verdict: Verdict,
        options: RunOptions,
        *,
        stdin: int | None = None,
        stdout: int = 1,
        stderr: int = 2,
    ) -> RunResult:
        """Runs the image that `verdict` let in, and unless `options.detach` waits for its end.

        The numbers are open files of the caller that the program reads and writes.
        """
        from lading.runtime.options import Streams  # noqa: PLC0415

        with self._lock:
            runtime = self._host.runtime
        return runtime.run(verdict, options, Streams(stdin, stdout, stderr))

    def build(
        self,
        context: Path | str,
        names: Sequence[str] = (),
        *,
        file: Path | None = None,
        arguments: Mapping[str, str] | None = None,
        target: str | None = None,
        labels: Mapping[str, str] | None = None,
        epoch: int | None = None,
        cache: bool = True,
        pull: bool = False,
        push: bool = False,
        key: Path | None = None,
        watch: Watcher | None = None,
    ) -> BuildResult:
        """Builds an image from a Dockerfile, or a `file` that ends in .toml, signs it, and gives it its names.

        `key` is a private key other than this root's own. With `pull` registries are asked for newer bases, with `push`
        it goes to every name. What bases the policy lets in, and what the cache holds, is as for `lading build`.
        """
        from lading.build.graph.request import BuildRequest  # noqa: PLC0415
        from lading.host.trust.signing_keys import KeyText  # noqa: PLC0415

        settings, seen = self._host.configuration, Watch(watch)
        request = BuildRequest(
            context=Path(context),
            file=file,
            names=tuple(self._host.local_reference(name).name for name in names),
            arguments=arguments or {},
            target=target,
            labels=labels or {},
            no_cache=not cache,
            epoch=epoch,
            private=(settings.root, settings.run),
        )
        with ExitStack() as stack, seen.watching():
            with self._lock:
                self._host.run_folder()
            host = self._host_for(watch, stack)
            built = host.build(request, sign_key=KeyText.read(key) if key else None, pull=pull, listener=seen)
            host.deliver(built, request.names, push=push)
        attestations = tuple(str(item.digest) for item in built.attestations)
        return BuildResult(
            str(built.descriptor.digest), request.names, attestations, built.signer, built.reused, built.warnings
        )

    def make_key(self, password: bytes) -> str:
        """Makes this root's own key, and a policy that trusts it where there is none. The fingerprint."""
        return self._host.keyring.generate(password).fingerprint

    def _host_for(self, watch: Watcher | None, stack: ExitStack) -> Host:
        """The host as one call uses it: the parts are shared, what watches is the call's own."""
        with self._lock:
            _ = self._host.images, self._host.client
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


def _platform(text: str | None) -> Platform | None:
    from lading.registry.platforms import parse_platform  # noqa: PLC0415

    return None if text is None else parse_platform(text)


def _told(pushed: Pushed) -> PushResult:
    evidence = tuple(str(item.digest) for item in pushed.evidence)
    digest = str(pushed.descriptor.digest)
    return PushResult(pushed.reference.name, digest, evidence, pushed.sent, pushed.changed, pushed.notes)

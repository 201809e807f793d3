"""One machine's Lading for Python programs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from lading.api.image_calls import ImageCalls
from lading.api.opened import key_of
from lading.api.results import BuildResult
from lading.api.trust_calls import TrustCalls
from lading.api.watching import Watch, Watcher

if TYPE_CHECKING:
    from lading.runtime.options import RunOptions
    from lading.runtime.process.session import RunResult
    from lading.verify.judgement.verdict import Verdict


class Lading(ImageCalls, TrustCalls):
    """The images of one root folder: moved, signed, judged, built, and with a verdict unpacked and run.

    A context manager. It may be used by several threads at once, and beside other processes, the command line among
    them; `close` it when no call is under way. No environment is read, nothing is printed, nothing exits. Every call
    raises `LadingError` by culprit, but `verify`, whose outcome is a value. `watch` sees long work go on and ends it by
    raising: names then mean what they meant before, and no folder is half full.
    """

    def unpack(self, verdict: Verdict, folder: Path | str, *, watch: Watcher | None = None) -> Path:
        """The tree of the image that `verdict` let in, as a container would see it, in a new `folder`.

        From verified blobs that are here (`pull`), with owners and modes, which takes root; all of it or nothing.
        """
        from lading.host.upkeep.unpack_images import unpack_into  # noqa: PLC0415

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
        secrets: Mapping[str, bytes] | None = None,
        agents: Mapping[str, str] | None = None,
        allow: Collection[str] = (),
        watch: Watcher | None = None,
    ) -> BuildResult:
        """Builds an image from a Dockerfile, or a `file` that ends in .toml, signs it, and gives it its names.

        `key` is a private key other than this root's own. With `pull` registries are asked for newer bases, with `push`
        it goes to every name. What bases the policy lets in, and what the cache holds, is as for `lading build`.
        `secrets` by their ids, and the sockets of ssh `agents` by theirs, are shown to steps that ask for them; `allow`
        is what steps may ask for (``network.host``, ``security.insecure``).
        """
        from lading.build.graph.request import BuildRequest, StepSecrets  # noqa: PLC0415
        from lading.host.images.images import Images  # noqa: PLC0415

        settings, seen = self._host.configuration, Watch(watch)
        request = BuildRequest(
            context=Path(context),
            file=file,
            names=tuple(Images.new_name(name).name for name in names),
            arguments=arguments or {},
            target=target,
            labels=labels or {},
            no_cache=not cache,
            epoch=epoch,
            private=(settings.root, settings.run),
            allow=frozenset(allow),
        )
        lent = StepSecrets(secrets or {}, agents or {})
        with ExitStack() as stack, seen.watching():
            with self._lock:
                self._host.run_folder()
            host = self._host_for(watch, stack)
            built = host.build(request, sign_key=key_of(key), pull=pull, listener=seen, secrets=lent)
            host.transfers.deliver(built.descriptor, request.names, push=push)
        attestations = tuple(str(item.digest) for item in built.attestations)
        return BuildResult(
            str(built.descriptor.digest), request.names, attestations, built.signer, built.reused, built.warnings
        )

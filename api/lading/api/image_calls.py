"""Images between this machine, registries and files."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lading.api.opened import OpenedRoot, platform_of
from lading.api.results import LoadResult, PullResult, PushResult, SaveResult
from lading.api.watching import Watch, Watcher

if TYPE_CHECKING:
    from lading.registry.transfer.push import Pushed


class ImageCalls(OpenedRoot):
    """Pull, push, load and save; and who one is at a registry."""

    def pull(
        self, name: str, *, platform: str | None = None, required: bool = True, watch: Watcher | None = None
    ) -> PullResult:
        """Downloads an image with its evidence, and gives it its name. Nothing is judged.

        `platform` is OS/ARCH[/VARIANT], this machine's where it is left out. Evidence that the registry does not list
        is an error, or where it is not `required` a note.
        """
        with ExitStack() as stack:
            pulled = self._host_for(watch, stack).transfers.pull(
                name, platform=platform_of(platform), required=required
            )
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
            return _told(self._host_for(watch, stack).transfers.push(image, name))

    def push_layout(
        self, folder: Path | str, name: str, *, image: str = "", watch: Watcher | None = None
    ) -> PushResult:
        """Uploads an image of an OCI image layout with the evidence there, read where it lies.

        The only one that it holds, or the one that its index calls `image`.
        """
        with ExitStack() as stack:
            return _told(self._host_for(watch, stack).transfers.push_layout(Path(folder), name, name=image))

    def load(self, source: Path | str, name: str | None = None, *, watch: Watcher | None = None) -> list[LoadResult]:
        """Reads images from an OCI layout, or from an archive of one or of docker's, with the evidence in it.

        `name` is that of the only one, in place of its own. Nothing is judged.
        """
        with ExitStack() as stack:
            loaded = self._host_for(watch, stack).archives.load(str(Path(source).absolute()), name)
        return [LoadResult(image.name, str(image.descriptor.digest)) for image in loaded]

    def save(
        self,
        images: Sequence[str],
        target: Path | str,
        *,
        form: Literal["archive", "oci", "oci-archive", "docker-archive"] = "archive",
        compression: Literal["gzip", "zstd", "none"] | None = None,
        evidence: bool = False,
        watch: Watcher | None = None,
    ) -> list[SaveResult]:
        """Writes images to the file `target`, or in the form ``oci`` into that folder: all of them, or nothing.

        An ``archive`` is a layout and docker's form in one. With another `compression` of its layers an image is
        another image, of which no evidence speaks.
        """
        from lading.host.images.outputs import ImageOutput  # noqa: PLC0415

        output, seen = ImageOutput(form, Path(target).absolute()), Watch(watch)
        with ExitStack() as stack, seen.watching():
            archives = self._host_for(watch, stack).archives
            saved = archives.save(images, output, compression=compression, evidence=evidence, progress=seen)
        return [SaveResult(str(image.descriptor.digest), str(image.source.digest), image.names) for image in saved]

    def login(self, registry: str, username: str, password: str) -> str:
        """Keeps a password that the registry accepts in the first file of the configuration's `credentials`; where."""
        from lading.host.registries import log_in  # noqa: PLC0415
        from lading.registry.credentials.files import Credential  # noqa: PLC0415

        where = log_in(self._host.configuration, registry, Credential(username, password), lambda text: None)
        self._forget(registry)
        return where

    def logout(self, registry: str) -> bool:
        """Forgets a registry's password; whether there was one."""
        from lading.host.registries import log_out  # noqa: PLC0415

        was_there = log_out(self._host.configuration, registry)
        self._forget(registry)
        return was_there

    def _forget(self, registry: str) -> None:
        with self._lock:
            self._host.client.forget(registry)


def _told(pushed: Pushed) -> PushResult:
    evidence = tuple(str(item.digest) for item in pushed.evidence)
    digest = str(pushed.descriptor.digest)
    return PushResult(pushed.reference.name, digest, evidence, pushed.sent, pushed.changed, pushed.notes)

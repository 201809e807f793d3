"""Several images built in one call: each as soon as those it stands on are there, what they share built once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from lading.build.errors import naming_target
from lading.build.graph.halt import HaltedError, Together
from lading.build.graph.request import BuildRequest, Built, Listener, StepSecrets
from lading.build.solver.worker_threads import WorkerThreads
from lading.host.building import BuildKey
from lading.host.images.linked_images import Joined
from lading.store.fastclass import dataclass

if TYPE_CHECKING:
    from lading.host.build_caches import CacheNames
    from lading.host.host import Host
    from lading.host.trust.signing_keys import SigningKeyText

_MOST: Final = 32
"""Targets under way at once; most of them wait for a turn."""


@dataclass(frozen=True, slots=True)
class BakeJob:
    """An image to be built, called `name` in the call, and the names of those that its contexts are."""

    name: str
    request: BuildRequest
    secrets: StepSecrets
    caches: CacheNames | None = None
    pull: bool = False
    stands_on: tuple[str, ...] = ()


def bake(
    host: Host,
    jobs: Sequence[BakeJob],
    *,
    sign_key: SigningKeyText | None,
    listener: Callable[[str], Listener],
    steps: int,
) -> dict[str, Built]:
    """The image of each job by its name, of all of them `steps` steps at once. The first failure ends them all."""
    together, made = Together(steps), dict[str, Built]()
    joined = Joined(together, BuildKey(host.key_text(sign_key), host.passwords), made)
    numbers = {job.name: number for number, job in enumerate(jobs)}
    failed: list[Exception] = []
    _ = host.store, host.client  # made once, before there are threads

    def work(number: int) -> None:
        crew.widen()
        job = jobs[number]
        try:
            with naming_target(job.name):
                made[job.name] = host.build(
                    job.request,
                    sign_key=sign_key,
                    pull=job.pull,
                    listener=listener(job.name),
                    secrets=job.secrets,
                    caches=job.caches,
                    joined=joined,
                )
        except Exception as error:
            if not isinstance(error, HaltedError):
                failed.append(error)
            raise

    before = {number: [numbers[name] for name in job.stands_on] for number, job in enumerate(jobs)}
    crew = WorkerThreads(work, before, min(len(jobs), _MOST), together.halt)
    try:
        crew.run()
    except HaltedError:
        if failed:  # it was told of what ended the others before that was
            raise failed[0] from None
        raise
    return made

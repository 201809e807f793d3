"""An image of a Debian package set built again: of the packages on record, those that are here, others fetched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lading.build.debian.debian_builder import build_recorded
from lading.build.debian.locks.locked_packages import fetch_locked
from lading.build.debian.locks.recorded_set import RecordedSet
from lading.host.examining.other_surroundings import clock, other_surroundings
from lading.store.errors import InputError
from lading.store.fastclass import replace

if TYPE_CHECKING:
    from lading.build.attest.recorded_build import GivenAgain
    from lading.build.graph.request import BuildEnvironment, BuildRequest, Built
    from lading.host.host import Host
    from lading.host.trust.attached_evidence import AttachedDag
    from lading.verify.documents.provenance import Provenance


def build_set(
    host: Host, provenance: Provenance, steps: AttachedDag | None, environment: BuildEnvironment, jobs: int
) -> tuple[BuildRequest, Built]:
    """Raises `InputError` for what cannot be asked for again, and `RegistryError` for a package that is nowhere."""
    if steps is None:
        raise InputError("the record of its steps is not here, and with it the names of its packages in their archives")
    folder = environment.store.root.parent / "nothing"
    folder.mkdir()
    recorded = RecordedSet.of(provenance, steps.artifact.dag, folder)
    wanted = replace(recorded.wanted, jobs=jobs)
    with host.store.writing():
        where = (host.store, recorded.architecture, Path("/"))
        debs = fetch_locked(recorded.resolution, *where, installed=True)
        with other_surroundings():
            return wanted, build_recorded(recorded, wanted, replace(environment, clock=clock), debs)


def refuse_given(given: GivenAgain, *, has_context: bool) -> None:
    """Raises `InputError` for what only a Dockerfile's build is given."""
    options = {
        "context": has_context,
        "build-arg": bool(given.arguments),
        "build-context": bool(given.contexts),
        "secret": bool(given.secrets.values),
        "ssh": bool(given.secrets.agents),
        "allow": bool(given.allow),
    }
    for option, is_given in options.items():
        if is_given:
            raise InputError(f"{option} is for Dockerfiles: it was built from a Debian package set", option=option)

"""Push and pull between real stores through real registries."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from lading.registry.client import Client
from lading.registry.reference import Reference
from lading.registry.transfer import pull, push
from lading.store.store import Store
from suites.machine import needs
from suites.registry_images import content, open_store, put_image, put_paper
from suites.registry_peers import docker_registry

pytestmark = needs("docker-registry")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Generator[str, None, None]:
    with docker_registry(tmp_path_factory.mktemp("registry")) as host:
        yield host


@pytest.fixture
def stores(tmp_path: Path) -> Generator[tuple[Store, Store], None, None]:
    with open_store(tmp_path / "here") as here, open_store(tmp_path / "there") as there:
        yield here, there


def test_an_image_arrives_with_its_papers(host: str, stores: tuple[Store, Store]) -> None:
    here, there = stores
    image = put_image(here)
    paper = put_paper(here, image)
    ref = Reference.parse(f"{host}/team/app:1")
    with Client() as client:
        pushed = push(client, here, image, ref)
        pulled = pull(client, ref, there)
    assert pushed.evidence == (paper,) or [item.digest for item in pushed.evidence] == [paper.digest]
    assert pulled.descriptor == image
    assert content(there, image) == content(here, image)
    assert [item.digest for item in there.referrers(image.digest)] == [paper.digest]
    known = there.reference(ref.name)
    assert known and known.descriptor.digest == image.digest and known.origins == (ref.name,)

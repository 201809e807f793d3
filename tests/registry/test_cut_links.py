"""Over a link that is cut once, at any multiple of 64 KiB, transfers end right, and whoever comes back can resume.

LADING_CUTS is how many places of a transfer are cut, or ``all``; `scripts/soak` takes all.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from lading.registry.client.client import Client
from lading.registry.client_config import ClientConfig, Retry
from lading.registry.reference import Reference
from lading.registry.transfer.pull import pull
from lading.registry.transfer.push import push
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.documents import Manifest
from lading.store.store import Store
from suites.machine import needs
from suites.patience import PATIENCE
from suites.registry_images import content, open_store, put_image, put_paper
from suites.registry_peers import crane_registry, distribution
from suites.registry_server import running_server
from suites.relay import relay

STEP = 64 * 1024
CUTS = os.environ.get("LADING_CUTS", "3")
SIZE = 1_500_000 if CUTS == "all" else 250_000
CONFIG = ClientConfig(retry=Retry(attempts=5, base=0.02))

pytestmark = pytest.mark.timeout(1800 if CUTS == "all" else 180)

Serving = Callable[[Path], AbstractContextManager[str]]
SERVERS: dict[str, Serving] = {
    "ours": running_server,
    "distribution": distribution,
    "crane": lambda folder: crane_registry(),
}


@pytest.fixture(
    params=[pytest.param(name, marks=[] if name == "ours" else [needs(name)]) for name in SERVERS], scope="module"
)
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[str, None, None]:
    with SERVERS[request.param](tmp_path_factory.mktemp(request.param) / "registry") as address:
        yield address


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Generator[Store, None, None]:
    with open_store(tmp_path_factory.mktemp("here")) as made:
        yield made


def marks(total: int) -> list[int]:
    """Where a transfer of so many bytes is cut."""
    places = list(range(STEP, total, STEP))
    if CUTS == "all":
        return places
    count = int(CUTS)
    return sorted({places[len(places) * at // count] for at in range(count)})


def new_image(store: Store, word: str) -> Descriptor:
    """Other bytes for other words, so that nothing is there already."""
    image = put_image(store, word, size=SIZE)
    put_paper(store, image, word)
    return image


def measured(host: str, work: Callable[[str], object]) -> int:
    """The bytes of `work` over a link that is not cut."""
    with relay(host) as link:
        work(link.address)
        return link.count


def assert_there(host: str, name: str, store: Store, image: Descriptor, folder: Path) -> None:
    with open_store(folder) as there, Client(CONFIG) as client:
        assert pull(client, Reference.parse(f"{host}/{name}"), there).descriptor.digest == image.digest
        assert content(there, image) == content(store, image)


def test_our_push_ends_right(host: str, store: Store, tmp_path: Path) -> None:
    def send(address: str, image: Descriptor, name: str) -> None:
        with Client(CONFIG) as client:
            push(client, Reference.parse(f"{address}/{name}"), store, image)

    whole = new_image(store, f"push to {host}")
    for mark in marks(measured(host, lambda address: send(address, whole, "push/whole:1"))):
        image = new_image(store, f"push to {host}, cut at {mark}")
        with relay(host, mark) as link:
            send(link.address, image, f"push/{mark}:1")
            assert link.cut.is_set()
        assert_there(host, f"push/{mark}:1", store, image, tmp_path / str(mark))


def test_our_pull_ends_right(host: str, store: Store, tmp_path: Path) -> None:
    image = new_image(store, f"pull from {host}")
    with Client(CONFIG) as client:
        push(client, Reference.parse(f"{host}/pull/whole:1"), store, image)

    def fetch(address: str, folder: Path) -> None:
        with open_store(folder) as there, Client(CONFIG) as client:
            pulled = pull(client, Reference.parse(f"{address}/pull/whole:1"), there)
            assert content(there, image) == content(store, image)
            assert len(pulled.evidence) == 1

    for mark in marks(measured(host, lambda address: fetch(address, tmp_path / "whole"))):
        with relay(host, mark) as link:
            fetch(link.address, tmp_path / str(mark))
            assert link.cut.is_set()


# Others


def layout(store: Store, image: Descriptor, folder: Path) -> Path:
    """The image alone as an OCI layout with the tag ``1``."""
    document = store.document(image)
    assert isinstance(document, Manifest)
    for item in (image, document.config, *document.layers):
        path = folder / "blobs/sha256" / item.digest.hex
        path.parent.mkdir(parents=True, exist_ok=True)
        with store.blobs.open(item.digest) as reader:
            path.write_bytes(reader.read())
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    named = {**image.json(), "annotations": {"org.opencontainers.image.ref.name": "1"}}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
    return folder


def regctl(source: Path, address: str, name: str) -> list[str]:
    registry = f"reg={address},tls=disabled"
    return ["regctl", "--host", registry, "image", "copy", f"ocidir://{source}:1", f"{address}/{name}"]


def skopeo(source: Path, address: str, name: str) -> list[str]:
    target = f"docker://{address}/{name}"
    return ["skopeo", "copy", "-q", "--preserve-digests", "--dest-tls-verify=false", f"oci:{source}:1", target]


def crane(source: Path, address: str, name: str) -> list[str]:
    return ["crane", "push", "--insecure", str(source), f"{address}/{name}"]


def ends(argv: list[str], home: Path) -> tuple[int, str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    ran = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment, timeout=PATIENCE)
    return ran.returncode, ran.stderr


@needs("regctl")
def test_regctl_ends_right_against_ours(store: Store, tmp_path: Path) -> None:
    with running_server(tmp_path / "registry") as host:
        whole = layout(store, new_image(store, "regctl"), tmp_path / "whole")
        total = measured(host, lambda address: ends(regctl(whole, address, "regctl/whole:1"), tmp_path))
        for mark in marks(total):
            image = new_image(store, f"regctl, cut at {mark}")
            source = layout(store, image, tmp_path / f"from-{mark}")
            with relay(host, mark) as link:
                code, said = ends(regctl(source, link.address, f"regctl/{mark}:1"), tmp_path)
                assert (code, link.cut.is_set()) == (0, True), said
            assert_there(host, f"regctl/{mark}:1", store, image, tmp_path / f"to-{mark}")


@needs("distribution")
@pytest.mark.parametrize("program", [pytest.param(name, marks=needs(name.__name__)) for name in (skopeo, crane)])
def test_others_end_against_ours_as_against_distribution(
    store: Store, tmp_path: Path, program: Callable[[Path, str, str], list[str]]
) -> None:
    word = program.__name__
    with running_server(tmp_path / "registry") as ours, distribution(tmp_path / "distribution") as theirs:
        whole = layout(store, new_image(store, word), tmp_path / "whole")
        total = measured(ours, lambda address: ends(program(whole, address, f"{word}/whole:1"), tmp_path))
        resumed = 0
        for mark in marks(total - STEP):
            image = new_image(store, f"{word}, cut at {mark}")
            source = layout(store, image, tmp_path / f"from-{mark}")
            codes: dict[str, int] = {}
            for host in (ours, theirs):
                with relay(host, mark) as link:
                    codes[host] = ends(program(source, link.address, f"{word}/{mark}:1"), tmp_path)[0]
            assert bool(codes[ours]) <= bool(codes[theirs]), f"cut at {mark}"
            resumed += resume(ours, tmp_path / "registry", source)
            if codes[ours] == 0:
                assert_there(ours, f"{word}/{mark}:1", store, image, tmp_path / f"to-{mark}")
        assert resumed


def resume(host: str, folder: Path, source: Path) -> int:
    """Whatever was left half-way stands, and whoever knows where can end it; how many there were."""
    count = 0
    for upload in (folder / "uploads").iterdir():
        have = upload.read_bytes()
        blobs = [path.read_bytes() for path in (source / "blobs/sha256").iterdir()]
        match = [blob for blob in blobs if have and blob.startswith(have)]
        if not match:
            continue
        repository = repository_of(folder, upload.name)
        with httpx.Client(base_url=f"http://{host}", timeout=PATIENCE) as client:
            status = client.get(f"/v2/{repository}/blobs/uploads/{upload.name}")
            assert (status.status_code, status.headers["range"]) == (204, f"0-{len(have) - 1}")
            where = f"{status.headers['location']}&digest={Descriptor.of(match[0], 'x').digest}"
            assert client.put(where, content=match[0][len(have) :]).status_code == 201
        count += 1
    return count


def repository_of(folder: Path, upload: str) -> str:
    import sqlite3

    with sqlite3.connect(f"file:{folder / 'registry.db'}?mode=ro", uri=True) as database:
        [(name,)] = database.execute("SELECT repository FROM upload WHERE id = ?", (upload,))
    return str(name)

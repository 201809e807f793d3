"""The whole way of a program that knows `lading.api` and nothing else of Lading."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError

import pytest

import lading.api
from lading.api import (
    CancelledError,
    Configuration,
    Event,
    InputError,
    Lading,
    LadingError,
    NotFoundError,
)
from suites.commands import LADING, context
from suites.machine import needs
from suites.registry_server import running_server

HOUSE = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((HOUSE / "examples/library").glob("*.py"))
PASSWORD = b"pw"


@pytest.fixture
def registry(tmp_path: Path) -> Generator[str, None, None]:
    with running_server(tmp_path / "registry") as address:
        yield address


def made(folder: Path, **more: object) -> Lading:
    """A root of its own with its run folder beside it."""
    settings = Configuration(root=folder / "root", run=folder / "run" / "x", runs=folder / "run", **more)  # type: ignore[arg-type]
    return Lading(settings, password=PASSWORD)


def trusting(maker: Path, user: Path) -> None:
    """The user trusts the maker's key."""
    (user / "root").mkdir(mode=0o700, parents=True, exist_ok=True)
    (user / "root/policy.yaml").write_bytes((maker / "root/policy.yaml").read_bytes())


def pushed(folder: Path, name: str, **files: str) -> str:
    """A signed image at a registry; its digest."""
    words = context(folder / "context", "FROM scratch\nCOPY . /data\nLABEL a=b\n", **files or {"file": "content"})
    with made(folder) as maker:
        maker.make_key(PASSWORD)
        return maker.build(words, [name], push=True).digest


def test_the_examples_import_the_public_face_alone() -> None:
    assert len(EXAMPLES) == 4
    for file in [*EXAMPLES, Path(__file__)]:
        tree = ast.parse(file.read_text())
        names = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        names += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
        assert {name for name in names if name.split(".")[0] == "lading"} == {"lading.api"}
        if file in EXAMPLES:
            code = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]
            assert len({node.lineno for node in code}) < 15, file


def test_every_promised_name_is_there() -> None:
    for name in lading.api.__all__:
        assert getattr(lading.api, name).__doc__ or name == "Watcher", name


@needs("root")
def test_the_whole_way(tmp_path: Path, registry: str) -> None:
    name = f"{registry}/team/app:1"
    digest = pushed(tmp_path / "maker", name, one="1", two="2")
    with made(tmp_path / "user") as user:
        assert user.verify(name).outcome == "uncheckable"  # by no policy nobody knows
        trusting(tmp_path / "maker", tmp_path / "user")  # what a file says now counts, however long a program lives
        pulled = user.pull(name)
        assert (pulled.name, pulled.digest) == (name, digest)
        assert pulled.evidence
        found = user.verify(name)
        assert (found.outcome, found.where) == ("accepted", "the local store")
        assert found.decision is not None
        assert found.decision.evidence
        tree = user.unpack(found.require(), tmp_path / "tree")
        assert (tree / "data/one").read_text() == "1"
        with pytest.raises(InputError, match="is there already"):
            user.unpack(found.require(), tree)
        key = tmp_path / "maker/root/keys/cosign.pub"
        assert user.verify(name, key=key, place="remote").accepted


def test_outcomes_are_values_and_errors_are_by_culprit(tmp_path: Path, registry: str) -> None:
    name = f"{registry}/team/app:1"
    pushed(tmp_path / "maker", name)
    stranger = tmp_path / "stranger"
    with made(stranger) as user:
        user.make_key(PASSWORD)
        assert user.verify(name).outcome == "refused"
        assert user.verify(f"{registry}/team/none").outcome == "uncheckable"
        assert user.verify("not a name").outcome == "uncheckable"
        with pytest.raises(NotFoundError):
            user.pull(f"{registry}/team/none")
        with pytest.raises(LadingError):
            user.verify(name).require()


def test_who_watches_can_end_the_work(tmp_path: Path, registry: str) -> None:
    name = f"{registry}/team/app:1"
    pushed(tmp_path / "maker", name)
    trusting(tmp_path / "maker", tmp_path / "user")
    seen: list[Event] = []

    def cancel(event: Event) -> None:
        seen.append(event)
        if event.label.startswith("layer"):
            raise CancelledError("not now")

    with made(tmp_path / "user") as user:
        with pytest.raises(CancelledError, match="not now"):
            user.pull(name, watch=cancel)
        assert user.verify(name, place="local").outcome == "uncheckable"  # it has no name here
        events: list[Event] = []
        user.pull(name, watch=events.append)
        assert any(event.ended and event.done == event.total for event in events if event.label.startswith("layer"))

        class OwnError(Exception):
            """Any exception of the program's comes back as it is."""

        def raises(event: Event) -> None:
            raise OwnError

        verdict = user.verify(name).require()
        if os.geteuid() == 0:
            with pytest.raises(OwnError):
                user.unpack(verdict, tmp_path / "tree", watch=raises)
        assert not [path.name for path in tmp_path.iterdir() if "tree" in path.name]


def test_a_build_can_be_ended(tmp_path: Path) -> None:
    words = context(tmp_path / "context", "FROM scratch\nCOPY a /a\nCOPY b /b\n", a="1", b="2")
    with made(tmp_path) as user:
        user.make_key(PASSWORD)

        def cancel(event: Event) -> None:
            if event.ended:
                raise CancelledError("enough")

        with pytest.raises(CancelledError, match="enough"):
            user.build(words, ["app"], watch=cancel)
        assert user.verify("app", place="local").decision is None
        assert user.build(words, ["app"]).names == ("docker.io/library/app:latest",)
        assert user.verify("app").accepted


@needs("root")
def test_threads_share_one(tmp_path: Path, registry: str) -> None:
    """Sixteen threads begin at once with one that has opened nothing yet."""
    name = f"{registry}/team/app:1"
    digest = pushed(tmp_path / "maker", name)
    trusting(tmp_path / "maker", tmp_path / "user")
    start = threading.Barrier(16)

    def one(number: int, user: Lading) -> str:
        start.wait()
        pulled = user.pull(name)
        tree = user.unpack(user.verify(name).require(), tmp_path / f"tree{number}")
        assert (tree / "data/file").read_text() == "content"
        return pulled.digest

    with made(tmp_path / "user") as user, ThreadPoolExecutor(16) as pool:
        assert set(pool.map(one, range(16), [user] * 16)) == {digest}


@needs("root")
def test_nothing_but_a_verdict_is_unpacked(tmp_path: Path) -> None:
    with made(tmp_path) as user, pytest.raises(TypeError):
        user.unpack(lading.api.Verdict(), tmp_path / "tree")
    assert not (tmp_path / "tree").exists()


def test_nothing_is_printed_and_no_variable_counts(tmp_path: Path, registry: str) -> None:
    name = f"{registry}/team/app:1"
    pushed(tmp_path / "maker", name)
    program = (
        "import sys; from pathlib import Path; from lading.api import Configuration, Lading\n"
        "root = Path(sys.argv[1])\n"
        "with Lading(Configuration(root=root, run=root.with_name('run'))) as user:\n"
        "    user.pull(sys.argv[2]); assert user.verify(sys.argv[2]).outcome == 'uncheckable'\n"
    )
    names = ("http_proxy", "HTTP_PROXY", "all_proxy", "SSL_CERT_FILE", "HOME", "DOCKER_CONFIG", "REGISTRY_AUTH_FILE")
    environment = dict.fromkeys((*names, "LADING_ROOT", "LADING_POLICY", "LADING_LIMITS"), "http://127.0.0.1:1/")
    words = [sys.executable, "-c", program, tmp_path / "user/root", name]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def example(name: str, *words: object) -> str:
    return subprocess.check_output([sys.executable, HOUSE / "examples/library" / name, *map(str, words)], text=True)


@needs("root")
def test_the_examples_work(tmp_path: Path, registry: str) -> None:
    name = f"{registry}/team/app:1"
    with Lading(tmp_path / "root", password=PASSWORD) as maker:
        maker.make_key(PASSWORD)
    words = context(tmp_path / "context", "FROM scratch\nCOPY a /a\n", a="content")
    said = example("build.py", tmp_path / "root", words, name, "pw").splitlines()
    digest = said[-1].split()[0]
    with Lading(tmp_path / "root") as maker:
        assert maker.push(name).digest == digest
    assert example("unpack.py", tmp_path / "root", name, tmp_path / "tree").strip() == digest
    assert (tmp_path / "tree/a").read_text() == "content"
    layout, other = tmp_path / "layout", f"{registry}/team/other:2"
    subprocess.run(
        [LADING, "--root", tmp_path / "root", "save", "--format", "oci-dir", "-o", layout, name],
        check=True,
        capture_output=True,
    )
    before = sorted(path.relative_to(layout) for path in layout.rglob("*"))
    assert example("push_layout.py", tmp_path / "stranger", layout, other).strip() == digest
    assert sorted(path.relative_to(layout) for path in layout.rglob("*")) == before
    assert not list((tmp_path / "stranger/blobs").rglob("sha256/*"))  # nothing was copied
    hook = subprocess.Popen(
        [sys.executable, HOUSE / "examples/library/hook.py", tmp_path / "root"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert hook.stdout is not None
        port = int(hook.stdout.readline())
        assert urllib.request.urlopen(f"http://127.0.0.1:{port}/{name}").status == 200
        with pytest.raises(HTTPError, match="403"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/{registry}/team/none")
    finally:
        hook.kill()
        hook.communicate()

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

import bcrypt
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
    ResourceLimits,
    RunOptions,
    UnauthorizedError,
    VolumeMount,
)
from suites.commands import LADING, busybox, context
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
    assert len(EXAMPLES) == 7
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
        assert getattr(lading.api, name).__doc__ or name in ("Watcher", "RemedyName"), name


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


CONTAINERS = ("root", "overlay", "crun", "conmon", "busybox")


@needs(*CONTAINERS)
def test_a_container_runs_what_was_judged(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    with made(tmp_path) as user:
        user.make_key(PASSWORD)
        user.build(busybox(tmp_path / "context"), ["app"])
        verdict = user.verify("app").require()
        options = RunOptions(
            "app",
            ("sh", "-c", "cat; echo $NAME; echo error >&2; echo file >/shared/file; exit 7"),
            env=("NAME=value",),
            network="none",
            remove=True,
            interactive=True,
            limits=ResourceLimits(pids=100),
            volumes=(VolumeMount("bind", str(tmp_path / "shared"), "/shared"),),
        )
        with (
            (tmp_path / "in").open("w+b") as given,
            (tmp_path / "out").open("w+b") as out,
            (tmp_path / "err").open("w+b") as err,
        ):
            given.write(b"typed\n")
            given.seek(0)
            ended = user.run(verdict, options, stdin=given.fileno(), stdout=out.fileno(), stderr=err.fileno())
        assert ended.exit_code == 7
        assert ((tmp_path / "out").read_text(), (tmp_path / "err").read_text()) == ("typed\nvalue\n", "error\n")
        assert (tmp_path / "shared/file").read_text() == "file\n"


@needs(*CONTAINERS)
def test_a_container_may_go_on_without_the_program(tmp_path: Path) -> None:
    with made(tmp_path) as user:
        user.make_key(PASSWORD)
        user.build(busybox(tmp_path / "context"), ["app"])
        options = RunOptions("app", ("sh", "-c", "echo said"), name="later", network="none", detach=True)
        begun = user.run(user.verify("app").require(), options)
        assert (begun.name, begun.exit_code) == ("later", None)
        with pytest.raises(InputError, match="has this name already") as refused:
            user.run(user.verify("app").require(), options)
        assert refused.value.remedy is not None
        assert (refused.value.remedy.name, refused.value.option) == ("remove container", "name")
        statements = user.provenance("later").statements
        assert {statement.kind for statement in statements if statement.trusted} == {
            "signature",
            "slsaprovenance1",
        }


@needs("root", "overlay", "crun", "busybox")
def test_steps_are_lent_what_the_program_gives(tmp_path: Path) -> None:
    text = "RUN --mount=type=secret,id=tok,required cat /run/secrets/tok\nRUN --network=host echo >/a\n"
    words = busybox(tmp_path / "context", text)
    with made(tmp_path / "maker") as maker:
        maker.make_key(PASSWORD)
        with pytest.raises(InputError, match="secret tok: not found"):
            maker.build(words, allow=["network.host"])
        with pytest.raises(InputError, match=r"network\.host is not allowed"):
            maker.build(words, secrets={"tok": b"given"})
        maker.build(words, secrets={"tok": b"given"}, allow=["network.host"])


def test_what_is_saved_is_loaded_with_its_evidence(tmp_path: Path) -> None:
    words = context(tmp_path / "context", "FROM scratch\nCOPY a /a\n", a="content")
    with made(tmp_path / "maker") as maker:
        maker.make_key(PASSWORD)
        digest = maker.build(words, ["app"]).digest
        events: list[Event] = []
        [saved] = maker.save(["app"], tmp_path / "app.tar", evidence=True, watch=events.append)
        assert (saved.digest, saved.source, saved.names) == (digest, digest, ("docker.io/library/app:latest",))
        assert events[-1].ended
        assert events[-1].done == (tmp_path / "app.tar").stat().st_size
        [other] = maker.save(["app"], tmp_path / "layout", form="oci", compression="gzip")
        assert other.source == digest != other.digest
        with pytest.raises(CancelledError):
            maker.save(["app"], tmp_path / "none.tar", watch=cancelled)
        assert not [path.name for path in tmp_path.iterdir() if "none" in path.name]
    trusting(tmp_path / "maker", tmp_path / "user")
    with made(tmp_path / "user") as user:
        [loaded] = user.load(tmp_path / "app.tar")
        assert (loaded.name, loaded.digest) == ("docker.io/library/app:latest", digest)
        assert user.verify("app").accepted
        [bare] = user.load(tmp_path / "layout", "other")
        assert bare.digest == other.digest
        assert user.verify("other").outcome == "no_attestation"  # other bytes, of which nobody speaks
        with pytest.raises(LadingError, match="No such file"):
            user.load(tmp_path / "nothing.tar")


def cancelled(event: Event) -> None:
    raise CancelledError("not now")


def test_what_is_signed_here_and_at_a_registry_counts(tmp_path: Path, registry: str) -> None:
    name = f"{registry}/team/app:1"
    digest = pushed(tmp_path / "maker", name)
    with made(tmp_path / "user") as user:
        user.make_key(PASSWORD)
        user.pull(name)
        assert user.verify(name).outcome == "refused"
        assert not any(statement.trusted for statement in user.provenance(name).statements)
        assert user.sign(name, annotations={"stage": "test"}) == (digest,)
        assert user.verify(name, place="local").accepted
        assert user.verify(name, place="remote").outcome == "refused"
        assert user.sign(name, remote=True) == (digest,)
        assert user.verify(name, place="remote").accepted
        assert user.attest(name, "custom", b'{"tested": true}') == (digest,)
        kinds = {statement.kind: statement.statement for statement in user.provenance(name).statements}
        assert b'"tested":true' in (kinds["custom"] or b"")
        with pytest.raises(InputError, match="signed, not attested"):
            user.attest(name, "https://sigstore.dev/cosign/sign/v1", b"{}")


def test_a_login_is_kept_where_the_configuration_says(tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text(f"ann:{bcrypt.hashpw(b'secret', bcrypt.gensalt(4)).decode()}\n")
    with running_server(tmp_path / "registry", htpasswd=users) as address:
        with made(tmp_path / "user", credentials=(tmp_path / "config.json",)) as user:
            user.make_key(PASSWORD)
            words = context(tmp_path / "context", "FROM scratch\nCOPY a /a\n", a="content")
            user.build(words, [f"{address}/app"])
            with pytest.raises(UnauthorizedError) as refused:
                user.push(f"{address}/app")
            assert refused.value.remedy is not None
            assert (refused.value.remedy.name, refused.value.remedy.about) == ("log in", (address,))
            with pytest.raises(UnauthorizedError):
                user.login(address, "ann", "wrong")
            assert user.login(address, "ann", "secret") == str(tmp_path / "config.json")
            user.push(f"{address}/app")
            assert user.logout(address)
            with pytest.raises(UnauthorizedError):
                user.push(f"{address}/app")
            assert not user.logout(address)
        with made(tmp_path / "other") as other, pytest.raises(InputError, match="no file is configured"):
            other.login(address, "ann", "secret")


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
    said = example("provenance.py", tmp_path / "root", name)
    assert sorted(line.split(" (")[0] for line in said.splitlines()) == [
        "dag by nobody whom the policy trusts",
        "signature by 'own'",
        "slsaprovenance1 by 'own'",
    ]
    assert example("carry.py", tmp_path / "root", name, tmp_path / "app.tar", "pw").split() == [digest, name]
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


@needs(*CONTAINERS)
def test_the_example_of_a_container_works(tmp_path: Path) -> None:
    with Lading(tmp_path / "root", password=PASSWORD) as maker:
        maker.make_key(PASSWORD)
        maker.build(busybox(tmp_path / "context"), ["app"])
    assert example("run.py", tmp_path / "root", "app", "echo", "hello") == "hello\n"
    with pytest.raises(subprocess.CalledProcessError) as failed:
        example("run.py", tmp_path / "root", "app", "sh", "-c", "exit 3")
    assert failed.value.returncode == 3

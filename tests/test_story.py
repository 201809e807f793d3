"""The whole story on one machine: what the README promises, held to other people's tools."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from suites.commands import LADING, Lading, busybox
from suites.machine import needs
from suites.registry_server import running_server

HOUSE = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_server(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture(scope="module")
def pushed(registry: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Lading, str]:
    folder = tmp_path_factory.mktemp("story")
    lading = Lading(folder / "root")
    lading.ok("keygen")
    name = f"{registry}/team/app:1"
    lading.ok("build", "-q", "-t", name, "--push", busybox(folder / "context", "ENV A=b\n"))
    return lading, name


def run(*words: object, **variables: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **{name: str(value) for name, value in variables.items()}}
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, env=environment)


def test_what_was_pushed_is_pulled_elsewhere_and_verifies(pushed: tuple[Lading, str], tmp_path: Path) -> None:
    lading, name = pushed
    other = Lading(tmp_path / "root")
    other.ok("keygen")
    digest = other.ok("pull", "-q", name)
    assert digest == lading.ok("images", "-q", "--digests")
    other.fails(3, "verify", name)
    assert "accepted" in other.ok("verify", "--key", lading.root / "keys/cosign.pub", name)
    assert "accepted" in other.ok("verify", "--key", lading.root / "keys/cosign.pub", "--type", "slsaprovenance1", name)
    assert "  accepted by scope " in lading.ok("verify", "--remote", name)


@needs("skopeo")
def test_skopeo_copies_it(pushed: tuple[Lading, str], tmp_path: Path) -> None:
    lading, name = pushed
    done = run("skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{name}", f"oci:{tmp_path}/out:x")
    assert done.returncode == 0, done.stderr
    index = json.loads((tmp_path / "out/index.json").read_text())
    assert index["manifests"][0]["digest"] == lading.ok("images", "-q", "--digests")


@needs("crane")
def test_crane_sees_the_same_digest(pushed: tuple[Lading, str]) -> None:
    lading, name = pushed
    assert run("crane", "digest", "--insecure", name).stdout.strip() == lading.ok("images", "-q", "--digests")
    assert "team/app" in run("crane", "catalog", "--insecure", name.partition("/")[0]).stdout


@needs("podman", "root")
def test_podman_pulls_and_runs_it(pushed: tuple[Lading, str], tmp_path: Path) -> None:
    _, name = pushed
    conf = tmp_path / "containers.conf"
    conf.write_text(
        '[containers]\ndefault_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]\n'
        '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
    )
    folder = Path(tempfile.mkdtemp(prefix="lad", dir="/tmp"))  # podman's runroot has at most 50 characters
    podman = ["podman", "--root", folder / "storage", "--runroot", folder / "run"]
    variables = {"CONTAINERS_CONF": str(conf)}
    try:
        done = run(*podman, "pull", "-q", "--tls-verify=false", name, **variables)
        assert done.returncode == 0, done.stderr
        done = run(*podman, "run", "--rm", "--network", "none", name, "sh", "-c", "echo $A", **variables)
        assert (done.returncode, done.stdout) == (0, "b\n"), done.stderr
    finally:
        run(*podman, "rmi", "-af", **variables)
        run("umount", folder / "storage/overlay")
        shutil.rmtree(folder, ignore_errors=True)


FLAGS = ("--allow-http-registry", "--insecure-ignore-tlog=true")


@needs("cosign")
def test_cosign_accepts_what_we_signed_and_refuses_a_copy(pushed: tuple[Lading, str], registry: str) -> None:
    lading, name = pushed
    key = lading.root / "keys/cosign.pub"
    assert run("cosign", "verify", *FLAGS, "--key", key, name).returncode == 0
    attested = run("cosign", "verify-attestation", "--type", "slsaprovenance1", *FLAGS, "--key", key, name)
    assert attested.returncode == 0, attested.stderr
    attacker = HOUSE / "examples/tampering/attacker.py"
    copied = run(LADING.with_name("python"), attacker, "copy", f"http://{registry}", "team/app:1", "team/copy:1")
    assert copied.returncode == 0, copied.stderr
    assert run("cosign", "verify", *FLAGS, "--key", key, f"{registry}/team/copy:1").returncode != 0


@needs("cosign")
def test_we_accept_what_cosign_signed(pushed: tuple[Lading, str], registry: str, tmp_path: Path) -> None:
    lading, _ = pushed
    other = Lading(tmp_path / "root")
    other.ok("keygen")
    name = f"{registry}/team/by-cosign:1"
    digest = other.ok("build", "-q", "-t", name, "--push", busybox(tmp_path / "context", "LABEL by=cosign\n"))
    lading.fails(3, "verify", "--remote", name)
    done = run(
        "cosign", "sign", "--yes", "--allow-http-registry", "--tlog-upload=false", "--use-signing-config=false",
        "--key", lading.root / "keys/cosign.key", f"{name.rpartition(':')[0]}@{digest}", COSIGN_PASSWORD="pw",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "accepted" in lading.ok("verify", "--remote", name)


@needs("docker-registry")
def test_through_debians_registry_with_the_fallback_tag(pushed: tuple[Lading, str], tmp_path: Path) -> None:
    from suites.registry_peers import docker_registry

    lading, _ = pushed
    with docker_registry(tmp_path / "peer") as peer:
        name = f"{peer}/app:1"
        lading.ok("push", "-q", lading.ok("images", "-q", "--digests"), name)
        other = Lading(tmp_path / "root")
        other.ok("keygen")
        other.ok("pull", "-q", name)
        assert "accepted" in other.ok("verify", "--local", "--key", lading.root / "keys/cosign.pub", name)


@needs("root", "overlay", "crun", "apt-get", "gpgv", "faketime")
def test_the_guestbook_is_the_same_wherever_and_whenever_it_is_built(tmp_path: Path) -> None:
    first, second = Lading(tmp_path / "first"), Lading(tmp_path / "elsewhere/second")
    for lading in (first, second):
        lading.ok("keygen")
    example = HOUSE / "examples/guestbook"
    base = first.ok("build", "-q", "-f", example / "base.toml", "-t", "localhost/guestbook-base", example)
    # The same saved lists; another root, umask, home and time zone.
    second.root.mkdir(parents=True, exist_ok=True)
    shutil.copytree(first.root / "cache", second.root / "cache", dirs_exist_ok=True)
    copy = tmp_path / "elsewhere/copy"
    shutil.copytree(example, copy)
    again = subprocess.run(
        ["sh", "-c", 'umask 027; exec "$@"', "sh", LADING, "build", "-q", "-f", copy / "base.toml",
         "-t", "localhost/guestbook-base", copy],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LADING_ROOT": str(second.root),
             "LADING_PASSWORD": "pw", "TZ": "Asia/Tokyo"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert again.stdout.strip() == base, again.stderr
    one = first.ok("build", "-q", example)
    faked = subprocess.run(
        ["faketime", "2031-02-03 04:05:06", LADING, "build", "-q", copy],
        env={"PATH": os.environ["PATH"], "HOME": "/tmp", "LADING_ROOT": str(second.root), "LADING_PASSWORD": "pw"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert faked.stdout.strip() == one, faked.stderr


@needs("root", "overlay", "crun", "conmon", "nft", "ip", "apt-get", "gpgv")
def test_the_demo_ends_well_and_leaves_nothing(tmp_path: Path) -> None:
    done = run(HOUSE / "scripts/demo", TMPDIR=tmp_path)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "Signed, sealed, delivered" in done.stdout
    assert done.stdout.rstrip().endswith("and the image that verifies ran.\033[0m")
    assert not list(tmp_path.iterdir())
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()

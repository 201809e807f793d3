"""What stock clients push to our server, they and the others pull from it, by the same digests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from suites.machine import needs
from suites.patience import PATIENCE
from suites.registry_api import Repository, digest_of


def run(*argv: object, **variables: str) -> str:
    done = subprocess.run(
        [*map(str, argv)], env=os.environ | variables, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, f"{' '.join(map(str, argv))}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


@pytest.fixture
def image(repo: Repository, address: str) -> str:
    """A name whose image was pushed by plain HTTP: a real config, one gzip layer with a file."""
    layer, diff_id = _layer()
    config = json.dumps(
        {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [diff_id]}, "config": {}}
    ).encode()
    for data in (layer, config):
        repo.push(data)
    kind = "application/vnd.oci.image"
    value = {
        "schemaVersion": 2,
        "mediaType": f"{kind}.manifest.v1+json",
        "config": {"mediaType": f"{kind}.config.v1+json", "digest": digest_of(config), "size": len(config)},
        "layers": [{"mediaType": f"{kind}.layer.v1.tar+gzip", "digest": digest_of(layer), "size": len(layer)}],
    }
    assert repo.put("1", json.dumps(value).encode()).status_code == 201
    return f"{address}/{repo.name}:1"


def _layer() -> tuple[bytes, str]:
    import gzip
    import io
    import tarfile

    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        content = os.urandom(3_000_000)
        entry = tarfile.TarInfo("file")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(stream.getvalue(), 1), digest_of(stream.getvalue())


def digest_at(repo: Repository, reference: str = "2") -> str:
    answer = repo.request("HEAD", f"manifests/{reference}")
    assert answer.status_code == 200
    return str(answer.headers["docker-content-digest"])


@needs("skopeo")
def test_skopeo(image: str, repo: Repository, other: Repository, address: str, tmp_path: Path) -> None:
    layout = f"oci:{tmp_path / 'layout'}:x"
    run("skopeo", "copy", "--src-tls-verify=false", f"docker://{image}", layout)
    for name in (repo.name, other.name):
        run("skopeo", "copy", "--dest-tls-verify=false", "--preserve-digests", layout, f"docker://{address}/{name}:2")
    assert digest_at(repo) == digest_at(other) == digest_at(repo, "1")
    found = json.loads(run("skopeo", "inspect", "--tls-verify=false", f"docker://{image}"))
    assert sorted(found["RepoTags"]) == ["1", "2"]
    run("skopeo", "delete", "--tls-verify=false", f"docker://{address}/{other.name}:2")
    assert other.get("manifests/2").status_code == 404


@needs("skopeo")
def test_skopeo_converts_to_docker(image: str, repo: Repository, address: str) -> None:
    name = f"docker://{address}/{repo.name}:2"
    run("skopeo", "copy", "--src-tls-verify=false", "--dest-tls-verify=false", "-f", "v2s2", f"docker://{image}", name)
    assert repo.get("manifests/2").headers["content-type"].startswith("application/vnd.docker.")


@pytest.fixture
def podman(tmp_path: Path) -> Generator[tuple[list[object], dict[str, str]], None, None]:
    conf = tmp_path / "containers.conf"
    conf.write_text(
        '[containers]\ndefault_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]\n'
        '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
    )
    folder = Path(tempfile.mkdtemp(prefix="lad", dir="/tmp"))  # podman's runroot has at most 50 characters
    words: list[object] = ["podman", "--root", folder / "storage", "--runroot", folder / "run"]
    variables = {"CONTAINERS_CONF": str(conf)}
    try:
        yield words, variables
    finally:
        run(*words, "rmi", "-af", **variables)
        subprocess.run(["umount", folder / "storage/overlay"], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


@needs("podman", "root")
def test_podman(image: str, other: Repository, address: str, podman: tuple[list[object], dict[str, str]]) -> None:
    words, variables = podman
    run(*words, "pull", "-q", "--tls-verify=false", image, **variables)
    name = f"{address}/{other.name}:2"
    run(*words, "push", "-q", "--tls-verify=false", image, name, **variables)
    run(*words, "rmi", "-af", **variables)
    run(*words, "pull", "-q", "--tls-verify=false", name, **variables)


@needs("crane")
def test_crane(image: str, repo: Repository, other: Repository, address: str, tmp_path: Path) -> None:
    digest = run("crane", "digest", "--insecure", image)
    assert digest == digest_at(repo, "1")
    run("crane", "validate", "--insecure", "--remote", image)
    run("crane", "pull", "--insecure", "--format", "oci", image, tmp_path / "layout")
    run("crane", "push", "--insecure", tmp_path / "layout", f"{address}/{other.name}:2")
    run("crane", "copy", "--insecure", image, f"{address}/{other.name}:3")  # mounts
    assert digest_at(other, "3") == digest
    run("crane", "tag", "--insecure", image, "more")
    assert run("crane", "ls", "--insecure", f"{address}/{repo.name}").split() == ["1", "more"]
    assert repo.name in run("crane", "catalog", "--insecure", address).split()
    run("crane", "delete", "--insecure", f"{address}/{other.name}@{digest}")
    assert other.get("manifests/3").status_code == 404


@needs("oras")
def test_oras(image: str, repo: Repository, address: str, tmp_path: Path) -> None:
    (tmp_path / "paper.txt").write_text("read me")
    kind = ("--artifact-type", "application/vnd.example.paper")
    run(
        "sh",
        "-c",
        'cd "$0" && exec "$@"',
        tmp_path,
        "oras",
        "attach",
        "--plain-http",
        *kind,
        image,
        "paper.txt:text/plain",
    )
    [found] = repo.get(f"referrers/{digest_at(repo, '1')}").json()["manifests"]
    assert found["artifactType"] == "application/vnd.example.paper"
    assert "sha256-" not in repo.get("tags/list").text, "it did not need the fallback"
    seen = json.loads(run("oras", "discover", "--plain-http", "--format", "json", image))
    assert found["digest"] in json.dumps(seen)
    run("oras", "pull", "--plain-http", "-o", tmp_path / "out", f"{address}/{repo.name}@{found['digest']}")
    assert (tmp_path / "out/paper.txt").read_text() == "read me"
    run("oras", "copy", "-r", "--from-plain-http", "--to-plain-http", image, f"{address}/{repo.name}/copy:1")
    copy = Repository(repo.client, f"{repo.name}/copy")
    assert copy.get(f"referrers/{digest_at(repo, '1')}").json()["manifests"] == [found]


@needs("regctl")
def test_regctl(image: str, repo: Repository, other: Repository, address: str, tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "REGCTL_CONFIG": str(tmp_path / "regctl.json")}
    run("regctl", "registry", "set", address, "--tls", "disabled", "--blob-chunk", "1000000", "--blob-max", "1", **home)
    run("regctl", "image", "export", image, tmp_path / "image.tar", **home)
    run("regctl", "image", "import", f"{address}/{other.name}:2", tmp_path / "image.tar", **home)  # in chunks
    assert digest_at(other) == digest_at(repo, "1")
    run(
        "regctl",
        "artifact",
        "put",
        "--subject",
        image,
        "--artifact-type",
        "text/x",
        "--file",
        tmp_path / "regctl.json",
        **home,
    )
    listed = run("regctl", "artifact", "list", image, "--format", "{{json .}}", **home)
    assert "text/x" in listed
    assert run("regctl", "tag", "ls", f"{address}/{other.name}", **home) == "2"
    run("regctl", "tag", "rm", f"{address}/{other.name}:2", **home)
    assert other.get("manifests/2").status_code == 404


@needs("cosign")
@pytest.mark.parametrize("form", ["bundle", "legacy"])
def test_cosign(image: str, repo: Repository, address: str, tmp_path: Path, form: str) -> None:
    variables = {"COSIGN_PASSWORD": "pw", "HOME": str(tmp_path)}
    run("cosign", "generate-key-pair", "--output-key-prefix", tmp_path / "key", **variables)
    name = f"{address}/{repo.name}@{digest_at(repo, '1')}"
    plain = ("--allow-http-registry",)
    how = ["--tlog-upload=false", "--use-signing-config=false"]
    how += ["--new-bundle-format=false"] if form == "legacy" else []
    run("cosign", "sign", "--yes", *plain, *how, "--key", tmp_path / "key.key", name, **variables)
    check = ["--insecure-ignore-tlog=true", *(["--new-bundle-format=false"] if form == "legacy" else [])]
    run("cosign", "verify", *plain, *check, "--key", tmp_path / "key.pub", name, **variables)
    tags = repo.get("tags/list").json()["tags"]
    assert any(tag.endswith(".sig") for tag in tags) == (form == "legacy")


@needs("skopeo", "crane")
def test_clients_log_in(image: str, tmp_path: Path) -> None:
    import bcrypt

    from suites.registry_server import running_server

    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(5)).decode()
    (tmp_path / "htpasswd").write_text(f"ann:{hashed}\n")
    with running_server(tmp_path / "s", htpasswd=tmp_path / "htpasswd") as guarded:
        variables = {"DOCKER_CONFIG": str(tmp_path), "REGISTRY_AUTH_FILE": str(tmp_path / "config.json")}
        copy = ("skopeo", "copy", "--src-tls-verify=false", "--dest-tls-verify=false", f"docker://{image}")
        with pytest.raises(AssertionError, match=r"(?i)unauthorized|authentication|log in"):
            run(*copy, f"docker://{guarded}/a:1", **variables)
        run("skopeo", "login", "--tls-verify=false", "-u", "ann", "-p", "secret", guarded, **variables)
        run(*copy, f"docker://{guarded}/a:1", **variables)
        assert run("crane", "ls", "--insecure", f"{guarded}/a", **variables) == "1"

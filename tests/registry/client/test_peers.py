"""What others push is pulled, what we push is pulled by others, papers included."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

from lading.registry.client.client import Client
from lading.registry.reference import Reference
from lading.registry.transfer.pull import pull
from lading.registry.transfer.push import push
from suites.machine import needs
from suites.registry_images import open_store, put_image, put_paper
from suites.registry_peers import docker_registry

pytestmark = needs("docker-registry")


@pytest.fixture
def ref(tmp_path: Path) -> Generator[Reference, None, None]:
    with docker_registry(tmp_path / "registry") as host:
        yield Reference.parse(f"{host.replace('127.0.0.1', 'localhost')}/team/app:1")


def run(*argv: str, **environment: str) -> str:
    ran = subprocess.run(argv, capture_output=True, text=True, check=False, env=os.environ | environment)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@needs("skopeo")
def test_skopeo_both_ways(ref: Reference, tmp_path: Path) -> None:
    layout = f"oci:{tmp_path / 'layout'}:x"
    with open_store(tmp_path / "here") as here, open_store(tmp_path / "there") as there, Client() as client:
        image = put_image(here)
        push(client, ref, here, image)
        run("skopeo", "copy", "--preserve-digests", "--src-tls-verify=false", f"docker://{ref.name}", layout)
        run(
            "skopeo",
            "copy",
            "--preserve-digests",
            "--dest-tls-verify=false",
            layout,
            f"docker://{ref.repository_name}:2",
        )
        assert pull(client, ref.tagged("2"), there).descriptor.digest == image.digest


@needs("oras")
def test_oras_both_ways(ref: Reference, tmp_path: Path) -> None:
    (tmp_path / "paper.txt").write_text("read me")
    with open_store(tmp_path / "here") as here, open_store(tmp_path / "there") as there, Client() as client:
        image = put_image(here)
        paper = put_paper(here, image)
        push(client, ref, here, image)
        kind = ("--artifact-type", "application/vnd.example.oras")
        run("oras", "attach", "--plain-http", "--disable-path-validation", *kind, ref.name, str(tmp_path / "paper.txt"))
        listed = json.loads(run("oras", "discover", "--plain-http", "--format", "json", ref.name))
        assert str(paper.digest) in {item["digest"] for item in listed.get("referrers") or listed["manifests"]}
        push(client, ref.tagged("2"), here, put_image(here, "unrelated"))
        pulled = pull(client, ref, there)
        kinds = {item.artifact_type for item in there.referrers(image.digest)}
        assert len(pulled.evidence) == 2
        assert kinds == {"application/vnd.example.paper+json", "application/vnd.example.oras"}


@needs("cosign")
@pytest.mark.parametrize("legacy", [False, True])
def test_what_cosign_attached_is_pulled(ref: Reference, tmp_path: Path, legacy: bool) -> None:
    quiet = {"COSIGN_PASSWORD": "", "HOME": str(tmp_path), "TUF_ROOT": str(tmp_path)}
    run("cosign", "generate-key-pair", "--output-key-prefix", str(tmp_path / "key"), **quiet)
    flags = ["--yes", "--allow-http-registry", "--tlog-upload=false", "--use-signing-config=false"]
    flags += ["--new-bundle-format=false"] if legacy else []
    with open_store(tmp_path / "here") as here, open_store(tmp_path / "there") as there, Client() as client:
        image = put_image(here)
        push(client, ref, here, image)
        name = f"{ref.repository_name}@{image.digest}"
        run("cosign", "sign", *flags, "--key", str(tmp_path / "key.key"), name, **quiet)
        assert len(pull(client, ref, there).evidence) == 1
        # Carried on to another repository, cosign still accepts it.
        other = Reference(ref.registry, "team/copy", "1")
        assert len(push(client, other, there, image).evidence) == 1
        checks = ["--allow-http-registry", "--insecure-ignore-tlog=true", "--key", str(tmp_path / "key.pub")]
        checks += ["--new-bundle-format=false"] if legacy else []
        run("cosign", "verify", *checks, f"{other.repository_name}@{image.digest}", **quiet)


@needs("crane")
def test_crane_finds_what_we_push(ref: Reference, tmp_path: Path) -> None:
    with open_store(tmp_path / "here") as here, Client() as client:
        image = put_image(here)
        push(client, ref, here, image)
    assert run("crane", "digest", "--insecure", ref.name).strip() == str(image.digest)
    run("crane", "validate", "--insecure", "--fast", "--remote", ref.name)

"""A name goes on meaning a good image when what a registry has under it now is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from suites.commands import Lading, busybox, context
from suites.machine import needs
from suites.registry_server import running_server

pytestmark = needs("root", "overlay", "crun", "conmon")


def test_a_refused_image_takes_no_name_from_a_good_one(tmp_path: Path) -> None:
    own, other = Lading(tmp_path / "own"), Lading(tmp_path / "other")
    with running_server(tmp_path / "registry") as registry:
        name = f"{registry}/app:1"
        for lading in (own, other):
            lading.ok("keygen")
            label = f"LABEL by={lading.root.name}\n"
            lading.ok("build", "-q", "-t", name, "--push", busybox(tmp_path / "context", label))
        policy = (own.root / "policy.yaml").read_text().replace("    allow_unverified: true\n", "")
        (own.root / "policy.yaml").write_text(policy)
        good = own.ok("inspect", name)
        assert "refused by scope default" in own.fails(
            125, "run", "--rm", "--network", "none", "--pull", "always", name
        )
        own.fails(3, "build", "--pull", context(tmp_path / "on", f"FROM {name}\nLABEL x=1\n"))
        assert own.ok("inspect", name) == good
        assert own.ok("run", "--rm", "--network", "none", name, "echo", "still good") == "still good"
        # One that is accepted does take it.
        own.ok("build", "-q", "-t", "localhost/new", busybox(tmp_path / "context", "LABEL by=own v=2\n"))
        digest = own.ok("push", "-q", "localhost/new", name)
        own.ok("run", "--rm", "--network", "none", "--pull", "always", name, "true")
        assert own.ok("images", "-q", "--digests", name).splitlines() == [digest]


@pytest.mark.parametrize("verb", ["run", "pull", "verify", "inspect", "provenance", "unpack", "history"])
def test_a_digest_alone_is_asked_of_nobody(tmp_path: Path, verb: str) -> None:
    lading = Lading(tmp_path / "root")
    lading.ok("keygen")
    said = lading.call(verb, "sha256:" + "ab" * 32)
    assert said.code != 0
    assert "docker.io" not in said.err
    assert "no image" in said.err or "means an image that is here" in said.err

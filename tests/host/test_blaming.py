"""A file of an image is traced through its base to the signed archive of its Debian package."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.build.debian.debian_builder import build_debian
from lading.build.graph.request import BuildRequest
from lading.host.configuration import Configuration
from lading.host.examining.blaming import blame_all, blame_file
from lading.host.host import Host
from lading.store.errors import InputError
from lading.verify.keys.keys import PrivateKey
from lading.verify.policy.template import default_policy
from suites.building import Bench, Key, write
from suites.debian_archive import archive
from suites.machine import needs

pytestmark = needs("root", "overlay", "apt-get", "gpg", "gpgv", "dpkg-deb")


@pytest.fixture(params=["one", "package"])
def host(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Host]:
    """A base of two packages, and an application on it from a context."""
    key = Key(PrivateKey.generate())
    bench = Bench(tmp_path / "root", key)
    (tmp_path / "archive").mkdir()
    with archive(tmp_path / "archive") as source:
        sums = f"{hashlib.md5(b'code').hexdigest()}  lib/shared\n"
        source.add("library", {"lib/shared": "code", "DEBIAN/md5sums": sums}, version="2.5")
        source.add("tool", {"usr/bin/tool": "#!/bin/sh\n"}, Depends="library")
        source.publish()
        system = tmp_path / "system"
        write(system, {"etc/os-release": "ID=debian\nVERSION_CODENAME=testing\n"})
        write(system, {"etc/apt/sources.list": f"deb [signed-by={source.key}] {source.uri} testing main\n"})
        spec = f'version = 1\n[debian]\npackages = ["tool"]\nlayers = "{request.param}"\n'
        file = write(system, {"base.toml": spec}) / "base.toml"
        wanted = BuildRequest(system, file=file, names=("localhost/base:latest",))
        build_debian(wanted, bench.environment, fresh=False, system=system)
    made = write(tmp_path / "app", {"Dockerfile": "FROM base\nCOPY own /srv/own\n", "own": "mine"})
    bench.build(made, names=("localhost/app:latest",))
    bench.close()
    (tmp_path / "root/policy.yaml").write_text(default_policy(key.key.public.pem.decode()))
    with Host(Configuration(root=tmp_path / "root", run=tmp_path / "run")) as host:
        yield host


def test_each_file_is_traced_to_the_bottom(host: Host) -> None:
    shared = blame_file(host, "localhost/app", "/lib/shared")
    assert shared.path == b"usr/lib/shared"
    known = shared.source
    assert (known.source, known.trusted) == ("signed", True)
    assert known.package is not None
    assert known.package.url == "pkg:deb/debian/library@2.5?arch=all"
    assert known.archive is not None
    assert known.archive.name == "library 2.5"
    assert known.release is not None
    assert known.release.annotations["signedBy"]

    own = blame_file(host, "localhost/app", "srv/own").source
    assert (own.source, own.step, own.line) == ("pinned", "COPY own /srv/own", 2)
    assert [item.name for item, _ in own.inputs][-1] == "context"
    assert own.image == "localhost/app"
    with pytest.raises(InputError, match="not in"):
        blame_file(host, "localhost/app", "srv/none")

    found = blame_all(host, "localhost/app")
    assert found.count() == found.count("signed", "pinned")
    assert found.count("signed")[0] >= 1

"""`lading rebuild`: an image comes out the same elsewhere, or the step that keeps it from that is named."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf import json_format
from in_toto_attestation.predicates.vsa.v1 import vsa_pb2

from lading.verify.documents.statements import Statement
from lading.verify.reports.verification_summary import REPRODUCED, SUMMARY, VerificationSummary
from suites.commands import Lading, busybox, context
from suites.debian_archive import Archive, archive
from suites.machine import needs

pytestmark = needs("root", "overlay", "crun", "busybox")


@pytest.fixture
def lading(tmp_path: Path) -> Lading:
    lading = Lading(tmp_path / "root")
    lading.ok("keygen")
    lading.ok("build", "-q", "-t", "localhost/base", busybox(tmp_path / "base"))
    return lading


def summaries(lading: Lading, image: str) -> list[VerificationSummary]:
    """What is attached to an image, each also read by in-toto's own reader."""
    found: list[VerificationSummary] = []
    for item in json.loads(lading.ok("provenance", "--json", image)):
        if item["type"] == SUMMARY:
            assert item["trusted"]
            statement = Statement.parse(json.dumps(item["statement"]).encode())
            # Its levels are one text in there, where the specification has a list; the verifier's version is newer.
            plain = {name: value for name, value in statement.predicate.items() if name != "verifiedLevels"}
            json_format.ParseDict(plain, vsa_pb2.VerificationSummary(), ignore_unknown_fields=True)
            found.append(VerificationSummary.parse(statement))
    return found


def test_the_same_comes_out_elsewhere(lading: Lading, tmp_path: Path) -> None:
    text = """# syntax=docker/dockerfile:1
FROM localhost/base AS first
ARG WORD=hidden
RUN echo $WORD >/secret; env >/environment; umask >/mask
FROM localhost/base
COPY --from=first /mask /environment /
COPY in /srv/in
ARG SHOWN
ENV SHOWN=$SHOWN
RUN cat /srv/in >/out
"""
    made = context(tmp_path / "app", text, **{"in": "content", "unused": "x"})
    lading.ok(
        "build",
        "-q",
        "-t",
        "localhost/app",
        "--build-arg",
        "WORD=x",
        "--build-arg",
        "SHOWN=y",
        "--annotation",
        "a=b",
        made,
    )
    # Whatever the name of the base means by now, that of then is meant.
    lading.ok("build", "-q", "-t", "localhost/base", busybox(tmp_path / "other", "ENV OTHER=1\n"))

    assert "withholds the value of WORD" in lading.fails(1, "rebuild", "--context", made, "localhost/app")
    lading.fails(1, "rebuild", "--context", made, "--build-arg", "SHOWN=z", "localhost/app")
    words = ("rebuild", "--build-arg", "WORD=x", "localhost/app")
    assert "built from files of a context" in lading.fails(1, *words)
    assert not summaries(lading, "localhost/app")

    (made / "unused").write_text("something else")
    out = lading.ok(*words, "--context", made)
    assert out.startswith("reproduced  localhost/app:latest ")
    (summary,) = summaries(lading, "localhost/app")
    assert (summary.passed, summary.verified) == (True, (REPRODUCED,))
    # Of which build, where there are several of one image.
    statements = json.loads(lading.ok("provenance", "--json", "localhost/app"))
    (built,) = [one for one in statements if one["type"] == "slsaprovenance1"]
    of = built["digest"][7:19]
    assert f"{SUMMARY} PASSED, {REPRODUCED} of {of} (" in lading.ok("provenance", "localhost/app")
    assert summary.resource.startswith("pkg:oci/app@sha256%3A")
    lading.ok("verify", "--key", lading.root / "keys/cosign.pub", "--type", SUMMARY, "localhost/app")

    (made / "in").write_text("something else")
    (made / "out").write_text("")
    refused = lading.call(*words, "--context", made)
    assert refused.code == 1
    assert "--context: not what the image was built from" in refused.err
    assert "RUN" not in refused.err, "nothing is executed on a context that is another"
    assert not list((lading.root / "cache/work").iterdir())
    assert len(summaries(lading, "localhost/app")) == 1


def test_a_planted_date_is_named(lading: Lading, tmp_path: Path) -> None:
    text = "FROM localhost/base\nRUN echo >/steady\nRUN cat /proc/sys/kernel/random/uuid >/etc-date\nRUN echo >/after\n"
    lading.ok("build", "-q", "-t", "localhost/app", context(tmp_path / "app", text))
    said = lading.call("rebuild", "localhost/app")
    assert said.code == 1
    lines = said.out.splitlines()
    assert lines[0].startswith("NOT reproduced  localhost/app:latest")
    assert lines[1].startswith("  first   /etc-date, written by RUN ")
    assert "uuid >/etc-date (line 3" in lines[1]
    assert f"{SUMMARY} FAILED of " in lading.ok("provenance", "localhost/app")
    (summary,) = summaries(lading, "localhost/app")
    assert not summary.passed
    assert summary.predicate()["verifiedLevels"] == ["FAILED"]
    ours = summary.more["urn:lading:rebuild:1"]
    assert isinstance(ours, dict)
    assert ours["differs"] == ["etc-date"]


def test_one_in_an_earlier_stage_is_named_too(lading: Lading, tmp_path: Path) -> None:
    text = "FROM localhost/base AS made\nRUN cat /proc/sys/kernel/random/uuid >/id\n"
    text += "FROM localhost/base\nCOPY --from=made /id /srv/id\n"
    lading.ok("build", "-q", "-t", "localhost/app", context(tmp_path / "app", text))
    said = lading.call("rebuild", "--format", "json", "localhost/app")
    assert said.code == 1
    found = json.loads(said.out)
    assert (found["step"]["line"], found["step"]["stage"]) == (2, "made")
    assert [item["path"] for item in found["differences"]["files"]] == ["srv/id"]


def test_nothing_is_executed_that_an_untrusted_key_asks_for(lading: Lading, tmp_path: Path) -> None:
    other = tmp_path / "release"
    lading.ok("keygen", "-o", other)
    made = context(tmp_path / "app", "FROM localhost/base\nRUN echo >/steady\n")
    lading.ok("build", "-q", "-t", "localhost/app", "--sign-key", f"{other}.key", made)
    assert "no provenance that the policy trusts" in lading.fails(1, "rebuild", "localhost/app")


def test_a_compression_of_the_record_that_is_none(lading: Lading, tmp_path: Path) -> None:
    made = context(tmp_path / "app", "FROM localhost/base\nRUN echo >/steady\n")
    lading.ok("build", "-q", "-t", "localhost/app", made)
    recorded = json.loads(lading.ok("provenance", "--json", "localhost/app"))
    (built,) = [one["statement"]["predicate"] for one in recorded if one["type"] == "slsaprovenance1"]
    built["buildDefinition"]["internalParameters"]["compression"] = "lz4"
    built["runDetails"]["metadata"]["finishedOn"] = "2100-01-01T00:00:00Z"
    (tmp_path / "predicate").write_text(json.dumps(built))
    lading.ok("attest", "--type", "slsaprovenance1", "--predicate", tmp_path / "predicate", "localhost/app")
    said = lading.call("rebuild", "localhost/app")
    assert (said.code, said.err.splitlines()) == (1, ["lading: the compression 'lz4' is not known"])


def test_steps_are_executed_as_the_call_said(lading: Lading, tmp_path: Path) -> None:
    made = context(tmp_path / "app", "FROM localhost/base\nRUN cat /etc/hosts >/hosts; ls /sys/class/net >/net\n")
    words = ("--network", "none", "--add-host", "db=192.0.2.1", "--shm-size", "1m", "--ulimit", "nofile=64")
    lading.ok("build", "-q", "-t", "localhost/app", *words, made)
    assert lading.ok("rebuild", "localhost/app").startswith("reproduced")


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--network", "host"), "network.host"),
        (("--allow", "security.insecure"), "security.insecure"),
    ],
)
def test_nothing_is_allowed_because_a_provenance_says_so(
    lading: Lading, tmp_path: Path, words: tuple[str, ...], what: str
) -> None:
    made = context(tmp_path / "app", "FROM localhost/base\nRUN id -u >/a\n")
    lading.ok("build", "-q", "-t", "localhost/app", *words, made)
    assert f"it was built with {what} allowed, which is not given" in lading.fails(1, "rebuild", "localhost/app")
    assert lading.ok("rebuild", "--allow", what, "localhost/app").startswith("reproduced ")
    other = {"network.host": "security.insecure", "security.insecure": "network.host"}[what]
    both = ("--allow", what, "--allow", other)
    assert f"--allow {other}: not what it was built with" in lading.fails(1, "rebuild", *both, "localhost/app")


def test_named_contexts_are_given_again(lading: Lading, tmp_path: Path) -> None:
    text = """FROM localhost/base
RUN echo >/early
COPY --from=files a /a
RUN --mount=from=packed,target=/p cat /p/b >/b
COPY --from=other /bin/cat /from-other
COPY --from=laid /bin/echo /from-laid
"""
    made, files = context(tmp_path / "app", text), context(tmp_path / "files", "", a="content")
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed/b").write_text("packed")
    packed, layout = tmp_path / "packed.tar", tmp_path / "layout"
    subprocess.run(["tar", "-C", tmp_path / "packed", "--owner=7", "-cf", packed, "b"], check=True)
    lading.ok("build", "-q", "-t", "localhost/other", "-o", f"oci:{layout}", busybox(tmp_path / "base", "ENV A=1\n"))
    contexts = (
        f"files={files}",
        f"packed={packed}",
        "other=docker-image://localhost/other",
        f"laid=oci-layout://{layout}",
    )
    lading.ok("build", "-q", "-t", "localhost/app", *(f"--build-context={one}" for one in contexts), made)

    refused = lading.fails(1, "rebuild", "localhost/app")
    assert "built with files of the named contexts files, packed" in refused
    again = ("rebuild", f"--build-context=packed={packed}", f"--build-context=files={files}")
    assert "other: not what it was built with" in lading.fails(
        1, *again, f"--build-context={contexts[2]}", "localhost/app"
    )
    # A relative name means what it meant where the call was made.
    called = Lading(lading.root, folder=tmp_path)
    assert called.ok(*again[:2], "--build-context=files=files", "localhost/app").startswith("reproduced ")

    (files / "a").write_text("something else")
    said = lading.call(*again, "localhost/app")
    assert said.code == 1
    assert "--build-context files: not what the image was built from" in said.err
    assert "RUN" not in said.err


def test_an_image_of_a_layout_is_meant_by_its_digest(lading: Lading, tmp_path: Path) -> None:
    layout, other = tmp_path / "layout", tmp_path / "other"
    lading.ok("build", "-q", "-o", f"oci:{layout}", busybox(tmp_path / "base", "ENV A=1\n"))
    lading.ok("build", "-q", "-o", f"oci:{other}", busybox(tmp_path / "base", "ENV A=2\n"))
    made = context(tmp_path / "app", "FROM laid\nRUN echo >/a\n")
    lading.ok("build", "-q", "-t", "localhost/app", f"--build-context=laid=oci-layout://{layout}", made)
    words = ("rebuild", "localhost/app", "--build-context")
    assert lading.ok(*words, f"laid=oci-layout://{layout}").startswith("reproduced ")
    assert "the provenance names no such base image" in lading.fails(1, *words, f"laid=oci-layout://{other}")


def test_secrets_are_given_again(lading: Lading, tmp_path: Path) -> None:
    text = "FROM localhost/base\nRUN --mount=type=secret,id=tok --mount=type=secret,id=other cat /run/secrets/tok >/a\n"
    made = context(tmp_path / "app", text)
    secrets = ("--secret", "id=tok,env=TOKEN", "--secret", "id=other,env=HOME")
    lading.ok("build", "-q", "-t", "localhost/app", *secrets, made, TOKEN="opensesame")
    words = ("rebuild", "localhost/app")
    assert "built with the secrets other, tok, which are not given" in lading.fails(1, *words)
    assert "the secrets other, which" in lading.fails(1, *words, *secrets[:2], TOKEN="opensesame")
    more = ("--secret", "id=more,env=HOME")
    assert "--secret more: not what it was built with" in lading.fails(1, *words, *secrets, *more, TOKEN="opensesame")
    assert lading.ok(*words, *secrets, TOKEN="opensesame").startswith("reproduced ")
    said = lading.call(*words, *secrets, TOKEN="another")
    assert (said.code, said.out.partition("  ")[0]) == (1, "NOT reproduced")
    assert "opensesame" not in lading.ok("provenance", "--json", "localhost/app")


def test_a_context_that_was_no_folder_is_given_as_it_was(lading: Lading, tmp_path: Path) -> None:
    made = context(tmp_path / "app", "FROM localhost/base\nCOPY a /a\n", a="content")
    packed = tmp_path / "app.tar"
    subprocess.run(["tar", "-C", made, "--owner=7", "--group=8", "-cf", packed, "."], check=True)
    lading.ok("build", "-q", "-t", "localhost/app", packed)
    words = ("rebuild", "localhost/app", "--context")
    assert lading.ok(*words, packed).startswith("reproduced ")
    assert "not what the image was built from" in lading.fails(1, *words, made)


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Archive]:
    (tmp_path / "archive").mkdir()
    with archive(tmp_path / "archive") as made:
        made.add("tool", {"usr/bin/tool": "#!/bin/sh\n"}, Depends="library")
        made.add("library", {"usr/lib/library.so": "code"})
        made.publish()
        yield made


@pytest.mark.parametrize("layers", ["package", "one"])
@needs("apt-get", "gpg", "gpgv", "dpkg-deb")
def test_a_package_set_is_built_again_of_the_packages_on_record(
    lading: Lading, tmp_path: Path, source: Archive, layers: str
) -> None:
    file = tmp_path / "base.toml"
    if layers == "one":  # and so apt is told of its archive, by name
        text = "Types: deb\nURIs: http://archive.example/debian\nSuites: testing\nComponents: main\n"
        source.origin = "Debian"
        source.add("dpkg", {"usr/bin/dpkg": "#!/bin/sh\n"})
        source.add("apt", {"usr/share/doc/apt/examples/debian.sources": text})
        source.publish()
    head = f'version = 1\n[debian]\nsuite = "testing"\nlayers = "{layers}"\n'
    names = 'packages = ["apt", "dpkg", "tool"]\n' if layers == "one" else 'packages = ["tool"]\n'
    line = f'sources = ["deb [signed-by={source.key}] {source.uri} testing main"]\n'
    image = '[image]\ncmd = ["/usr/bin/tool"]\nstop_signal = "SIGINT"\nexpose = ["80/tcp"]\nenv = { A = "b" }\n'
    file.write_text(head + names + line + image)
    lading.ok("build", "-q", "-t", "localhost/set", "--label", "a=b", "-f", file, tmp_path)
    file.unlink()
    source.add("tool", {"usr/bin/tool": "#!/bin/sh\n"}, version="2.0")
    source.publish()
    source.requests.clear()
    assert lading.ok("rebuild", "localhost/set").startswith("reproduced  localhost/set:latest ")
    assert not source.requests, "its packages are here"

    for deb in (lading.root / "cache/debian/debs").iterdir():
        deb.unlink()
    assert lading.ok("rebuild", "localhost/set").startswith("reproduced ")
    fetched = {name for name in source.requests if name.endswith(".deb")}
    assert {"/pool/library_1.0_all.deb", "/pool/tool_1.0_all.deb"} <= fetched
    assert "/pool/tool_2.0_all.deb" not in fetched
    refused = lading.fails(1, "rebuild", "--context", tmp_path, "localhost/set")
    assert refused == "lading: --context is for Dockerfiles: it was built from a Debian package set"

    if layers == "one":
        return  # others have Debian's packages, too
    (lading.root / "cache/debian/debs").joinpath(deb.name).unlink()
    for kept in (source.root / "pool").iterdir():
        kept.unlink()
    assert "1.0 was installed, and could not be fetched" in lading.fails(1, "rebuild", "localhost/set")


def test_a_mounted_context_is_looked_at_before_anything_is_executed(lading: Lading, tmp_path: Path) -> None:
    run = "RUN --mount=type=bind,source=in,target=/in cat /in/a >/out"
    made = context(tmp_path / "app", f"FROM localhost/base\nRUN echo >/early\n{run}\n")
    (made / "in").mkdir()
    (made / "in/a").write_text("content")
    lading.ok("build", "-q", "-t", "localhost/app", made)
    words = ("rebuild", "localhost/app", "--context", made)
    assert lading.ok(*words).startswith("reproduced ")
    (made / "in/a").write_text("something else")
    said = lading.call(*words)
    assert (said.code, "--context: not what the image was built from" in said.err, "RUN" in said.err) == (
        1,
        True,
        False,
    )
    (made / "in/a").unlink()
    (made / "in").rmdir()
    said = lading.call(*words)
    assert (said.code, said.err) == (1, 'lading: Dockerfile:3: RUN: "/in" not found\n')

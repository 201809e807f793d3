"""Every refusal names file, line and word."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.store.errors import InputError
from suites.building import Bench, write
from suites.machine import needs

pytestmark = needs("root", "overlay")

REFUSED = [
    ("RUN x\nFROM scratch", "1: RUN before the first FROM"),
    ("# nothing", "1: no instructions"),
    ("ARG A=1", "1: no FROM"),
    ("FROM scratch\nRUNN x", r"2: unknown instruction: RUNN \(did you mean RUN\?\)"),
    ("FROM scratch\n\nONBUILD", "3: ONBUILD requires at least one argument"),
    ("FROM scratch\nONBUILD ONBUILD RUN x", "2: chaining ONBUILD by ONBUILD ONBUILD is not allowed"),
    ("FROM scratch\nONBUILD FROM x", "2: FROM is not allowed as an ONBUILD trigger"),
    ("FROM scratch\nonbuild maintainer x", "2: MAINTAINER is not allowed as an ONBUILD trigger"),
    ("FROM scratch AS a\nONBUILD RUNN x\nFROM a", r"3: ONBUILD: unknown instruction: RUNN \(did you mean RUN\?\)"),
    ("FROM scratch AS a\nONBUILD ENV A=${B:?no}\nFROM a", "3: .*B: no"),
    ("FROM scratch\nRUN --mount=type=bind,from=$X,target=/x y", "2: RUN --mount: variables are not expanded in from"),
    ("FROM scratch\nRUN --mount=type=bnd y", r"2: RUN --mount: unsupported mount type 'bnd' \(did you mean bind\?\)"),
    ("FROM scratch\nRUN --mount=target=/x,source=no y", '2: RUN: "/no" not found'),
    ("FROM scratch\nRUN --device=x y", "2: RUN --device is not supported yet"),
    ("FROM scratch\nRUN --network=host y", "2: RUN --network=host: network.host is not allowed"),
    ("FROM scratch\nRUN --network=bridge y", "2: RUN --network: expected default, none or host, not 'bridge'"),
    ("FROM scratch\nRUN --security=insecure y", "2: RUN --security=insecure: security.insecure is not allowed"),
    ("FROM scratch\nRUN --security=none y", "2: RUN --security: expected sandbox or insecure, not 'none'"),
    ("FROM scratch\nRUN --nework=none y", r"2: RUN: unknown flag: --nework \(did you mean --network\?\)"),
    ("FROM scratch\nADD --parents a b", "2: ADD: unknown flag: --parents"),
    ("FROM scratch\nCOPY --exclude=[ a b", "2: COPY: syntax error in pattern"),
    ("FROM scratch\nCOPY --chmod=u+q a /", "2: COPY: not a mode: 'u\\+q'"),
    ("FROM scratch\nCOPY --link --chown=web a /", "2: --chown=web: user and group names can't be resolved"),
    ("FROM scratch\nCOPY --chmod=999 a /", "2: COPY: not a mode: '999'"),
    ("FROM scratch\nCOPY --chown=a:b:c a /", "2: COPY: not an owner"),
    ("FROM scratch\nCOPY --from a /", "2: COPY: missing a value on flag: --from"),
    ("FROM scratch\nCOPY a", "2: COPY requires at least two arguments"),
    ("FROM scratch\nCOPY nothere /", '2: COPY: "/nothere" not found'),
    ("FROM scratch\nCOPY --from=5 a /", "2: COPY --from=5: invalid stage index 5"),
    ("FROM scratch\nCOPY --from=$X a /", "2: variables are not expanded in --from"),
    ("FROM scratch\nADD https://example.com/x /", "2: ADD: https://example.com/x: this build has no network"),
    ("FROM scratch\nADD --checksum=sha256:1 a /", "2: ADD: --checksum requires a source from http, https or git"),
    ("FROM scratch\nENV A", "2: ENV A: must have a name and a value"),
    ("FROM scratch\nENV A=${B:?needed}", "2: .*B: needed"),
    ("FROM scratch\nENV A='x", "2: .*single-quote"),
    ("FROM scratch\nSHELL sh -c", "2: SHELL requires its arguments as a JSON array"),
    ("FROM scratch\nEXPOSE 70000", "2: invalid port"),
    ("FROM scratch\nSTOPSIGNAL SIGFOO", "2: invalid signal: SIGFOO"),
    ("FROM scratch\nHEALTHCHECK --interval=1x CMD y", "2: HEALTHCHECK --interval: not a duration"),
    ("FROM scratch\nHEALTHCHECK CONNECT x", "2: unknown type 'CONNECT' in HEALTHCHECK"),
    ("FROM scratch\nUSER", "2: USER requires exactly one argument"),
    ("FROM scratch\nUSER nobody\nWORKDIR /x", "3: WORKDIR: user 'nobody' is not in the image's /etc/passwd"),
    ("FROM scratch\nWORKDIR /" + "x" * 300, "2: WORKDIR: /x*: .*File name too long"),
    ("FROM scratch\nWORKDIR " + "/x" * 3000, "2: WORKDIR: /x[/x]*: File name too long"),
    ("FROM scratch\nCOPY file " + "/x" * 3000, "2: COPY: /x[/x]*: File name too long"),
    ('FROM scratch\nCOPY <<"E F" /x\n1\nE F\n', '2: failed to process "<<"E": unexpected end of statement'),
    ("FROM scratch\nCOPY <<E /x\n$A ${A\nb\nE\n", r'2: failed to process "\$A \$\{A…": unsupported modifier \(\) in'),
    ("FROM scratch AS 9", "1: invalid name for a stage: '9'"),
    ("FROM a b", "1: FROM requires one argument"),
    ("FROM ${X}", r"1: base name \(\$\{X\}\) should not be blank"),
    ("FROM --platform=linux/a/b/c scratch", "1: FROM --platform=linux/a/b/c: 'linux/a/b/c': not a platform"),
    ("FROM scratch\nCOPY <<../../x /\ny\n../../x", "2: COPY: a heredoc's name becomes a file's: '../../x' is a path"),
    ("FROM missing", "1: localhost/missing:latest: not in the local store"),
    ("FROM scratch\nRUN <<EOF\nx", "2: unterminated heredoc"),
    ("FROM scratch\nRUN <<a/b\n#!/bin/python\na/b", "2: RUN: a heredoc's name becomes a file's: 'a/b' is a path"),
    ("FROM scratch\nCOPY dir /x\nCOPY file /x", "3: COPY: .*|"),
    ("FROM scratch\nCOPY file /x\nCOPY dir /x", "3: COPY: /x: cannot copy a folder to what is none"),
    ("FROM scratch\nCOPY dir /file\nCOPY file /\n", "3: COPY: /file: cannot replace a folder with a file"),
    ("FROM scratch\nCOPY file /x\nCOPY file /x/y/z", "3: COPY: .*not a folder"),
]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("errors") / "store")
    yield bench
    bench.close()


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_refusals(bench: Bench, tmp_path: Path, text: str, message: str) -> None:
    context = write(tmp_path, {"Dockerfile": text, "dir/file": "", "file": ""})
    if message.endswith("|"):
        bench.build(context)
        return
    with pytest.raises(InputError, match=f"^Dockerfile:{message}"):
        bench.build(context)
    assert not bench.store.index.all("SELECT key FROM snapshot WHERE committed = 0")


def test_what_the_call_gets_wrong(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Dockerfile: cannot be read") as caught:
        bench.build(tmp_path)
    assert caught.value.hint == "name another"
    context = write(tmp_path, {"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"})
    with pytest.raises(InputError, match=r"^platform 'linux/': not a platform"):
        bench.build(context, platforms=("linux/amd64,linux/",))
    with pytest.raises(InputError, match="SOURCE_DATE_EPOCH: expected seconds"):
        bench.build(context, arguments={"SOURCE_DATE_EPOCH": "yesterday"})
    with pytest.raises(InputError, match="nowhere: not a folder"):
        bench.build(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no stage 'x'"):
        bench.build(context, target="x")


def test_what_is_worth_a_warning(bench: Bench, tmp_path: Path) -> None:
    context = write(tmp_path, {"Dockerfile": "FROM scratch\nCOPY *.x Dockerfile /\nENV a=b \\\n\n  c=d\n"})
    of_the_builder = {"http_proxy": "", "BUILDKIT_CONTEXT_KEEP_GIT_DIR": "1", "BUILDKIT_INLINE_CACHE": "1"}
    built = bench.build(context, arguments={"UNUSED": "1", **of_the_builder})
    assert built.warnings == ("build-arg UNUSED was not used: no ARG UNUSED",)
    assert "Dockerfile:2: *.x matches nothing" in bench.listener.warnings

"""Stages, arguments and variables, without a store."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lading.build.convert import go_format
from lading.build.convert.dockerfile_graph import ConvertOptions, Resolved, resolve
from lading.build.convert.stage_state import DEFAULT_EPOCH
from lading.build.dockerfile import glob
from lading.build.dockerfile.expansion import expand
from lading.build.dockerfile.instruction_reader import read
from lading.build.dockerfile.instruction_values import (
    check_signal,
    parse_duration,
    parse_owner,
    parse_ports,
)
from lading.build.dockerfile.modes import parse_mode
from lading.build.dockerfile.substitution import WordError
from lading.build.errors import DockerfileError, Place, TextError
from lading.build.graph.steps.chain import WantedImage
from lading.build.graph.steps.step_operations import CopyOp, RunOp
from lading.store.oci.descriptors import Platform
from lading.store.oci.documents import ImageConfig, parse_config
from lading.store.oci.json import canonical

ARM = Platform("linux", "arm64")
AMD = Platform("linux", "amd64")


def _image(wanted: WantedImage, place: Place) -> ImageConfig:
    name = wanted.name
    config = {"Env": ["PATH=/bin", f"NAME={name}"], "WorkingDir": "/home", "User": "u", "Cmd": ["c"], "OnBuild": []}
    if name == "trigger":
        config["OnBuild"] = ["RUN x"]
    return parse_config(
        canonical(
            {
                "architecture": "arm64",
                "os": "linux",
                "config": config,
                "rootfs": {"type": "layers", "diff_ids": []},
                "history": [{"created_by": "base"}],
            }
        ),
        name,
    )


def _resolve(text: str, target: str | None = None, **arguments: str) -> Resolved:
    return resolve(read(text.encode(), "D"), ConvertOptions(arguments, ARM, ARM, target=target), _image)


def _environment(resolved: Resolved, step: int = -1) -> dict[str, str]:
    operation = resolved.graph.steps[step].operation
    assert isinstance(operation, RunOp)
    return dict(operation.environment)


def test_arguments_come_from_the_call_the_global_scope_or_their_default() -> None:
    text = "ARG A=1 B=2\nARG C=${A}${B}\nFROM x\nARG A\nARG B=3\nARG C D=${C}4 E\nRUN x\n"
    found = _environment(_resolve(text, B="5"))
    assert [found.get(name) for name in "ABCDE"] == ["1", "5", "15", "154", None]


def test_a_global_argument_is_not_in_a_stage_until_declared() -> None:
    assert "A" not in _environment(_resolve("ARG A=1\nFROM x\nRUN y\n"))
    resolved = _resolve("ARG A=x\nFROM $A AS b\nFROM ${A:-y}\n", A="z")
    assert resolved.graph.images == (WantedImage("z", ARM),)


def test_a_stage_hands_its_arguments_and_variables_down() -> None:
    text = "FROM x AS a\nARG V=1\nENV W=2\nWORKDIR w\nFROM a\nRUN y\n"
    resolved = _resolve(text)
    found = _environment(resolved)
    assert (found["V"], found["W"], found["NAME"]) == ("1", "2", "x")
    assert resolved.graph.shown == {"V": "1"}
    assert resolved.graph.config.workdir == "/home/w"
    assert [entry.text for entry in resolved.graph.config.history] == [
        "ARG V=1",
        "ENV W=2",
        "WORKDIR /home/w",
        "RUN |1 V=1 /bin/sh -c y",
    ]


def test_platform_arguments() -> None:
    found = _environment(
        _resolve("FROM --platform=$BUILDPLATFORM x\nARG TARGETARCH TARGETVARIANT BUILDPLATFORM\nRUN y\n")
    )
    assert (found["TARGETARCH"], found["TARGETVARIANT"], found["BUILDPLATFORM"]) == ("arm64", "", "linux/arm64")


@pytest.mark.parametrize("text", ["linux/arm64", "linux/arm64/v8", "Linux/ARM64", "linux/aarch64", "arm64"])
def test_this_platform_by_any_name(text: str) -> None:
    assert _resolve(f"FROM --platform={text} x\nRUN y\n").graph.images == (WantedImage("x", ARM),)


@pytest.mark.parametrize(("text", "error"), [("!!", "'!!': not a platform"), ("a/b/c/d", "'a/b/c/d': not a platform")])
def test_no_platform(text: str, error: str) -> None:
    with pytest.raises(DockerfileError, match=f"^D:1: FROM --platform={text}: {error}"):
        _resolve(f"FROM --platform={text} x\n")


def test_a_platform_that_is_empty() -> None:
    with pytest.raises(DockerfileError, match=r"^D:1: empty platform value from expression \$P"):
        _resolve("FROM --platform=$P x\n")


def test_proxies_are_seen_by_run_but_are_no_variables() -> None:
    operation = _resolve("FROM x\nRUN y\n", http_proxy="p").graph.steps[0].operation
    assert isinstance(operation, RunOp)
    assert operation.proxies == (("HTTP_PROXY", "p"), ("http_proxy", "p"))
    assert "http_proxy" not in dict(operation.environment)


def test_the_epoch() -> None:
    assert _resolve("FROM x\n").epoch == DEFAULT_EPOCH
    assert _resolve("ARG SOURCE_DATE_EPOCH=7\nFROM x\nRUN y\n").epoch == 7
    resolved = _resolve("FROM x\nRUN y\n", SOURCE_DATE_EPOCH="9")
    assert resolved.epoch == 9
    assert _environment(resolved)["SOURCE_DATE_EPOCH"] == str(DEFAULT_EPOCH)


def test_a_run_sees_the_time_of_the_call_where_its_stage_asks_for_it() -> None:
    asking = "FROM x\nARG SOURCE_DATE_EPOCH\nRUN y\n"
    assert _environment(_resolve(asking))["SOURCE_DATE_EPOCH"] == str(DEFAULT_EPOCH)
    assert _environment(_resolve(asking, SOURCE_DATE_EPOCH="9"))["SOURCE_DATE_EPOCH"] == "9"
    assert _environment(_resolve(f"ARG SOURCE_DATE_EPOCH=7\n{asking}"))["SOURCE_DATE_EPOCH"] == "7"

    def image(name: str, place: Place) -> ImageConfig:
        raise AssertionError((name, place))

    called = resolve(
        read(b"FROM scratch\nARG SOURCE_DATE_EPOCH=3\nRUN y\n", "Dockerfile"),
        ConvertOptions({}, ARM, ARM, epoch=11),
        image,
    )
    assert _environment(called)["SOURCE_DATE_EPOCH"] == "11"


def test_stages_by_number_name_and_shadowing() -> None:
    text = "FROM x AS a\nRUN 1\nFROM a AS A2\nRUN 2\nFROM x AS a\nRUN 3\n"
    text += "FROM scratch\nCOPY --from=a / /\nCOPY --from=0 / /\n"
    resolved = _resolve(text)
    chains = [step.operation.origin for step in resolved.graph.steps if isinstance(step.operation, CopyOp)]
    steps = [[resolved.graph.steps[number].text for number in chain.steps] for chain in chains if chain]
    assert steps == [["RUN /bin/sh -c 3"], ["RUN /bin/sh -c 1"]]
    assert len(resolved.graph.needed) == 4
    assert _resolve(text, target="1").graph.config.history[-1].text == "RUN /bin/sh -c 2"


# What BuildKit 0.34 says of the same text, place aside.
IMPOSSIBLE = [
    ("FROM x AS a\nCOPY --from=b / /\nFROM x AS b\nFROM a\n", '2: .*copy from stage "b", .* before current stage "a"'),
    ("FROM x AS a\nCOPY --from=1 / /\nFROM x\nFROM a\n", '2: .*copy from stage "1", .* before current stage "a"'),
    ("FROM x AS a\nFROM x AS m\nCOPY --from=A / /\nFROM x AS a\nFROM m\n", '3: .*copy from stage "A", .* stage "m"'),
    ("FROM x AS a\nCOPY --from=a / /\n", "2: circular dependency detected on stage: a"),
    ("FROM x AS a\nCOPY --from=A / /\nFROM x\n", "2: circular dependency detected on stage: a"),
    ("FROM x\nCOPY --from=0 / /\n", "2: circular dependency detected on stage: stage-0"),
    ("FROM x AS a\nFROM a AS a\nCOPY --from=a / /\n", "3: circular dependency detected on stage: a"),
    ("FROM x AS a\nCOPY --from=b / /\nFROM a AS b\n", "3: circular dependency detected on stage: a"),
    ("FROM x AS a\nCOPY --from=9 / /\nFROM x\n", "2: COPY --from=9: invalid stage index 9"),
    (f"FROM x\nCOPY --from={'9' * 5000} / /\n", "2: COPY --from=9*: invalid stage index"),
]


@pytest.mark.parametrize(("text", "message"), IMPOSSIBLE)
def test_stages_that_cannot_be_copied_from(text: str, message: str) -> None:
    """Whatever images there are of that name: `_image` knows every name."""
    with pytest.raises(DockerfileError, match=f"^D:{message}"):
        _resolve(text)


def test_stages_that_can() -> None:
    def origins(text: str, target: str | None = None) -> list[object]:
        steps = _resolve(text, target).graph.steps
        chains = [step.operation.origin for step in steps if isinstance(step.operation, CopyOp)]
        images = [(chain.image and chain.image.name, chain) for chain in chains if chain]
        return [(image, *(steps[number].text for number in chain.steps)) for image, chain in images]

    # A stage that comes later is no fault of one that is not needed, and a stage may have an image's name.
    assert origins("FROM x AS a\nCOPY --from=b / /\nFROM x AS b\n") == []
    assert origins("FROM x AS x\nRUN 1\nFROM x\nCOPY --from=X / /\n") == [("x", "RUN /bin/sh -c 1")]
    assert origins("FROM x AS y\nFROM x\nCOPY --from=x / /\n") == [("x",)]
    assert origins("FROM x AS y\nFROM scratch\nCOPY --from= a /\n") == []
    assert _resolve("FROM x AS a\nRUN 1\nFROM x\n", "A").graph.config.history[-1].text == "RUN /bin/sh -c 1"
    assert _resolve("FROM x AS a\nFROM x\nRUN 2\n", "").graph.config.history[-1].text == "RUN /bin/sh -c 2"


def test_config_inheritance() -> None:
    config = _resolve('FROM x\nENTRYPOINT ["e"]\n').graph.config
    assert config.cmd is None
    assert config.user == "u"
    config = _resolve('FROM x\nCMD ["a"]\nENTRYPOINT ["e"]\n').graph.config
    assert config.cmd == ("a",)
    config = _resolve('FROM x AS a\nCMD ["a"]\nFROM a\nENTRYPOINT ["e"]\nSHELL ["s"]\nCMD b\n').graph.config
    assert config.cmd == ("s", "b")
    assert _resolve("FROM x\nCMD []\nENTRYPOINT []\n").graph.config.cmd is None


def test_the_triggers_of_an_image_come_first() -> None:
    graph = _resolve("FROM trigger\nRUN y\nONBUILD RUN z\n").graph
    assert [step.text for step in graph.steps] == ["RUN /bin/sh -c x", "RUN /bin/sh -c y"]
    assert graph.config.triggers == ["RUN z"]


def test_destinations() -> None:
    def destination(word: str) -> str:
        operation = _resolve(f"FROM x\nWORKDIR /w\nCOPY a {word}\n").graph.steps[-1].operation
        assert isinstance(operation, CopyOp)
        return operation.destination

    found = [destination(word) for word in (".", "./", "b", "b/", "/", "/c", "/c/.", "../d", "../../..", '""')]
    assert found == ["/w/", "/w/", "/w/b", "/w/b/", "/", "/c", "/c/", "/d", "/", "/w/"]


def test_escape_directive_reaches_words() -> None:
    config = _resolve("# escape=`\nFROM x\nENV A=a` b B=c\\d\n").graph.config
    assert (config.env["A"], config.env["B"]) == ("a b", "c\\d")


@pytest.mark.parametrize(
    ("text", "value"),
    [("30s", 30_000_000_000), ("1m30s", 90_000_000_000), ("1.5h", 5_400_000_000_000), ("0", 0), ("2ms", 2_000_000)],
)
def test_durations(text: str, value: int) -> None:
    assert parse_duration(text) == value
    assert value == 0 or parse_duration(go_format.duration(value)) == value


@pytest.mark.parametrize("text", ["1", "s", "1 s", "-1s", "1us", "1d", ""])
def test_durations_that_are_none(text: str) -> None:
    with pytest.raises(TextError):
        parse_duration(text)


def test_other_values() -> None:
    assert parse_ports("80") == ["80/tcp"]
    assert parse_ports("8000-8002/UDP") == ["8000/udp", "8001/udp", "8002/udp"]
    assert parse_ports("127.0.0.1:80:90") == ["90/tcp"]
    assert parse_mode("0755").octal == 0o755
    assert parse_owner("1").numeric == (1, 1)
    assert parse_owner("1:web").numeric is None
    for signal in ("9", "KILL", "sigterm", "SIGRTMIN+3", "RTMAX-1"):
        check_signal(signal)
    for wrong in ("80-", "5-3", "x", "80/icmp", ""):
        with pytest.raises(TextError):
            parse_ports(wrong)
    for wrong in ("0", "SIGNO", ""):
        with pytest.raises(TextError):
            check_signal(wrong)
    assert go_format.listed(["a b", 'q"\n\x01é'], quote=True) == '["a b" "q\\"\\n\\x01é"]'


TOKENS = [
    "FROM",
    "RUN",
    "COPY",
    "ENV",
    "ARG",
    "x",
    "a=b",
    "$A",
    "${A:-b}",
    '"',
    "'",
    "\\",
    "\n",
    " ",
    "<<E",
    "\nE\n",
    "--from=0",
]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(TOKENS), max_size=30).map(" ".join))
def test_whatever_is_written_is_read_or_refused_with_a_line(text: str) -> None:
    try:
        resolve(read(text.encode(), "D"), ConvertOptions({}, ARM, ARM), _image)
    except DockerfileError as error:
        assert error.message.startswith("D:")


@settings(max_examples=300)
@given(st.text(alphabet="a${}:-+?#%/*\\'\" ", max_size=20))
def test_any_word_expands_or_is_refused(word: str) -> None:
    try:
        expand(word, {"a": "b"})
    except WordError as error:
        assert str(error)


@settings(max_examples=300)
@given(st.text(alphabet="ab*?[]^-\\/", max_size=10), st.text(alphabet="ab/*-", max_size=6))
def test_any_pattern_matches_or_is_refused(pattern: str, name: str) -> None:
    try:
        glob.match(pattern, name)
    except glob.PatternError as error:
        assert "pattern" in str(error)


@given(st.text(alphabet=string.ascii_letters + "./", max_size=12))
def test_names_without_wildcards_match_themselves(name: str) -> None:
    assert glob.match(name, name)


_DOUBLED = "ENV A=$A$A\n" * 40


@pytest.mark.parametrize(
    "text",
    [
        "FROM x\nENV A=1\n" + _DOUBLED,
        "ARG A=1\n" + "ARG A=$A$A\n" * 40 + "FROM x\n",
        "FROM x\nENV A=1\n" + "ENV A=${A//1/1111111111111111}\n" * 40,
        "FROM x\nENV A=1\n" + 'ENV A="$A$A"\n' * 40,
        "FROM x\nENV A=1\n" + "ENV A=$A$A\n" * 20 + "".join(f"LABEL l{n}=$A\n" for n in range(100)),
        "FROM x\nENV A=1\n" + "ENV A=$A$A\n" * 20 + "".join(f"ENV B{n}=$A\n" for n in range(100)),
        "FROM x\n" + "RUN a\n" * 10_000,
        "FROM x AS s\nENV " + " ".join(f"A{n}=1" for n in range(8000)) + "\nRUN a" * 1200,
        "FROM x AS s0\n" + "LABEL a=b\n" * 10_000 + "".join(f"FROM s{n} AS s{n + 1}\n" for n in range(900)),
    ],
)
def test_what_would_have_no_end_is_refused_in_its_line(text: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        _resolve(text)
    assert "its variables" in caught.value.message
    assert re.match("D:[0-9]+: ", caught.value.message)
    assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    "text",
    [
        "FROM x\n" + "".join(f"ENV A{n}=1\n" for n in range(5000)),
        "FROM x\n" + "".join(f"ARG A{n}=$N\n" for n in range(5000)),
        "FROM x\n" + "RUN a\n" * 4000,
        "FROM x\nENV P=$PATH\n" + "ENV P=$P:/x\n" * 4000,
        "FROM x AS s0\n" + "".join(f"LABEL a{n}=b\nFROM s{n} AS s{n + 1}\n" for n in range(900)),
    ],
)
def test_what_is_only_long_is_resolved(text: str) -> None:
    assert _resolve(text).graph

"""Dockerfiles and what surrounds them, as nobody would write them: made by a grammar, then cut and spliced."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from hypothesis import strategies as st

from suites.machine import vectors_path


def _words(text: str) -> list[str]:
    return text.split()


_PATHS = _words(r"""
    . / a d d/ d/e/f /d/./e/ .. ../a ../../etc/passwd nothere link out loop fifo * d* [a-z] [ [] [^a]* ? ** d/* \ a\
    caf* é link/x dangling .wh.a /.wh..wh..opq /proc/x /dev/null /etc/passwd 'a b' "d" $A ~ - -- a:b C:\x <<E '<<E'
    <<-"E" 3<<E << /a/../../b http://example.com/x git@x %41
""")
_PATHS += ["caf\udce9", "x" * 300, "/x/" * 60, "a b", "\0", "'a b'"]
_NAMES = ["", *_words("a A b base scratch nothere x/y 0 1 -1 99 ² : @ é a:b@sha256:0"), "9" * 5000]
_OWNERS = [*_words("0 1:1 web web: :logs a:b:c nobody : -1 4294967295 ² $A root:root \udcff"), "9" * 5000]
_NUMBERS = [*_words("0 1 80 -1 +1 65536 1.5 1e9 ² ٣ 0x10 1_0 1s 1h1ms .s"), "", " ", "9" * 5000, "9" * 400 + "h"]
_MODES = ["", *_words("0 644 07777 17777 999 u+x -1 ² $A"), "7" * 5000]
_VALUES = ["", *_words(r"""b $A ${A ${A:-$B} ${A:?x} ${A//a/b} ${A#* ${A%%[} " ' \ ` é a=b =""")]
_VALUES += ["'a b'", "\\\n", "\u202e", "\udcff", "\0", "\x1b[31m", "x" * 5000]
_COMMANDS = ["true", "echo x", "[]", "[", '["true"]', '["a", 1]', '["\\ud800"]', '["\\u0000"]', '["a"', "#", "\\"]
_COMMANDS += ["<<E", "<<E\ntrue\nE", "<<-E\n\ttrue\nE", "cat <<E <<F\na\nE\nb\nF"]
_WORDS = _words("""
    FROM RUN COPY ADD ENV ARG LABEL USER WORKDIR VOLUME EXPOSE CMD ENTRYPOINT SHELL STOPSIGNAL HEALTHCHECK MAINTAINER
    ONBUILD from Nope #
""")
_WORDS += ["", "# escape=`", "# syntax=x", "#check=skip=all"]

path, name, owner, number, mode, value, command, word = map(
    st.sampled_from, (_PATHS, _NAMES, _OWNERS, _NUMBERS, _MODES, _VALUES, _COMMANDS, _WORDS)
)


def _one(*parts: st.SearchStrategy[str] | str) -> st.SearchStrategy[str]:
    return st.tuples(*(st.just(part) if isinstance(part, str) else part for part in parts)).map("".join)


def _maybe(strategy: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(st.just(""), st.just(""), strategy)


def _several(strategy: st.SearchStrategy[str], most: int = 3) -> st.SearchStrategy[str]:
    return st.lists(strategy, max_size=most).map(" ".join)


_COPY_FLAGS = _several(
    st.one_of(
        _one("--from=", name),
        _one("--chown=", owner),
        _one("--chmod=", mode),
        st.sampled_from(["--link", "--link=x", "--parents", "--nope", "--from", "--"]),
    ),
    2,
)
_HEALTH_FLAGS = _several(_one("--", st.sampled_from(["interval", "timeout", "retries", "start-period"]), "=", number))
_RUN_FLAGS = _maybe(st.sampled_from(["--network=none", "--network=x", "--mount=type=cache", "--security=insecure"]))
_BODY = "\n" + "x\n\udcff$A\0\n"

instruction = st.one_of(
    _one(st.sampled_from(["COPY ", "ADD ", "copy "]), _COPY_FLAGS, " ", _several(path), " ", path),
    _one("COPY ", _COPY_FLAGS, " <<E ", path, _BODY, _maybe(st.just("E"))),
    _one("COPY ", st.lists(path, max_size=3).map(lambda items: str(items).replace("'", '"'))),
    _one("RUN ", _RUN_FLAGS, " ", command),
    _one(st.sampled_from(["ENV ", "ARG ", "LABEL "]), _several(_one(name, _maybe(st.just("=")), value))),
    _one("FROM ", _maybe(_one("--platform=", value, " ")), name, _maybe(_one(" AS ", name))),
    _one("USER ", owner),
    _one("WORKDIR ", path),
    _one("VOLUME ", _several(path)),
    _one("EXPOSE ", _several(_one(number, _maybe(_one(st.sampled_from(["-", "/", ":", "/udp"]), number))))),
    _one(st.sampled_from(["CMD ", "ENTRYPOINT ", "SHELL ", "ONBUILD RUN "]), command),
    _one("STOPSIGNAL ", st.one_of(number, st.sampled_from(["KILL", "SIGRTMIN+3", "SIGNOPE"]))),
    _one("HEALTHCHECK ", _HEALTH_FLAGS, " ", st.sampled_from(["NONE", "CMD ", "CMD x", "x"]), command),
    _one(word, " ", _several(st.one_of(path, value, name))),
)


@cache
def seeds() -> Sequence[bytes]:
    """Dockerfiles to be cut and spliced: the reference's own where they are here, and one of ours."""
    folder = vectors_path()
    found = [file.read_bytes() for file in sorted(folder.glob("dockerfile/*/*/Dockerfile"))] if folder else []
    return [b"ARG A=1\nFROM base AS a\nCOPY . /d/\nUSER web\nWORKDIR /w\nFROM scratch\nCOPY --from=a /d /\n", *found]


def _text(lines: list[str]) -> bytes:
    return "\n".join(lines).encode("utf-8", "surrogateescape") + b"\n"


_made = st.builds(
    lambda head, lines: _text([*head, *lines]),
    st.sampled_from([["FROM scratch"], ["FROM base"], ["ARG A=a", "FROM base AS a"], ["# escape=`", "FROM base"], []]),
    st.lists(instruction, max_size=6),
)


@st.composite
def _cut(draw: st.DrawFn) -> bytes:
    """A text with a piece taken out, doubled, or put in from another."""
    text = draw(st.one_of(_made, st.sampled_from(seeds())))[:4096]
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 40)))
        other = draw(st.one_of(st.binary(max_size=4), st.just(text[start:end] * 2), _made))
        text = text[:start] + other + text[end:]
    return text


dockerfile = st.one_of(_made, _made, _cut())

ignore_file = st.one_of(
    st.just(b""),
    st.lists(st.one_of(path, value, _one("!", path), _one("#", value)), max_size=4).map(_text),
    st.binary(max_size=20),
)


@dataclass(frozen=True)
class Call:
    """What stands beside the Dockerfile in a call."""

    arguments: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    target: str | None = None
    platform: str | None = None


call = st.builds(
    Call,
    st.dictionaries(st.sampled_from(["A", "B", "é", "\udcff", "SOURCE_DATE_EPOCH", "http_proxy"]), value, max_size=2),
    st.dictionaries(name, value, max_size=1),
    st.one_of(st.none(), st.none(), name),
    st.one_of(st.none(), st.none(), st.none(), st.sampled_from(["linux/amd64", "x", "linux/s390x", "\udcff", ""])),
)


def fill(folder: Path) -> Path:
    """A context with everything that a context should not have."""
    (folder / "d/e").mkdir(parents=True)
    for file in ("a", "d/e/f", "b", os.fsdecode(b"caf\xe9"), "a b", "[a-z]"):
        (folder / file).write_text(file.encode("utf-8", "surrogateescape").hex())
    for link, target in {"link": "d", "out": "/etc", "loop": "loop", "dangling": "nothing", "d/up": "../.."}.items():
        (folder / link).symlink_to(target)
    os.mkfifo(folder / "fifo")
    return folder

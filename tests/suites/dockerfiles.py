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


def _mostly(good: str, odd: list[str]) -> st.SearchStrategy[str]:
    """One of the good words, and now and then an odd one: a text that is refused at its first line tries nothing."""
    words = st.sampled_from(good.split())
    return st.one_of(words, words, words, words, words, st.sampled_from(odd))


_ODD_PATHS = _words(r"""
    .. ../a ../../etc/passwd nothere out loop fifo [ [] [^a]* ** \ a\ dangling .wh.a /.wh..wh..opq /proc/x /dev/null ~ -
    -- C:\x <<E '<<E' <<-"E" <<"E <<'E <<$E << http://example.com/x git@x
""")
path = _mostly(
    "/ /x /x/ /x/y/z a b d d/ d/e/f /d/./e/ a* d* [a-z]* ? d/* caf* é link/x link /bin/sh $A a:b %41 /a/../../b . .",
    [*_ODD_PATHS, "x" * 300, "/x/" * 60, "/x" * 3000, "'a b'", '"d"', "'"],
)
name = _mostly("a A b base scratch", ["", *_words("nothere x/y 0 1 -1 99 ² : @ é a:b@sha256:0"), "9" * 5000])
owner = _mostly("0 1:1 web web: :logs root:root $A", [*_words("a:b:c nobody : -1 4294967295 ²"), "9" * 5000])
number = _mostly("0 1 80 1s 1h1ms", ["", *_words("-1 +1 65536 1.5 1e9 ² ٣ 0x10 1_0 .s"), "9" * 5000, "9" * 400 + "h"])
mode = _mostly("0 644 07777", ["", *_words("17777 999 u+x -1 ² $A"), "7" * 5000])
value = _mostly(
    r"""b $A ${A:-$B} "a" 'a' a=b é ${A#*}""",
    ["", *_words(r"""${A ${A:?x} ${A//a/b} ${A#* ${A%%[} " ' \ ` = """), "\\\n", "\u202e", "\x1b[31m", "x" * 5000],
)
command = _mostly(
    'true [] ["true"] [ #',
    ["echo x", '["a", 1]', '["\\ud800"]', '["\\u0000"]', '["a"', "\\", "<<E\ntrue\nE", "<<-E\n\ttrue\nE", "<<E"],
)
_WORDS = """
    FROM RUN COPY ADD ENV ARG LABEL USER WORKDIR VOLUME EXPOSE CMD ENTRYPOINT SHELL STOPSIGNAL HEALTHCHECK MAINTAINER
    ONBUILD from
"""
word = _mostly(_WORDS, ["", "Nope", "#", "# escape=`", "# syntax=x", "#check=skip=all"])


def _one(*parts: st.SearchStrategy[str] | str) -> st.SearchStrategy[str]:
    return st.tuples(*(st.just(part) if isinstance(part, str) else part for part in parts)).map("".join)


def _maybe(strategy: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(st.just(""), st.just(""), strategy)


def _several(strategy: st.SearchStrategy[str], least: int = 1) -> st.SearchStrategy[str]:
    return st.lists(strategy, min_size=least, max_size=3).map(" ".join)


_COPY_FLAGS = _several(
    st.one_of(
        _one("--from=", name),
        _one("--chown=", owner),
        _one("--chmod=", mode),
        st.sampled_from(["--link", "--link", "--link", "--link=x", "--parents", "--nope", "--from", "--"]),
    ),
    0,
)
_HEALTH_FLAGS = _several(
    _one("--", st.sampled_from(["interval", "timeout", "retries", "start-period"]), "=", number), 0
)
_RUN_FLAGS = _maybe(st.sampled_from(["--network=none", "--network=none", "--network=x", "--mount=type=cache"]))
_BODY = st.sampled_from(["\nx\n$A\n", "\nx\n$A\n", "\n", "\n\udcff\0\n"])

instruction = st.one_of(
    _one(st.sampled_from(["COPY ", "ADD ", "copy "]), _COPY_FLAGS, " ", _several(path), " ", path),
    _one("COPY ", _COPY_FLAGS, " <<E ", path, _BODY, st.sampled_from(["E", "E", "E", "F"])),
    _one("COPY ", st.lists(path, max_size=3).map(lambda items: str(items).replace("'", '"'))),
    _one("RUN ", _RUN_FLAGS, " ", command),
    _one(
        st.sampled_from(["ENV ", "ARG ", "LABEL "]),
        _several(_one(name, st.sampled_from(["=", "=", "=", "", " "]), value)),
    ),
    _one("FROM ", _maybe(_maybe(_one("--platform=", value, " "))), name, _maybe(_one(" AS ", name))),
    _one("USER ", owner),
    _one("WORKDIR ", path),
    _one("VOLUME ", _several(path)),
    _one("EXPOSE ", _several(_one(number, _maybe(_one(st.sampled_from(["-", "/", ":", "/udp"]), number))))),
    _one(st.sampled_from(["CMD ", "ENTRYPOINT ", "SHELL ", "ONBUILD RUN "]), command),
    _one("STOPSIGNAL ", st.one_of(number, st.sampled_from(["KILL", "SIGRTMIN+3", "SIGNOPE"]))),
    _one("HEALTHCHECK ", _HEALTH_FLAGS, " ", st.sampled_from(["NONE", "CMD ", "CMD x", "CMD [", "x"]), command),
    _one(word, " ", _several(st.one_of(path, value, name))),
)

_SCRIPTS = r"""
true
false
exit 7
kill -9 $$
printf '\\377\\0'; exit 1
rm -rf /etc; mkdir /etc
rm -rf /etc; ln -s /tmp /etc
rm -rf /etc; ln -s /proc/1/root/etc /etc
rm /etc/passwd; mkdir /etc/passwd
rm -rf /bin
rm -rf /tmp /proc /sys; touch /tmp
chmod 0 / /bin /etc
chmod 7777 /bin /bin/busybox
mv /bin /b; ln -s b /bin
mkdir -p /w/e; rm -r /w/e; touch /w/e
ln -s /nothing /x; ln -s x /y
sleep 1000 & exit 0
yes | head -c 300000
mknod /c c 1 3; mkfifo /p
cp /bin/busybox '/bin/a b'; mv /bin/busybox /bin/sh
""".strip().splitlines()

executed = st.builds(
    lambda lines: _text(["FROM base", *lines]),
    st.lists(
        st.one_of(
            _one("RUN --network=none ", st.sampled_from(_SCRIPTS)),
            _one("RUN --network=none ", st.sampled_from(_SCRIPTS)),
            _one("USER ", owner),
            _one("WORKDIR ", path),
            st.sampled_from(
                ['SHELL ["/bin/nothing"]', 'RUN ["/bin/sh"]', 'RUN ["/etc"]', 'RUN [""]', "ENV PATH=", "ENV A=B"]
            ),
        ),
        min_size=1,
        max_size=4,
    ),
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
    st.one_of(*(st.lists(instruction, max_size=most) for most in (2, 3, 8))),
)


_CUTS = [
    b"",
    b"",
    b"\n",
    b" ",
    b"\\",
    b"\\\n",
    b'"',
    b"$",
    b"$A",
    b"<<E",
    b"[",
    b"--",
    b"\t",
    b"\r\n",
    b"\xff",
    b"\0",
    b"\xc2\xa0",
]


@st.composite
def _cut(draw: st.DrawFn) -> bytes:
    """A text with a piece taken out, doubled, or put in from another."""
    text = draw(st.one_of(_made, st.sampled_from(seeds())))[:4096]
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 40)))
        other = draw(st.one_of(st.sampled_from(_CUTS), st.just(text[start:end] * 2), _made))
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


_odd_call = st.builds(
    Call,
    st.dictionaries(st.sampled_from(["A", "B", "é", "\udcff", "SOURCE_DATE_EPOCH", "http_proxy"]), value, max_size=2),
    st.dictionaries(name, value, max_size=1),
    st.one_of(st.none(), st.none(), name),
    st.one_of(st.none(), st.none(), st.none(), st.sampled_from(["linux/amd64", "x", "linux/s390x", "\udcff", ""])),
)
call = st.one_of(st.just(Call()), st.just(Call({"A": "a"})), _odd_call)


def fill(folder: Path) -> Path:
    """A context with everything that a context should not have."""
    (folder / "d/e").mkdir(parents=True)
    for file in ("a", "d/e/f", "b", os.fsdecode(b"caf\xe9"), "a b", "[a-z]"):
        (folder / file).write_text(file.encode("utf-8", "surrogateescape").hex())
    for link, target in {"link": "d", "out": "/etc", "loop": "loop", "dangling": "nothing", "d/up": "../.."}.items():
        (folder / link).symlink_to(target)
    os.mkfifo(folder / "fifo")
    return folder

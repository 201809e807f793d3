"""Dockerfiles and words made by chance: by a grammar, then cut, doubled and spliced; the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from suites.dockerfiles import seeds

_NAMES: Final = """
    FROM RUN COPY ADD ENV ARG LABEL USER WORKDIR VOLUME EXPOSE CMD ENTRYPOINT SHELL STOPSIGNAL HEALTHCHECK MAINTAINER
    ONBUILD from Run copy
"""
_INSTRUCTIONS: Final = _NAMES.split()
_PIECES: Final = [
    *("a", "b", "x y", "base", "/w", ".", "é", "한", "0", "1", "80", "as", "AS", "NONE", "CMD", "none", "="),
    *("A=b", "A=", "=b", 'A="b c"', "A='b", "A=b\\ c", "$A", "${A}", "${A:-b}", "${A:+$B}", "${A#b*}", "${A//b/c}"),
    *('["a"]', '["a", "b"]', "['a']", '["a", 1]', "[]", "[", '["a"', '["\\u00e9"]', '["\\ud800"]', "[ ]", '["a"] '),
    *(
        '["a",]',
        '["a"]]',
        "[NaN]",
        "[null]",
        "[[]]",
        '[{"a": 1}]',
        '["\t"]',
        '["a"]\u00a0',
        "[1e999]",
        "[-]",
        '["\\x"]',
    ),
    *(
        "<<E",
        "<<-E",
        "<<'E'",
        '<<"E"',
        "3<<E",
        "<< E",
        "<<",
        "<<<E",
        "<<E<<F",
        "<<$A",
        '<<"E F"',
        "<<\\E",
        "<E",
        "a<<E",
    ),
    *("--from=a", "--chown=1", "--chmod=7", "--link", "--link=x", "--link=", "--link=FALSE", "--platform=$A", "--"),
    *("--interval=1s", "--timeout=", "--retries=3", "--retries=-1", "--network=none", "--nope", "---", "--=a", "--x y"),
    *('--from="a b"', "--from=a\\ b", "'--from=a'", "--from=\\", "--from='", "-", "--interval=1ms1", "--retries=+1"),
    *(
        "\\",
        "\\\n",
        "`",
        "`\n",
        "\\ \n",
        "\\\n\n",
        "\\\n# c\n",
        "'",
        '"',
        "#",
        "# c",
        " ",
        "  ",
        "\t",
        "\v",
        "\f",
        "\r",
    ),
    *("\u00a0", "\u2003", "\u0085", "\ufeff", "\r\n", "\x1c", "\x1f", "\u200b", "²", "٣", "\u00df", "İ", "K"),
    *("1m", "1.5h", "80/tcp", "80-90", "tcp", "SIGKILL", "sh -c", "&&", "|", ">", "a=b c=d", "onbuild", "maintainer x"),
]
_LINES: Final = [
    *("# escape=`", "# escape=\\", "# syntax=docker/dockerfile:1", "# check=skip=all", "#syntax = a b", "# SYNTAX=x"),
    *("# escape = ` ", "# nope=x", "#", "# a", "", "  ", "E", "\tE", "F", "x", "\tx\\", "E \n", "EOF", "# escape=x"),
    *("FROM a", "FROM a AS b", "from a as B", "FROM --platform=x a", "FROM scratch", "ARG A=1", "RUN <<E", "RUN a \\"),
    *("COPY <<E <<-F /x", "ONBUILD RUN <<E", "ONBUILD COPY a b", "ONBUILD", "RUN cat <<E && b", "ADD <<-'E' /y"),
]
_CUTS: Final = [b"", b"\n", b" ", b"\\", b"\\\n", b'"', b"'", b"$", b"<<E", b"[", b"--", b"\t", b"\r\n", b"\r", b"\xff"]
_CUTS_TOO: Final = [
    b"\0",
    b"\xc2\xa0",
    b"#",
    b"=",
    b"`",
    b"]",
    b",",
    b"\xef\xbb\xbf",
    b"\x85",
    b"\xed\xa0\x80",
    b"<<-E\n",
]


def _instruction(draw: random.Random) -> str:
    word = draw.choice(_INSTRUCTIONS)
    if draw.random() < 0.1:
        word = "ONBUILD " + draw.choice(_INSTRUCTIONS)
    return word + "".join(
        draw.choice((" ", " ", " ", "  ", "\t", "")) + draw.choice(_PIECES)
        for _ in range(draw.choice((0, 1, 1, 2, 2, 3, 5)))
    )


def made(draw: random.Random) -> bytes:
    """A Dockerfile by the grammar."""
    lines = [draw.choice(_LINES) for _ in range(draw.choice((0, 0, 1, 2)))]
    if draw.random() < 0.8:
        lines.append("FROM a")
    for _ in range(draw.choice((1, 1, 2, 4, 8))):
        lines.append(_instruction(draw) if draw.random() < 0.75 else draw.choice(_LINES))
    ending = draw.choice(("\n", "\n", "\n", "\r\n", "\n\n"))
    return ending.join(lines).encode() + draw.choice((b"\n", b"\n", b""))


def dockerfile(draw: random.Random) -> bytes:
    """A Dockerfile, half of the time with pieces taken out, doubled, or put in from another."""
    text = made(draw) if draw.random() < 0.7 else draw.choice(seeds())[:4096]
    if draw.random() < 0.5:
        return text
    for _ in range(draw.randint(1, 4)):
        start = draw.randint(0, len(text))
        end = draw.randint(start, min(len(text), start + 40))
        makers: list[Callable[[], bytes]] = [
            lambda: draw.choice(_CUTS),
            lambda: draw.choice(_CUTS_TOO),
            lambda start=start, end=end, text=text: text[start:end] * 2,  # type: ignore[misc]
            lambda: made(draw),
        ]
        text = text[:start] + draw.choice(makers)() + text[end:]
    return text


_MARKS: Final = [
    *("$", "$", "${", "}", "}", "{", ":", "-", "+", "?", "#", "##", "%", "%%", "/", "//", "*", "?", "[", "]", ".", "^"),
    *(
        "\\",
        "\\",
        "`",
        "'",
        '"',
        "<",
        "<<",
        "<<-",
        " ",
        "  ",
        "\t",
        "\n",
        "\r",
        "=",
        "@",
        "!",
        "0",
        "7",
        "_",
        "(",
        ")",
        "|",
    ),
    *(
        "A",
        "B",
        "N",
        "U",
        "AB",
        "a",
        "b",
        "ab",
        "é",
        "한",
        "²",
        "٣",
        "\u00a0",
        "\u2003",
        "\x1c",
        "x",
        "\\*",
        "\\}",
        "\\/",
    ),
    *(
        "${A}",
        "${A:-",
        "${U:-x}",
        "${U:+",
        "${A#",
        "${A%",
        "${A/",
        "${A//b/",
        "${N?",
        "${B##*",
        "$A",
        "$U",
        "$$",
        "${U-",
    ),
]
VARIABLES: Final = {
    "A": "abcb",
    "B": "a b  c",
    "N": "",
    "AB": "x/y.z*",
    "é": "e",
    "7": "seven",
    "_": "$A",
    "Q": "'q\"\\",
}


def word(draw: random.Random) -> str:
    """A word to be expanded."""
    return "".join(draw.choice(_MARKS) for _ in range(draw.choice((1, 2, 3, 4, 6, 8, 12))))

"""The parser against the reference's own files."""

from __future__ import annotations

from pathlib import Path

import pytest

from lading.build.dockerfile.arguments import heredoc
from lading.build.dockerfile.instruction_reader import read
from lading.build.dockerfile.parser import InstructionNode, parse
from lading.build.errors import DockerfileError
from suites.machine import needs, vectors_path


def _cases(folder: str) -> list[Path]:
    root = vectors_path()
    return sorted((root / "dockerfile" / folder).iterdir()) if root else []


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    for raw, written in (("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"), ("\b", "\\b"), ("\f", "\\f"), ("\0", "\\x00")):
        escaped = escaped.replace(raw, written)
    return f'"{escaped}"'


def dump(node: InstructionNode) -> str:
    """The tree as the reference prints it."""
    parts = [node.word.lower()]
    if node.flags:
        parts.append("[" + " ".join(map(_quote, node.flags)) + "]")
    if node.child:
        parts.append(f"({dump(node.child)})")
    else:
        parts += map(_quote, node.args)
    return " ".join(parts)


@needs("vectors")
@pytest.mark.parametrize("case", _cases("parser"), ids=lambda path: path.name)
def test_reads_what_the_reference_reads(case: Path) -> None:
    source = parse((case / "Dockerfile").read_bytes(), "Dockerfile")
    printed = "".join(f"({dump(node)})\n" for node in source.nodes)
    assert printed.strip() == (case / "result").read_text().strip()


@needs("vectors")
@pytest.mark.parametrize("case", _cases("parser-negative"), ids=lambda path: path.name)
def test_refuses_what_the_reference_refuses(case: Path) -> None:
    with pytest.raises(DockerfileError):
        parse((case / "Dockerfile").read_bytes(), "Dockerfile")


def test_knows_lines_and_columns() -> None:
    source = parse(b"# syntax=x\nFROM a\n\n  RUN one \\\n  # comment\n  two\nUSER me\n", "D")
    run = source.nodes[1]
    assert (run.place.line, run.place.end, run.place.column) == (4, 6, 3)
    where = run.locate("two", source.lines)
    assert (where.line, where.column) == (6, 3)
    assert source.nodes[2].place.line == 7
    assert source.directives == (("syntax", "x"),)


def test_directives_end_with_the_first_other_line() -> None:
    source = parse(b"# hello\n# escape=`\nFROM a\nRUN a \\\nb\n", "D")
    assert source.escape == "\\"
    assert source.nodes[1].args == ("a b",)
    with pytest.raises(DockerfileError, match="D:2: only one escape"):
        parse(b"# escape=`\n# escape=\\\nFROM a\n", "D")
    with pytest.raises(DockerfileError, match="D:1: invalid escape character"):
        parse(b"# escape=x\nFROM a\n", "D")


def test_takes_heredocs_whole() -> None:
    source = parse(b"FROM a\nRUN <<EOF cat\n\tRUN no\nEOF\nCOPY <<-'X' <<Y /to/\n\tone\n\tX\ntwo\nY\nUSER b\n", "D")
    assert [node.word for node in source.nodes] == ["FROM", "RUN", "COPY", "USER"]
    assert source.nodes[1].heredocs[0].content == "\tRUN no\n"
    first, second = source.nodes[2].heredocs
    assert (first.expand, first.text, second.expand, second.text) == (False, "one\n", True, "two\n")
    assert source.nodes[3].place.line == 10
    with pytest.raises(DockerfileError, match="D:2: unterminated heredoc"):
        parse(b"FROM a\nRUN <<EOF\nx\n", "D")


def test_heredoc_words() -> None:
    assert heredoc("<<EOF")
    assert heredoc("3<<-EOF")
    assert heredoc("<EOF") is None
    assert heredoc("<<<EOF") is None
    assert heredoc("a<<EOF") is None


def test_text_must_be_utf8_except_in_comments() -> None:
    assert parse(b"# caf\xe9\nFROM a\n", "D").nodes
    with pytest.raises(DockerfileError, match="D:2: not UTF-8 text"):
        parse(b"FROM a\nRUN caf\xe9\n", "D")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"FROM a\n" + b"# x\n" * 2_500_000, "D:1: a Dockerfile of 10000007 bytes, more than the 4194304 allowed"),
        (b"FROM a\nRUN " + b"x" * 65_532 + b"\n", "D:2: a line of more than the 65535 bytes allowed"),
        (b"FROM a\nRUN <<E\n" + b"x" * 65_536 + b"\nE\n", "D:3: a line of more than the 65535 bytes allowed"),
        (b"FROM a\n" + b"ONBUILD " * 8000, "D:2: ONBUILD ONBUILD is not allowed"),
        (b"#" + b" " * 60_000 + b"escape = x" + b" " * 5000 + b"x\nFROM a\n", "D:1: invalid escape character"),
        (b"FROM a\n" * 1001, "D:1001: more than 1000 stages"),
    ],
)
def test_what_is_too_much_is_refused(text: bytes, message: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        read(text, "D")
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    "text",
    [
        b"FROM a\nRUN " + b"x" * 65_531 + b"\n",
        b"FROM a\nRUN <<E " + b"\\\nx" * 100_000 + b"\nE\n",
        b"FROM a\nRUN " + b"[" * 30_000 + b"]" * 30_000,
        b"FROM a\n" + b"ENV A=1\n" * 1000,
        b"FROM a\nRUN " + b"<<E " * 15_000 + b"\n" + b"E\n" * 15_000,
    ],
)
def test_what_is_large_is_read(text: bytes) -> None:
    assert read(text, "D").stages

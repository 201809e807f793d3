"""What is drawn at a terminal, as the screen shows it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from suites.commands import Lading, busybox, context
from suites.machine import needs
from suites.registry_hostile import Handler, Hostile, hostile
from suites.registry_server import running_server
from suites.screen import Terminal, lading_at

SANDBOX = needs("root", "overlay", "crun", "conmon", "nft", "ip", "busybox")


@pytest.fixture
def lading(tmp_path: Path) -> Lading:
    lading = Lading(tmp_path / "root")
    lading.ok("keygen")
    return lading


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    with running_server(tmp_path / "registry") as address:
        yield address


@pytest.fixture
def big(tmp_path: Path) -> Path:
    folder = context(tmp_path / "big", "FROM scratch\nCOPY big /\n")
    (folder / "big").write_bytes(os.urandom(3 << 20))
    return folder


@pytest.mark.parametrize("columns", [80, 200])
def test_an_image_goes_away_and_comes_back(lading: Lading, registry: str, big: Path, columns: int) -> None:
    name = f"{registry}/app:1"
    digest = lading.ok("build", "-q", "-t", name, big)
    away = Lading(big.parent / "away")  # where the build cache keeps no layer
    for verb, place in (("push", lading), ("pull", away)):
        with lading_at(place, verb, name, columns=columns) as shown:
            assert shown.end() == 0
        layer, evidence, last = shown.lines
        assert layer.startswith("layer ")
        assert "3.15MB" in layer
        assert evidence.startswith("evidence ")
        assert "3 signatures and attestations" in evidence  # and how long it took, where that was a second
        assert last == digest


def test_standard_output_is_never_drawn_on(lading: Lading, registry: str, big: Path, tmp_path: Path) -> None:
    name = f"{registry}/app:1"
    digest = lading.ok("build", "-q", "-t", name, big)
    with (tmp_path / "out").open("w") as out, lading_at(lading, "push", name, stdout=out.fileno()) as shown:
        assert shown.end() == 0
    assert (tmp_path / "out").read_text() == f"{digest}\n"
    assert digest not in shown.text


@SANDBOX
def test_what_is_not_here_comes_before_it_runs(lading: Lading, registry: str, tmp_path: Path) -> None:
    name = f"{registry}/bb:1"
    lading.ok("build", "-q", "-t", name, busybox(tmp_path / "bb"))
    lading.ok("push", name)
    shutil.copytree(lading.root / "keys", tmp_path / "away/keys")
    shutil.copy(lading.root / "policy.yaml", tmp_path / "away")
    (tmp_path / "away").chmod(0o700)
    lading = Lading(tmp_path / "away")
    with lading_at(lading, "run", "--rm", name, "echo", "it runs") as shown:
        assert shown.end() == 0
    assert shown.lines[0].startswith("layer ")
    assert shown.lines[-1] == "it runs"
    lading.ok("rmi", name)
    with lading_at(lading, "build", "-t", "app", context(tmp_path / "c", f"FROM {name}\nRUN echo hello\n")) as shown:
        assert shown.end() == 0
    layer, evidence, step, last = shown.lines
    assert layer.startswith("layer ")
    assert evidence.startswith("evidence ")
    assert step.startswith("[1/1] RUN echo hello  ")
    assert last.startswith("app:latest  ")
    assert "  signed by 'own' (key " in last


class Held:
    """A registry that sends half of a blob, and the rest when it is let go."""

    def __init__(self, registry: Hostile) -> None:
        self.registry = registry
        self.go = threading.Event()
        registry.trick("GET .*/blobs/", self._half)

    def _half(self, handler: Handler) -> None:
        data = self.registry.blobs[handler.path.rpartition("/")[2]]
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[: len(data) // 2])
        handler.wfile.flush()
        self.go.wait()
        handler.wfile.write(data[len(data) // 2 :])


@pytest.fixture
def held(lading: Lading, big: Path) -> Iterator[tuple[Held, str, str]]:
    """It, the name of an image in it, and that image's digest."""
    with hostile() as registry:
        name = f"{registry.host}/app:1"
        digest = lading.ok("build", "-q", "-t", name, big)
        lading.ok("push", name)
        shutil.rmtree(lading.root)  # the build cache would keep the layer
        lading.ok("keygen")
        kept = Held(registry)
        try:
            yield kept, name, digest
        finally:
            kept.go.set()


def half(shown: Terminal) -> bool:
    return "━" in shown.text and "1.57MB / 3.15MB" in shown.text


def test_a_bar_moves_and_a_line_is_left_of_it(lading: Lading, held: tuple[Held, str, str]) -> None:
    registry, name, digest = held
    with lading_at(lading, "pull", name) as shown:
        shown.until(half)
        shown.resize(120)
        shown.until(lambda now: half(now) and max(map(len, now.lines)) > 80)
        registry.go.set()
        assert shown.end() == 0
    assert shown.lines[-1] == digest
    assert "━" not in shown.text
    assert "\x1b[?25l" not in shown.raw.decode()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_an_interrupt_leaves_a_sane_terminal(
    lading: Lading, held: tuple[Held, str, str], number: signal.Signals, code: int
) -> None:
    _, name, _ = held
    with lading_at(lading, "pull", name) as shown:
        shown.until(half)
        if number is signal.SIGINT:
            shown.type(b"\x03")
        else:
            shown.process.send_signal(number)
        assert shown.end() == code
    assert "━" not in shown.text
    assert shown.lines == (["lading: interrupted"] if number is signal.SIGINT else [])


def test_an_interrupt_is_said_once_and_where_programs_read_it(lading: Lading, held: tuple[Held, str, str]) -> None:
    _, name, _ = held
    with lading_at(lading, "pull", "--progress", "json", name) as shown:
        shown.until('"task"')
        shown.type(b"\x03")
        assert shown.end() == 130
    assert "".join(shown.lines).count('{"event": "error", "text": "interrupted", "hint": null}') == 1
    with lading_at(lading, "login", "registry.invalid") as shown:
        shown.until("Username:")
        shown.type(b"\x03")
        assert shown.end() == 130
    assert shown.lines == ["Username: ^C", "lading: interrupted"]


@pytest.mark.parametrize(
    ("words", "variables", "colored", "drawn"),
    [
        ((), {}, True, True),
        (("--color", "never"), {}, False, True),
        ((), {"NO_COLOR": "1"}, False, True),
        (("--color=always",), {"NO_COLOR": "1"}, True, True),
        ((), {"TERM": "dumb"}, False, False),
        (("--color", "always"), {"TERM": "dumb"}, True, False),
    ],
)
def test_colours_and_dumb_terminals(
    lading: Lading,
    held: tuple[Held, str, str],
    words: tuple[str, ...],
    variables: dict[str, str],
    colored: bool,
    drawn: bool,
) -> None:
    registry, name, _ = held
    with lading_at(lading, *words, "pull", name, **variables) as shown:
        if drawn:
            shown.until(half)
        registry.go.set()
        assert shown.end() == 0
    assert shown.colored == (colored and drawn)
    with lading_at(lading, *words, "inspect", "nothing", **variables) as shown:
        assert shown.end() == 1
    assert shown.colored == colored
    assert b"\x1b[?" not in shown.raw
    if not colored:
        assert b"\x1b" not in shown.raw


def test_colours_reach_a_pipe_only_on_demand(lading: Lading) -> None:
    assert "\x1b" not in lading.call("inspect", "nothing").err
    assert "\x1b[31mlading:" in lading.call("--color", "always", "inspect", "nothing").err
    assert "\x1b[31mlading:" in lading.call("--color=always", "--nonsense").err


FAILING = """\
FROM bb AS deps
RUN for i in 1 2 3 4 5 6 7 8 9; do echo line $i; done; \\
    echo a long line that goes on and on until it is wider than any terminal of eighty columns could be
FROM deps AS app
RUN echo before; \\
    # a comment between
    touch /go; echo $0 complains >&2; \\
    exit 7
"""


@SANDBOX
@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.parametrize("quiet", [False, True])
def test_a_failing_step_shows_all_that_it_wrote(lading: Lading, tmp_path: Path, columns: int, quiet: bool) -> None:
    lading.ok("build", "-q", "-t", "bb", busybox(tmp_path / "bb"))
    words = ["build", *["-q"] * quiet, context(tmp_path / "c", FAILING)]
    with lading_at(lading, *words, columns=columns) as shown:
        assert shown.end() == 1
    lines = shown.lines
    if not quiet:
        assert lines[0].startswith("[1/2] deps  RUN for i in 1 2 3 4 5 6 7 8 9; do echo line $i; done;")
        assert ("…" in lines[0]) == (columns == 80)
        assert len(lines[0]) == columns - 1
        assert lines[0].endswith("s")
        lines = lines[1:]
    assert "line 1" not in shown.text  # what succeeded is not worth reading
    assert lines[0].startswith("[2/2] app  RUN echo before; touch /go;")
    assert "  failed  " in lines[0]
    assert lines[1:3] == ["  | before", "  | /bin/sh complains"]
    assert lines[3].startswith("lading: ")
    assert "Dockerfile:5: RUN echo before; touch /go;" in shown.text.replace("\n", "")
    assert "exit code 7" in shown.text


@SANDBOX
def test_steps_side_by_side_have_a_row_each(lading: Lading, tmp_path: Path) -> None:
    lading.ok("build", "-q", "-t", "bb", busybox(tmp_path / "bb"))
    stages = "".join(f"FROM bb AS s{n}\nRUN for i in 1 2 3 4 5; do echo $i of {n}; done; sleep 1000\n" for n in (1, 2))
    folder = context(tmp_path / "c", stages + "FROM bb\nCOPY --from=s1 /bin /1\nCOPY --from=s2 /bin /2\n")
    with lading_at(lading, "build", "--jobs", "2", folder) as shown:
        shown.until(lambda now: "5 of 1" in now.text and "5 of 2" in now.text and "3 of" not in now.text)
        lines = shown.lines
        shown.type(b"\x03")
        assert shown.end() == 130
    assert sorted(line[:12] for line in lines if line.startswith("[")) == ["[1/4] s1  RU", "[2/4] s2  RU"]
    assert sorted(line for line in lines if line.startswith("  |")) == [
        "  | 4 of 1",
        "  | 4 of 2",
        "  | 5 of 1",
        "  | 5 of 2",
    ]
    *ended, last = shown.lines
    ended.sort()
    assert last == "lading: interrupted"
    assert [line[:12] for line in ended] == ["[1/4] s1  RU", "[2/4] s2  RU"]
    assert all("  ended  " in line for line in ended)


@SANDBOX
def test_plain_lines_where_nothing_can_be_drawn(lading: Lading, tmp_path: Path) -> None:
    lading.ok("build", "-q", "-t", "bb", busybox(tmp_path / "bb"))
    folder = context(tmp_path / "c", FAILING)
    with lading_at(lading, "build", folder, TERM="dumb") as shown:
        assert shown.end() == 1
    piped = lading.call("build", "--no-cache", folder)
    assert piped.code == 1
    for text in (shown.text, piped.err):
        assert "[1/2] | line 1\n" in text
        assert "[1/2] done  " in text
        assert "[2/2] app  RUN echo before; touch /go; echo $0 complains >&2; exit 7\n" in text.replace("\\\n", "")
        assert "[2/2] | before\n" in text
    assert b"\x1b" not in shown.raw
    assert "\x1b" not in piped.err


@pytest.mark.parametrize("columns", [80, 200])
def test_a_refusal_stands_in_columns(lading: Lading, big: Path, tmp_path: Path, columns: int) -> None:
    lading.ok("build", "-q", "-t", "localhost/a/team/app", big)
    other = Lading(tmp_path / "other")
    other.ok("keygen")
    shutil.copy(other.root / "policy.yaml", lading.root)
    with lading_at(lading, "verify", "localhost/a/team/app", columns=columns) as shown:
        assert shown.end() == 3
    lines = shown.lines
    assert lines[0] == "lading: localhost/a/team/app  refused by scope default (policy.yaml)"
    assert lines[1].startswith("  MISSING  signature by 'own': 1 is attached, signed by a key this policy does")
    hint = next(number for number, line in enumerate(lines) if line.startswith("  hint: "))
    assert hint == (3 if columns == 80 else 2)
    assert all(line.startswith(" " * 11) and line[11] != " " for line in lines[2:hint])
    assert all(line.startswith(" " * 8) and line[8] != " " for line in lines[hint + 1 :])
    assert max(map(len, lines)) < columns


def test_transfers_for_programs(lading: Lading, registry: str, big: Path) -> None:
    name = f"{registry}/app:1"
    lading.ok("build", "-q", "-t", name, big)
    said = lading.call("push", "--progress", "json", name)
    events = [json.loads(line) for line in said.err.splitlines()]
    tasks = {event["task"]: event["label"].split()[0] for event in events if event["event"] == "task"}
    done = {tasks[event["task"]]: event["note"] for event in events if event["event"] == "done"}
    assert done == {"layer": "", "evidence": "3 signatures and attestations"}
    failed = lading.call("push", "--progress", "json", name, f"{registry}/UPPER:1")
    assert json.loads(failed.err.splitlines()[-1])["event"] == "error"


def test_a_name_that_the_locale_cannot_write(lading: Lading, big: Path) -> None:
    lading.ok("build", "-q", "-t", "app", big, "--label", "name=Zoë…")
    shown = lading.ok("inspect", "app", PYTHONIOENCODING="ascii")
    assert "Zo" in shown


def test_no_word_of_an_account_is_broken(lading: Lading, big: Path) -> None:
    name = "localhost/a/name/so/long/that/what/is/said/of/it/needs/two"
    lading.ok("build", "-q", "-t", name, big)
    for words in (["verify", "-v", name], ["provenance", name]):
        plain = lading.ok(*words)
        with lading_at(lading, *words, rows=60) as shown:
            assert shown.end() == 0
        words_that_fit = {word for word in plain.split() if len(word) < 75}
        assert words_that_fit <= set(shown.text.split())
        assert '{"' not in plain

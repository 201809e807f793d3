"""Which steps are executed again, and what is said of that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.build.solver.input_differences import StepInputs, differences
from lading.store.errors import InputError
from suites.building import Bench, busybox, write
from suites.machine import needs

pytestmark = needs("root", "overlay", "busybox")

DOCKERFILE = """\
FROM base AS made
ARG VERSION=1
COPY src /src
RUN cat /src/* > /made
ARG LATER=1
RUN echo $VERSION $LATER > /version
FROM base
COPY --from=made /made /version /
RUN cat /made /version > /all
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "root")
    bench.build(busybox(tmp_path / "base"), names=("localhost/base:latest",))
    yield bench
    bench.close()


@pytest.fixture
def context(tmp_path: Path) -> Path:
    return write(tmp_path / "context", {"Dockerfile": DOCKERFILE, "src/a": "a\n", "src/b": "b\n"})


def executed(bench: Bench, context: Path, **options: object) -> dict[str, tuple[str, ...]]:
    """What is executed, by its command, and why."""
    built = bench.build(context, why=True, **options)
    reasons = bench.listener.why
    assert set(reasons) == {report.step.written for report in built.steps if not report.cached}
    return reasons


CAT, ECHO, ALL = "RUN cat /src/* > /made", "RUN echo $VERSION $LATER > /version", "RUN cat /made /version > /all"
TAKE = "COPY --from=made /made /version /"


def test_at_first_nothing_is_known(bench: Bench, context: Path) -> None:
    found = executed(bench, context)
    assert set(found) == {"COPY src /src", CAT, ECHO, TAKE, ALL}
    assert set(found.values()) == {("no earlier execution is known",)}
    assert executed(bench, context) == {}


def test_a_file_of_the_context(bench: Bench, context: Path) -> None:
    bench.build(context)
    write(context, {"src/a": "changed\n", "src/c": "c\n"})
    (context / "src/b").chmod(0o600)
    found = executed(bench, context)
    assert found["COPY src /src"] == (
        "context file src/a changed",
        "context file src/b changed: file 644 -> file 600",
        "context file src/c is new",
    )
    assert found[CAT] == ("below: step 1 (COPY src /src) changed its tree",)
    assert found[ALL] == (f"below: step 4 ({TAKE}) changed its tree",)
    (context / "src/a").unlink()
    assert executed(bench, context)["COPY src /src"] == ("context file src/a is gone",)


def test_a_variable_counts_for_those_that_see_it_alone(bench: Bench, context: Path) -> None:
    bench.build(context)
    found = executed(bench, context, arguments={"LATER": "2"})
    assert set(found) == {ECHO, TAKE, ALL}
    assert found[ECHO] == ('environment LATER: "1" -> "2"',)
    assert set(executed(bench, context, arguments={"OTHER": "2"})) == set()
    assert executed(bench, context, arguments={"VERSION": "2"})[CAT] == ('environment VERSION: "1" -> "2"',)


def test_a_step_that_makes_the_same_again_executes_nothing_after_it(bench: Bench, context: Path) -> None:
    bench.build(context)
    text = DOCKERFILE.replace(CAT, "RUN cat /src/a /src/b > /made")
    write(context, {"Dockerfile": text})
    found = executed(bench, context)
    assert set(found) == {"RUN cat /src/a /src/b > /made"}
    assert found.popitem()[1] == ("command: /bin/sh -c cat /src/* > /made -> /bin/sh -c cat /src/a /src/b > /made",)


def test_what_is_new_between(bench: Bench, context: Path) -> None:
    bench.build(context)
    write(context, {"Dockerfile": DOCKERFILE.replace("ARG LATER", "RUN echo > /x\nARG LATER")})
    assert executed(bench, context)[ECHO] == ("below: step 3 (RUN echo > /x) changed its tree",)
    write(context, {"Dockerfile": DOCKERFILE})
    assert executed(bench, context) == {}


def test_another_base(bench: Bench, context: Path, tmp_path: Path) -> None:
    bench.build(context)
    (base,) = {base.manifest for base in bench.build(context).bases}
    bench.build(busybox(tmp_path / "other"), names=("localhost/base:latest",), labels={"a": "b"})
    found = executed(bench, context)
    assert found["COPY src /src"][0].startswith(f'below: base image "{base}" -> "sha256:')


def test_the_same_command_elsewhere_is_better_than_nothing(bench: Bench, context: Path, tmp_path: Path) -> None:
    bench.build(context)
    other = write(tmp_path / "other", {"Dockerfile": DOCKERFILE, "src/a": "other\n", "src/b": "b\n"})
    assert executed(bench, other)["COPY src /src"] == ("context file src/a changed",)


def test_what_is_executed_for_being_asked_for(bench: Bench, context: Path) -> None:
    bench.build(context)
    found = executed(bench, context, no_cache_stages=frozenset({"made", "unknown"}))
    assert set(found) == {"COPY src /src", CAT, ECHO}
    assert set(found.values()) == {("nothing of the cache is to be used for made",)}
    assert bench.listener.warnings == ["no-cache-filter: there is no stage 'unknown'"]
    assert set(executed(bench, context, no_cache=True).values()) == {("nothing of the cache is to be used",)}


def test_a_layer_that_is_gone(bench: Bench, context: Path) -> None:
    built = bench.build(context)
    bench.store.blobs.delete(bench.manifest(built.descriptor).layers[-1].digest)
    assert executed(bench, context) == {ALL: ("what it made before is not in the store any more",)}


def test_a_step_that_failed_is_known_of_when_it_succeeded_before(bench: Bench, context: Path) -> None:
    bench.build(context)
    write(context, {"Dockerfile": DOCKERFILE.replace(ALL, "RUN cat /nothing > /all")})
    with pytest.raises(InputError):
        bench.build(context, why=True)
    assert bench.listener.why == {
        "RUN cat /nothing > /all": ("command: /bin/sh -c cat /made /version > /all -> /bin/sh -c cat /nothing > /all",)
    }


def test_what_is_linked_depends_on_nothing_below_and_what_is_above_on_all(bench: Bench, context: Path) -> None:
    text = "FROM base\nRUN echo $GREETING > /a\nCOPY --link src /src\nRUN cat /a /src/* > /all\n"
    write(context, {"Dockerfile": text})
    bench.build(context, jobs=8)
    write(context, {"Dockerfile": text.replace("GREETING", "HOME")})
    found = executed(bench, context, jobs=8)
    assert found["RUN cat /a /src/* > /all"] == ("below: step 1 (RUN echo $HOME > /a) changed its tree",)
    assert len(found) == 2


def test_words_of_whatever_differs() -> None:
    def told(old: object, new: object) -> tuple[str, ...]:
        inputs = ({"operation": {"a": value}} for value in (old, new))
        return differences(*(StepInputs(one, {}) for one in inputs), {})

    assert told(1, "1") == ('a: 1 -> "1"',)
    assert told(None, ["x", "y z"]) == ("a: nothing -> x y z",)
    assert told({"b": {"c": True}}, {"b": {"c": False}}) == ("a.b.c: true -> false",)
    chain = {"image": None, "trees": ["1", "2"]}
    assert told(chain, {"image": None, "trees": ["2", "1"]}) == ("a: the same trees in another order",)
    assert told(chain, {"image": None, "trees": ["1"]}) == ("a: 1 tree is not there any more",)
    assert told(chain, {"image": "i", "trees": ["1", "2"]}) == ('a: base image nothing -> "i"',)
    many = {str(number): "file 644 x" for number in range(15)}
    old, new = StepInputs({"context": 1}, {}), StepInputs({"context": 2}, many)
    assert differences(old, new, {})[-1] == "and 5 more files of the context"

"""The solver, its caches, and the actions of a Dockerfile's steps."""

from __future__ import annotations

import random
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from lading.build.context.context import Context
from lading.build.context.folders import Folder
from lading.build.context.hashes import Hashes
from lading.build.convert.dockerfile_graph import ConvertOptions, resolve
from lading.build.dockerfile.ignore import Ignore
from lading.build.dockerfile.instruction_reader import read
from lading.build.errors import Place
from lading.build.graph.action import Action, ActionCache, ActionResult
from lading.build.graph.graph import Graph
from lading.build.graph.halt import Halt, HaltedError
from lading.build.graph.image_config import Config
from lading.build.graph.solve_state import SolveState
from lading.build.graph.steps.chain import Chain, WantedImage
from lading.build.graph.steps.step import Step
from lading.build.graph.steps.step_operations import MkdirOp
from lading.build.operations.copy_sources import Fetching
from lading.build.operations.root_filesystems import RootFilesystems
from lading.build.operations.step_actions import StepActions
from lading.build.solver.local_cache import LocalCache, one_builder
from lading.build.solver.records import StepRecords
from lading.build.solver.solver import Solver, never
from lading.store.content.blobs import Blobs
from lading.store.content.memory import MemoryBlobs
from lading.store.oci.digests import Digest
from lading.store.oci.documents import ImageConfig, layers_with_diff_ids
from lading.store.oci.json import canonical
from lading.store.store import Store
from lading.verify.keys.keys import PrivateKey
from suites.action_cache import ActionCacheContract, MemoryCache, result_of
from suites.actions import ActionContract, Front
from suites.building import PLATFORM, Bench, Key, busybox, write
from suites.machine import needs
from suites.patience import PATIENCE


class TestMemoryCache(ActionCacheContract):
    @pytest.fixture
    def blobs(self) -> Blobs:
        return MemoryBlobs()

    @pytest.fixture
    def cache(self, blobs: Blobs) -> ActionCache:
        return MemoryCache(blobs)


class TestLocalCache(ActionCacheContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        with Store.open(tmp_path / "root") as store:
            yield store

    @pytest.fixture
    def blobs(self, store: Store) -> Blobs:
        return store.blobs

    @pytest.fixture
    def cache(self, store: Store) -> ActionCache:
        return LocalCache.of(store)

    def test_a_row_that_cannot_be_read_is_none(self, store: Store) -> None:
        LocalCache.of(store).keep("key", result_of(store.blobs, b"layer"))
        store.index.run("UPDATE cache SET value = ?", (b"{",))
        assert LocalCache.of(store).find("key") is None

    def test_a_layer_that_was_changed_is_none(self, store: Store) -> None:
        result = result_of(store.blobs, b"layer")
        LocalCache.of(store).keep("key", result)
        assert result.layer
        path = store.blobs.path(result.layer.descriptor.digest)
        path.chmod(0o644)
        path.write_bytes(b"Layer")
        assert LocalCache.of(store).find("key") is None


@needs("root", "overlay", "busybox")
class TestDockerfileActions(ActionContract):
    @contextmanager
    def front(self, tmp_path: Path, content: str) -> Generator[Front, None, None]:
        bench = Bench(tmp_path / "store")
        if bench.store.reference("localhost/base:latest") is None:
            bench.build(busybox(tmp_path / "base"), names=("localhost/base:latest",))
        text = (
            "FROM base AS a\nCOPY f /d/\nWORKDIR /w\nRUN cp /d/f . && date\nRUN true\nFROM base\nCOPY --from=a /w /\n"
        )
        folder = write(tmp_path / content, {"f": content})

        def image(wanted: WantedImage, place: Place) -> ImageConfig:
            del place
            solved.images[wanted] = bench.images.resolve(wanted.name, wanted.platform)
            return solved.images[wanted].config

        solved = SolveState()
        resolved = resolve(read(text.encode(), "Dockerfile"), ConvertOptions({}, PLATFORM, PLATFORM), image)
        hashes = Hashes(bench.store.index, folder, bench.root)
        with RootFilesystems(bench.store) as roots, Context(Folder(folder), Ignore(()), hashes, ()) as context:
            fetching = Fetching.on(bench.environment, lambda: None)
            actions = StepActions(bench.environment, roots, solved, lambda: context, fetching, lambda name: context)
            cache = MemoryCache(bench.store.blobs)
            yield Front(
                resolved.graph, Solver(bench.environment, cache, solved, actions.of, StepRecords(bench.store.index))
            )
        bench.close()


def graph_of(*below: tuple[int, ...]) -> Graph:
    """Steps that stand on those that are named, all of them needed for the last."""
    steps = tuple(
        Step(number, "", Place("f", 1, 1), MkdirOp(f"/{number}", ""), Chain(None, under), f"mkdir {number}", (), "")
        for number, under in enumerate(below)
    )
    return Graph(steps, Chain(None, (*below[-1], len(below) - 1)), Config.scratch(PLATFORM), (), {})


class Toys:
    """Actions that note what is done, and whose results are made of those below."""

    def __init__(self, blobs: Blobs) -> None:
        self.blobs = blobs
        self.done: list[int] = []

    def execute(self, number: int, inputs: bytes) -> ActionResult:
        self.done.append(number)
        return result_of(self.blobs, inputs)

    def of(self, solved: SolveState, step: Step) -> Action:
        below = [str(layer.descriptor.digest) for layer in solved.layers(step.below)]
        inputs = canonical({"text": step.text, "below": below})
        return Action(inputs, (), lambda: self.execute(step.number, inputs))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "root")
    yield bench
    bench.close()


def solver(bench: Bench, toys: Toys, cache: ActionCache, again: bool = False, jobs: int = 1) -> Solver:
    solved = SolveState()
    records = StepRecords(bench.store.index)
    asked = (lambda step: "asked for") if again else never
    return Solver(bench.environment, cache, solved, partial(toys.of, solved), records, asked, jobs)


def test_what_a_step_stands_on_is_solved_before_it(bench: Bench) -> None:
    toys = Toys(bench.store.blobs)
    found = solver(bench, toys, MemoryCache(bench.store.blobs))
    found.solve(graph_of((), (0,), (), (0, 1), (2, 3)))
    assert toys.done == [0, 1, 2, 3, 4]
    assert [report.step.number for report in bench.listener.reports] == toys.done
    assert not found.solved.cached


def test_what_the_cache_has_is_not_executed_unless_it_must_be(bench: Bench) -> None:
    toys, cache, graph = Toys(bench.store.blobs), MemoryCache(bench.store.blobs), graph_of((), (0,))
    solver(bench, toys, cache).solve(graph)
    again = solver(bench, toys, cache)
    again.solve(graph)
    assert toys.done == [0, 1]
    assert len(again.solved.cached) == 2
    solver(bench, toys, cache, again=True).solve(graph)
    assert toys.done == [0, 1, 0, 1]


def test_what_was_solved_before_a_step_failed_stays(bench: Bench) -> None:
    class Failing(Toys):
        def execute(self, number: int, inputs: bytes) -> ActionResult:
            if number == 1:
                raise ValueError("of the step")
            return super().execute(number, inputs)

    cache = MemoryCache(bench.store.blobs)
    with pytest.raises(ValueError, match="of the step"):
        solver(bench, Failing(bench.store.blobs), cache).solve(graph_of((), (0,), (0, 1)))
    toys = Toys(bench.store.blobs)
    solver(bench, toys, cache).solve(graph_of((), (0,), (0, 1)))
    assert toys.done == [1, 2]


def test_steps_that_do_not_stand_on_each_other_are_solved_at_once(bench: Bench) -> None:
    both = threading.Barrier(2)

    class Meeting(Toys):
        def execute(self, number: int, inputs: bytes) -> ActionResult:
            if number < 4:
                both.wait(PATIENCE)
            return super().execute(number, inputs)

    toys, graph = Meeting(bench.store.blobs), graph_of((), (), (0, 1), (0, 1), (2, 3))
    found = solver(bench, toys, LocalCache.of(bench.store), jobs=2)
    found.solve(graph)
    assert (set(toys.done[:2]), set(toys.done[2:4]), toys.done[4:]) == ({0, 1}, {2, 3}, [4])
    assert [report.step.number for report in found.solved.reports] == [0, 1, 2, 3, 4]
    alone = solver(bench, toys, MemoryCache(bench.store.blobs), jobs=2)
    alone.solve(graph)
    assert alone.solved.stack(graph.chain) == found.solved.stack(graph.chain)


def test_of_several_steps_at_once_the_first_that_fails_is_told_and_no_other_begins(bench: Bench) -> None:
    class Failing(Toys):
        def execute(self, number: int, inputs: bytes) -> ActionResult:
            super().execute(number, inputs)
            raise ValueError(f"of step {number}")

    toys = Failing(bench.store.blobs)
    with pytest.raises(ValueError, match="of step 0"):
        solver(bench, toys, LocalCache.of(bench.store), jobs=2).solve(graph_of((), (0,), (1,), (2,)))
    assert toys.done == [0]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_ends_one_step_ends_the_others(bench: Bench, error: type[BaseException]) -> None:
    """Whatever they do, waiting for another builder of the same action included; one that fails by that is not told."""
    both = threading.Barrier(2)

    class Ending(Toys):
        def execute(self, number: int, inputs: bytes) -> ActionResult:
            self.done.append(number)
            both.wait(PATIENCE)
            if number == 0:
                raise error("of the step")
            assert halt.given(PATIENCE)
            raise ValueError("of the end")

    toys = Ending(bench.store.blobs)
    found = solver(bench, toys, MemoryCache(bench.store.blobs), jobs=3)
    halt = found.solved.halt
    graph = graph_of((), (), (), (0, 1, 2))
    with one_builder(bench.root, found.action(graph.steps[2]).key), pytest.raises(error, match="of the step"):
        found.solve(graph)
    assert sorted(toys.done) == [0, 1]
    told = [1] if error is ValueError else [0, 1]
    assert sorted(step.number for step in bench.listener.ended) == told
    assert threading.active_count() == 1


def test_steps_of_two_chains_are_solved_at_once_whatever_their_numbers(bench: Bench) -> None:
    both = threading.Barrier(2)

    class Meeting(Toys):
        def execute(self, number: int, inputs: bytes) -> ActionResult:
            both.wait(PATIENCE)
            return super().execute(number, inputs)

    toys = Meeting(bench.store.blobs)
    graph = graph_of((), (0,), (0, 1), (), (3,), (3, 4))
    found = solver(bench, toys, MemoryCache(bench.store.blobs), jobs=2)
    found.solve(Graph(graph.steps, Chain(None, (0, 1, 2, 3, 4, 5)), graph.config, (), {}))
    assert sorted(toys.done) == [0, 1, 2, 3, 4, 5]


def test_an_unchanged_graph_is_solved_in_the_thread_of_the_caller(bench: Bench) -> None:
    toys, cache, graph = Toys(bench.store.blobs), MemoryCache(bench.store.blobs), graph_of((), (), (), (0, 1, 2))
    solver(bench, toys, cache, jobs=3).solve(graph)
    found, threads = solver(bench, toys, cache, jobs=3), set[threading.Thread]()

    def action(step: Step) -> Action:
        threads.add(threading.current_thread())
        return toys.of(found.solved, step)

    replace(found, action=action).solve(graph)
    assert threads == {threading.current_thread()}
    assert len(found.solved.cached) == 4


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_graph_the_result_does_not_depend_on_the_jobs(bench: Bench, seed: int) -> None:
    chance = random.Random(seed)
    below: list[tuple[int, ...]] = []
    for number in range(chance.randint(1, 25)):
        under = chance.choice([None, *range(number)])
        below.append(() if under is None else (*below[under], under))
    graph = graph_of(*below, tuple(range(len(below))))
    stacks = []
    for jobs in (1, 2, 8):
        toys = Toys(bench.store.blobs)
        found = solver(bench, toys, MemoryCache(bench.store.blobs), jobs=jobs)
        found.solve(graph)
        assert sorted(toys.done) == list(range(len(graph.steps)))
        assert [report.step.number for report in found.solved.reports] == sorted(toys.done)
        stacks.append(found.solved.stack(graph.chain))
    assert stacks[0] == stacks[1] == stacks[2]


@needs("root", "overlay", "busybox")
def test_image_and_attestations_do_not_depend_on_the_jobs(tmp_path: Path) -> None:
    stages = "".join(
        f"FROM base AS s{number}\nARG A=1\nCOPY f{number} f0 /d/\nRUN cat /d/* > /out-$A\nRUN echo {number} >> /out-1\n"
        for number in range(4)
    )
    copies = "".join(f"COPY --from=s{number} /out-1 /all/{number}\n" for number in range(4))
    files = {f"f{number}": f"{number}" for number in range(4)}
    context = write(
        tmp_path / "context", {"Dockerfile": f"{stages}FROM base\n{copies}RUN cat /all/* > /one\n", **files}
    )
    base, key = busybox(tmp_path / "base"), Key(PrivateKey.generate())
    images, keys, links = set[str](), set[str](), set[str]()
    for jobs in (1, 2, 8):
        bench = Bench(tmp_path / f"root{jobs}", key=key)
        bench.build(base, names=("localhost/base:latest",))
        built = bench.build(context, jobs=jobs)
        images.add(str(built.descriptor.digest))
        keys.add(str([report.step.number for report in built.steps]))
        dag = bench.manifest(built.attestations[2])
        links.add(str([layer.media_type for layer in dag.layers]) + str(dag.layers[0].digest))
        assert not any(report.cached for report in built.steps)
        assert bench.build(context, jobs=jobs).reused
        bench.close()
    assert (len(images), len(keys), len(links)) == (1, 1, 1)


@needs("root", "overlay", "busybox")
def test_what_stages_share_is_unpacked_once(tmp_path: Path) -> None:
    made = Bench(tmp_path / "made")
    base = made.build(busybox(tmp_path / "base"), names=("localhost/base:latest",)).descriptor
    with Store.open(tmp_path / "root") as store:
        opened: list[Digest] = []

        class Counting:
            def open(self, digest: Digest) -> object:
                opened.append(digest)
                return made.store.blobs.open(digest)

        manifest = made.manifest(base)
        stack = layers_with_diff_ids(manifest, made.store.config(manifest))
        store.blobs = Counting()  # type: ignore[assignment]
        together = threading.Barrier(4)

        def top(_: int) -> str | None:
            together.wait(PATIENCE)
            return roots.top(stack)

        with RootFilesystems(store) as roots, ThreadPoolExecutor(4) as pool:
            assert len(set(pool.map(top, range(4)))) == 1
    assert opened == [layer.digest for layer in manifest.layers]
    made.close()


@pytest.mark.parametrize("kind", [LocalCache, MemoryCache])
def test_of_several_solvers_one_executes(bench: Bench, kind: type) -> None:
    toys = Toys(bench.store.blobs)
    cache = LocalCache.of(bench.store) if kind is LocalCache else MemoryCache(bench.store.blobs)
    together = threading.Barrier(4)

    def solve(_: int) -> None:
        together.wait(PATIENCE)
        solver(bench, toys, cache).solve(graph_of((), (0,), (0, 1)))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(solve, range(4)))
    assert toys.done == [0, 1, 2]


def test_one_builder_at_a_time_does_an_action_and_others_do_others(tmp_path: Path) -> None:
    inside: list[int] = []
    at_once: list[int] = []

    def enter(number: int) -> None:
        with one_builder(tmp_path, "f" * 64):
            inside.append(number)
            at_once.append(len(inside))
            inside.remove(number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(enter, range(200)))
    assert at_once == [1] * 200
    both = threading.Barrier(2)

    def meet(key: str) -> None:
        with one_builder(tmp_path, key * 64):
            both.wait(PATIENCE)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(meet, "ab"))


def test_who_waits_for_another_builder_can_be_told_to_end(tmp_path: Path) -> None:
    halt = Halt()
    with one_builder(tmp_path, "f" * 64, halt), ThreadPoolExecutor(1) as pool:

        def wait() -> None:
            with one_builder(tmp_path, "f" * 64, halt):
                raise AssertionError("two at once")

        waiting = pool.submit(wait)
        halt.give()
        with pytest.raises(HaltedError):
            waiting.result(PATIENCE)

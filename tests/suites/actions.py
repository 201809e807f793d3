"""The contract of `lading.build.graph.action.Action`: a function of immutable inputs to an immutable result.

Subclass, and say how a front end's graph is made, twice alike or with another input.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import pytest

from lading.build.graph.action import Action, ActionResult
from lading.build.graph.graph import Graph
from lading.build.graph.solve_state import SolveState
from lading.build.solver.solver import Solver
from lading.store.oci.json import canonical, parse
from suites.action_cache import MemoryCache


@dataclass
class Front:
    """A graph, and what gives the actions of its steps."""

    graph: Graph
    solver: Solver

    @property
    def solved(self) -> SolveState:
        return self.solver.solved

    @property
    def cache(self) -> MemoryCache:
        assert isinstance(self.solver.cache, MemoryCache)
        return self.solver.cache

    def action(self, number: int) -> Action:
        """That of a step."""
        return self.solver.action(self.graph.steps[number])

    def keys(self) -> list[str]:
        """Of all steps, in their order."""
        return [self.solved.steps[step.number].key for step in self.graph.needed]


class ActionContract:
    def front(self, tmp_path: Any, content: str) -> AbstractContextManager[Front]:
        """A graph of several kinds of steps, one of which is given `content`; each call makes it anew."""
        raise NotImplementedError

    @pytest.fixture
    def made(self, tmp_path: Any) -> Iterator[Front]:
        """One that is solved."""
        with self.front(tmp_path, "content") as front:
            front.solver.solve(front.graph)
            yield front

    def test_the_inputs_are_data_and_always_the_same(self, made: Front) -> None:
        for step in made.graph.needed:
            action = made.action(step.number)
            assert canonical(parse(action.inputs, "inputs")) == action.inputs
            assert made.action(step.number).inputs == action.inputs
            assert (action.key, action.materials) == (
                made.solved.steps[step.number].key,
                made.solved.steps[step.number].materials,
            )

    def test_the_same_inputs_give_the_same_result(self, made: Front) -> None:
        for step in made.graph.needed:
            assert made.action(step.number).execute() == made.solved.steps[step.number].result

    def test_a_result_is_all_in_its_bytes(self, made: Front) -> None:
        for solved in made.solved.steps.values():
            layer = solved.result.layer
            assert ActionResult.parse(solved.result.raw()).unpacked_as(layer and layer.snapshot) == solved.result

    def test_every_input_counts_and_nothing_else(self, made: Front, tmp_path: Any) -> None:
        with self.front(tmp_path, "content") as same:
            same.solver.solve(same.graph)
            assert same.keys() == made.keys()
        with self.front(tmp_path, "other") as other:
            other.solver.solve(other.graph)
            assert other.keys() != made.keys()

    def test_what_is_found_is_not_executed(self, made: Front, tmp_path: Any) -> None:
        with self.front(tmp_path, "content") as again:
            again.cache.kept |= made.cache.kept
            again.cache.blobs = made.cache.blobs
            again.solver.solve(again.graph)
            assert all(step.report.cached for step in again.solved.steps.values())
            for number, step in again.solved.steps.items():
                assert step.result == made.solved.steps[number].result

"""What executed steps were given, kept beside their results in the index of one store, and never anywhere else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, cast

from lading.build.graph.action import Action
from lading.build.graph.graph import Graph
from lading.build.graph.steps.step import Step
from lading.build.solver.input_differences import StepInputs, differences
from lading.store.archives import trees
from lading.store.errors import DocumentError
from lading.store.fastclass import dataclass
from lading.store.index import Index
from lading.store.oci.json import canonical, parse
from lading.verify.documents.envelopes import Envelope

_LIMIT: Final = 64 * 1024 * 1024
_NEAR: Final = 50
"""Rows that are looked at for one that tells most."""
UNKNOWN: Final = "no earlier execution is known"
LOST: Final = "what it made before is not in the store any more"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a step stands: the file and stage, its number among the steps of that stage, and its command."""

    where: str
    number: int
    command: str


@dataclass(frozen=True, slots=True)
class StepRecords:
    """Those of one store; `file` is what is built, by its path on this machine."""

    index: Index
    file: Path = Path()

    def note(self, graph: Graph, step: Step, action: Action) -> None:
        """Keeps what `action`, whose result is kept already, was given."""
        place = self._place(graph, step)
        value = {
            "number": place.number,
            "inputs": parse(action.inputs, "inputs", limit=_LIMIT),
            "files": action.files(),
        }
        sql = "UPDATE cache SET inputs = ?, place = ?, command = ? WHERE kind = 'action' AND key = ?"
        self.index.run(sql, (_packed(canonical(value)), place.where, place.command, action.key))

    def why(self, graph: Graph, step: Step, action: Action, names: Mapping[str, str]) -> tuple[str, ...]:
        """Why an action that is about to be executed was not found; `names` tell of trees which step made them."""
        sql = "SELECT rowid FROM cache WHERE kind = 'action' AND key = ?"
        if self.index.one(sql, (action.key,)):
            return (LOST,)
        now = StepInputs(cast("dict[str, object]", parse(action.inputs, "inputs", limit=_LIMIT)), action.files())
        return self._why(now, self._place(graph, step), names, 1 << 62)

    def _place(self, graph: Graph, step: Step) -> _Place:
        # A step for several platforms is one of its stage.
        before = {(one.place, one.written) for one in graph.steps[: step.number] if one.stage == step.stage}
        number = len(before - {(step.place, step.written)})
        return _Place(_text(f"{self.file}\n{step.stage}"), number, _text(" ".join(step.command)))

    def of(self, link: Envelope, names: Mapping[str, str]) -> tuple[str, ...] | None:
        """Why the execution was made whose signed `link` this is.

        None where it was not made here, or several are known that say the same and were signed otherwise since.
        """
        rows = self._rows("envelope", link.raw()) or self._rows("statement", link.payload)
        if len(rows) != 1:
            return None
        at, packed, where, ran = rows[0]
        number, now = _unpacked(packed)
        return self._why(now, _Place(where, number, ran), names, at)

    def _rows(self, member: Literal["envelope", "statement"], text: bytes) -> list[Any]:
        sql = (
            "SELECT rowid, inputs, place, command FROM cache WHERE kind = 'action' AND inputs IS NOT NULL"
            " AND json_extract(CAST(value AS TEXT), ?) = ?"
        )
        return self.index.all(sql, (f"$.{member}", text.decode()))

    def _why(self, now: StepInputs, place: _Place, names: Mapping[str, str], before: int) -> tuple[str, ...]:
        earlier = self._earlier(place, before)
        return (UNKNOWN,) if earlier is None else differences(earlier, now, names)

    def _earlier(self, place: _Place, before: int) -> StepInputs | None:
        """The nearest: the same command in the same stage, what stood in its place, the same command elsewhere."""
        rows = self.index.all(
            "SELECT inputs, place, command FROM cache WHERE kind = 'action' AND inputs IS NOT NULL AND rowid < ?"
            " AND (place = ? OR command = ?) ORDER BY (place = ?) + (command = ?) DESC, used DESC, rowid DESC LIMIT ?",
            (before, place.where, place.command, place.where, place.command, _NEAR),
        )
        others: list[StepInputs] = []
        for packed, where, command in rows:
            number, found = _unpacked(packed)
            if where == place.where and (command == place.command or number == place.number):
                return found
            if command == place.command:
                others.append(found)
        return others[0] if others else None


def _text(words: str) -> str:
    """Words of a Dockerfile or a path as the database takes them."""
    return trees.text(words.encode("utf-8", "surrogateescape"))


def _packed(data: bytes) -> bytes:
    import zstandard  # noqa: PLC0415

    return zstandard.compress(data)


def _unpacked(data: bytes) -> tuple[int, StepInputs]:
    import zstandard  # noqa: PLC0415

    try:
        raw = zstandard.decompress(data, max_output_size=_LIMIT)
    except zstandard.ZstdError as error:
        raise DocumentError(f"the record of a step: {error}") from error
    value = cast("dict[str, object]", parse(raw, "the record of a step", limit=_LIMIT))
    inputs, files = cast("dict[str, object]", value["inputs"]), cast("dict[str, str]", value["files"])
    return cast(int, value["number"]), StepInputs(inputs, files)

"""The verdict is the only door (ADR 0003)."""

from __future__ import annotations

import ast
import copy
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

import lading.verify.judgement.verdict as module
from lading.verify.judgement.verdict import Verdict, mint
from lading.verify.judgement.verifier import Verifier
from suites.papers import image, target, trusting

HOUSE = Path(__file__).resolve().parents[2]
MODULE = "lading.verify.judgement.verdict"


def overridden() -> Verdict:
    return Verifier(trusting("own")).override(target(image()), "test")


def test_a_verdict_made_by_hand_holds_nothing() -> None:
    forged = Verdict()
    for name in ("manifest", "index", "decision", "basis", "names", "evidence"):
        with pytest.raises(TypeError, match="comes only from"):
            getattr(forged, name)
    with pytest.raises(TypeError):
        list(forged.explain())
    with pytest.raises(AttributeError):
        forged.manifest = image().descriptor.digest  # type: ignore[misc]
    with pytest.raises(AttributeError):
        forged.extra = 1  # type: ignore[attr-defined]


def test_a_verdict_is_not_copied_pickled_or_subclassed() -> None:
    verdict = overridden()
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            attempt(verdict)  # type: ignore[operator]
    with pytest.raises(TypeError):
        type("Mine", (Verdict,), {})


def test_a_verdict_is_itself_alone() -> None:
    first, second = overridden(), overridden()
    assert first != second
    assert first.manifest == second.manifest


def test_its_facts_go_with_it() -> None:
    before = len(module._minted)
    verdict = overridden()
    assert len(module._minted) == before + 1
    del verdict
    assert len(module._minted) == before


def test_a_refusal_is_not_minted() -> None:
    decision = Verifier(trusting("own")).examine(target(image()), [])
    with pytest.raises(TypeError, match="a refusal is no verdict"):
        mint(decision)


def sources() -> Iterator[Path]:
    for folder in HOUSE.glob("*/lading"):
        yield from folder.rglob("*.py")


def imported(tree: ast.AST) -> Iterator[str]:
    """Everything a module imports, as dotted names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_only_the_verifier_mints() -> None:
    found: dict[str, set[str]] = {}
    for path in sources():
        text = path.read_text()
        for name in imported(ast.parse(text)):
            if name == MODULE or name == "lading.verify.judgement.verdict.*" or name.startswith(MODULE + "."):
                found.setdefault(name, set()).add(path.name)
        if path.name not in ("verdict.py", "verifier.py"):
            assert "_minted" not in text, path
            assert "verdict import mint" not in text, path
    assert found.pop(f"{MODULE}.mint") == {"verifier.py"}
    assert set(found) <= {f"{MODULE}.Verdict"}, "a module that imports the whole of verdict could mint"

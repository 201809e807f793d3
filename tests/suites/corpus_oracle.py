"""What BuildKit makes of a case of the corpus."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from suites.buildkit import BuildKit
from suites.corpus import CorpusCase, told_of
from suites.programs import lines

_UNSTABLE = re.compile(r"^error: failed to solve: |failed to .* of ref \S+: |/\S+/cachemounts/buildkit[0-9]+/")


def answered(daemon: BuildKit, case: CorpusCase, context: Path, work: Path) -> dict[str, object] | str:
    """The tree and what is compared of the config, or why it is refused."""
    (work / "file").mkdir(parents=True)
    (work / "file/Dockerfile").write_text(case.text)
    words = [word for name, value in case.arguments.items() for word in ("--opt", f"build-arg:{name}={value}")]
    words += ["--opt", f"target={case.target}"] * bool(case.target)
    layout = work / "layout"
    words += ["--output", f"type=oci,tar=false,dest={layout}"]
    refusal = daemon.try_build(context, work / "root", *words, dockerfile=work / "file")
    if refusal is not None:
        return _UNSTABLE.sub("", refusal)
    return {"tree": lines(work / "root"), **told_of(_config(layout))}


def _config(layout: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((layout / "index.json").read_text())
    (document,) = document["manifests"]
    for digest in (document["digest"], None):
        name = digest or document["config"]["digest"]
        document = json.loads((layout / "blobs" / name.replace(":", "/")).read_text())
    return document

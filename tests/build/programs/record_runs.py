"""Records what BuildKit makes of `suites.runs`: ``python tests/build/programs/record_runs.py [NAME...]``, as root."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from suites.buildkit import buildkit
from suites.runs import BUILT_ON, EXECUTED, KEYS, MOUNTED, SECRETS, Case, context, seen, told

RUNS = Path(__file__).with_name("runs.json")


def words(case: Case, folder: Path) -> list[str]:
    """What the call says of a case."""
    found: list[str] = []
    for name in case.secrets:
        (folder / name).write_bytes(SECRETS[name])
        found += ["--secret", f"id={name},src={folder / name}"]
    for name, value in case.arguments.items():
        found += ["--opt", f"build-arg:{name}={value}"]
    for name in case.allow:
        found += ["--allow", name]
    return [*found, *(["--opt", f"target={case.target}"] if case.target else [])]


def main() -> None:
    """An answer is a root file system, or the text of a refusal."""
    wanted = sys.argv[1:]
    found: dict[str, object] = json.loads(RUNS.read_text()) if wanted else {}
    with buildkit() as daemon, tempfile.TemporaryDirectory() as name:
        for number, case in enumerate((*MOUNTED, *EXECUTED, *BUILT_ON, *KEYS)):
            if wanted and case.name not in wanted and not (wanted == ["new"] and case.name not in found):
                continue
            folder = Path(name, str(number))
            made, call = context(folder / "context", case), words(case, folder)
            if case.first:
                layout = folder / "first"
                digest, _ = daemon.image(context(folder / "before", case, case.first), layout)
                call += ["--oci-layout", f"first={layout}", "--opt", f"context:onbase=oci-layout://first@{digest}"]
            refusal = daemon.try_build(made, folder / "root", *call)
            found[case.name] = refusal if refusal is not None else {} if case in KEYS else seen(folder / "root")
            if case in BUILT_ON and refusal is None:
                config = daemon.image(made, folder / "layout", *call)[1]
                found[case.name] = {"files": found[case.name], **told(config)}
            print(case.name, refusal or "", flush=True)
    RUNS.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


main()

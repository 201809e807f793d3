"""A build for another architecture whose RUN qemu-user executes, known to a binfmt_misc of its own user namespace."""

from __future__ import annotations

import json
from pathlib import Path

from suites.binfmt import arm64_program, call_inside, line
from suites.commands import LADING, Lading, context
from suites.machine import needs

ENTRY = line("qemu-aarch64", interpreter="/usr/bin/qemu-aarch64-static")


@needs("root", "unshare", "binfmt", "qemu", "crun", "overlay")
def test_a_run_of_another_architecture(tmp_path: Path) -> None:
    lading = Lading(tmp_path / "root")
    folder = context(tmp_path / "context", 'FROM scratch\nCOPY program /\nRUN ["/program"]\n')
    (folder / "program").write_bytes(arm64_program())
    (folder / "program").chmod(0o755)
    variables = lading.variables(XDG_RUNTIME_DIR=str(tmp_path), LANG="C.UTF-8")

    def call(*words: str | Path) -> str:
        return call_inside([LADING, *words], lines=[ENTRY], variables=variables)

    call("keygen")
    call("build", "--network", "none", "--platform", "linux/arm64", "-t", "localhost/x", "-o", tmp_path / "out", folder)
    assert (tmp_path / "out/made").read_text() == "arm64\n"
    assert "2  RUN /program  emulated" in call("provenance", "localhost/x")
    assert json.loads(call("inspect", "localhost/x"))[0]["Architecture"] == "arm64"
    assert "reproduced" in call("rebuild", "localhost/x", "--context", folder)

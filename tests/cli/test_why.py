"""`lading why` knows a RUN by the words of its Dockerfile, as the build showed it."""

from __future__ import annotations

from pathlib import Path

from suites.commands import Lading, busybox
from suites.machine import needs

pytestmark = needs("root", "overlay", "crun", "busybox")


def test_a_run_is_found_by_its_words(tmp_path: Path) -> None:
    lading = Lading(tmp_path / "root")
    lading.ok("keygen")
    lading.ok("build", "-q", "-t", "app", busybox(tmp_path / "app", "RUN echo x >/x\n"))
    for words in ("RUN echo x", "RUN /bin/sh -c echo", "echo x"):
        assert lading.ok("why", "app", words).splitlines()[0].endswith("  RUN /bin/sh -c echo x >/x"), words
    assert "app has no step RUN exit" in lading.fails(1, "why", "app", "RUN exit")

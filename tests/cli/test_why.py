"""`lading why` knows a RUN by the words of its Dockerfile, as the build showed it."""

from __future__ import annotations

from pathlib import Path

from suites.commands import Lading, busybox, context
from suites.machine import needs

pytestmark = needs("root", "overlay", "crun", "busybox")


def test_a_run_is_found_by_its_words(tmp_path: Path) -> None:
    lading = Lading(tmp_path / "root")
    lading.ok("keygen")
    lading.ok("build", "-q", "-t", "app", busybox(tmp_path / "app", "RUN echo x >/x\nRUN true\n"))
    for words in ("RUN echo x", "RUN /bin/sh -c echo", "echo x"):
        assert lading.ok("why", "app", words).splitlines()[0].endswith("  RUN /bin/sh -c echo x >/x"), words
    assert lading.ok("why", "app", "3").splitlines()[1].strip() == "it made nothing"
    assert "app has no step RUN exit" in lading.fails(1, "why", "app", "RUN exit")


def test_the_answer_is_of_the_execution_that_made_the_image(tmp_path: Path) -> None:
    """Whoever made the same later."""
    lading = Lading(tmp_path / "root")
    lading.ok("keygen")
    lading.ok("build", "-q", "-t", "base", busybox(tmp_path / "base"))
    made = context(tmp_path / "app", "FROM base\nARG V\nRUN echo same >/x\n")
    for number in ("1", "2"):
        lading.ok("build", "-q", "-t", f"app:{number}", "--build-arg", f"V={number}", made)
    for _ in range(2):
        assert lading.ok("why", "app:1").splitlines()[1].strip() == "no earlier execution is known"
        assert lading.ok("why", "app:2").splitlines()[1].strip() == 'environment V: "1" -> "2"'
        lading.ok("build", "-q", "--no-cache", "-t", "base", tmp_path / "base")

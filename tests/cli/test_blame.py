"""`lading blame` names the step that wrote a file, and counts what comes from where."""

from __future__ import annotations

import json
from pathlib import Path

from suites.commands import Lading, busybox, context
from suites.machine import needs

pytestmark = needs("root", "overlay", "crun", "busybox")


def test_steps_stages_and_shares(tmp_path: Path) -> None:
    lading = Lading(tmp_path / "root")
    lading.ok("keygen")
    lading.ok("build", "-q", "-t", "localhost/base", busybox(tmp_path / "base"))
    text = """FROM localhost/base AS made
COPY in /in
RUN cat /in >/out
FROM localhost/base
COPY in /srv/in
RUN --network=none cat /srv/in >/srv/offline
COPY --from=made /out /srv/out
"""
    lading.ok("build", "-q", "-t", "localhost/app", context(tmp_path / "app", text, **{"in": "content"}))
    out = lading.ok("blame", "localhost/app", "/srv/out")
    assert "step     COPY" in out
    assert "(line 7, stage" in out
    assert "made by RUN /bin/sh -c cat /in >/out" in out
    assert "source   executed" in out
    found = json.loads(lading.ok("blame", "--format", "json", "localhost/app", "srv/in"))
    assert (found["source"], found["line"], found["trusted"]) == ("pinned", 5, True)
    assert "context" in [item["name"] for item in found["inputs"]]
    # Without a network a command is a function of what it was given; with one, so is not what stands on it.
    assert "source   pinned" in lading.ok("blame", "localhost/app", "srv/offline")
    below = lading.ok("blame", "localhost/app", "bin/busybox")
    assert "step     COPY bin /bin (line 2" in below
    shares = json.loads(lading.ok("blame", "--format", "json", "localhost/app"))
    assert (shares["files"], shares["traced"]["files"]) == (4, 3)
    first = lading.ok("blame", "localhost/app").splitlines()[0]
    assert first.startswith("localhost/app:latest: 3 of 4 files, 99.9 % of ")
    assert "not in localhost/app" in lading.fails(1, "blame", "localhost/app", "/none")


def test_of_an_image_without_a_record_nothing_is_known(tmp_path: Path) -> None:
    maker, user = Lading(tmp_path / "maker"), Lading(tmp_path / "user")
    maker.ok("keygen")
    made = context(tmp_path / "app", "FROM scratch\nCOPY a /a\n", a="x")
    maker.ok("build", "-q", "-t", "localhost/app", "-o", f"oci:{tmp_path}/layout", made)
    user.ok("keygen")
    user.ok("load", "-i", f"oci:{tmp_path}/layout", "-t", "localhost/app")
    assert "unknown: no record" in user.ok("blame", "localhost/app", "/a")
    assert user.ok("blame", "localhost/app").startswith("localhost/app:latest: 0 of 1 files, 0.0 %")


def test_what_was_lent_to_a_step_is_on_no_record(tmp_path: Path) -> None:
    """No network is needed to write what nobody can find again."""
    lading = Lading(tmp_path / "root")
    lading.ok("keygen")
    lading.ok("build", "-q", "-t", "localhost/base", busybox(tmp_path / "base"))
    text = """FROM localhost/base AS plain
RUN --network=none --mount=type=secret,id=none echo >/plain
FROM localhost/base AS lent
RUN --network=none --mount=type=secret,id=tok cat /run/secrets/tok >/lent
FROM localhost/base AS kept
RUN --network=none --mount=type=cache,target=/c echo >/c/x; cat /c/x >/kept
FROM plain
COPY --from=lent /lent /
COPY --from=kept /kept /
"""
    made = context(tmp_path / "app", text)
    lading.ok("build", "-q", "-t", "localhost/app", "--secret", "id=tok,env=HOME", made)
    sources = {
        name: lading.ok("blame", "localhost/app", name).rpartition("source   ")[2] for name in ("lent", "kept", "plain")
    }
    assert {name: text.partition(":")[0] for name, text in sources.items()} == {
        "lent": "executed",
        "kept": "executed",
        "plain": "pinned",
    }

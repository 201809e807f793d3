"""Words from outside do not reach the terminal as they are, also where a strict parser lets them through."""

from __future__ import annotations

import pytest

from lading.cli.commands.trust.provenance import _built
from lading.cli.display import drawing
from lading.cli.display.output import Output
from lading.verify.documents.dag import Dag, DagNode
from lading.verify.documents.provenance import DOCKERFILE_BUILD, Provenance
from lading.verify.documents.statements import ResourceDescriptor

EVIL = ResourceDescriptor("context", {"\x1b[2Jmd5": "\x1b[31mnot hexadecimal"})


def test_digests_of_unknown_algorithms_are_escaped() -> None:
    drawn = drawing.text(Dag((DagNode("COPY a /a", "linux/amd64", inputs=(EVIL,)),)))
    built = _built(Provenance(DOCKERFILE_BUILD, "urn:x", {}, dependencies=(EVIL,)))
    assert "\x1b" not in "".join([*drawn, *built])
    assert "\\x1b[2Jmd5" in "".join(drawn)
    assert "\\x1b[2Jmd5" in "".join(built)


def test_warnings_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    Output("never", {}).warn("base image app is unverified: \x1b]0;owned\x07 is of another type")
    assert capsys.readouterr().err == "warning: base image app is unverified: \\x1b]0;owned\\x07 is of another type\n"

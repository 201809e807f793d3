"""What is said of the network of a step."""

from __future__ import annotations

from pathlib import Path

import pytest

from lading.build.graph.executor import ProcessSpec
from lading.build.operations.running.recording.build_authority import BuildAuthority
from lading.build.operations.running.recording.web_gateway import WebGateway
from lading.build.operations.running.recording.web_replayer import WebReplayer
from lading.build.operations.running.recording.withheld_values import Readings
from lading.runtime.lifecycle.step_network import join
from lading.store.content.memory import MemoryBlobs
from lading.verify.observations.exchanges import NetworkTape
from suites.machine import needs

pytestmark = needs("root", "netns", "nft")


@pytest.mark.parametrize(("insecure", "state"), [(False, "observed"), (True, "unobserved")])
def test_who_may_do_all_that_its_builder_may_is_not_said_to_be_enclosed(
    tmp_path: Path, insecure: bool, state: str
) -> None:
    answers = WebReplayer(NetworkTape(), ("x",), MemoryBlobs(), Readings.of({}, {}, {}))
    gateway = WebGateway(answers, BuildAuthority(), lambda line: None)
    step = ProcessSpec(("x",), insecure=insecure, gateway=gateway)
    joined = join(None, ("x", tmp_path, tmp_path), step)
    try:
        assert joined.contacts().state == state
    finally:
        joined.close()

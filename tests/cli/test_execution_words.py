"""What `lading provenance` says of the execution of steps, out of what docs/formats.md describes."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from lading.cli.commands.trust.execution_words import execution_words
from lading.verify.documents.provenance import DOCKERFILE_BUILD, LOCAL_BUILDER, Provenance

WEB = {"protocol": "tcp", "address": "192.0.2.99", "port": 80, "names": ["files.example.com"]}
PING = {"protocol": "icmp6", "address": "2001:db8::1", "port": 0}


@pytest.mark.parametrize(
    ("internal", "words"),
    [
        ({}, []),
        ({"isolation": "oci"}, ["executed under oci"]),
        (
            {"isolation": "chroot", "keyExposed": True},
            ["executed under chroot, the signing key in reach (keyExposed)"],
        ),
        ({"contacted": {"state": "observed", "destinations": []}}, ["contacted nothing"]),
        (
            {"contacted": {"state": "observed", "destinations": [PING, WEB]}},
            ["contacted icmp6 [2001:db8::1]", "contacted tcp 192.0.2.99:80 (files.example.com)"],
        ),
        (
            {"contacted": {"state": "cut", "destinations": [WEB]}},
            [
                "contacted tcp 192.0.2.99:80 (files.example.com)",
                "contacted others, too: there were more than fit",
            ],
        ),
        (
            {"contacted": {"state": "unobserved", "reason": "the network is the host's"}},
            ["contacted what could not be seen (the network is the host's)"],
        ),
        (
            {"contacted": {"state": "observed", "destinations": [{**WEB, "names": ["\x1b[2J"]}]}},
            ["contacted tcp 192.0.2.99:80 (\\x1b[2J)"],
        ),
    ],
)
def test_isolation_and_destinations_are_told(internal: Mapping[str, object], words: list[str]) -> None:
    found = Provenance(DOCKERFILE_BUILD, LOCAL_BUILDER, internal=internal)
    assert [line.strip() for line in execution_words(found)] == words


@pytest.mark.parametrize("value", [None, [], {}, {"state": "seen"}, {"state": "observed", "destinations": [1]}])
def test_what_others_wrote_wrongly_ends_nothing(value: object) -> None:
    found = Provenance(DOCKERFILE_BUILD, LOCAL_BUILDER, internal={"contacted": value})
    (line,) = execution_words(found)
    assert line.startswith("  contacted: cannot be read: ")

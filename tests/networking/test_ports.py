"""`-p`, as docker's users write it."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.networking.driver import PortMapping
from lading.networking.ports import parse_publish
from lading.store.errors import UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("80", [PortMapping(None, 0, 80)]),
        ("8080:80", [PortMapping(None, 8080, 80)]),
        ("8080:80/udp", [PortMapping(None, 8080, 80, "udp")]),
        ("8080:80/TCP", [PortMapping(None, 8080, 80)]),
        ("127.0.0.1:8080:80", [PortMapping("127.0.0.1", 8080, 80)]),
        ("127.0.0.1::80", [PortMapping("127.0.0.1", 0, 80)]),
        ("127.0.0.1:0:80", [PortMapping("127.0.0.1", 0, 80)]),
        ("0:80", [PortMapping(None, 0, 80)]),
        ("[::1]:8080:80", [PortMapping("::1", 8080, 80)]),
        ("8000-8002:80", [PortMapping(None, 8000, 80, "tcp", 8002)]),
        ("8000-8001:80-81", [PortMapping(None, 8000, 80), PortMapping(None, 8001, 81)]),
        ("80-81", [PortMapping(None, 0, 80), PortMapping(None, 0, 81)]),
    ],
)
def test_forms(text: str, expected: list[PortMapping]) -> None:
    assert list(parse_publish(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "http",
        "80:http",
        "65536",
        "0",
        "80:0",
        "8080:80/sctp",
        "1.2.3:80:80",
        "[x]:80:80",
        "8000-8001:80-82",
        "9-8",
        "a:b:c:d",
    ],
)
def test_what_is_not_a_port(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_publish(text)
    assert caught.value.message.startswith(f"publish {text}: ")
    assert caught.value.option == "publish"


@given(st.text(max_size=20))
def test_nothing_but_a_usage_error(text: str) -> None:
    with contextlib.suppress(UsageError):
        parse_publish(text)

"""The headers that are parsed: whatever a registry sends, the answer is a value or one of our errors."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lading.registry.auth.challenges import Challenge, parse_challenges
from lading.registry.client.pages import next_link
from lading.registry.client.session import retry_after
from lading.registry.errors import ProtocolError
from lading.registry.http.hosts import Origin, join

WORDS = st.text(alphabet='<>;,="\\ abBearerrelnextrealm:/?#@[]\x7fé\t', max_size=60)


@pytest.mark.parametrize(
    ("header", "challenges"),
    [
        ("", ()),
        ("Basic", (Challenge("basic", {}),)),
        ('BASIC realm="a \\"b\\""', (Challenge("basic", {"realm": 'a "b"'}),)),
        ("Negotiate abc==, Basic realm=x", (Challenge("negotiate", {}), Challenge("basic", {"realm": "x"}))),
        (
            'Bearer realm="https://example.com/t",service="s",scope="repository:a:pull,push", Basic realm="r"',
            (
                Challenge(
                    "bearer", {"realm": "https://example.com/t", "service": "s", "scope": "repository:a:pull,push"}
                ),
                Challenge("basic", {"realm": "r"}),
            ),
        ),
        ('Bearer realm="a", realm="b"', (Challenge("bearer", {"realm": "a"}),)),
    ],
)
def test_challenges(header: str, challenges: tuple[Challenge, ...]) -> None:
    assert parse_challenges(header) == challenges


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ('</v2/a/tags/list?n=1&last=x>; rel="next"', "/v2/a/tags/list?n=1&last=x"),
        ("<x>; rel=next", "x"),
        ('<a>; rel="prev", <b>; title="x"; rel="next"', "b"),
        ('<a>; rel="first next"', "a"),
        ('<a>; rel="nextish"', None),
        ('<a>; title="rel=next"', None),
        ("<a>", None),
        ("a; rel=next", None),
        ("", None),
    ],
)
def test_next_link(header: str, target: str | None) -> None:
    assert next_link(header) == target


@settings(max_examples=150)
@given(WORDS)
def test_any_header_is_parsed_or_ignored(text: str) -> None:
    parse_challenges(text)
    next_link(text)
    retry_after(text)


@settings(max_examples=100)
@given(WORDS)
def test_any_location_is_an_origin_or_an_error(text: str) -> None:
    try:
        url = join("https://example.com/v2/", text)
    except ProtocolError:
        return
    assert Origin.of(url).scheme in ("http", "https")
    assert "@" not in url.split("/")[2]

"""Names and paths as they may come, sent byte by byte: an answer always, never a fault, never another's file."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from suites.registry_api import Repository, code_of, raw_request

GOOD = [
    "a",
    "a/b",
    "a/b/c/d/e",
    "a.b",
    "a_b",
    "a__b",
    "a-b",
    "a---b",
    "0",
    "blobs",
    "manifests",
    "tags/list",
    "blobs/uploads",
]
GOOD += ["a/manifests/b", "x/blobs/uploads/y", "referrers", "a" * 255, "_catalog"[1:]]
BAD = [
    "A",
    "a/B",
    "-a",
    "a-",
    "a..b",
    "a___b",
    "_a",
    "a/_b",
    "ä",
    "a" * 256,
    "a" * 900,
    "a//b",
    "a%5Cb",
    "a%00b",
    "%C3%A4",
]
TRAVERSAL = ["..", "../..", "a/../b", "a/..", "%2e%2e", "a/%2e%2e/%2e%2e/b", "%2e%2e%2f%2e%2e", "..%2f..%2f..%2fetc"]


def status(answer: bytes) -> int:
    assert answer.startswith(b"HTTP/1.1 "), answer[:100]
    assert b"Traceback" not in answer
    return int(answer[9:12])


@pytest.mark.parametrize("name", GOOD)
def test_a_name_that_is_one(repo: Repository, name: str) -> None:
    named = Repository(repo.client, name)
    digest = named.put_image("v1")
    assert named.get("manifests/v1").headers["docker-content-digest"] == digest
    assert named.get("tags/list").json() == {"name": name, "tags": ["v1"]}


@pytest.mark.parametrize("name", [*BAD, *TRAVERSAL])
@pytest.mark.parametrize("rest", ["GET tags/list", "GET manifests/v1", "POST blobs/uploads/"])
def test_a_name_that_is_none(address: str, name: str, rest: str) -> None:
    method, _, path = rest.partition(" ")
    answer = raw_request(address, f"{method} /v2/{name.encode().decode('latin-1')}/{path}")
    assert status(answer) in (400, 404)
    assert b"\r\nlocation:" not in answer.lower()


def test_a_long_name_is_an_invalid_name(address: str) -> None:
    assert b"NAME_INVALID" in raw_request(address, f"GET /v2/{'a' * 300}/tags/list")


@pytest.mark.parametrize(
    "tag", ["", "-a", ".a", "a" * 129, "a b".replace(" ", "%20"), "a%2Fb", "%zz", "%ff", "a%00", "é"]
)
def test_a_tag_that_is_none(repo: Repository, address: str, tag: str) -> None:
    path = f"/v2/{repo.name}/manifests/{tag.encode().decode('latin-1')}"
    assert status(raw_request(address, f"GET {path}")) in (400, 404)
    assert status(raw_request(address, f"PUT {path}", {"Content-Length": "2"}, b"{}")) in (400, 404)


def test_the_longest_tag(repo: Repository) -> None:
    repo.put_image("a" * 128)
    assert repo.get(f"manifests/{'a' * 128}").status_code == 200


def test_percent_signs_are_decoded_once(repo: Repository) -> None:
    digest = repo.put_image("v1")
    assert repo.get(f"manifests/{digest.replace(':', '%3A')}").status_code == 200
    assert code_of(repo.get(f"manifests/{digest.replace(':', '%253A')}")) == "MANIFEST_UNKNOWN"


@pytest.mark.parametrize(
    "reference", ["-x", ".x", "a" * 129, "sha256:xyz", "md5:" + "0" * 32, "a%20b", "a:b", "%C3%A9"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_a_reference_that_no_manifest_can_have_is_not_here(repo: Repository, method: str, reference: str) -> None:
    answer = repo.client.request(method, f"/v2/{repo.name}/manifests/{reference}")
    assert answer.status_code == 404
    assert method == "HEAD" or code_of(answer) == "MANIFEST_UNKNOWN"


@pytest.mark.parametrize(
    "path", ["/", "/v1/", "/v2/x", "/v2//", "/v3/a/tags/list", "/v2/a/tags/other", "/v2/_catalog/x"]
)
def test_paths_that_lead_nowhere(address: str, path: str) -> None:
    assert status(raw_request(address, f"GET {path}")) == 404


def test_a_path_without_end(address: str) -> None:
    assert status(raw_request(address, f"GET /v2/{'a/' * 20_000}tags/list")) in (400, 404, 414)


def test_more_parameters_than_anybody_needs(repo: Repository) -> None:
    repo.put_image("v1")
    assert repo.get("tags/list?" + "&".join(f"x{number}=1" for number in range(1000))).status_code == 400


def test_two_ways_to_say_a_length_do_not_smuggle(address: str) -> None:
    smuggled = b"0\r\n\r\nGET /v2/_catalog HTTP/1.1\r\nHost: localhost\r\n\r\n"
    headers = {"Content-Length": str(len(smuggled)), "Transfer-Encoding": "chunked", "Connection": "keep-alive"}
    assert raw_request(address, "POST /v2/a/blobs/uploads/", headers, smuggled).count(b"HTTP/1.1 ") == 1


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE"]),
    path=st.text(st.sampled_from("/.%-_:?&=a2Fe0vlobsmanifetgrcud é\x7f"), max_size=60),
)
def test_whatever_is_asked_is_answered(address: str, method: str, path: str) -> None:
    line = f"{method} /v2/{path}".encode().decode("latin-1").replace(" ", "+")
    assert status(raw_request(address, line, {"Content-Length": "0"})) < 500

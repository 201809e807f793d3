"""Lists of tags, referrers and repositories (distribution-spec 1.1.1, end-8, end-12)."""

from __future__ import annotations

import httpx
import pytest

from suites.registry_api import INDEX, MANIFEST, Repository, code_of, descriptor, digest_of, index

TAGS = ["10", "9", "A", "_x", "a", "a-b", "a.b", "latest", "v1"]


def pages(client: httpx.Client, url: str, key: str) -> list[list[object]]:
    """Every page, following Link as clients do."""
    found: list[list[object]] = []
    following: str | None = url
    while following is not None and len(found) < 50:
        answer = client.get(following)
        assert answer.status_code == 200
        found.append(answer.json()[key])
        following = answer.links["next"]["url"] if "link" in answer.headers else None
    return found


@pytest.fixture
def tagged(repo: Repository) -> Repository:
    repo.put_image("latest")
    raw = repo.get("manifests/latest").content
    for tag in TAGS:
        repo.put(tag, raw)
    return repo


def test_end_8a_tags_in_order(tagged: Repository) -> None:
    assert tagged.get("tags/list").json() == {"name": tagged.name, "tags": sorted(TAGS)}


@pytest.mark.parametrize("count", [1, 2, 4, 8, 9, 10, 100_000])
def test_end_8b_pages(tagged: Repository, count: int) -> None:
    found = pages(tagged.client, f"/v2/{tagged.name}/tags/list?n={count}", "tags")
    assert [len(page) for page in found[:-1]] == [count] * (len(found) - 1)
    assert [tag for page in found for tag in page] == sorted(TAGS)


def test_end_8b_last_is_left_out_and_need_not_be_there(tagged: Repository) -> None:
    assert tagged.get("tags/list?last=a").json()["tags"] == ["a-b", "a.b", "latest", "v1"]
    assert tagged.get("tags/list?last=b&n=1").json()["tags"] == ["latest"]
    assert tagged.get("tags/list?last=zzz").json()["tags"] == []


def test_end_8b_none_at_all(tagged: Repository) -> None:
    answer = tagged.get("tags/list?n=0")
    assert answer.json()["tags"] == []
    assert "link" not in answer.headers


@pytest.mark.parametrize("count", ["-1", "x", "", "1.5", "²", "9" * 5000, "1&n=2"])
def test_a_count_that_is_none_is_400(tagged: Repository, count: str) -> None:
    assert tagged.get(f"tags/list?n={count}").status_code == 400


def test_a_repository_that_is_not_there(repo: Repository) -> None:
    assert code_of(repo.get("tags/list")) == "NAME_UNKNOWN"


def test_a_link_cannot_be_forged(tagged: Repository) -> None:
    answer = tagged.get("tags/list?n=1&last=%0d%0aX-Evil:%201%3E")
    assert "x-evil" not in answer.headers
    assert answer.status_code == 200


def test_the_catalog(client: httpx.Client, repo: Repository, other: Repository) -> None:
    repo.put_image("v1")
    other.put_image("v1")
    found = [name for page in pages(client, "/v2/_catalog?n=2", "repositories") for name in page]
    assert {repo.name, other.name} <= set(map(str, found))
    assert found == sorted(map(str, found))
    assert client.get("/v2/_catalog?n=-1").status_code == 400


# Referrers


def paper(repo: Repository, subject: dict[str, object], number: int = 0, **more: object) -> str:
    more.setdefault("artifactType", "application/vnd.example.paper")
    more.setdefault("annotations", {"number": str(number)})
    raw = repo.manifest(b"paper", subject=subject, **more)
    answer = repo.put(digest_of(raw), raw)
    assert answer.status_code == 201, answer.text
    return digest_of(raw)


@pytest.fixture
def subject(repo: Repository) -> dict[str, object]:
    repo.put_image("v1")
    return descriptor(repo.get("manifests/v1").content, MANIFEST)


def test_end_12a_referrers(repo: Repository, subject: dict[str, object]) -> None:
    digest = paper(repo, subject, 7)
    answer = repo.get(f"referrers/{subject['digest']}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, INDEX)
    assert "oci-filters-applied" not in answer.headers
    value = answer.json()
    assert (value["schemaVersion"], value["mediaType"]) == (2, INDEX)
    assert value["manifests"] == [
        {
            "mediaType": MANIFEST,
            "digest": digest,
            "size": len(repo.get(f"manifests/{digest}").content),
            "annotations": {"number": "7"},
            "artifactType": "application/vnd.example.paper",
        }
    ]


def test_the_config_says_what_a_manifest_is_where_nothing_else_does(
    repo: Repository, subject: dict[str, object]
) -> None:
    paper(repo, subject, artifactType=None)
    [found] = repo.get(f"referrers/{subject['digest']}").json()["manifests"]
    assert found["artifactType"] == "application/vnd.oci.image.config.v1+json"


def test_an_index_refers_too_and_has_no_type_but_its_own(repo: Repository, subject: dict[str, object]) -> None:
    raw = index([], subject=subject)
    answer = repo.put(digest_of(raw), raw, INDEX)
    assert answer.headers["oci-subject"] == subject["digest"]
    [found] = repo.get(f"referrers/{subject['digest']}").json()["manifests"]
    assert (found["mediaType"], "artifactType" in found) == (INDEX, False)


def test_end_12b_filtered(repo: Repository, subject: dict[str, object]) -> None:
    wanted = paper(repo, subject, artifactType="text/x+y")
    paper(repo, subject)
    answer = repo.request("GET", f"referrers/{subject['digest']}", params={"artifactType": "text/x+y"})
    assert answer.headers["oci-filters-applied"] == "artifactType"
    assert [item["digest"] for item in answer.json()["manifests"]] == [wanted]


def test_of_what_is_not_there_nothing_is_known(repo: Repository) -> None:
    answer = repo.get(f"referrers/{digest_of(b'never')}")
    assert (answer.status_code, answer.json()["manifests"]) == (200, [])
    assert code_of(repo.get("referrers/sha256:xyz")) == "DIGEST_INVALID"


def test_a_deleted_referrer_is_not_listed(repo: Repository, subject: dict[str, object]) -> None:
    digest = paper(repo, subject)
    repo.request("DELETE", f"manifests/{digest}")
    assert repo.get(f"referrers/{subject['digest']}").json()["manifests"] == []


def test_referrers_stay_in_their_repository(repo: Repository, other: Repository, subject: dict[str, object]) -> None:
    paper(repo, subject)
    assert other.get(f"referrers/{subject['digest']}").json()["manifests"] == []


def test_referrers_come_in_pages_that_clients_accept(repo: Repository, subject: dict[str, object]) -> None:
    digests = [paper(repo, subject, number, annotations={"x": f"{number}" * 900_000}) for number in range(5)]
    url = f"/v2/{repo.name}/referrers/{subject['digest']}"
    found = pages(repo.client, f"{url}?artifactType=application/vnd.example.paper", "manifests")
    assert len(found) == 3
    assert [item["digest"] for page in found for item in page] == sorted(digests)  # type: ignore[index]


def test_many_small_referrers(repo: Repository, subject: dict[str, object]) -> None:
    digests = [paper(repo, subject, number) for number in range(40)]
    found = repo.get(f"referrers/{subject['digest']}").json()["manifests"]
    assert [item["digest"] for item in found] == sorted(digests)


def test_the_fallback_tag_is_folded_in(repo: Repository, subject: dict[str, object]) -> None:
    own = paper(repo, subject)
    raw = repo.manifest(b"from another registry")
    repo.put(digest_of(raw), raw)
    foreign = descriptor(raw, MANIFEST) | {"artifactType": "text/plain", "annotations": {"a": "b"}}
    absent = descriptor(b"gone", MANIFEST)
    elsewhere_raw = repo.manifest(b"paper", subject=descriptor(b"another", MANIFEST))
    repo.put(digest_of(elsewhere_raw), elsewhere_raw)
    children = [foreign | {"size": 7}, absent, descriptor(elsewhere_raw, MANIFEST)]
    repo.put(str(subject["digest"]).replace(":", "-"), index(children), INDEX)
    found = repo.get(f"referrers/{subject['digest']}").json()["manifests"]
    assert sorted(item["digest"] for item in found) == sorted([own, digest_of(raw)])
    assert foreign in found, "the size is what is here"


def test_fallback_tags_of_sha512_are_cut_off(repo: Repository) -> None:
    subject = digest_of(b"subject", "sha512")
    raw = repo.manifest(b"paper")
    repo.put(digest_of(raw), raw)
    repo.put(f"sha512-{subject[7:71]}", index([descriptor(raw, MANIFEST)]), INDEX)
    [found] = repo.get(f"referrers/{subject}").json()["manifests"]
    assert found["digest"] == digest_of(raw)


def test_a_fallback_tag_that_is_no_index_is_not_in_the_way(repo: Repository, subject: dict[str, object]) -> None:
    digest = paper(repo, subject)
    repo.put_image(str(subject["digest"]).replace(":", "-"), b"no index")
    [found] = repo.get(f"referrers/{subject['digest']}").json()["manifests"]
    assert found["digest"] == digest

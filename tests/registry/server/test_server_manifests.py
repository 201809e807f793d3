"""Manifests, rule by rule (distribution-spec 1.1.1 and, for several tags at once, its main branch)."""

from __future__ import annotations

import json
import threading

import httpx
import pytest

from suites.patience import PATIENCE
from suites.registry_api import (
    CONFIG,
    INDEX,
    LAYER,
    MANIFEST,
    Repository,
    code_of,
    descriptor,
    digest_of,
    index,
    manifest,
)

DOCKER = "application/vnd.docker.distribution.manifest.v2+json"


def test_end_7_and_3_by_tag_and_by_digest(repo: Repository) -> None:
    raw = repo.manifest()
    answer = repo.put("v1", raw)
    digest = digest_of(raw)
    assert (answer.status_code, answer.headers["docker-content-digest"]) == (201, digest)
    assert answer.headers["location"] == f"/v2/{repo.name}/manifests/{digest}"
    for reference in ("v1", digest):
        got = repo.get(f"manifests/{reference}")
        assert (got.content, got.headers["content-type"]) == (raw, MANIFEST)
        assert got.headers["docker-content-digest"] == digest
        head = repo.request("HEAD", f"manifests/{reference}")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(raw))
        assert head.headers["docker-content-digest"] == digest


def test_bytes_are_kept_as_they_came(repo: Repository) -> None:
    raw = b" \n" + repo.manifest(annotations={"é": "\u2603"}, other=[1.0, None]).replace(b", ", b",\n\t") + b"\n\n"
    assert repo.put("odd", raw).status_code == 201
    assert repo.get("manifests/odd").content == raw


def test_parameters_of_the_media_type_are_left_off(repo: Repository) -> None:
    assert repo.put("v1", repo.manifest(), f"{MANIFEST}; charset=utf-8").status_code == 201
    assert repo.get("manifests/v1").headers["content-type"] == MANIFEST


def test_what_a_client_accepts_does_not_hide_a_manifest(repo: Repository) -> None:
    repo.put_image("v1")
    for accept in ("*/*", "application/json", INDEX):
        assert repo.get("manifests/v1", accept=accept).status_code == 200


def test_if_none_match_of_a_pull(repo: Repository) -> None:
    digest = repo.put_image("v1")
    assert repo.get("manifests/v1", if_none_match=f'"{digest}"').status_code == 304
    repo.put_image("v1", b"newer")
    assert repo.get("manifests/v1", if_none_match=f'"{digest}"').status_code == 200


def test_by_sha512(repo: Repository) -> None:
    raw = repo.manifest()
    digest = digest_of(raw, "sha512")
    answer = repo.put(digest, raw)
    assert (answer.status_code, answer.headers["docker-content-digest"]) == (201, digest)
    assert repo.get(f"manifests/{digest}").content == raw


def test_end_7b_several_tags_at_once(repo: Repository) -> None:
    raw = repo.manifest()
    tags = [f"t{number}" for number in range(10)]
    answer = repo.request(
        "PUT",
        f"manifests/{digest_of(raw)}?{'&'.join(f'tag={tag}' for tag in tags)}",
        content=raw,
        headers={"content-type": MANIFEST},
    )
    assert (answer.status_code, answer.headers.get_list("oci-tag")) == (201, tags)
    assert repo.get("manifests/t9").content == raw
    many = repo.request("PUT", f"manifests/{digest_of(raw)}?{'&'.join(f'tag=x{at}' for at in range(11))}", content=raw)
    assert many.status_code == 414
    assert repo.get("manifests/x0").status_code == 404


def test_a_wrong_digest(repo: Repository) -> None:
    answer = repo.put(digest_of(b"other"), repo.manifest())
    assert (answer.status_code, code_of(answer)) == (400, "DIGEST_INVALID")


def test_blobs_have_to_be_there_first(repo: Repository) -> None:
    answer = repo.put("v1", manifest(b"never pushed"))
    assert (answer.status_code, code_of(answer)) == (404, "MANIFEST_BLOB_UNKNOWN")
    assert repo.get("manifests/v1").status_code == 404


def test_layers_that_are_to_be_had_elsewhere_need_not(repo: Repository) -> None:
    repo.push(b"{}")
    layer = descriptor(b"far away", LAYER) | {"urls": ["https://example.com/layer"]}
    assert repo.put("v1", manifest(layers=[layer])).status_code == 201


def test_a_subject_that_is_not_there_is_accepted(repo: Repository) -> None:
    subject = descriptor(b"not yet", MANIFEST)
    answer = repo.put("v1", repo.manifest(subject=subject))
    assert (answer.status_code, answer.headers["oci-subject"]) == (201, subject["digest"])


def test_without_a_subject_no_oci_subject(repo: Repository) -> None:
    assert "oci-subject" not in repo.put("v1", repo.manifest()).headers


def test_an_index_whose_children_are_not_there_is_accepted(repo: Repository) -> None:
    raw = index([descriptor(b"not here", MANIFEST)])
    assert repo.put("sparse", raw, INDEX).status_code == 201
    assert repo.get("manifests/sparse").headers["content-type"] == INDEX


def test_end_9_delete_a_tag_leaves_the_manifest(repo: Repository) -> None:
    digest = repo.put_image("v1")
    assert repo.request("DELETE", "manifests/v1").status_code == 202
    assert repo.get("manifests/v1").status_code == 404
    assert repo.get(f"manifests/{digest}").status_code == 200
    assert code_of(repo.request("DELETE", "manifests/v1")) == "MANIFEST_UNKNOWN"


def test_end_9_delete_a_manifest_takes_its_tags_along(repo: Repository) -> None:
    digest = repo.put_image("v1")
    repo.put("v2", repo.get("manifests/v1").content)
    assert repo.request("DELETE", f"manifests/{digest}").status_code == 202
    for reference in ("v1", "v2", digest):
        assert repo.get(f"manifests/{reference}").status_code == 404
    assert repo.get("tags/list").json()["tags"] == []
    assert repo.request("DELETE", f"manifests/{digest}").status_code == 404


def test_a_tag_is_set_only_where_it_is_not_there(repo: Repository) -> None:
    first, second = repo.manifest(b"one"), repo.manifest(b"two")
    assert repo.put("v1", first, if_none_match="*").status_code == 201
    answer = repo.put("v1", second, if_none_match="*")
    assert (answer.status_code, code_of(answer)) == (412, "PRECONDITION_FAILED")
    assert repo.get("manifests/v1").content == first


def test_a_tag_is_moved_only_from_where_it_was(repo: Repository) -> None:
    digest = repo.put_image("v1", b"one")
    assert repo.put("v1", repo.manifest(b"two"), if_match=f'"{digest}"').status_code == 201
    assert repo.put("v1", repo.manifest(b"three"), if_match=f'"{digest}"').status_code == 412
    assert repo.put("new", repo.manifest(b"three"), if_match="*").status_code == 412


def test_of_many_that_set_a_new_tag_one_wins(repo: Repository) -> None:
    raws = [repo.manifest(str(number).encode()) for number in range(6)]
    codes: list[int] = []

    def put(raw: bytes) -> None:
        with httpx.Client(base_url=repo.client.base_url, trust_env=False, timeout=PATIENCE) as client:
            codes.append(Repository(client, repo.name).put("v1", raw, if_none_match="*").status_code)

    threads = [threading.Thread(target=put, args=(raw,)) for raw in raws]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [201, 412, 412, 412, 412, 412]


# What is not a manifest


def test_four_mebibytes_and_no_more(repo: Repository) -> None:
    raw = repo.manifest()
    large = raw + b" " * (4 * 1024 * 1024 - len(raw))
    assert repo.put("v1", large).status_code == 201
    assert repo.get("manifests/v1").content == large
    for size in (1, 5 * 1024 * 1024, 60 * 1024 * 1024):
        answer = repo.put("v2", large + b" " * size)
        assert (answer.status_code, code_of(answer)) == (413, "SIZE_INVALID")
    unsaid = repo.client.put(
        f"/v2/{repo.name}/manifests/v2", content=iter([large, b" "]), headers={"content-type": MANIFEST}
    )
    assert unsaid.status_code == 413


_GOOD = manifest()
_TWICE = _GOOD.replace(b'{"schemaVersion": 2', b'{"schemaVersion": 2, "schemaVersion": 2')
BAD = {
    "nothing": b"",
    "no JSON": b"<html>",
    "a list": b"[]",
    "a mark before it": b"\xef\xbb\xbf" + _GOOD,
    "another encoding": _GOOD.decode().encode("utf-16"),
    "bytes that are no text": _GOOD.replace(b"layer", b"\xff\xfe"),
    "a name given twice": _TWICE,
    "more behind it": _GOOD + b"{}",
    "cut off": _GOOD[:-5],
    "nested deep": b'{"x":' * 200_000 + b"1" + b"}" * 200_000,
    "not a number": manifest(x="X").replace(b'"X"', b"NaN"),
    "a number without end": manifest(x="X").replace(b'"X"', b"9" * 5000),
    "a negative size": manifest(config=descriptor(b"{}", CONFIG) | {"size": -1}),
    "a size beyond 64 bits": manifest(config=descriptor(b"{}", CONFIG) | {"size": 2**64}),
    "a wrong size": manifest(config=descriptor(b"{}", CONFIG) | {"size": 3}),
    "a size that is true": manifest(config=descriptor(b"{}", CONFIG) | {"size": True}),
    "both kinds at once": manifest(manifests=[descriptor(b"x", MANIFEST)]),
    "schema 1": json.dumps({"schemaVersion": 1, "name": "x", "fsLayers": []}).encode(),
    "no config": manifest(config=None),
    "a digest that is none": manifest(layers=[descriptor(b"", LAYER) | {"digest": "sha256:../../x"}]),
    "another media type": manifest(mediaType=DOCKER),
    "an unknown media type": manifest(mediaType="text/html"),
    "20 000 layers": manifest(layers=[descriptor(b"layer", LAYER)] * 20_000),
    "layers that are words": manifest(layers=["layer"]),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_not_a_manifest_is_refused(repo: Repository, what: str) -> None:
    repo.manifest()
    answer = repo.put("bad", BAD[what])
    assert (answer.status_code, code_of(answer)) == (400, "MANIFEST_INVALID")
    assert repo.get("manifests/bad").status_code == 404


def test_what_it_is_has_to_be_said_once(repo: Repository) -> None:
    untyped = repo.manifest(mediaType=None)
    for media_type in ("", "application/octet-stream", "text/html"):
        assert code_of(repo.put("v1", untyped, media_type)) == "MANIFEST_INVALID"
    assert code_of(repo.put("v1", index([]), MANIFEST)) == "MANIFEST_INVALID"
    assert repo.put("v1", untyped, MANIFEST).status_code == 201


def test_the_same_bytes_are_not_two_things(repo: Repository) -> None:
    untyped = repo.manifest(mediaType=None)
    assert repo.put("v1", untyped, MANIFEST).status_code == 201
    assert code_of(repo.put("v2", untyped, DOCKER)) == "MANIFEST_INVALID"
    assert repo.get("manifests/v1").headers["content-type"] == MANIFEST


def test_a_body_in_another_coding_is_not_undone(repo: Repository) -> None:
    import gzip

    answer = repo.put("v1", gzip.compress(repo.manifest()), content_encoding="gzip")
    assert code_of(answer) == "MANIFEST_INVALID"


def test_docker_manifests_are_welcome(repo: Repository) -> None:
    raw = repo.manifest(mediaType=DOCKER)
    assert repo.put("v1", raw, DOCKER).status_code == 201
    assert repo.get("manifests/v1").headers["content-type"] == DOCKER

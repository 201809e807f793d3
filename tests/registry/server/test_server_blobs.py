"""Blobs and uploads, rule by rule (distribution-spec 1.1.1; end-N are its endpoints)."""

from __future__ import annotations

import hashlib
import socket
import threading

import httpx
import pytest

from suites.patience import PATIENCE
from suites.registry_api import Repository, code_of, digest_of

DATA = bytes(range(256)) * 64


def test_end_1_says_that_this_is_a_registry(client: httpx.Client) -> None:
    assert client.get("/v2/").status_code == 200
    assert client.get("/v2").status_code == 200
    assert client.get("/v2/").headers["docker-distribution-api-version"] == "registry/2.0"


def test_end_4a_and_6_post_then_put(repo: Repository) -> None:
    digest = digest_of(DATA)
    answer = repo.client.put(repo.begin(), params={"digest": digest}, content=DATA)
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v2/{repo.name}/blobs/{digest}"
    assert answer.headers["docker-content-digest"] == digest
    assert repo.get(f"blobs/{digest}").content == DATA


def test_end_4b_single_post(repo: Repository) -> None:
    digest = digest_of(DATA)
    answer = repo.request("POST", "blobs/uploads/", params={"digest": digest}, content=DATA)
    assert (answer.status_code, answer.headers["location"]) == (201, f"/v2/{repo.name}/blobs/{digest}")


def test_a_single_post_of_other_content_leaves_nothing(repo: Repository) -> None:
    answer = repo.request("POST", "blobs/uploads/", params={"digest": digest_of(b"other")}, content=DATA)
    assert (answer.status_code, code_of(answer)) == (400, "DIGEST_INVALID")
    assert repo.get(f"blobs/{digest_of(b'other')}").status_code == 404


def test_end_5_chunks_with_content_range(repo: Repository) -> None:
    location = repo.begin()
    for at in range(0, len(DATA), 5000):
        piece = DATA[at : at + 5000]
        answer = repo.client.patch(location, content=piece, headers={"content-range": f"{at}-{at + len(piece) - 1}"})
        assert answer.status_code == 202
        assert answer.headers["range"] == f"0-{at + len(piece) - 1}"
        location = answer.headers["location"]
    answer = repo.client.put(location, params={"digest": digest_of(DATA)})
    assert answer.status_code == 201
    assert repo.get(f"blobs/{digest_of(DATA)}").content == DATA


def test_end_5_one_patch_without_content_range(repo: Repository) -> None:
    location = repo.begin()
    assert repo.client.patch(location, content=iter([DATA[:100], DATA[100:]])).status_code == 202
    assert repo.client.put(location, params={"digest": digest_of(DATA)}).status_code == 201


def test_end_6_the_last_chunk_comes_with_the_put(repo: Repository) -> None:
    location = repo.begin()
    repo.client.patch(location, content=DATA[:100])
    answer = repo.client.put(
        location,
        params={"digest": digest_of(DATA)},
        content=DATA[100:],
        headers={"content-range": f"100-{len(DATA) - 1}"},
    )
    assert answer.status_code == 201


@pytest.mark.parametrize("stated", ["0-99", "200-299", "99-198", "x", "100-99", "-1-5", "0-" + "9" * 5000])
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_chunk_out_of_order_is_416_and_says_where_to_go_on(repo: Repository, stated: str, method: str) -> None:
    location = repo.begin()
    repo.client.patch(location, content=DATA[:100])
    answer = repo.client.request(
        method,
        location,
        params={"digest": digest_of(DATA)} if method == "PUT" else None,
        content=bytes(100),
        headers={"content-range": stated},
    )
    assert (answer.status_code, answer.headers["range"]) == (416, "0-99")
    assert answer.headers["location"] == repo.client.get(location).headers["location"]
    status = repo.client.get(location)
    assert (status.status_code, status.headers["range"]) == (204, "0-99")
    assert repo.client.put(location, params={"digest": digest_of(DATA)}, content=DATA[100:]).status_code == 201


def test_content_range_and_content_length_have_to_agree(repo: Repository) -> None:
    answer = repo.client.patch(repo.begin(), content=DATA, headers={"content-range": "0-9"})
    assert (answer.status_code, code_of(answer)) == (400, "SIZE_INVALID")


def test_end_13_status_of_an_upload(repo: Repository) -> None:
    location = repo.begin()
    assert repo.client.get(location).headers["range"] == "0-0"
    repo.client.patch(location, content=b"four")
    answer = repo.client.get(location)
    assert (answer.status_code, answer.headers["range"]) == (204, "0-3")
    assert path_of(answer.headers["location"]) == path_of(location)


def closing(location: str, data: bytes = DATA) -> str:
    """Where to finish an upload: a Location has a query of its own."""
    return f"{location}&digest={digest_of(data)}"


def path_of(location: str) -> str:
    return location.partition("?")[0]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_request_that_is_sent_again_after_a_cut_is_told_where_to_go_on(repo: Repository, method: str) -> None:
    location = repo.begin()
    where = closing(location) if method == "PUT" else location
    cut_request(repo, f"{method} {where}", {"Content-Length": str(len(DATA))}, DATA[:1000])
    answer = repo.client.request(method, where, content=DATA)
    assert (answer.status_code, code_of(answer), answer.headers["range"]) == (416, "RANGE_INVALID", "0-999")
    there = answer.headers["location"]
    assert repo.client.get(location).headers["range"] == "0-999"
    assert repo.client.put(closing(there), content=DATA[1000:]).status_code == 201
    assert repo.get(f"blobs/{digest_of(DATA)}").content == DATA


def test_a_patch_that_was_overtaken_changes_nothing(repo: Repository) -> None:
    location = repo.begin()
    assert repo.client.patch(location, content=DATA[:1000]).status_code == 202
    late = repo.client.patch(location, content=DATA[:500])
    assert (late.status_code, late.headers["range"]) == (416, "0-999")
    assert repo.client.put(closing(late.headers["location"]), content=DATA[1000:]).status_code == 201


def test_a_put_whose_answer_was_lost_may_be_repeated(repo: Repository) -> None:
    location = closing(repo.begin())
    assert repo.client.put(location, content=DATA).status_code == 201
    again = repo.client.put(location, content=DATA)
    assert (again.status_code, again.headers["docker-content-digest"]) == (201, digest_of(DATA))


def test_what_a_client_sent_in_chunks_before_it_died_is_kept(repo: Repository) -> None:
    location = repo.begin()
    piece = b"%x\r\n%s\r\n" % (1000, DATA[:1000])
    cut_request(repo, f"PUT {closing(location)}", {"Transfer-Encoding": "chunked"}, piece)
    answer = repo.client.get(location)
    assert (answer.status_code, answer.headers["range"]) == (204, "0-999")
    assert repo.client.put(closing(answer.headers["location"]), content=DATA[1000:]).status_code == 201


def cut_request(repo: Repository, line: str, headers: dict[str, str], body: bytes) -> None:
    """Sends a request that ends early, and waits until the server has noticed."""
    host = repo.client.base_url
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection((host.host, host.port or 80)) as connection:
        connection.sendall(f"{line} HTTP/1.1\r\nHost: {host.netloc.decode()}\r\n{head}\r\n".encode() + body)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass


def test_end_14_cancel(repo: Repository) -> None:
    location = repo.begin()
    assert repo.client.delete(location).status_code == 204
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        answer = repo.client.request(method, location, params={"digest": digest_of(b"")})
        assert (answer.status_code, code_of(answer)) == (404, "BLOB_UPLOAD_UNKNOWN")


def test_a_finished_upload_is_gone(repo: Repository) -> None:
    location = repo.begin()
    repo.client.put(location, params={"digest": digest_of(b"x")}, content=b"x")
    assert repo.client.patch(location, content=b"y").status_code == 404


def test_an_upload_belongs_to_its_repository(repo: Repository, other: Repository) -> None:
    upload = repo.begin().rpartition("/")[2]
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        answer = other.request(method, f"blobs/uploads/{upload}", params={"digest": digest_of(b"")})
        assert (answer.status_code, code_of(answer)) == (404, "BLOB_UPLOAD_UNKNOWN")


@pytest.mark.parametrize("upload", ["x", "..", "%2e%2e", "a%00b", "x" * 500, "../../registry.db"])
def test_an_upload_that_never_was(repo: Repository, upload: str) -> None:
    assert repo.request("PATCH", f"blobs/uploads/{upload}", content=b"x").status_code in (400, 404, 405)


def test_wrong_digest_is_refused_and_the_upload_given_up(repo: Repository) -> None:
    location = repo.begin()
    answer = repo.client.put(location, params={"digest": digest_of(b"a")}, content=b"b")
    assert (answer.status_code, code_of(answer)) == (400, "DIGEST_INVALID")
    assert repo.client.get(location).status_code == 404
    assert repo.get(f"blobs/{digest_of(b'a')}").status_code == 404
    assert repo.get(f"blobs/{digest_of(b'b')}").status_code == 404


@pytest.mark.parametrize(
    "digest",
    ["", "sha256:", "sha256:abc", "sha256:" + "A" * 64, "md5:" + "a" * 32, "sha256:" + "/" * 64, "sha256:" + "a" * 65],
)
def test_a_digest_that_is_none_is_400(repo: Repository, digest: str) -> None:
    location = repo.begin()
    answer = repo.client.put(location, params={"digest": digest}, content=b"x")
    assert (answer.status_code, code_of(answer)) == (400, "DIGEST_INVALID")
    assert repo.client.get(location).status_code == 204, "a slip of the pen does not cost the upload"


def test_two_digests_are_refused(repo: Repository) -> None:
    location = f"{repo.begin()}&digest={digest_of(b'x')}&digest={digest_of(b'y')}"
    assert repo.client.put(location, content=b"x").status_code == 400


def test_sha512(repo: Repository) -> None:
    digest = repo.push(DATA, "sha512")
    answer = repo.get(f"blobs/{digest}")
    assert (answer.content, answer.headers["docker-content-digest"]) == (DATA, digest)
    location = repo.begin()
    repo.client.patch(location, content=DATA[:7])
    other = digest_of(DATA + b"!", "sha512")
    assert repo.client.put(location, params={"digest": other}, content=DATA[7:] + b"!").status_code == 201


def test_an_empty_blob(repo: Repository) -> None:
    digest = repo.push(b"")
    answer = repo.get(f"blobs/{digest}")
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "0")
    assert repo.get(f"blobs/{digest}", range="bytes=0-0").status_code == 416


def test_end_2_head_has_everything_but_the_body(repo: Repository) -> None:
    digest = repo.push(DATA)
    head, get = repo.request("HEAD", f"blobs/{digest}"), repo.get(f"blobs/{digest}")
    assert head.content == b""
    for name in ("content-length", "docker-content-digest", "etag", "accept-ranges", "content-type"):
        assert head.headers[name] == get.headers[name]
    assert head.headers["content-length"] == str(len(DATA))
    missing = repo.request("HEAD", f"blobs/{digest_of(b'not here')}")
    assert (missing.status_code, missing.content) == (404, b"")


def test_if_none_match(repo: Repository) -> None:
    digest = repo.push(DATA)
    answer = repo.get(f"blobs/{digest}", if_none_match=f'"{digest}"')
    assert (answer.status_code, answer.content) == (304, b"")
    assert repo.get(f"blobs/{digest}", if_none_match='"other"').status_code == 200


@pytest.mark.parametrize(
    ("asked", "first", "end"),
    [("0-9", 0, 10), ("5-", 5, None), ("-7", -7, None), ("0-99999999", 0, None), ("16383-16383", 16383, None)],
)
def test_a_range(repo: Repository, asked: str, first: int, end: int | None) -> None:
    answer = repo.get(f"blobs/{repo.push(DATA)}", range=f"bytes={asked}")
    assert (answer.status_code, answer.content) == (206, DATA[first:end])
    begin = first % len(DATA)
    assert answer.headers["content-range"] == f"bytes {begin}-{begin + len(answer.content) - 1}/{len(DATA)}"
    assert answer.headers["content-length"] == str(len(answer.content))


@pytest.mark.parametrize("asked", ["16384-", "99999-100000", "-0", "9-5"])
def test_a_range_beyond_the_end_is_416(repo: Repository, asked: str) -> None:
    answer = repo.get(f"blobs/{repo.push(DATA)}", range=f"bytes={asked}")
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(DATA)}")


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "lines=1-2", "bytes=" + "9" * 5000 + "-", "bytes=²-"])
def test_a_range_that_is_not_understood_is_ignored(repo: Repository, asked: str) -> None:
    digest = repo.push(DATA)
    answer = repo.client.get(f"/v2/{repo.name}/blobs/{digest}", headers={"range": asked.encode()})
    assert (answer.status_code, answer.content) == (200, DATA)


def test_a_range_of_something_else_is_the_whole(repo: Repository) -> None:
    answer = repo.get(f"blobs/{repo.push(DATA)}", range="bytes=0-9", if_range='"other"')
    assert (answer.status_code, answer.content) == (200, DATA)


def test_a_blob_is_only_where_it_was_pushed(repo: Repository, other: Repository) -> None:
    digest = repo.push(b"mine " + repo.name.encode())
    assert other.get(f"blobs/{digest}").status_code == 404
    assert other.request("HEAD", f"blobs/{digest}").status_code == 404
    assert other.request("DELETE", f"blobs/{digest}").status_code == 404
    assert other.put("latest", _manifest_with(digest)).status_code == 404


def _manifest_with(digest: str) -> bytes:
    from suites.registry_api import manifest

    return manifest(b"x").replace(digest_of(b"x").encode(), digest.encode())


def test_end_11_mount(repo: Repository, other: Repository) -> None:
    digest = repo.push(DATA)
    answer = other.request("POST", "blobs/uploads/", params={"mount": digest, "from": repo.name})
    assert (answer.status_code, answer.headers["location"]) == (201, f"/v2/{other.name}/blobs/{digest}")
    assert other.get(f"blobs/{digest}").content == DATA


@pytest.mark.parametrize("source", [None, "no/such", "NOT A NAME", "../x"])
def test_a_mount_of_what_is_not_there_begins_an_upload(repo: Repository, source: str | None) -> None:
    asked = {"mount": digest_of(b"nowhere")} | ({} if source is None else {"from": source})
    answer = repo.request("POST", "blobs/uploads/", params=asked)
    assert answer.status_code == 202
    data = b"nowhere"
    done = repo.client.put(answer.headers["location"], params={"digest": digest_of(data)}, content=data)
    assert done.status_code == 201


def test_end_10_delete_and_others_keep_it(repo: Repository, other: Repository) -> None:
    digest = repo.push(DATA)
    other.request("POST", "blobs/uploads/", params={"mount": digest, "from": repo.name})
    assert repo.request("DELETE", f"blobs/{digest}").status_code == 202
    assert repo.get(f"blobs/{digest}").status_code == 404
    assert code_of(repo.request("DELETE", f"blobs/{digest}")) == "BLOB_UNKNOWN"
    assert other.get(f"blobs/{digest}").content == DATA


def test_a_blob_of_a_manifest_is_not_deleted(repo: Repository) -> None:
    repo.put_image("latest", b"in use")
    answer = repo.request("DELETE", f"blobs/{digest_of(b'in use')}")
    assert (answer.status_code, code_of(answer)) == (405, "UNSUPPORTED")
    repo.request("DELETE", f"manifests/{repo.get('manifests/latest').headers['docker-content-digest']}")
    assert repo.request("DELETE", f"blobs/{digest_of(b'in use')}").status_code == 202


def test_two_at_once_on_one_upload_do_not_mix(repo: Repository) -> None:
    location = repo.begin()
    codes: list[int] = []

    def send(letter: bytes) -> None:
        with httpx.Client(base_url=repo.client.base_url, trust_env=False, timeout=PATIENCE) as client:
            headers = {"content-range": "0-2999999"}
            codes.append(client.patch(location, content=letter * 3_000_000, headers=headers).status_code)

    threads = [threading.Thread(target=send, args=(letter,)) for letter in (b"a", b"b", b"c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes.count(202) == 1
    assert set(codes) <= {202, 416, 409}, "409 is for who waited too long for another"
    digests = [digest_of(letter * 3_000_000) for letter in (b"a", b"b", b"c")]
    found = [repo.client.put(location, params={"digest": digest}).status_code for digest in digests]
    assert found.count(201) <= 1


def test_the_same_blob_by_many_at_once(repo: Repository) -> None:
    data = hashlib.sha256(repo.name.encode()).digest() * 50_000
    codes: list[int] = []

    def send() -> None:
        with httpx.Client(base_url=repo.client.base_url, trust_env=False, timeout=PATIENCE) as client:
            again = Repository(client, repo.name)
            codes.append(client.put(again.begin(), params={"digest": digest_of(data)}, content=data).status_code)

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [201] * 6
    assert repo.get(f"blobs/{digest_of(data)}").content == data


def test_methods_that_are_not_for_a_path_say_which_are(repo: Repository) -> None:
    digest = repo.push(b"x")
    location = repo.begin()
    for method, rest in (("POST", f"blobs/{digest}"), ("PUT", f"blobs/{digest}"), ("GET", "blobs/uploads/")):
        answer = repo.request(method, rest)
        assert answer.status_code == 405
        assert answer.headers["allow"]
    assert repo.client.post(location).status_code == 405

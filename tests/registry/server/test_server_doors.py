"""Who is let in, over what, and when a server does not start at all."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Generator
from pathlib import Path

import bcrypt
import httpx
import pytest

from lading.registry.server.access.passwords import read_passwords
from suites.certificates import Authority
from suites.commands import Lading
from suites.machine import needs
from suites.patience import PATIENCE
from suites.registry_api import Repository, code_of, digest_of, raw_request
from suites.registry_server import running_server, start_server

PAGE = {"Origin": "http://evil.example.com"}


def write_passwords(file: Path, cost: int = 5, **users: str) -> Path:
    lines = [f"{name}:{bcrypt.hashpw(text.encode(), bcrypt.gensalt(cost)).decode()}" for name, text in users.items()]
    file.write_text("# who may\n\n" + "\n".join(lines) + "\n")
    return file


@pytest.fixture(scope="module")
def passwords(tmp_path_factory: pytest.TempPathFactory) -> Path:
    long = "p" * 72
    return write_passwords(tmp_path_factory.mktemp("passwords") / "htpasswd", ann="secret", bob="pässwörd:x", eve=long)


@pytest.fixture(scope="module")
def guarded(passwords: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[httpx.Client, None, None]:
    with (
        running_server(tmp_path_factory.mktemp("guarded") / "s", htpasswd=passwords) as address,
        httpx.Client(base_url=f"http://{address}", trust_env=False, timeout=PATIENCE) as client,
    ):
        yield client


# Nobody is asked who they are


@pytest.mark.parametrize(
    "headers",
    [
        {"Forwarded": "for=192.0.2.1"},
        {"X-Forwarded-For": "192.0.2.1"},
        {"X-Forwarded-Host": "localhost"},
        {"X-Forwarded-Proto": ""},
        {"X-Real-IP": "127.0.0.1"},
        {"Via": "1.1 proxy"},
        {"Host": "registry.example.com"},
        {"Host": "localhost.example.com"},
        {"Host": "127.0.0.1.example.com:5000"},
        {"Host": "192.0.2.1"},
        {"Host": ""},
        {"Host": "["},
        PAGE,
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("line", ["GET /v2/", "POST /v2/a/blobs/uploads/"])
def test_nobody_lends_out_a_registry_without_passwords(address: str, headers: dict[str, str], line: str) -> None:
    answer = raw_request(address, line, headers)
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"DENIED" in answer


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:80", "127.1.2.3", "[::1]", "[::1]:5000"])
def test_loopback_has_many_names(address: str, host: str) -> None:
    assert raw_request(address, "GET /v2/", {"Host": host}).startswith(b"HTTP/1.1 200 ")


def test_a_web_page_pushes_nothing(client: httpx.Client, repo: Repository) -> None:
    answer = repo.request("POST", "blobs/uploads/", params={"digest": digest_of(b"x")}, content=b"x", headers=PAGE)
    assert code_of(answer) == "DENIED"
    assert repo.get(f"blobs/{digest_of(b'x')}").status_code == 404


# Passwords


def test_without_a_password_there_is_a_challenge(guarded: httpx.Client) -> None:
    for path in ("/v2/", "/v2/a/tags/list", "/v2/_catalog", "/nowhere", "/v2/a/blobs/uploads/x"):
        answer = guarded.get(path)
        assert (answer.status_code, code_of(answer)) == (401, "UNAUTHORIZED")
        assert answer.headers["www-authenticate"].startswith("Basic realm=")
    assert guarded.post("/v2/a/blobs/uploads/").status_code == 401


@pytest.mark.parametrize("who", [("ann", "secret"), ("bob", "pässwörd:x"), ("eve", "p" * 72)])
def test_who_is_let_in(guarded: httpx.Client, who: tuple[str, str]) -> None:
    auth = httpx.BasicAuth(who[0].encode(), who[1].encode())
    for _ in range(2):
        assert guarded.get("/v2/", auth=auth).status_code == 200


@pytest.mark.parametrize(
    "who", [("ann", ""), ("ann", "Secret"), ("nobody", "secret"), ("", ""), ("eve", "p" * 73), ("ann", "secret\0x")]
)
def test_who_is_not(guarded: httpx.Client, who: tuple[str, str]) -> None:
    assert guarded.get("/v2/", auth=who).status_code == 401


@pytest.mark.parametrize(
    "text", ["", "Basic", "Basic !!!", "Basic /w==", "Bearer abc", "Basic YW5u", "Digest x=y", "Basic " + "A" * 9000]
)
def test_what_is_no_password(guarded: httpx.Client, text: str) -> None:
    answer = guarded.get("/v2/", headers={"authorization": text})
    assert (answer.status_code, code_of(answer)) == (401, "UNAUTHORIZED")


def test_a_forwarded_request_is_welcome_with_a_password(guarded: httpx.Client) -> None:
    headers = {"x-forwarded-for": "192.0.2.1", "host": "registry.example.com"}
    assert guarded.get("/v2/", auth=("ann", "secret"), headers=headers).status_code == 200


def test_an_unknown_name_costs_what_a_wrong_password_costs(tmp_path: Path) -> None:
    passwords = read_passwords(write_passwords(tmp_path / "htpasswd", cost=7, ann="secret"))
    assert passwords.nobody.split(b"$")[2] == passwords.hashes["ann"].split(b"$")[2] == b"07"


def test_guessing_does_not_shut_out_who_is_known(tmp_path: Path) -> None:
    file = write_passwords(tmp_path / "htpasswd", cost=12, ann="secret")
    with running_server(tmp_path / "s", htpasswd=file) as address:
        url = f"http://{address}/v2/"
        ann = httpx.Client(trust_env=False, auth=("ann", "secret"), timeout=PATIENCE)
        assert ann.get(url).status_code == 200
        over, guessed = threading.Event(), threading.Event()

        def guess() -> None:
            with httpx.Client(trust_env=False, timeout=PATIENCE) as client:
                while not over.is_set():
                    client.get(url, auth=("ann", "guess"))
                    guessed.set()

        threads = [threading.Thread(target=guess) for _ in range(12)]
        for thread in threads:
            thread.start()
        assert guessed.wait(PATIENCE)
        codes = [ann.get(url).status_code for _ in range(5)]
        over.set()
        for thread in threads:
            thread.join()
        assert codes == [200] * 5


def test_the_password_file_is_read_again(tmp_path: Path) -> None:
    file = write_passwords(tmp_path / "htpasswd", ann="secret")
    with (
        running_server(tmp_path / "s", htpasswd=file) as address,
        httpx.Client(trust_env=False, timeout=PATIENCE) as client,
    ):
        url = f"http://{address}/v2/"
        assert client.get(url, auth=("new", "one")).status_code == 401
        write_passwords(tmp_path / "next", ann="secret", new="one").replace(file)
        assert client.get(url, auth=("new", "one")).status_code == 200
        file.write_text("not a password file")
        assert client.get(url, auth=("ann", "secret")).status_code == 200, "what was good before stays"


# TLS


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


def test_tls(papers: Authority, passwords: Path, tmp_path: Path) -> None:
    cert, key = papers.leaf("localhost", "127.0.0.1")
    with running_server(tmp_path / "s", htpasswd=passwords, tls_cert=cert, tls_key=key) as address:
        context = ssl.create_default_context(cafile=papers.certificate)
        with httpx.Client(verify=context, trust_env=False, auth=("ann", "secret"), timeout=PATIENCE) as client:
            client.base_url = httpx.URL(f"https://{address}")
            repo = Repository(client, "a/b")
            digest = repo.put_image("v1", bytes(2_000_000))
            assert repo.get(f"manifests/{digest}").status_code == 200
            assert repo.get(f"blobs/{digest_of(bytes(2_000_000))}").content == bytes(2_000_000)
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"http://{address}/v2/", trust_env=False, timeout=PATIENCE)


# Not started at all


@pytest.fixture
def lading(tmp_path: Path) -> Lading:
    return Lading(tmp_path / "root")


def refused(lading: Lading, *words: object) -> str:
    return lading.fails(1, "registry", "serve", *words)


def test_beyond_this_machine_not_without_passwords(lading: Lading) -> None:
    for listen in ("0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0"):
        assert "without passwords" in refused(lading, "--listen", listen)


def test_beyond_this_machine_not_in_clear(lading: Lading, passwords: Path) -> None:
    assert "without TLS" in refused(lading, "--listen", "0.0.0.0:0", "--htpasswd", passwords)
    assert "without passwords" in refused(lading, "--listen", "0.0.0.0:0", "--insecure-http")


def test_beyond_this_machine_in_clear_where_it_is_wanted(passwords: Path, tmp_path: Path) -> None:
    server = start_server(tmp_path / "s", "0.0.0.0:0", htpasswd=passwords, insecure_http=True)
    port = server.address.rpartition(":")[2]
    answer = httpx.get(f"http://127.0.0.1:{port}/v2/", auth=("ann", "secret"), trust_env=False, timeout=PATIENCE)
    server.stop()
    assert answer.status_code == 200


def test_a_port_that_is_in_use(lading: Lading) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert f"cannot listen on 127.0.0.1:{port}" in refused(lading, "--listen", f"127.0.0.1:{port}")


def test_an_address_that_is_not_ours(lading: Lading, passwords: Path) -> None:
    words = ("--listen", "192.0.2.1:5000", "--htpasswd", passwords, "--insecure-http")
    assert "cannot listen on 192.0.2.1:5000" in refused(lading, *words)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names nobody"),
        ("# nobody\n", "names nobody"),
        ("ann:secret", ":1: only"),
        ("ann:$2y$05$short", ":1: only"),
        ("ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", ":1: only"),
        ("\xff\xfe", ""),
    ],
)
def test_passwords_that_are_none(lading: Lading, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "htpasswd").write_bytes(text.encode("latin-1"))
    line = refused(lading, "--listen", "127.0.0.1:0", "--htpasswd", tmp_path / "htpasswd")
    assert f"{tmp_path / 'htpasswd'}" in line
    assert said in line


@needs("openssl")
def test_certificates_that_do_not_fit(lading: Lading, papers: Authority, tmp_path: Path) -> None:
    cert, key = papers.leaf("localhost", "127.0.0.1")
    _, other = papers.leaf("other", "127.0.0.1")
    locked = tmp_path / "locked.pem"
    subprocess.run(
        ["openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:x", "-out", locked],
        check=True,
        capture_output=True,
    )
    (tmp_path / "junk").write_text("junk")
    serve = ("--listen", "127.0.0.1:0")
    assert "go together" in refused(lading, *serve, "--tls-cert", cert)
    assert "no such file" in refused(lading, *serve, "--tls-cert", cert, "--tls-key", tmp_path / "none")
    assert "not a certificate and its" in refused(lading, *serve, "--tls-cert", cert, "--tls-key", other)
    assert "not a certificate and its" in refused(lading, *serve, "--tls-cert", tmp_path / "junk", "--tls-key", key)
    assert "is encrypted" in refused(lading, *serve, "--tls-cert", cert, "--tls-key", locked)


def test_two_on_one_folder(lading: Lading, tmp_path: Path) -> None:
    with running_server(tmp_path / "s"):
        assert "another registry serves it" in refused(lading, "--listen", "127.0.0.1:0", "--storage", tmp_path / "s")
    with running_server(tmp_path / "s"):
        pass


def test_storage_that_is_a_file(lading: Lading, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "file" in refused(lading, "--listen", "127.0.0.1:0", "--storage", tmp_path / "file")
    (tmp_path / "s").mkdir()
    (tmp_path / "s/registry.db").write_text("not a database " * 100)
    assert "holds other things" in refused(lading, "--listen", "127.0.0.1:0", "--storage", tmp_path / "s")


@pytest.mark.parametrize(
    ("path", "lines"),
    [
        ("/v2/", "Host: localhost\nHost: localhost"),
        ("/v2/", "Host: localhost\nHost: evil.example"),
        ("/v2/", "Host: localhost\nAuthorization: Basic YTpi\nAuthorization: Basic YTpj"),
        ("/v2/", "Host: localhost\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked"),
        ("/v2/", "Accept: */*"),
        ("http://evil.example/v2/", "Host: localhost"),
        ("http://localhost/v2/", "Accept: */*"),
    ],
)
def test_no_request_of_two_meanings(address: str, path: str, lines: str) -> None:
    """What a proxy before us makes of it is not what we would."""
    host, _, port = address.rpartition(":")
    ends = "\n\n0\n\n" if "chunked" in lines else "\n\n"
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as link:
        link.sendall(f"GET {path} HTTP/1.1\n{lines}{ends}".replace("\n", "\r\n").encode())
        assert link.recv(4096).startswith(b"HTTP/1.1 400 ")


def test_chunks_count_and_nothing_comes_after_them_where_a_length_is_given_too(address: str) -> None:
    """RFC 9112, 6.1: what would be a second request to a reader of the length is never answered."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as link:
        first = b"POST /v2/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
        link.sendall(first + b"0\r\n\r\nGET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        said = b"".join(iter(lambda: link.recv(4096), b""))
    assert said.startswith(b"HTTP/1.1 405 ")
    assert said.count(b"HTTP/1.1 ") == 1

"""TLS, certs.d, proxies, schemes and passwords, against real servers."""

from __future__ import annotations

import json
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lading.registry.client.client import Client, check_login
from lading.registry.client_config import ClientConfig, Retry
from lading.registry.credentials.files import Credential, CredentialFiles, Given
from lading.registry.errors import CertificateError, ProtocolError, UnauthorizedError, UnreachableError
from lading.registry.http.hosts import SCHEMES, Origin, Schemes, is_loopback, proxy_for
from lading.registry.http.transport import HttpRequest, HttpxTransport
from lading.registry.reference import Reference
from lading.registry.transfer.pull import pull
from lading.registry.transfer.push import push
from lading.store.errors import InputError, RegistryError
from lading.store.oci.documents import MANIFEST
from suites.certificates import Authority
from suites.machine import needs
from suites.registry_hostile import Hostile, hostile
from suites.registry_images import open_store, put_image, put_paper
from suites.registry_peers import docker_registry

RAW = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": "application/x", "digest": "sha256:" + "0" * 64, "size": 2},
        "layers": [],
    }
).encode()
ONCE = Retry(attempts=1)
ADA = Credential("ada", "secret-word")
# What `htpasswd -nbB ada secret-word` prints.
HTPASSWD = "ada:$2b$05$K.aEdklOU1dRVcZSbYX4uuaQ.lVP8/mumJTbFdJirRBX2u2FQFQ32"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@contextmanager
def secure(authority: Authority, *, clients: bool = False) -> Generator[tuple[Hostile, Reference], None, None]:
    with hostile(authority.server("127.0.0.1", "localhost", clients=clients)) as registry:
        registry.put("1", RAW)
        yield registry, Reference.parse(f"{registry.host}/app:1")


def certs_d(folder: Path, registry: Hostile) -> Path:
    own = folder / "certs.d" / registry.host
    own.mkdir(parents=True)
    return own


def test_an_unknown_certificate_is_refused_and_http_not_tried(authority: Authority) -> None:
    with secure(authority) as (registry, ref), Client() as client:
        with pytest.raises(CertificateError) as refused:
            client.resolve(ref)
        assert f"certs.d/{registry.host}/ca.crt" in (refused.value.hint or "")
        assert registry.seen == []


def test_an_own_ca(authority: Authority) -> None:
    with secure(authority) as (_, ref), Client(ClientConfig(ca_files=(authority.certificate,))) as client:
        client.resolve(ref)


def test_a_certificate_for_another_host(authority: Authority) -> None:
    with hostile(authority.server("example.com")) as registry:
        ref = Reference.parse(f"{registry.host}/app:1")
        with Client(ClientConfig(ca_files=(authority.certificate,))) as client, pytest.raises(CertificateError):
            client.resolve(ref)


def test_a_ca_in_certs_d(authority: Authority, tmp_path: Path) -> None:
    with secure(authority) as (registry, ref):
        (certs_d(tmp_path, registry) / "ca.crt").write_bytes(authority.certificate.read_bytes())
        with Client(ClientConfig(certs_dirs=(tmp_path / "certs.d", tmp_path / "absent"))) as client:
            client.resolve(ref)


def test_a_client_certificate_in_certs_d(authority: Authority, tmp_path: Path) -> None:
    with secure(authority, clients=True) as (registry, ref):
        own = certs_d(tmp_path, registry)
        (own / "ca.crt").write_bytes(authority.certificate.read_bytes())
        config = ClientConfig(certs_dirs=(tmp_path / "certs.d",), retry=ONCE)
        with Client(config) as client, pytest.raises(UnreachableError):
            client.resolve(ref)
        for file in authority.leaf("client"):
            (own / file.name).write_bytes(file.read_bytes())
        with Client(config) as client:
            client.resolve(ref)


@pytest.mark.parametrize("broken", ["ca.crt", "client.cert", "client.key"])
def test_a_broken_certs_d_is_an_error_that_names_the_file(authority: Authority, tmp_path: Path, broken: str) -> None:
    with secure(authority) as (registry, ref):
        (certs_d(tmp_path, registry) / broken).write_text("rubbish")
        with (
            Client(ClientConfig(certs_dirs=(tmp_path / "certs.d",))) as client,
            pytest.raises(InputError, match=r"client|ca"),
        ):
            client.resolve(ref)


def test_verification_can_be_switched_off(authority: Authority) -> None:
    with secure(authority) as (_, ref), Client(ClientConfig(tls_verify=False)) as client:
        client.resolve(ref)


def test_a_password_goes_over_https_without_a_word(authority: Authority) -> None:
    warnings: list[str] = []
    with secure(authority) as (registry, ref):
        registry.trick("", lambda h: h.honest(registry.seen[-1]) if h.headers.get("Authorization")
                       else h.answer(401, WWW_Authenticate="Basic"))  # fmt: skip
        config = ClientConfig(
            ca_files=(authority.certificate,), credentials=Given(registry.host, ADA), warn=warnings.append
        )
        with Client(config) as client:
            client.resolve(ref)
    assert warnings == []


def test_a_token_service_without_https_gets_nothing_from_one_with(authority: Authority) -> None:
    with hostile() as service, secure(authority) as (registry, ref):
        registry.trick("", lambda h: h.answer(401, WWW_Authenticate=f'Bearer realm="{service.url}/token"'))
        config = ClientConfig(ca_files=(authority.certificate,), credentials=Given(registry.host, ADA))
        with Client(config) as client, pytest.raises(RegistryError, match="not HTTPS"):
            client.resolve(ref)
        assert service.seen == []


def test_https_does_not_lead_to_http(authority: Authority) -> None:
    with hostile() as other, secure(authority) as (registry, ref):
        registry.trick("GET .*/manifests/", lambda h: h.answer(307, Location=f"http://localhost:{other.port}/"))
        with Client(ClientConfig(ca_files=(authority.certificate,))) as client, pytest.raises(RegistryError):
            client.resolve(ref)
        assert other.seen == []


def test_a_location_that_forgot_https_is_mended(authority: Authority) -> None:
    with secure(authority) as (registry, ref), Client(ClientConfig(ca_files=(authority.certificate,))) as client:
        url = client.session(ref.registry).resolve(f"http://{registry.host}/v2/app/blobs/uploads/1?state=a%2Fb")
        assert url == f"https://{registry.host}/v2/app/blobs/uploads/1?state=a%2Fb"


# Schemes


def test_loopback_falls_back_to_http_and_remembers() -> None:
    with hostile() as registry:
        registry.put("1", RAW)
        ref = Reference.parse(f"{registry.host}/app:1")
        with Client() as client:
            client.resolve(ref)
        assert SCHEMES.candidates(registry.host, tls_verify=True)[0].scheme == "http"


def test_which_schemes_are_tried() -> None:
    schemes = Schemes()

    def tried(registry: str, *, verify: bool = True) -> list[str]:
        return [origin.url for origin in schemes.candidates(registry, tls_verify=verify)]

    assert tried("example.com") == ["https://example.com"]
    assert tried("docker.io") == ["https://registry-1.docker.io"]
    assert tried("example.com:5000", verify=False) == ["https://example.com:5000", "http://example.com:5000"]
    assert tried("localhost:5000") == ["https://localhost:5000", "http://localhost:5000"]
    assert tried("[::1]:5000") == ["https://[::1]:5000", "http://[::1]:5000"]
    schemes.found("localhost:5000", Origin.of("http://localhost:5000"))
    assert tried("localhost:5000") == ["http://localhost:5000", "https://localhost:5000"]


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("example.com", False),
     ("localhost.example.com", False), ("127.0.0.1.example.com", False), ("0.0.0.0", False), ("10.0.0.1", False)],
)  # fmt: skip
def test_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) == loopback


def other_address() -> str | None:
    """An address of this machine that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address = str(probe.getsockname()[0])
    return None if is_loopback(address) else address


@pytest.fixture
def beyond() -> Generator[Reference, None, None]:
    """A plain registry on an address that is not loopback; it wants a password."""
    address = other_address()
    if address is None:
        pytest.skip("needs an address beyond loopback")
    with hostile(address=address) as registry:
        registry.put("1", RAW)
        registry.trick("", lambda h: h.honest(registry.seen[-1]) if h.headers.get("Authorization")
                       else h.answer(401, WWW_Authenticate="Basic"))  # fmt: skip
        yield Reference.parse(f"{registry.host}/app:1")


def test_plain_http_beyond_loopback_is_not_spoken(beyond: Reference) -> None:
    with Client(ClientConfig(retry=ONCE)) as client, pytest.raises(UnreachableError):
        client.resolve(beyond)


def test_a_password_in_clear_is_warned_of(beyond: Reference) -> None:
    warnings: list[str] = []
    config = ClientConfig(credentials=Given(beyond.registry, ADA), tls_verify=False, retry=ONCE, warn=warnings.append)
    with Client(config) as client:
        client.resolve(beyond)
        client.resolve(beyond)
    assert warnings == [f"{beyond.registry}: the password goes to http://{beyond.registry} in clear"]


# Where a registry leads


def test_a_registry_elsewhere_leads_to_no_name_of_this_machine() -> None:
    address = other_address()
    if address is None:
        pytest.skip("needs an address beyond loopback")
    with hostile() as inside, hostile(address=address) as outside:
        inside.put("1", RAW)
        # 127.1 is 127.0.0.1 to every resolver; a name that resolves to it would do as well.
        away = f"http://127.1:{inside.port}"
        outside.trick("GET .*/manifests/", lambda h: h.answer(307, Location=f"{away}{h.path}"))
        with Client(ClientConfig(tls_verify=False, retry=ONCE)) as client:
            with pytest.raises(ProtocolError, match=r"leads to this machine \(127\.0\.0\.1\)"):
                client.resolve(Reference.parse(f"{outside.host}/app:1"))
            assert not inside.seen
            # Nor over a connection that is open already, because somebody else asked for it.
            client.resolve(Reference.parse(f"127.1:{inside.port}/app:1"))
            before = len(inside.seen)
            with pytest.raises(ProtocolError, match="leads to this machine"):
                client.resolve(Reference.parse(f"{outside.host}/app:1"))
            assert len(inside.seen) == before


@pytest.mark.parametrize("address", ["169.254.255.254", "[fe80::1]", "[::ffff:169.254.255.254]"])
def test_no_registry_leads_to_a_metadata_service(address: str) -> None:
    """Not even one of this machine: a mirror that runs here hands on what others say."""
    with hostile() as bad:
        bad.trick("GET .*/manifests/", lambda h: h.answer(307, Location=f"http://{address}/latest/meta-data"))
        with (
            Client(ClientConfig(tls_verify=False, retry=ONCE)) as client,
            pytest.raises(ProtocolError, match="leads to a link-local address"),
        ):
            client.resolve(Reference.parse(f"{bad.host}/app:1"))


def test_a_registry_of_this_machine_by_another_name_may_lead_to_it() -> None:
    with hostile() as first, hostile() as second:
        second.put("1", RAW)
        first.trick("GET .*/manifests/", lambda h: h.answer(307, Location=f"{second.url}{h.path}"))
        with Client(ClientConfig(tls_verify=False, retry=ONCE)) as client:
            assert client.resolve(Reference.parse(f"127.1:{first.port}/app:1")).size == len(RAW)


@pytest.mark.parametrize(
    ("address", "here"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("0.0.0.0", True), ("::1", True), ("::", True),
     ("::ffff:127.0.0.1", True), ("169.254.169.254", True), ("fe80::1%2", True), ("10.0.0.1", False),
     ("::ffff:10.0.0.1", False), ("2001:db8::1", False)],
)  # fmt: skip
def test_which_addresses_only_this_machine_reaches(address: str, here: bool) -> None:
    from lading.registry.http.wire import is_here

    assert is_here(address) == here


# Proxies


@pytest.mark.parametrize(
    ("url", "rule", "direct"),
    [
        ("https://example.com", "", False),
        ("https://example.com", "example.com", True),
        ("https://a.example.com", "example.com", True),
        ("https://a.example.com", ".example.com", True),
        ("https://a.example.com", "*.example.com", True),
        ("https://badexample.com", "example.com", False),
        ("https://example.com:5000", "example.com:5000", True),
        ("https://example.com:5000", "example.com:5001", False),
        ("https://10.1.2.3", "10.0.0.0/8", True),
        ("https://11.1.2.3", "10.0.0.0/8", False),
        ("https://example.com", "*", True),
        ("https://127.0.0.1", "", True),
        ("http://example.com", "", True),
    ],
)
def test_who_is_reached_through_a_proxy(url: str, rule: str, direct: bool) -> None:
    config = ClientConfig(proxies={"https": "http://proxy.example.com:3128"}, no_proxy=(rule,))
    assert (proxy_for(Origin.of(url), config) is None) == direct


@pytest.mark.parametrize("form", ["http://{}", "HTTP://{}", "{}", "http://ada:word@{}", "ada:word@{}", "http://{}/"])
def test_a_proxy_is_used(form: str) -> None:
    with hostile() as proxy:
        proxy.trick("GET http://registry.example.com/v2/", lambda h: h.answer(200))
        proxy.trick("GET .*/manifests/", lambda h: h.answer(200, RAW, Content_Type=MANIFEST))
        config = ClientConfig(proxies={"http": form.format(proxy.host)}, tls_verify=False, retry=ONCE)
        with Client(config) as client:
            SCHEMES.found("registry.example.com", Origin.of("http://registry.example.com"))
            client.resolve(Reference.parse("registry.example.com/app:1"))
        assert proxy.asked(r"GET http://registry\.example\.com/v2/app/manifests/1")


@pytest.mark.parametrize("proxied", [False, True])
def test_an_answer_says_from_where_it_came(proxied: bool) -> None:
    """From the proxy where there is one: who is behind it only that knows."""
    with hostile() as server:
        server.trick("GET .*", lambda h: h.answer(200))
        proxies = {"http": f"http://{server.host}"} if proxied else {}
        transport = HttpxTransport(ClientConfig(proxies=proxies))
        url = "http://files.example.com/x" if proxied else f"{server.url}/x"
        with transport.send(HttpRequest("GET", url)) as response:
            assert response.peer == ("127.0.0.1", server.port)
        transport.close()


@pytest.mark.parametrize(
    "proxy",
    [
        "socks5://proxy.example.com",
        "http://[::1",
        "ada:secret:word",
        "http://ada:secret@[::1",
        "proxy.example.com\r\nX: y",
        "http://\udcff",
        "http://" + "a" * 70_000,
    ],
)
def test_a_proxy_of_another_kind_or_without_a_url(proxy: str) -> None:
    config = ClientConfig(proxies={"https": proxy})
    with Client(config) as client, pytest.raises(InputError, match=r"proxy for example\.com must be") as told:
        client.resolve(Reference.parse("example.com/app:1"))
    assert "secret" not in str(told.value)


# Passwords, with Debian's registry


@pytest.fixture
def guarded(tmp_path: Path) -> Generator[str, None, None]:
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    auth = f"auth: {{htpasswd: {{realm: test, path: {tmp_path / 'htpasswd'}}}}}"
    with docker_registry(tmp_path / "registry", auth=auth) as host:
        yield host


@needs("docker-registry")
def test_with_a_login_and_without(guarded: str, tmp_path: Path) -> None:
    ref = Reference.parse(f"{guarded}/app:1")
    files = CredentialFiles((tmp_path / "docker" / "config.json",))
    with open_store(tmp_path / "here") as here, open_store(tmp_path / "there") as there:
        image = put_image(here)
        put_paper(here, image)
        with Client(ClientConfig(credentials=files)) as client, pytest.raises(UnauthorizedError, match="wants a login"):
            push(client, ref, here, image)
        with pytest.raises(UnauthorizedError, match="did not accept"):
            check_login(guarded, Credential("ada", "wrong"), ClientConfig())
        check_login(guarded, ADA, ClientConfig())
        files.save(guarded, ADA)
        with Client(ClientConfig(credentials=files)) as client:
            push(client, ref, here, image)
            assert len(pull(client, ref, there).evidence) == 1
        files.erase(guarded)
        with Client(ClientConfig(credentials=files)) as client, pytest.raises(UnauthorizedError):
            pull(client, ref, there)

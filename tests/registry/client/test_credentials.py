from __future__ import annotations

import base64
import json
import stat
import threading
from pathlib import Path

import pytest

from lading.registry.credentials.files import Credential, CredentialFiles, host_of
from lading.store.errors import InputError, LadingError, MachineError

ADA = Credential("ada", "pass:word")
AUTH = base64.b64encode(b"ada:pass:word").decode()


def files(folder: Path, value: object = None, name: str = "config.json") -> CredentialFiles:
    path = folder / name
    if value is not None:
        path.write_text(value if isinstance(value, str) else json.dumps(value))
    return CredentialFiles((path,))


@pytest.mark.parametrize(
    "key", ["example.com:5000", "https://example.com:5000", "https://example.com:5000/v1/", "example.com:5000/"]
)
def test_every_way_docker_wrote_a_key(tmp_path: Path, key: str) -> None:
    found = files(tmp_path, {"auths": {key: {"auth": AUTH}}})
    assert found.find("example.com:5000") == ADA
    assert found.find("example.com") is None


@pytest.mark.parametrize(
    "key", ["https://index.docker.io/v1/", "docker.io", "index.docker.io", "https://registry-1.docker.io"]
)
def test_docker_hub_has_a_key_of_its_own(tmp_path: Path, key: str) -> None:
    assert files(tmp_path, {"auths": {key: {"auth": AUTH}}}).find("docker.io") == ADA


def test_the_most_specific_repository_wins(tmp_path: Path) -> None:
    found = files(
        tmp_path, {"auths": {"example.com": {"auth": AUTH}, "example.com/team": {"username": "bo", "password": "x"}}}
    )
    assert found.find("example.com", "team/app") == Credential("bo", "x")
    assert found.find("example.com", "teams/app") == ADA
    assert found.find("example.com") == ADA


def test_tokens(tmp_path: Path) -> None:
    value = {
        "auths": {"a.example.com": {"auth": AUTH, "identitytoken": "tok"}, "b.example.com": {"registrytoken": "bearer"}}
    }
    found = files(tmp_path, value)
    assert found.find("a.example.com") == Credential("ada", "pass:word", identity_token="tok")
    assert found.find("b.example.com") == Credential(bearer="bearer")


@pytest.mark.parametrize("value", [{}, {"auths": {}}, {"auths": {"example.com": {}}}, {"auths": None}, ""])
def test_nobody_logged_in(tmp_path: Path, value: object) -> None:
    assert files(tmp_path, value).find("example.com") is None


def test_no_file(tmp_path: Path) -> None:
    assert files(tmp_path).find("example.com") is None


@pytest.mark.parametrize(
    "value",
    ["{", "[]", "7", '{"auths":[]}', '{"auths":{"example.com":7}}', '{"auths":{"example.com":{"auth":"!"}}}',
     '{"auths":{"example.com":{"auth":"YQ=="}}}', '{"a":1,"a":2}', '{"credsStore":7}', "\xff"],
)  # fmt: skip
def test_a_broken_file_is_an_error_that_names_it(tmp_path: Path, value: str) -> None:
    with pytest.raises(InputError, match=r"config\.json"):
        files(tmp_path, value).find("example.com")


def test_an_earlier_file_wins(tmp_path: Path) -> None:
    files(tmp_path, {"auths": {"example.com": {"auth": AUTH}}})
    files(tmp_path, {"auths": {"example.com": {"username": "bo", "password": "x"}}}, "auth.json")
    both = CredentialFiles((tmp_path / "auth.json", tmp_path / "config.json"))
    assert both.find("example.com") == Credential("bo", "x")


def test_saving_keeps_what_it_does_not_know(tmp_path: Path) -> None:
    before = {
        "HttpHeaders": {"X": "y"},
        "auths": {"other.example.com": {"auth": AUTH, "email": "x"}},
        "psFormat": "table",
    }
    found = files(tmp_path, before)
    assert found.save("example.com", ADA) == str(tmp_path / "config.json")
    after = json.loads((tmp_path / "config.json").read_text())
    assert after == before | {"auths": before["auths"] | {"example.com": {"auth": AUTH}}}  # type: ignore[operator]
    assert found.find("example.com") == ADA
    assert stat.S_IMODE((tmp_path / "config.json").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_saving_makes_the_folder(tmp_path: Path) -> None:
    found = CredentialFiles((tmp_path / "a" / "b" / "config.json",))
    found.save("docker.io", ADA)
    assert found.find("docker.io") == ADA
    assert "https://index.docker.io/v1/" in found.paths[0].read_text()
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700


def test_saving_again_leaves_one_entry(tmp_path: Path) -> None:
    found = files(tmp_path, {"auths": {"https://example.com/v1/": {"auth": AUTH}}})
    found.save("example.com", Credential("bo", "x"))
    assert list(json.loads((tmp_path / "config.json").read_text())["auths"]) == ["example.com"]


def test_a_link_is_written_through(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.json"
    real.write_text("{}")
    (tmp_path / "config.json").symlink_to(real)
    files(tmp_path).save("example.com", ADA)
    assert (tmp_path / "config.json").is_symlink()
    assert "example.com" in real.read_text()


def test_many_logins_at_once(tmp_path: Path) -> None:
    found = files(tmp_path)
    threads = [threading.Thread(target=found.save, args=(f"{at}.example.com", ADA)) for at in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(found.find(f"{at}.example.com") == ADA for at in range(12))


def test_erasing(tmp_path: Path) -> None:
    found = files(tmp_path, {"auths": {"https://example.com/v1/": {"auth": AUTH}}, "other": 1})
    assert found.erase("example.com")
    assert not found.erase("example.com")
    assert found.find("example.com") is None
    assert json.loads((tmp_path / "config.json").read_text()) == {"auths": {}, "other": 1}
    assert not CredentialFiles((tmp_path / "none" / "config.json",)).erase("example.com")
    assert not (tmp_path / "none").exists()


def test_a_credential_does_not_show_its_password() -> None:
    assert "pass" not in repr(ADA)


@pytest.mark.parametrize(
    ("key", "host"), [("https://example.com/team", "example.com/team"), ("http://example.com/v2/", "example.com")]
)
def test_host_of(key: str, host: str) -> None:
    assert host_of(key) == host


# Helpers

HELPER = """#!/bin/sh
echo "$1" >>"$0.calls"
case "$1" in
get) read server
  case "$server" in
  example.com|https://index.docker.io/v1/) echo '{"ServerURL":"x","Username":"ada","Secret":"pass:word"}' ;;
  token.example.com) echo '{"ServerURL":"x","Username":"<token>","Secret":"refresh"}' ;;
  broken.example.com) echo 'not json' ;;
  loud.example.com) while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done ;;
  locked.example.com) echo 'the keyring is locked'; exit 1 ;;
  *) echo 'credentials not found in native keychain'; exit 1 ;;
  esac ;;
store) cat >"$0.stored" ;;
erase) cat >"$0.erased" ;;
esac
"""


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import os

    folder = tmp_path / "bin"
    folder.mkdir()
    path = folder / "docker-credential-test"
    path.write_text(HELPER)
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return path


def test_a_helper_is_asked(tmp_path: Path, helper: Path) -> None:
    found = files(tmp_path, {"credsStore": "test"})
    assert found.find("example.com") == ADA
    assert found.find("docker.io") == ADA
    assert found.find("token.example.com") == Credential(identity_token="refresh")
    assert found.find("unknown.example.com") is None


def test_a_helper_for_one_registry(tmp_path: Path, helper: Path) -> None:
    auths = {"other.example.com": {"username": "bo", "password": "x"}}
    found = files(tmp_path, {"credHelpers": {"example.com": "test"}, "auths": auths})
    assert found.find("example.com") == ADA
    assert found.find("other.example.com") == Credential("bo", "x")


@pytest.mark.parametrize("registry", ["broken.example.com", "loud.example.com", "locked.example.com"])
def test_a_helper_that_fails_is_an_error(tmp_path: Path, helper: Path, registry: str) -> None:
    with pytest.raises(MachineError, match="docker-credential-test"):
        files(tmp_path, {"credsStore": "test"}).find(registry)


@pytest.mark.parametrize("name", ["absent", "../bin/sh", "a/b", "", "-x"])
def test_a_helper_that_is_none(tmp_path: Path, helper: Path, name: str) -> None:
    found = files(tmp_path, {"credHelpers": {"example.com": name}})
    if not name:
        assert found.find("example.com") is None
        return
    with pytest.raises(LadingError):
        found.find("example.com")


def test_a_helper_keeps_and_forgets(tmp_path: Path, helper: Path) -> None:
    found = files(tmp_path, {"credsStore": "test"})
    assert found.save("example.com", ADA) == "docker-credential-test"
    assert json.loads(Path(f"{helper}.stored").read_text()) == {
        "ServerURL": "example.com",
        "Username": "ada",
        "Secret": "pass:word",
    }
    assert "pass" not in (tmp_path / "config.json").read_text()
    assert found.erase("example.com")
    assert Path(f"{helper}.erased").read_text() == "example.com"


def test_a_file_that_cannot_be_written_is_said_to_be_so(tmp_path: Path) -> None:
    path = tmp_path / ("c" * 250)  # what is written first beside it has a longer name
    with pytest.raises(MachineError, match=r"cannot be written: File name too long$"):
        CredentialFiles((path,)).save("example.com", ADA)

"""The compiled form of a policy saves reading it and says nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lading.host.trust import policies
from lading.store.errors import LadingError
from lading.store.index import Index
from lading.verify.keys.keys import PrivateKey
from lading.verify.policy.policy import Policy

_SCOPES = "scopes:\n  default:\n    signed_by:\n      keys: [own]\n"


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    opened = Index(tmp_path / "index.db")
    yield opened
    opened.close()


def _inline(pem: str) -> str:
    lines = "".join(f"    {line}\n" for line in pem.splitlines())
    return f"version: 1\nkeys:\n  own: |\n{lines}{_SCOPES}"


def _rows(index: Index) -> int:
    return len(index.all("SELECT 1 FROM cache WHERE kind = 'policy'"))


def test_a_kept_policy_is_the_policy(tmp_path: Path, index: Index) -> None:
    (tmp_path / "policy.yaml").write_text(_inline(PrivateKey.generate().public.pem.decode()))
    first, second = (policies.load_own(tmp_path, lambda: index) for _ in range(2))
    assert first == second == policies.load(tmp_path / "policy.yaml")
    assert _rows(index) == 1


def test_a_changed_text_is_read_again(tmp_path: Path, index: Index) -> None:
    for _ in range(2):
        (tmp_path / "policy.yaml").write_text(_inline(PrivateKey.generate().public.pem.decode()))
        assert policies.load_own(tmp_path, lambda: index) == policies.load(tmp_path / "policy.yaml")
        assert _rows(index) == 1


def test_a_policy_with_key_files_is_not_kept(tmp_path: Path, index: Index) -> None:
    (tmp_path / "policy.yaml").write_text(f"version: 1\nkeys:\n  own: {{file: team.pub}}\n{_SCOPES}")
    for _ in range(2):
        key = PrivateKey.generate().public
        (tmp_path / "team.pub").write_bytes(key.pem)
        rule = policies.load_own(tmp_path, lambda: index).rule_for(None)
        assert rule is not None
        assert [named.key.fingerprint for named in rule.keys] == [key.fingerprint]
    assert _rows(index) == 0


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_key_file_that_a_policy_names_holds_nobody_up(tmp_path: Path, kind: str) -> None:
    (tmp_path / "policy.yaml").write_text(f"version: 1\nkeys:\n  own: {{file: team.pub}}\n{_SCOPES}")
    if kind == "pipe":
        os.mkfifo(tmp_path / "team.pub")
    else:
        (tmp_path / "team.pub").symlink_to("/dev/zero")
    with pytest.raises(LadingError, match=r"team\.pub.*not a file"):
        policies.load(tmp_path / "policy.yaml")


def test_a_damaged_form_is_made_again(tmp_path: Path, index: Index) -> None:
    (tmp_path / "policy.yaml").write_text(_inline(PrivateKey.generate().public.pem.decode()))
    wanted = policies.load_own(tmp_path, lambda: index)
    index.run("UPDATE cache SET value = ?", (b"{}",))
    assert policies.load_own(tmp_path, lambda: index) == wanted


def test_a_wrong_policy_is_refused_each_time(tmp_path: Path, index: Index) -> None:
    (tmp_path / "policy.yaml").write_text("version: 1\nscopes: 7\n")
    for _ in range(2):
        with pytest.raises(LadingError):
            policies.load_own(tmp_path, lambda: index)
    assert _rows(index) == 0


def _link(place: Path, target: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda floor: _link(floor, "/nowhere/policy.yaml"), id="a link that leads nowhere"),
        pytest.param(lambda floor: _link(floor, floor.name), id="a link to itself"),
        pytest.param(lambda floor: _link(floor.parent, "/nowhere"), id="its folder is a link that leads nowhere"),
        pytest.param(lambda floor: floor.parent.write_text(""), id="its folder is a file"),
        pytest.param(lambda floor: floor.mkdir(parents=True), id="a folder"),
    ],
)
def test_a_floor_that_cannot_be_read_refuses_everything(tmp_path: Path, make: Callable[[Path], None]) -> None:
    floor = tmp_path / "lading/policy.yaml"
    make(floor)
    with pytest.raises(LadingError, match=str(floor)) as caught:
        policies.verifier(Policy("p", scopes={}), floor)
    assert caught.value.exit_code == 5


def test_no_floor_is_no_name_of_it(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    for place in ("policy.yaml", "a/b/policy.yaml", "link/policy.yaml"):
        assert policies.is_there(tmp_path / place) is False
    (tmp_path / "real/policy.yaml").write_text("version: 1\n")
    assert policies.is_there(tmp_path / "link/policy.yaml")

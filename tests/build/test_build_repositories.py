"""ADD of git repositories: the commit is the key and is recorded, and nothing of a repository is executed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.build.context.remote.addresses import Repository, repository
from lading.build.errors import DockerfileError
from suites.building import Bench
from suites.git_server import commit, git, git_server
from suites.git_server import repository as make
from suites.machine import needs

pytestmark = needs("root", "overlay", "git")
FILES = {"a.txt": "a", "run*": "#!/bin/sh", "dir/b.txt": "b", "dir/c.md": "c", "link@": "dir/b.txt", "out@": "/etc"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    with git_server(tmp_path / "served") as url:
        yield url


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    return make(tmp_path / "served/one", FILES)


def _files(bench: Bench, tmp_path: Path, line: str) -> dict[str, tuple[object, ...]]:
    text = f"FROM scratch\n{line}\n".encode()
    return bench.files(bench.build(tmp_path / "context", dockerfile=text).descriptor)


def test_a_moved_branch_is_a_miss_and_a_commit_is_not_asked_for(
    origin: Path, bench: Bench, server: str, tmp_path: Path
) -> None:
    first = git(origin, "rev-parse", "HEAD")
    expected = {
        "d": ("0o40755", 0, 0, None),
        "d/a.txt": ("0o100644", 0, 0, b"a"),
        "d/run": ("0o100755", 0, 0, b"#!/bin/sh"),
        "d/dir": ("0o40755", 0, 0, None),
        "d/dir/b.txt": ("0o100644", 0, 0, b"b"),
        "d/dir/c.md": ("0o100644", 0, 0, b"c"),
        "d/link": (None, 0, 0, "dir/b.txt"),
        "d/out": (None, 0, 0, "/etc"),
    }
    for line in (f"ADD {server}/one /d/", f"ADD {server}/one#main /d", f"ADD {server}/one?branch=main /d/"):
        assert _files(bench, tmp_path, line) == expected
    assert _files(bench, tmp_path, f"ADD {server}/one#{first} /d/") == expected
    assert [report.cached for report in bench.listener.reports] == [True]
    commit(origin, {"a.txt": "changed"})
    assert _files(bench, tmp_path, f"ADD {server}/one#main /d/")["d/a.txt"][3] == b"changed"
    assert _files(bench, tmp_path, f"ADD {server}/one#{first} /d/") == expected
    assert not list((tmp_path / "store/cache/work").iterdir())


def test_folders_tags_flags(origin: Path, bench: Bench, server: str, tmp_path: Path) -> None:
    git(origin, "tag", "-a", "-m", "first", "v1")
    tag, first = git(origin, "rev-parse", "v1"), git(origin, "rev-parse", "v1^{commit}")
    commit(origin, {"dir/b.txt": "later"})
    for ref in ("v1:dir", "refs/tags/v1:/dir/", "?tag=v1&subdir=dir"):
        url = f"{server}/one{ref}" if ref.startswith("?") else f"{server}/one#{ref}"
        assert _files(bench, tmp_path, f"ADD {url} /d/")["d/b.txt"][3] == b"b"
    for checksum in (first, tag, first[:8]):
        assert "b.txt" in _files(bench, tmp_path, f"ADD --checksum={checksum} {server}/one#v1:dir /")
    with pytest.raises(DockerfileError, match=rf"is at {first}, not 0000000 as its checksum says"):
        _files(bench, tmp_path, f"ADD --checksum=0000000 {server}/one#v1 /")
    found = _files(bench, tmp_path, f"ADD --exclude=**/*.md --chown=5:6 --chmod=go-rwx {server}/one /d/")
    assert "d/dir/c.md" not in found
    assert found["d/dir/b.txt"] == ("0o100600", 5, 6, b"later")
    for ref in ("none", "v1:none", "v1:out", "v1:a.txt"):
        with pytest.raises(DockerfileError, match=r"Dockerfile:2: ADD: git://127.*(no branch or tag|no folder)"):
            _files(bench, tmp_path, f"ADD {server}/one#{ref} /")
    with pytest.raises(DockerfileError, match=r"Dockerfile:2: ADD: git://127.*"):
        _files(bench, tmp_path, f"ADD {server}/none /")
    with pytest.raises(DockerfileError, match=r"did not give it"):
        _files(bench, tmp_path, f"ADD {server}/one#{'0' * 39}1 /")


def test_the_git_folder_is_the_same_whenever_it_is_fetched(
    origin: Path, bench: Bench, server: str, tmp_path: Path
) -> None:
    commit(origin, {f"many/{number}": f"{number}" * 100 for number in range(40)})
    line = f"ADD --keep-git-dir {server}/one#main /d/"
    one = bench.build(tmp_path / "context", dockerfile=f"FROM scratch\n{line}\n".encode())
    two = bench.build(tmp_path / "context", dockerfile=f"FROM scratch\n{line}\n".encode(), no_cache=True)
    assert one.descriptor == two.descriptor
    files = bench.files(one.descriptor)
    assert files["d/.git/HEAD"][3] == f"{git(origin, 'rev-parse', 'HEAD')}\n".encode()
    assert b"hooks" not in b"".join(name.encode() for name in files)
    assert not [name for name in _files(bench, tmp_path, f"ADD {server}/one#main /d/") if ".git" in name]


def test_nothing_of_a_repository_is_executed(origin: Path, bench: Bench, server: str, tmp_path: Path) -> None:
    commit(origin, {".gitattributes": "* filter=evil\n", ".gitmodules": ""})
    for name in ("config", "hooks/post-checkout", "hooks/pre-upload"):
        (origin / ".git" / name).parent.mkdir(exist_ok=True)
    (origin / ".git/hooks/post-checkout").write_text(f"#!/bin/sh\ntouch {tmp_path}/executed\n")
    (origin / ".git/hooks/post-checkout").chmod(0o755)
    assert _files(bench, tmp_path, f"ADD {server}/one#main /d/")["d/a.txt"][3] == b"a"
    assert not (tmp_path / "executed").exists()


def test_a_submodule_that_lies_elsewhere_is_refused_by_name(
    origin: Path, bench: Bench, server: str, tmp_path: Path
) -> None:
    make(tmp_path / "served/two", {"x": "x"})
    git(origin, "submodule", "add", "-q", str(tmp_path / "served/two"), "sub")
    git(origin, "commit", "-q", "-m", "sub")
    with pytest.raises(DockerfileError, match=r"submodule 'sub': .*: submodules are fetched by https") as caught:
        _files(bench, tmp_path, f"ADD {server}/one /d/")
    assert caught.value.hint
    assert _files(bench, tmp_path, f"ADD {server}/one?submodules=false /d/")["d/sub"] == ("0o40755", 0, 0, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://example.com/a.git", Repository("https://example.com/a.git")),
        ("https://example.com/a", None),
        ("https://example.com/a.git?x", "unexpected query"),
        ("https://example.com/a.git?ref=", "no value"),
        ("https://example.com/a.git?ref=a&ref=b", "multiple"),
        ("https://example.com/a.git?ref=a#b", "ref conflicts"),
        ("https://example.com/a.git?branch=a&tag=b", "ref conflicts"),
        ("https://example.com/a.git?keep-git-dir=x", "invalid keep-git-dir"),
        ("https://example.com/a.git#v1:a/../b", Repository("https://example.com/a.git", "v1", "b")),
        ("https://example.com/a.git#:../../b", Repository("https://example.com/a.git", "", "b")),
        ("https://example.com/a.git#--upload-pack=x", "not a branch"),
        ("https://example.com/a.git?keep-git-dir", Repository("https://example.com/a.git", keep_git=True)),
        ("https://example.com/a.git?commit=abcdef0", Repository("https://example.com/a.git", checksum="abcdef0")),
        ("ssh://git@example.com/a", Repository("ssh://git@example.com/a")),
        ("git@example.com:a/b.git#main", Repository("git@example.com:a/b.git", "main")),
        ("git://example.com/a", Repository("git://example.com/a")),
        ("file:///a.git", None),
        ("ext::sh -c x", None),
        ("github.com/a/b", None),
        ("a.git", None),
    ],
)
def test_addresses(text: str, expected: Repository | str | None) -> None:
    if isinstance(expected, str):
        with pytest.raises(ValueError, match=expected):
            repository(text)
        return
    assert repository(text) == expected

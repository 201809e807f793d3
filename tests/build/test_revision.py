"""The git commit of a context: what is told of it, and that nothing of a repository is executed or tells a secret."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.build.context.revision import Revision, public, revision_of
from suites.machine import needs

pytestmark = needs("git")
AUTHOR = {f"GIT_{who}_{what}": "a@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home")}


@pytest.fixture
def repository(tmp_path: Path, environment: dict[str, str]) -> Path:
    folder = tmp_path / "repository"
    (folder / "sub").mkdir(parents=True)
    (folder / "file").write_text("one\n")
    (folder / "sub/file").write_text("two\n")
    git(folder, "init", "-q", "-b", "main")
    commit(folder)
    return folder


def git(folder: Path, *words: str) -> str:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder.parent), **AUTHOR}
    argv = ["git", "-C", str(folder), *words]
    return subprocess.run(argv, env=environment, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path) -> str:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "x", "--allow-empty")
    return git(folder, "rev-parse", "HEAD")


def test_commit_remote_folder_and_changes(repository: Path, environment: dict[str, str]) -> None:
    head = git(repository, "rev-parse", "HEAD")
    assert revision_of(repository, environment) == Revision(head, None, "", False)
    git(repository, "remote", "add", "origin", "https://user:token@example.com/team/app.git?key=1#x")
    (repository / "sub/new").write_text("x")
    uri = "git+https://example.com/team/app.git"
    assert revision_of(repository / "sub", environment) == Revision(head, uri, "sub/", True)
    (repository / ".gitignore").write_text("new\n")
    head = commit(repository)
    assert revision_of(repository / "sub", environment) == Revision(head, uri, "sub/", False)
    (repository / "file").write_text("changed\n")
    assert revision_of(repository, environment) == Revision(head, uri, "", True)
    assert revision_of(repository / "sub", environment) == Revision(head, uri, "sub/", False)
    git(repository, "rm", "-q", "--cached", "sub/file")
    found = revision_of(repository / "sub", environment)
    assert found and found.dirty


def test_as_slsa_has_it(repository: Path) -> None:
    assert Revision("a" * 40, "git+https://example.com/a", "sub/", True).resource().json() == {
        "name": "git",
        "uri": "git+https://example.com/a",
        "digest": {"gitCommit": "a" * 40},
        "annotations": {"urn:lading:dirty": True, "urn:lading:path": "sub/"},
    }
    assert Revision("a" * 40).resource().json() == {"name": "git", "digest": {"gitCommit": "a" * 40}}


def test_the_remote_of_the_branch_comes_first(repository: Path, environment: dict[str, str]) -> None:
    git(repository, "remote", "add", "fork", "git@example.com:me/fork.git")
    found = revision_of(repository, environment)
    assert found and found.uri == "git+ssh://example.com/me/fork.git"
    git(repository, "remote", "add", "origin", "https://example.com/origin")
    found = revision_of(repository, environment)
    assert found and found.uri == "git+https://example.com/origin"
    git(repository, "config", "branch.main.remote", "fork")
    git(repository, "config", "url.https://token@example.org/.insteadOf", "git@example.com:")
    found = revision_of(repository, environment)
    assert found and found.uri == "git+ssh://example.com/me/fork.git"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.com/a/b.git", "git+https://example.com/a/b.git"),
        ("https://User:p%40ss@Example.COM:8443/a?token=x#f", "git+https://example.com:8443/a"),
        ("ssh://git@example.com/a", "git+ssh://example.com/a"),
        ("git://example.com/a", "git://example.com/a"),
        ("git+https://u@example.com/a", "git+https://example.com/a"),
        ("git@example.com:a/b.git", "git+ssh://example.com/a/b.git"),
        ("user:password@example.com:a/b.git", None),
        ("https://user:pass#word@example.com/a", None),
        ("https://user:1234?word@example.com/a", None),
        ("https://user:pass#word", None),
        ("https://user\\@example.com:pass/a", None),
        ("ssh://git@[2001:db8::1]:22/a", "git+ssh://[2001:db8::1]:22/a"),
        ("/home/somebody/repository", None),
        ("../repository", None),
        ("file:///home/somebody/repository", None),
        ("ext::sh -c 'touch x'", None),
        ("ext::sh", None),
        ("https:///nowhere", None),
        ("https://[::1", None),
        ("https://example.com/\x1b[31m", None),
        ("https://example.com/" + "a" * 3000, None),
    ],
)
def test_what_is_shown_of_a_remote(url: str, shown: str | None) -> None:
    assert public(url) == shown


@given(user=st.text(st.characters(exclude_characters="/?#@[]\\", min_codepoint=33, max_codepoint=126), min_size=12))
def test_no_user_or_password_is_shown(user: str) -> None:
    for url in (f"https://{user}@example.com/a", f"ssh://x:{user}@example.com/a", f"https://example.com/a?{user}"):
        assert user not in (public(url) or "")


def test_nothing_of_a_repository_is_executed(repository: Path, environment: dict[str, str], tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    run = tmp_path / "run"
    run.write_text(f"#!/bin/sh\necho x >> {mark}\ncat\n")
    run.chmod(0o755)
    for driver in ("evil", "odd=name", "deep.er"):
        for member in ("clean", "smudge", "process"):
            git(repository, "config", f"filter.{driver}.{member}", str(run))
        git(repository, "config", f"filter.{driver}.required", "true")
    names = {"file": "evil", "sub/file": "odd=name", "third": "deep.er"}
    (repository / "third").write_text("x\n")
    git(repository, "-c", "core.hooksPath=/dev/null", "add", "third")
    git(repository, "commit", "-q", "-m", "y")
    (repository / ".git/info/attributes").write_text("".join(f"{path} filter={name}\n" for path, name in names.items()))
    for setting in ("core.fsmonitor", "core.sshCommand", "core.alternateRefsCommand", "core.pager", "core.editor"):
        git(repository, "config", setting, str(run))
    git(repository, "config", "diff.evil.textconv", str(run))
    git(repository, "config", "diff.external", str(run))
    git(repository, "config", "remote.origin.url", f"ext::{run}")
    git(repository, "config", "remote.origin.promisor", "true")
    git(repository, "config", "core.repositoryFormatVersion", "1")
    git(repository, "config", "extensions.partialClone", "origin")
    git(repository, "config", "protocol.ext.allow", "always")
    (repository / ".git/hooks").mkdir(exist_ok=True)
    for hook in ("post-index-change", "fsmonitor-watchman", "reference-transaction"):
        (repository / ".git/hooks" / hook).write_text(run.read_text())
        (repository / ".git/hooks" / hook).chmod(0o755)
    mark.unlink(missing_ok=True)
    for path in names:  # of the same size, so that git has to look into them
        (repository / path).write_text((repository / path).read_text().upper())
    found = revision_of(repository, environment)
    assert found and found.dirty
    # An object that is not there is asked of nobody.
    tree = git(repository, "-c", "core.fsmonitor=false", "rev-parse", "HEAD^{tree}")
    mark.unlink(missing_ok=True)
    (repository / ".git/objects" / tree[:2] / tree[2:]).unlink()
    found = revision_of(repository, environment)
    assert found is None or found.dirty is None
    assert not mark.exists()


@needs("root")
def test_a_repository_of_another_user_says_nothing(
    repository: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    for path in (repository, *repository.rglob("*")):
        os.chown(path, 12345, 12345, follow_symlinks=False)
    assert revision_of(repository, environment) is None
    # Unless this user's own configuration lets it in.
    (tmp_path / "home").mkdir()
    (tmp_path / "home/.gitconfig").write_text(f"[safe]\n\tdirectory = {repository}\n")
    found = revision_of(repository, environment)
    assert found and found.dirty is False


def test_where_there_is_nothing_to_tell(tmp_path: Path, environment: dict[str, str]) -> None:
    assert revision_of(tmp_path, environment) is None
    unborn = tmp_path / "unborn"
    unborn.mkdir()
    git(unborn, "init", "-q")
    assert revision_of(unborn, environment) is None
    broken = tmp_path / "broken"
    (broken / ".git").mkdir(parents=True)
    assert revision_of(broken, environment) is None


def test_git_is_told_nothing_of_the_environment(repository: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "bin").mkdir()
    assert revision_of(repository, {"PATH": str(tmp_path / "bin")}) is None
    program = tmp_path / "bin/git"
    program.write_text(f"#!/bin/sh\n/usr/bin/env > {tmp_path / 'seen'}\nexit 1\n")
    program.chmod(0o755)
    given = {"PATH": f"{tmp_path / 'bin'}:/bin", "SECRET": "s3cret", "GIT_DIR": "/elsewhere", "HOME": "/nowhere"}
    assert revision_of(repository, given) is None
    seen = (tmp_path / "seen").read_text()
    assert "s3cret" not in seen
    assert "GIT_DIR" not in seen

"""Submodules of git repositories: fetched as git fetches them, at the commits that trees name, and no otherwise."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.build.context.remote import check_outs
from lading.build.context.remote.addresses import Repository, repository
from lading.build.context.remote.submodules import address, submodules
from lading.build.errors import DockerfileError, TextError
from lading.build.graph.request import Built
from lading.store.content.blobs import read_blob
from lading.verify.documents import bundles
from lading.verify.documents.dag_artifact import read_artifact
from lading.verify.documents.evidence_kinds import is_dag_artifact
from lading.verify.documents.links import Link
from lading.verify.documents.provenance import Provenance
from lading.verify.documents.statements import Statement
from lading.verify.keys.keys import PrivateKey
from suites.building import Bench, Key, listing
from suites.buildkit import buildkit
from suites.git_server import commit, git, git_server
from suites.git_server import repository as make
from suites.machine import needs

pytestmark = needs("root", "overlay", "git")


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """A repository ``one`` with ``two`` at ``sub``, which has ``deep/three`` at ``its/nested``."""
    served = tmp_path / "served"
    make(served / "deep/three", {"t": "t", "run*": "#!/bin/sh"})
    make(served / "two", {"x": "x", ".gitattributes": "* filter=evil\n"})
    git(served / "two", "submodule", "add", "-q", "--name", "odd/name", "../deep/three", "its/nested")
    git(served / "two", "commit", "-qm", "nested")
    make(served / "one", {"a": "a"})
    git(served / "one", "submodule", "add", "-q", "../two", "sub")
    git(served / "one", "commit", "-qm", "sub")
    commit(served / "deep/three", {"t": "a later commit is nobody's"})
    return served


@pytest.fixture
def server(served: Path, tmp_path: Path) -> Iterator[str]:
    with git_server(served) as url:
        yield url


def _files(bench: Bench, tmp_path: Path, line: str) -> dict[str, tuple[object, ...]]:
    text = f"FROM scratch\n{line}\n".encode()
    return bench.files(bench.build(tmp_path / "context", dockerfile=text).descriptor)


def _head(folder: Path) -> str:
    return git(folder, "rev-parse", "HEAD")


def _linked(folder: Path, path: str, sha: str, settings: str) -> str:
    """A commit of a repository with a link at `path`, and that text of ``.gitmodules``."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / ".git").exists():
        git(folder, "init", "-q")
    (folder / ".gitmodules").write_text(settings)
    git(folder, "add", ".gitmodules")
    git(folder, "update-index", "--add", "--cacheinfo", f"160000,{sha},{path}")
    git(folder, "commit", "-qm", "linked")
    return _head(folder)


@needs("buildkitd", "runc")
def test_they_are_fetched_as_buildkit_fetches_them(bench: Bench, served: Path, server: str, tmp_path: Path) -> None:
    del served
    context = tmp_path / "context"
    with buildkit() as daemon:
        for at, line in enumerate(
            [
                f"ADD {server}/one /d/",
                f"ADD {server}/one#main:sub /d/",
                f"ADD {server}/one#main:sub/its/nested /d/",
                f"ADD {server}/one?submodules=false /d/",
                f"ADD --exclude=**/x {server}/one?submodules=true /d/",
            ]
        ):
            (context / "Dockerfile").write_text(f"FROM scratch\n{line}\n")
            daemon.build(context, tmp_path / f"theirs{at}")
            theirs = {name: found for name, found in listing(tmp_path / f"theirs{at}").items() if found[1:]}
            broken = [name for name in theirs if name.endswith(".git")]  # that lead into its own folders
            assert _files(bench, tmp_path, line) == {name: theirs[name] for name in theirs if name not in broken}


def test_their_commits_are_in_links_and_provenance(served: Path, server: str, tmp_path: Path) -> None:
    key = PrivateKey.generate()
    bench = Bench(tmp_path / "signing", key=Key(key))
    (tmp_path / "context").mkdir()
    dockerfile = f"FROM scratch\nADD {server}/one#main /d/\n".encode()
    three, two = git(served / "two", "rev-parse", "HEAD:its/nested"), _head(served / "two")
    expected = [
        {"name": f"url:{server}/{path}#{end}", "uri": f"{server}/{path}", "digest": {"gitCommit": sha}}
        for path, end, sha in (
            ("deep/three", three, three),
            ("one", "refs/heads/main", _head(served / "one")),
            ("two", two, two),
        )
    ]
    for _ in range(2):
        built = bench.build(tmp_path / "context", dockerfile=dockerfile, names=("localhost/x:latest",))
        links, provenance = attested(bench, built)
        assert [one.json() for one in provenance.dependencies if "gitCommit" in one.digest] == expected
        (link,) = links
        assert sorted((one.json() for one in link.materials), key=lambda one: str(one["name"])) == expected
    assert [report.cached for report in bench.listener.reports] == [True]
    bench.close()


def attested(bench: Bench, built: Built) -> tuple[tuple[Link, ...], Provenance]:
    """The links of a build, and its provenance."""
    links: tuple[Link, ...] = ()
    provenance: Provenance | None = None
    for descriptor in built.attestations:
        manifest = bench.manifest(descriptor)
        if is_dag_artifact(manifest):
            links = read_artifact(manifest, lambda part, _: read_blob(bench.store.blobs, part.digest)).links
            continue
        statement = Statement.parse(
            bundles.parse(read_blob(bench.store.blobs, manifest.layers[0].digest)).envelope.payload
        )
        if statement.predicate_type == "https://slsa.dev/provenance/v1":
            provenance = Provenance.parse(statement)
    assert provenance is not None
    return links, provenance


def test_a_context_has_them(bench: Bench, served: Path, server: str) -> None:
    commit(served / "one", {"Dockerfile": "FROM scratch\nCOPY . /d/\n"})
    built = bench.build(Path("/nowhere"), source=repository(f"{server}/one"))
    assert bench.files(built.descriptor)["d/sub/its/nested/run"][3] == b"#!/bin/sh"
    built = bench.build(Path("/nowhere"), source=repository(f"{server}/one?submodules=false"))
    assert bench.files(built.descriptor)["d/sub"] == ("0o40755", 0, 0, None)
    assert "d/sub/x" not in bench.files(built.descriptor)


def test_a_repository_with_and_without_them_is_not_the_same(bench: Bench, server: str, tmp_path: Path) -> None:
    without = f"ADD {server}/one?submodules=false /d/"
    for line, found in ((without, False), (f"ADD {server}/one /d/", True), (without, False)):
        assert ("d/sub/x" in _files(bench, tmp_path, line)) == found


def test_a_kept_git_folder_is_one_that_git_understands(bench: Bench, server: str, tmp_path: Path) -> None:
    line = f"FROM scratch\nADD --keep-git-dir {server}/one#main /d/\n".encode()
    previous = os.umask(0o077)
    try:
        one = bench.build(tmp_path / "context", dockerfile=line)
    finally:
        os.umask(previous)
    two = bench.build(tmp_path / "context", dockerfile=line, no_cache=True)
    assert one.descriptor == two.descriptor
    files = bench.files(one.descriptor)
    assert files["d/sub/.git"] == ("0o100644", 0, 0, b"gitdir: ../.git/modules/sub\n")
    assert files["d/sub/its/nested/.git"][3] == b"gitdir: ../../../.git/modules/sub/modules/odd/name\n"
    target = tmp_path / "unpacked"
    for name, (mode, _, _, content) in sorted(files.items()):
        if isinstance(content, bytes):
            (target / name).write_bytes(content)
            (target / name).chmod(int(str(mode), 8) & 0o777)
        else:
            (target / name).mkdir(parents=True)
    status = git(target / "d", "submodule", "status", "--recursive")  # a + before what is elsewhere
    assert [line.split()[:2] for line in status.splitlines()] == [
        [git(target / "d", "rev-parse", "HEAD:sub"), "sub"],
        [git(target / "d/sub", "rev-parse", "HEAD:its/nested"), "sub/its/nested"],
    ]
    assert git(target / "d", "status", "--porcelain") == ""
    assert git(target / "d/sub/its/nested", "show", "HEAD:t") == "t"


def test_what_is_not_to_be_updated_is_an_empty_folder(bench: Bench, served: Path, server: str, tmp_path: Path) -> None:
    settings = f'[submodule "s"]\n\tpath = sub\n\turl = {server}/two\n\tupdate = none\n'
    _linked(served / "four", "sub", _head(served / "two"), settings)
    files = _files(bench, tmp_path, f"ADD {server}/four /d/")
    assert sorted(files) == ["d", "d/.gitmodules", "d/sub"]


URL = '[submodule "s"]\n\tpath = sub\n\turl = {}\n'
NAMED = '[submodule "{}"]\n\tpath = sub\n\turl = {{server}}/two\n'
OURS = "submodules are fetched by https, http, ssh and git alone"
OPTION = "what begins like an option is no part of a URL"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("", "has no URL for it"),
        ('[submodule "s"]\n\tpath = other\n\turl = {server}/two\n', "has no URL for it"),
        ('[submodule "s"]\n\tpath = sub\n', "has no URL for it"),
        (URL.format("../../two"), "leads out of its host"),
        (URL.format("../../../../evil.example/two"), "leads out of its host"),
        (URL.format("{served}/two"), OURS),
        (URL.format("file://{served}/two"), OURS),
        (URL.format("localhost:{served}/two"), OURS),
        (URL.format("'ext::sh -c \"touch {served}/executed\"'"), "not a URL"),
        (URL.format("ext::{served}/program"), OURS),
        (URL.format("http::https://x.example/two"), OURS),
        (URL.format("--upload-pack={served}/program"), "gitmodulesUrl: disallowed submodule url"),
        (URL.format("-u{served}/program"), "gitmodulesUrl: disallowed submodule url"),
        (URL.format("ssh://-oProxyCommand={served}/program/two"), OPTION),
        (URL.format("ssh://-oProxyCommand=x@host.example/two"), OPTION),
        (URL.format("a@-oProxyCommand:two"), OPTION),
        (URL.format("a@host.example:-x"), OPTION),
        (URL.format('"https://x.example/two\\nhost=y.example"'), "gitmodulesUrl: disallowed submodule url"),
        (URL.format("{server}/two") + "\tupdate = often\n", "'often': expected checkout, rebase, merge or none"),
        (URL.format("{server}/two") + "\tupdate = !touch {served}/executed\n", "gitmodulesUpdate: disallowed"),
        (NAMED.format("../../.git"), "gitmodulesName: disallowed submodule name"),
        (NAMED.format("a/../b"), "gitmodulesName: disallowed submodule name"),
        (NAMED.format("a/.git/b"), "not the name of a submodule: 'a/.git/b'"),
        (NAMED.format("-a"), "not the name of a submodule: '-a'"),
        (NAMED.format(""), "gitmodulesName: disallowed submodule name"),
        ("[submodule\n", "error processing config file(s) (.gitmodules)"),
        (URL.format("{server}/none"), "submodule 'sub': git://"),
        (URL.format("{server}/deep/three"), "did not give it"),
    ],
)
def test_what_is_refused(bench: Bench, served: Path, server: str, tmp_path: Path, settings: str, said: str) -> None:
    program = served / "program"
    program.write_text(f"#!/bin/sh\ntouch {served}/executed\n")
    program.chmod(0o755)
    text = settings.replace("{served}", str(served)).replace("{server}", server)
    _linked(served / "evil", "sub", _head(served / "two"), text)
    with pytest.raises(DockerfileError, match=re.escape(said)):
        _files(bench, tmp_path, f"ADD --keep-git-dir {server}/evil /d/")
    assert not (served / "executed").exists()
    assert not list((tmp_path / "store/cache/work").iterdir())


@pytest.mark.parametrize(
    ("name", "url", "update"),
    [
        ("../../.git", "../two", "checkout"),
        ("a/../b", "../two", "checkout"),
        ("..\\x", "../two", "checkout"),
        ("", "../two", "checkout"),
        ("s", "--upload-pack=x", "checkout"),
        ("s", "-u./x", "checkout"),
        ("s", "https://x.example/two\nhost=y.example", "checkout"),
        ("s", "../two", "!touch executed"),
    ],
)
def test_what_git_lets_nobody_fetch_is_refused_here_too(name: str, url: str, update: str) -> None:
    settings = f"submodule.{name}.path\nsub\0submodule.{name}.url\n{url}\0submodule.{name}.update\n{update}\0"
    with pytest.raises(TextError):
        list(submodules(Repository("https://h.example/one"), {"sub": "1" * 40}, settings.encode()))


def test_a_name_within_another_is_refused(bench: Bench, served: Path, server: str, tmp_path: Path) -> None:
    head = _head(served / "two")
    names = "".join(
        f'[submodule "{name}"]\n\tpath = {path}\n\turl = ../two\n'
        for name, path in (("s", "one"), ("s-", "two"), ("s/hooks", "three"))
    )
    for path in ("one", "two", "three"):
        _linked(served / "evil", path, head, names)
    with pytest.raises(DockerfileError, match="'s/hooks': it would lie in another's"):
        _files(bench, tmp_path, f"ADD {server}/evil /d/")


def test_no_link_leads_out_of_a_repository(bench: Bench, served: Path, server: str, tmp_path: Path) -> None:
    head, evil = _head(served / "two"), served / "evil"
    settings = '[submodule "s"]\n\tpath = out/sub\n\turl = ../two\n'
    outside = tmp_path / "outside"
    (outside / "sub").mkdir(parents=True)
    first = _linked(evil, "out/sub", head, settings)
    link = written(evil, "blob", str(outside).encode())
    tree = git(evil, "rev-parse", f"{first}:out")
    modules = git(evil, "rev-parse", f"{first}:.gitmodules")
    for entries in (
        f"100644 blob {modules}\t.gitmodules\n120000 blob {link}\tout\n040000 tree {tree}\tout\n",
        f"100644 blob {modules}\t.gitmodules\n040000 tree {tree}\tout\n120000 blob {link}\tout\n",
        f"120000 blob {link}\t.gitmodules\n040000 tree {tree}\tout\n",
    ):
        made = written(evil, "tree", entries.encode())
        git(evil, "update-ref", "refs/heads/main", git(evil, "commit-tree", "-m", "evil", made))
        with pytest.raises(DockerfileError, match="Dockerfile:2: ADD: git://"):
            _files(bench, tmp_path, f"ADD {server}/evil /d/")
        assert not list((outside / "sub").iterdir())


def written(folder: Path, kind: str, content: bytes) -> str:
    """An object of a repository, whatever git thinks of it."""
    words = (
        ["git", "hash-object", "-w", "--literally", "-t", "blob", "--stdin"] if kind == "blob" else ["git", "mktree"]
    )
    return subprocess.run(words, cwd=folder, input=content, capture_output=True, check=True).stdout.decode().strip()


def test_one_within_itself_ends(
    bench: Bench, served: Path, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = '[submodule "s"]\n\tpath = sub\n\turl = ./\n'
    head = make(served / "loop", {"a": "a"}) and _head(served / "loop")
    for _ in range(3):
        head = _linked(served / "loop", "sub", head, settings)
    assert "d/sub/sub/sub/a" in _files(bench, tmp_path, f"ADD {server}/loop /d/")
    for name in ("MAX_DEPTH", "MAX_SUBMODULES"):
        with monkeypatch.context() as patch:
            patch.setattr(check_outs, name, 2)
            with pytest.raises(DockerfileError, match=r"submodules, or .* within each other"):
                bench.build(
                    tmp_path / "context", dockerfile=f"FROM scratch\nADD {server}/loop /d/\n".encode(), no_cache=True
                )


@pytest.mark.parametrize(
    ("above", "url", "expected"),
    [
        ("https://h.example/o/a.git", "../b.git", "https://h.example/o/b.git"),
        ("https://h.example/o/a.git/", "../b.git", "https://h.example/o/b.git"),
        ("https://h.example/o/a.git", "../../p/b", "https://h.example/p/b"),
        ("https://h.example/o/a.git", "./b/", "https://h.example/o/a.git/b"),
        ("https://h.example/o/a.git", ".././../b", "https://h.example/b"),
        ("https://u:p@h.example/o/a.git", "../b.git", "https://u:p@h.example/o/b.git"),
        ("git@h.example:o/a.git", "../b.git", "git@h.example:o/b.git"),
        ("git@h.example:o/a.git", "../../b.git", "git@h.example:b.git"),
        ("git@h.example:a", "../b", "git@h.example:b"),
        ("https://h.example/a", "https://i.example/b", "https://i.example/b"),
        ("https://h.example/a", "git@i.example:b", "git@i.example:b"),
        ("https://h.example/a", "i.example:b", "i.example:b"),
        ("https://u:p@h.example/a", "../../b", None),
        ("git@h.example:a", "../../b", None),
        ("https://h.example/a", "..", None),
        ("https://h.example/a", "/b", None),
        ("https://h.example/a", "", None),
    ],
)
def test_urls_are_resolved_as_git_resolves_them(above: str, url: str, expected: str | None, tmp_path: Path) -> None:
    if expected is None:
        with pytest.raises(TextError):
            address(above, url)
        return
    assert address(above, url) == expected
    make(tmp_path / "repository", {"a": "a"})
    git(tmp_path / "repository", "remote", "add", "origin", above)
    _linked(tmp_path / "repository", "sub", "1" * 40, URL.format(url))
    git(tmp_path / "repository", "submodule", "init")
    assert git(tmp_path / "repository", "config", "submodule.s.url") == expected

"""ADD of what is elsewhere, as many Dockerfiles that name a web server and a git server.

What BuildKit makes of each was recorded with those of `suites.copies`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from suites.copies import archive
from suites.git_server import commit, git, git_server, repository
from suites.web_server import Page, web_server

_SUM: Final = hashlib.sha256(b"file").hexdigest()

REMOTE_CASES: Final[dict[str, str]] = {
    "url": "ADD {web}/file /d/\n",
    "url to a file": "ADD {web}/file /d\n",
    "url query": "ADD {web}/file?a=b /d/\n",
    "url escaped": "ADD {web}/a%20b /d/\n",
    "url folder": "ADD {web}/folder/ /d/\n",
    "url nothing": "ADD {web} /d/\n",
    "url root": "ADD {web}/ /d/\n",
    "url missing": "ADD {web}/missing /d/\n",
    "url redirected": "ADD {web}/moved /d/\n",
    "url twice": "ADD {web}/file {web}/t.tar /d/\n",
    "url and a file": "ADD {web}/file a.txt /d/\n",
    "url over a folder": "COPY dir /d/file\nADD {web}/file /d\n",
    "url chmod": "ADD --chmod=u+x {web}/file /d/e/\n",
    "url chmod octal": "ADD --chmod=0711 {web}/file /d/e/\n",
    "url chown": "ADD --chown=5:6 {web}/file /d/e/\n",
    "url link": "ADD --link {web}/file /d/e/\n",
    "url checksum": f"ADD --checksum=sha256:{_SUM} {{web}}/file /d/\n",
    "url checksum variable": f"ARG S=sha256:{_SUM}\nADD --checksum=$S {{web}}/file /d/\n",
    "url checksum wrong": f"ADD --checksum=sha256:{'0' * 64} {{web}}/file /d/\n",
    "url checksum short": "ADD --checksum=sha256:12 {web}/file /d/\n",
    "url checksum twice": f"ADD --checksum=sha256:{_SUM} {{web}}/file {{web}}/file /d/\n",
    "url archive": "ADD {web}/t.tar /d/\n",
    "url archive unpacked": "ADD --unpack {web}/t.tar /d/\n",
    "url file unpacked": "ADD --unpack {web}/file /d/\n",
    "url exclude": "ADD --exclude=file {web}/file /d/\n",
    "url copy": "COPY {web}/file /d/\n",
    "url keep git": "ADD --keep-git-dir {web}/file /d/\n",
    "git": "ADD {git}/one /d/\n",
    "git to a folder there": "COPY dir /d\nADD {git}/one /d\n",
    "git branch": "ADD {git}/one#other /d\n",
    "git tag": "ADD {git}/one#v1 /d\n",
    "git commit": "ADD {git}/one#{commit} /d\n",
    "git folder": "ADD {git}/one#main:dir /d/\n",
    "git folder of none": "ADD {git}/one#:dir /d/\n",
    "git folder missing": "ADD {git}/one#main:none /d/\n",
    "git folder a file": "ADD {git}/one#main:a.txt /d/\n",
    "git folder a link": "ADD {git}/one#main:to /d/\n",
    "git query": "ADD {git}/one?branch=other&subdir=dir /d/\n",
    "git query tag": "ADD {git}/one?tag=v1 /d/\n",
    "git query unknown": "ADD {git}/one?what=1 /d/\n",
    "git query conflict": "ADD {git}/one?branch=other#v1 /d/\n",
    "git ref missing": "ADD {git}/one#none /d/\n",
    "git checksum": "ADD --checksum={commit} {git}/one#main /d/\n",
    "git checksum short": "ADD --checksum={short} {git}/one#main /d/\n",
    "git checksum wrong": "ADD --checksum=0000000 {git}/one#main /d/\n",
    "git checksum of a tag": "ADD --checksum={tag} {git}/one#v1 /d/\n",
    "git chown": "ADD --chown=5:6 {git}/one /d/e\n",
    "git chmod": "ADD --chmod=go-rx {git}/one /d/e\n",
    "git chmod octal": "ADD --chmod=0700 {git}/one /d/e\n",
    "git exclude": "ADD --exclude=**/*.md --exclude=run {git}/one /d\n",
    "git link": "ADD --link {git}/one /d/e\n",
    "git twice": "ADD {git}/one#v1 {git}/one#other /d/\n",
    "git unpack": "ADD --unpack {git}/one /d/\n",
    "git copy": "COPY {git}/one /d/\n",
    "git keep git false": "ADD --keep-git-dir=false {git}/one /d/\n",
    "git keep git conflict": "ADD --keep-git-dir=false {git}/one?keep-git-dir=true /d/\n",
    "git keep git of a folder": "ADD --keep-git-dir {git}/one#main:dir /d/\n",
}
"""Dockerfiles by name, without their FROM."""


@contextmanager
def remote_servers(folder: Path) -> Iterator[dict[str, str]]:
    """The two servers, and what the cases call them and their commits."""
    origin = repository(
        folder / "served/one",
        {"a.txt": "a", "run*": "r", "dir/b.txt": "b", "dir/c.md": "c", "to@": "dir", "up@": "/etc"},
    )
    git(origin, "tag", "-a", "-m", "first", "v1")
    names = {"tag": git(origin, "rev-parse", "v1")}
    git(origin, "checkout", "-q", "-b", "other")
    commit(origin, {"a.txt": "other", "dir/b.txt": "other"})
    git(origin, "checkout", "-q", "main")
    names["commit"] = commit(origin, {"a.txt": "later"})
    names["short"] = names["commit"][:9]
    with web_server() as server, git_server(folder / "served") as address:
        for path in ("/file", "/file?a=b", "/a%20b", "/folder/", "/"):
            server.pages[path] = Page(b"file")
        server.pages["/t.tar"] = Page(archive())
        server.pages["/moved"] = Page(status=302, headers={"Location": "/file"})
        yield {"web": server.url, "git": address, **names}

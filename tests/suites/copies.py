"""COPY and ADD in all their forms: one context, and many Dockerfiles for it.

What BuildKit makes of each was recorded (`tests/build/programs/record_copies.py`).
"""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path
from typing import Final

_FILES: Final = {
    "a.txt": (0o644, "a"),
    "b.md": (0o600, "b"),
    "c.sh": (0o755, "c"),
    "set": (0o4711, "s"),
    "dir/x.txt": (0o644, "x"),
    "dir/y.md": (0o640, "y"),
    "dir/sub/z.txt": (0o644, "z"),
    "dir/sub/z.md": (0o666, "z"),
    "dir/sub/deep/w.txt": (0o444, "w"),
    "other/x.txt": (0o644, "other x"),
    "other/deep/v.txt": (0o644, "v"),
    "a b/c d.txt": (0o644, "blank"),
}
_MODES: Final = {"dir": 0o750, "dir/sub": 0o711, "other": 0o2755, "empty": 0o700}
_LINKS: Final = {"ltxt": "a.txt", "ldir": "dir", "dir/l": "x.txt", "dir/up": "../other"}

_BASE: Final = """\
FROM scratch AS base
COPY a.txt /there/file
COPY dir /there/dir
COPY --chown=7:8 --chmod=0700 other /there/mine/
COPY links /
"""

MODES: Final = [
    *("u+x", "a=rX", "go-w", "u=rwX,go=rX", "+x", "-x", "a+X", "ug+s", "+t", "o+t", "=", "u=g", "g=u-w", "a-rwx,u+r"),
    *("go=", "+rt", "u+s,g-s", "u=rg", "a=r,u+w", "u+r-w+x", "u+", "u=X", "7777", "0", "00644", "1000"),
    *("u=rwx,g=rx,o=u", "o=g,g=u,u-w", "-w", "a=", "-X", "u-X", "g+s,o=s"),
]
NO_MODES: Final = ("755,", "u", "z+x", "+q", "+755", "u+x,", "09", "17777", "u", "a", ",u+x", "u+x,,g+x", "8", "0x1")

CASES: Final[dict[str, str]] = {
    "exclude": "COPY --exclude=*.md dir /d/\n",
    "exclude deep": "COPY --exclude=**/*.md dir /d/\n",
    "exclude many": "COPY --exclude=**/*.md --exclude=sub/deep dir /d/\n",
    "exclude take back": "COPY --exclude=sub --exclude=!sub/z.md dir /d/\n",
    "exclude take back deep": "COPY --exclude=** --exclude=!**/*.txt dir /d/\n",
    "exclude a folder": "COPY --exclude=sub dir /d/\n",
    "exclude anchored": "COPY --exclude=/sub dir /d/\n",
    "exclude of files named": "COPY --exclude=*.md a.txt b.md /d/\n",
    "exclude of a wildcard": "COPY --exclude=*.md * /d/\n",
    "exclude of a wildcard deep": "COPY --exclude=**/*.md * /d/\n",
    "exclude in all": "COPY --exclude=dir --exclude=*.txt . /d/\n",
    "exclude everything": "COPY --exclude=** dir /d/\n",
    "exclude variable": "ARG P=*.md\nCOPY --exclude=$P dir /d/\n",
    "exclude comma": "COPY --exclude=*.md,*.txt dir /d/\n",
    "exclude empty": "COPY --exclude= dir /d/\n",
    "exclude without value": "COPY --exclude dir /d/\n",
    "exclude bad": "COPY --exclude=[ dir /d/\n",
    "exclude only !": "COPY --exclude=! dir /d/\n",
    "exclude from": "COPY dir /s/dir\nFROM scratch\nCOPY --from=0 --exclude=**/*.md /s /d/\n",
    "exclude existing": (
        "COPY --chown=5:6 --chmod=0700 dir /d\nCOPY --exclude=*.md --exclude=sub --exclude=!sub/z.md dir /d\n"
    ),
    "exclude add": "ADD --exclude=*.md dir /d/\n",
    "exclude add archive": "ADD --exclude=**/*.md t.tar /d/\n",
    "exclude heredoc": "COPY --exclude=one <<one /d/\n1\none\n",
    "parents": "COPY --parents dir/sub/z.txt /d/\n",
    "parents several": "COPY --parents dir/x.txt other/x.txt a.txt /d/\n",
    "parents wildcard": "COPY --parents */x.txt /d/\n",
    "parents star star": "COPY --parents **/*.txt /d/\n",
    "parents star star in": "COPY --parents dir/**/*.txt /d/\n",
    "parents a folder": "COPY --parents dir/sub /d/\n",
    "parents a folder slash": "COPY --parents dir/sub/ /d/\n",
    "parents pivot": "COPY --parents dir/./sub/z.txt /d/\n",
    "parents pivot wildcard": "COPY --parents ./dir/./**/*.md /d/\n",
    "parents pivot wildcards": "COPY --parents */./x.txt /d/\n",
    "parents pivot twice": "COPY --parents dir/./sub/./z.txt /d/\n",
    "parents pivot at once": "COPY --parents ./a.txt /d/\n",
    "parents pivot root": "COPY --parents /./dir/x.txt /d/\n",
    "parents pivot folder": "COPY --parents dir/./sub /d/\n",
    "parents pivot missing": "COPY --parents none/./x /d/\n",
    "parents pivot file": "COPY --parents a.txt/./x* /d/\n",
    "parents pivot link": "COPY --parents ldir/./sub/z.txt /d/\n",
    "parents absolute": "COPY --parents /dir/x.txt /d/\n",
    "parents dots": "COPY --parents dir/../other/x.txt /d/\n",
    "parents up": "COPY --parents ../dir/x.txt /d/\n",
    "parents missing": "COPY --parents dir/none /d/\n",
    "parents nothing": "COPY --parents none* /d/\n",
    "parents dot": "COPY --parents . /d/\n",
    "parents empty folder": "COPY --parents empty /d/\n",
    "parents no slash": "COPY --parents dir/x.txt /d\n",
    "parents a link": "COPY --parents ltxt /d/\n",
    "parents through a link": "COPY --parents ldir/x.txt /d/\n",
    "parents to a link": "COPY --parents dir/l dir/up /d/\n",
    "parents chown": "COPY --parents --chown=5:6 dir/sub/z.txt /d/\n",
    "parents chmod": "COPY --parents --chmod=0604 dir/sub/z.txt /d/\n",
    "parents chmod symbolic": "COPY --parents --chmod=go-rx dir/sub/z.txt /d/\n",
    "parents existing": "COPY --chown=5:6 --chmod=0700 dir /d/dir\nCOPY --parents dir/sub/z.txt /d\n",
    "parents existing set": "COPY --chown=5:6 --chmod=0700 other /d/other\nCOPY --parents other/deep/v.txt /d\n",
    "parents exclude": "COPY --parents --exclude=**/*.md dir/sub /d/\n",
    "parents exclude parent": "COPY --parents --exclude=dir dir/sub/z.txt other/x.txt /d/\n",
    "parents exclude taken back": "COPY --parents --exclude=dir --exclude=!dir/sub dir/sub/z.txt /d/\n",
    "parents blank": 'COPY --parents ["a b/c d.txt", "/d/"]\n',
    "parents from": "COPY dir /s/dir\nFROM scratch\nCOPY --parents --from=0 /s/dir/sub/*.txt /d/\n",
    "parents from pivot": "COPY dir /s/dir\nFROM scratch\nCOPY --parents --from=0 /s/./dir/sub/*.txt /d/\n",
    "parents off": "COPY --parents=false dir/x.txt /d/\n",
    "parents heredoc": "COPY --parents <<one dir/x.txt /d/\n1\none\n",
    "parents link": "COPY --parents --link dir/sub/z.txt /there/\n",
    "parents add": "ADD --parents dir/x.txt /d/\n",
    "link": "COPY --link a.txt /there/a\n",
    "link implicit": "COPY --link a.txt /there/mine/deep/\n",
    "link chown": "COPY --link --chown=5:6 a.txt /there/mine/deep/\n",
    "link chown name": "COPY --link --chown=root a.txt /there/\n",
    "link chown name group": "COPY --link --chown=0:root a.txt /there/\n",
    "link chmod": "COPY --link --chmod=0711 a.txt /there/mine/deep/\n",
    "link chmod through a link": "COPY --link --chmod=0711 a.txt /tolink/\n",
    "link folder": "COPY --link dir /there/mine\n",
    "link over a file": "COPY --link dir /there/file\n",
    "link file over a folder": "COPY --link a.txt /there/dir\n",
    "link over a folder's name": "COPY --link a.txt /there/dir/sub\n",
    "link through a link": "COPY --link a.txt /tolink/\n",
    "link over a link": "COPY --link dir /tolink\n",
    "link file over a link": "COPY --link a.txt /tofile\n",
    "link below a file": "COPY --link a.txt /there/file/x\n",
    "link the same": "COPY --link a.txt /there/file\n",
    "link wildcard": "COPY --link * /there/\n",
    "link off": "COPY --link=false a.txt /tolink/\n",
    "link heredoc": "COPY --link <<one /there/mine/\n1\none\n",
    "link add": "ADD --link t.tar /there/mine/\n",
    "link from": "COPY --link --from=base /there/dir /there/mine\n",
    "link root": "COPY --link other /\n",
    "unpack off": "ADD --unpack=false t.tar /d/\n",
    "unpack on": "ADD --unpack t.tar /d/\n",
    "unpack true": "ADD --unpack=true t.tar a.txt /d/\n",
    "unpack copy": "COPY --unpack t.tar /d/\n",
    "unpack chmod": "ADD --unpack=false --chmod=u+x t.tar /d/\n",
    "checksum of a file": "ADD --checksum=sha256:" + "0" * 64 + " a.txt /d/\n",
    "checksum copy": "COPY --checksum=sha256:" + "0" * 64 + " a.txt /d/\n",
    "keep git dir of a file": "ADD --keep-git-dir a.txt /d/\n",
    "chmod heredoc": "COPY --chmod=u+x <<one /d/\n1\none\n",
    "chmod variable": "ARG M=u+x\nCOPY --chmod=$M a.txt /d/\n",
    "chmod folder made": "COPY --chmod=go-rwx a.txt /d/e/\n",
    "chmod link": "COPY --chmod=o-r dir/up /d\nCOPY --chmod=o-r dir /e\n",
    "chmod in all": "".join(f"COPY --chmod={mode} set empty dir other /d{at}/\n" for at, mode in enumerate(MODES)),
    **{f"chmod {mode}": f"COPY --chmod={mode} . /d/\n" for mode in NO_MODES},
}
"""Dockerfiles by name, without their first lines."""


def dockerfile(name: str) -> str:
    """The whole Dockerfile of a case: on a root with things in the way where it links."""
    text = CASES[name]
    return (_BASE + "FROM base\n" if "link" in name.split() else "FROM scratch\n") + text


def copies_context(folder: Path) -> Path:
    """The context of all cases: modes as given whatever the umask, links, an archive."""
    for name in _MODES:
        (folder / name).mkdir(parents=True)
    for name, (mode, text) in _FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
    for name, target in _LINKS.items():
        (folder / name).symlink_to(target)
    (folder / "links").mkdir()
    (folder / "links/tolink").symlink_to("there/dir")
    (folder / "links/tofile").symlink_to("there/file")
    (folder / "t.tar").write_bytes(archive())
    for path in folder.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            path.chmod(_MODES.get(os.fspath(path.relative_to(folder)), 0o755))
    return folder


def archive() -> bytes:
    """A tar of two files."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name in ("in/one.txt", "in/two.md"):
            info = tarfile.TarInfo(name)
            info.mode, info.size, info.uid = 0o640, 3, 9
            archive.addfile(info, io.BytesIO(b"abc"))
    return made.getvalue()

"""What maintainer scripts would have made, and an image needs: one declared layer of derived files.

No maintainer script is run. From the packages' own files this writes, where they call for it:

- the links of a merged /usr: `/bin`, `/sbin`, `/lib` and the like;
- `/etc/passwd` and `/etc/group`, from base-passwd's masters, else with root and nobody alone;
- `/etc/ssl/certs/ca-certificates.crt`, all of ca-certificates' certificates in order of their paths;
- `/etc/nsswitch.conf`, from base-files' default;
- `/root`, `/tmp` and `/var/tmp`;
- `/etc/ld.so.cache`, when it is asked for, by the machine's `ldconfig`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lading.store.errors import DocumentError, MachineError

MERGED: Final = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""Top-level folders that are links into /usr."""
CERTIFICATES: Final = "etc/ssl/certs/ca-certificates.crt"

_PASSWD: Final = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"  # noqa: S105
_GROUP: Final = "root:x:0:\nnogroup:x:65534:\n"


def merge_usr(tree: Path) -> None:
    """Moves what a package puts into `/bin`, `/lib` and the like below `/usr`, where a merged system has it."""
    for name in MERGED:
        folder = tree / name
        if folder.is_dir() and not folder.is_symlink():
            put_folder(tree, "usr")
            _merge(folder, tree / "usr" / name)
        elif folder.is_symlink():
            folder.unlink()


def _merge(source: Path, target: Path) -> None:
    if not target.exists() and not target.is_symlink():
        source.rename(target)
        return
    if not (_is_folder(source) and _is_folder(target)):
        if _is_folder(source) or _is_folder(target):
            raise DocumentError(f"{source.name}: a folder in one place of the merged /usr, and no folder in the other")
        source.replace(target)
        return
    for entry in sorted(source.iterdir()):
        _merge(entry, target / entry.name)
    source.rmdir()


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def link_usr(trees: Sequence[Path], target: Path) -> None:
    """The links of a merged /usr that `trees` call for, below `target`."""
    usr = {name for tree in trees for name in MERGED if (found := inside(tree, f"usr/{name}")) and found.is_dir()}
    for name in sorted(usr | {"bin", "sbin", "lib"}):
        put_folder(target, f"usr/{name}")
        (target / name).symlink_to(f"usr/{name}")


def derive(trees: Sequence[Path], target: Path) -> None:
    """Writes the derived files of packages unpacked at `trees`, lowest first, below `target`."""
    link_usr(trees, target)
    put_file(target, "etc/passwd", _find(trees, "usr/share/base-passwd/passwd.master") or _PASSWD.encode())
    put_file(target, "etc/group", _find(trees, "usr/share/base-passwd/group.master") or _GROUP.encode())
    if defaults := _find(trees, "usr/share/base-files/nsswitch.conf"):
        put_file(target, "etc/nsswitch.conf", defaults)
    if bundle := _certificates(trees):
        put_file(target, CERTIFICATES, bundle)
    for name, mode in (("root", 0o700), ("tmp", 0o1777), ("var/tmp", 0o1777)):
        put_folder(target, name, mode)


def write_ld_cache(root: Path, target: Path) -> None:
    """`/etc/ld.so.cache` of the whole tree at `root`, below `target`. Raises `MachineError` without ldconfig."""
    program = shutil.which("ldconfig", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if program is None:
        raise MachineError("ldconfig is not installed", hint="it comes with libc-bin")
    done = subprocess.run([program, "-r", str(root), "-X"], capture_output=True, text=True, check=False)
    cache = inside(root, "etc/ld.so.cache")
    if done.returncode != 0 or cache is None or not cache.is_file():
        raise MachineError(f"ldconfig failed: {done.stderr.strip() or 'without a word'}")
    put_file(target, "etc/ld.so.cache", cache.read_bytes())


def _find(trees: Sequence[Path], name: str) -> bytes | None:
    for tree in reversed(trees):
        file = inside(tree, name)
        if file is not None and file.is_file():
            return file.read_bytes()
    return None


def inside(tree: Path, name: str) -> Path | None:
    """`name` below `tree`; None where a link is on the way: it could lead out of the tree, to this machine's files."""
    path = tree
    for part in Path(name).parts:
        path /= part
        if path.is_symlink():
            return None
    return path


def _certificates(trees: Sequence[Path]) -> bytes:
    files: dict[str, Path] = {}
    for tree in trees:
        folder = inside(tree, "usr/share/ca-certificates")
        found = folder.rglob("*.crt") if folder is not None else ()
        files |= {
            str(file.relative_to(tree)): file
            for file in found
            if file.is_file() and inside(tree, str(file.relative_to(tree)))
        }
    return b"".join(files[name].read_bytes().rstrip(b"\n") + b"\n" for name in sorted(files))


def put_file(tree: Path, name: str, data: bytes) -> None:
    """A file of mode 0644, and the folders above it, whatever the umask."""
    put_folder(tree, str(Path(name).parent))
    file = tree / name
    if file.is_symlink() or file.exists():
        file.unlink()
    file.write_bytes(data)
    file.chmod(0o644)


def put_folder(tree: Path, name: str, mode: int = 0o755) -> None:
    """A folder, and those above it with mode 0755, whatever the umask; those that are there are left alone.

    Raises `DocumentError` where a link or ``..`` is on the way.
    """
    folder = tree
    for part in Path(name).parts:
        if part == "..":
            raise DocumentError(f"{name[:80]!r} leads out of its folder")
        folder /= part
        if os.path.lexists(folder) and (folder.is_symlink() or not folder.is_dir()):
            kind = "link" if folder.is_symlink() else "file"
            raise DocumentError(f"/{folder.relative_to(tree)}: a {kind} where a folder belongs")
        if not folder.is_dir():
            folder.mkdir()
            folder.chmod(0o755)
    if mode != 0o755:
        folder.chmod(mode)

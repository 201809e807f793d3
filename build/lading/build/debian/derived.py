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

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lading.store.errors import MachineError

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
    if not (source.is_dir() and target.is_dir() and not source.is_symlink()):
        source.replace(target)
        return
    for entry in sorted(source.iterdir()):
        _merge(entry, target / entry.name)
    source.rmdir()


def derive(trees: Sequence[Path], target: Path) -> None:
    """Writes the derived files of packages unpacked at `trees`, lowest first, below `target`."""
    usr = {name for tree in trees for name in MERGED if (tree / "usr" / name).is_dir()}
    for name in sorted(usr | {"bin", "sbin", "lib"}):
        put_folder(target, f"usr/{name}")
        (target / name).symlink_to(f"usr/{name}")
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
    cache = root / "etc/ld.so.cache"
    done = subprocess.run([program, "-r", str(root), "-X"], capture_output=True, text=True, check=False)
    if done.returncode != 0 or not cache.exists():
        raise MachineError(f"ldconfig failed: {done.stderr.strip() or 'without a word'}")
    put_file(target, "etc/ld.so.cache", cache.read_bytes())


def _find(trees: Sequence[Path], name: str) -> bytes | None:
    for tree in reversed(trees):
        file = tree / name
        if file.is_file() and not file.is_symlink():
            return file.read_bytes()
    return None


def _certificates(trees: Sequence[Path]) -> bytes:
    files: dict[str, Path] = {}
    for tree in trees:
        folder = tree / "usr/share/ca-certificates"
        files |= {str(file.relative_to(folder)): file for file in folder.rglob("*.crt") if file.is_file()}
    return b"".join(files[name].read_bytes().rstrip(b"\n") + b"\n" for name in sorted(files))


def put_file(tree: Path, name: str, data: bytes) -> None:
    """A file of mode 0644, and the folders above it, whatever the umask."""
    put_folder(tree, str(Path(name).parent))
    file = tree / name
    file.write_bytes(data)
    file.chmod(0o644)


def put_folder(tree: Path, name: str, mode: int = 0o755) -> None:
    """A folder, and those above it with mode 0755, whatever the umask; those that are there are left alone."""
    folder = tree
    for part in Path(name).parts:
        folder /= part
        if not folder.is_dir():
            folder.mkdir()
            folder.chmod(0o755)
    if mode != 0o755:
        folder.chmod(mode)

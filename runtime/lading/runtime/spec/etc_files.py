"""The files that a container sees as /etc/hosts, /etc/hostname and /etc/resolv.conf.

They are bound into it, so they are changed in place, never replaced; and they are its own: of /etc/hosts only what
stands between two lines of ours is kept current, as long as the container leaves those.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_HOSTS: Final = """127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""
_BEGIN: Final = "# The others of this network; Lading keeps these lines current."
_END: Final = "# Lading's lines end here."
_MAX_HOSTS: Final = 16 << 20
_RESOLVED: Final = Path("/run/systemd/resolve/resolv.conf")
"""Where systemd-resolved lists the servers behind its own loopback address."""


def write(file: Path, text: str) -> None:
    """Replaces the content in place."""
    fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        data = text.encode()
        os.write(fd, data)
        os.ftruncate(fd, len(data))
    finally:
        os.close(fd)


def hosts(own: str = "", *, shared: bool = False) -> str:
    """The text of /etc/hosts: the loopback names, then `own` lines, then, in a `shared` network, a place for others."""
    return _HOSTS + own + (f"{_BEGIN}\n{_END}\n" if shared else "")


def renew(file: Path, others: str) -> None:
    """Puts `others` into their place in a hosts file, in place; one in which the container left no such place stays.

    So does one that cannot be read or written, or became very large. What is not changed costs no space.
    """
    try:
        fd = os.open(file, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        if os.fstat(fd).st_size <= _MAX_HOSTS:
            _renew(fd, os.pread(fd, _MAX_HOSTS, 0), others.encode())
    except OSError:
        return
    finally:
        os.close(fd)


def _renew(fd: int, text: bytes, others: bytes) -> None:
    before, begin, rest = text.partition(f"{_BEGIN}\n".encode())
    old, end, after = rest.partition(f"{_END}\n".encode())
    if not end or old == others:
        return
    start, data = len(before) + len(begin), others + end + after
    os.posix_fallocate(fd, 0, start + len(data))  # so that a full disk changes nothing
    os.pwrite(fd, data, start)
    os.ftruncate(fd, start + len(data))


def host_file(name: str) -> str:
    """The host's own /etc/hosts or the like, "" where it has none."""
    try:
        return Path("/etc", name).read_text(errors="replace")
    except OSError:
        return ""


def resolv_conf(*, shared: bool, path: Path = Path("/etc/resolv.conf"), resolved: Path = _RESOLVED) -> str:
    """The host's, without servers on loopback addresses unless the network namespace is `shared` with the host."""
    text = _text(path)
    if shared:
        return text
    lines = [line for line in text.splitlines() if not _loopback(line)]
    if not any(line.split()[:1] == ["nameserver"] for line in lines):
        lines += [
            line for line in _text(resolved).splitlines() if line.startswith("nameserver") and not _loopback(line)
        ]
    return "".join(f"{line}\n" for line in lines)


def _loopback(line: str) -> bool:
    words = line.split()
    return words[:1] == ["nameserver"] and len(words) > 1 and (words[1].startswith("127.") or words[1] == "::1")


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""

"""Trees with what package managers record (`tests/inventory/syft/trees.txt`), and what syft finds in them.

A section begins with `=== NAME`; in it `--- file PATH` and `--- link PATH` begin what is there, `--- go PATH VERSION` a
program with the lines that the linker writes, `--- rpm PATH` a database of lines
``name|epoch|version|release|architecture|source|licence``.
"""

from __future__ import annotations

import io
import json
import sqlite3
import struct
import subprocess
import tarfile
from pathlib import Path
from typing import Any, Final

Row = tuple[str, str, str, tuple[str, ...]]
"""Package URL, name, version, licences."""

FOLDER: Final = Path(__file__).resolve().parents[1] / "inventory/syft"
_EPOCH: Final = 1003
_TAGS: Final = (1000, _EPOCH, 1001, 1002, 1022, 1044, 1014)
_KINDS: Final = ("deb", "apk", "rpm", "python", "npm", "go-module")


def go_program(modules: str, version: str) -> bytes:
    """A program of one writable segment, which has what the linker writes of modules."""
    text, made = b"0" * 16 + modules.encode() + b"1" * 16, version.encode()
    info = b"\xff Go buildinf:\x08\x02" + bytes(16) + bytes([len(made)]) + made
    info += bytes([len(text) & 0x7F | 0x80, len(text) >> 7]) + text
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0x400000, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 6, 128, 0x400080, 0x400080, len(info), len(info), 16)
    return (head + segment).ljust(128, b"\0") + info


def _rpm_header(line: str) -> bytes:
    """Version 4: its tags are one region, which ends with a trailer (rpm's manual, Header Structure)."""
    rows: list[tuple[int, int, int, int]] = []
    data = b""
    for tag, word in sorted(zip(_TAGS, line.split("|"), strict=True)):
        if word:
            data += bytes(-len(data) % 4) if tag == _EPOCH else b""
            rows.append((tag, 4 if tag == _EPOCH else 6, len(data), 1))
            data += struct.pack(">I", int(word)) if tag == _EPOCH else word.encode() + b"\0"
    region = (63, 7, len(data), 16)
    data += struct.pack(">IIiI", 63, 7, -16 * (len(rows) + 1), 16)
    index = b"".join(struct.pack(">IIII", *row) for row in (region, *rows))
    return struct.pack(">II", len(rows) + 1, len(data)) + index + data


def rpm_database(lines: str) -> bytes:
    """SQLite's form of it."""
    made = sqlite3.connect(":memory:")
    made.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)")
    made.executemany("INSERT INTO Packages (blob) VALUES (?)", [(_rpm_header(line),) for line in lines.splitlines()])
    made.commit()
    return made.serialize()


class RecordedTree:
    """Files and links by path."""

    def __init__(self, section: str) -> None:
        self.name, _, rest = section.partition("\n")
        self.files: dict[str, bytes] = {}
        self.links: dict[str, str] = {}
        for part in rest.split("--- ")[1:]:
            head, _, text = part.partition("\n")
            kind, path, *more = head.split()
            if kind == "link":
                self.links[path] = text.rstrip("\n")
            elif kind == "go":
                self.files[path] = go_program(text, *more)
            else:
                self.files[path] = rpm_database(text) if kind == "rpm" else text.encode()

    def layer(self) -> bytes:
        """As an archive."""
        made = io.BytesIO()
        with tarfile.open(fileobj=made, mode="w") as tar:
            for path, data in self.files.items():
                info = tarfile.TarInfo(path)
                info.size, info.mode = len(data), 0o755 if path.startswith("bin/") else 0o644
                tar.addfile(info, io.BytesIO(data))
            for path, target in self.links.items():
                info = tarfile.TarInfo(path)
                info.type, info.linkname = tarfile.SYMTYPE, target
                tar.addfile(info)
        return made.getvalue()

    def write(self, folder: Path) -> Path:
        """On a disk."""
        for path, data in self.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
            if path.startswith("bin/"):
                (folder / path).chmod(0o755)
        for path, target in self.links.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).symlink_to(target)
        return folder


TREES: Final = [RecordedTree(section) for section in (FOLDER / "trees.txt").read_text().split("=== ")[1:]]


def by_syft(program: Path, tree: RecordedTree, folder: Path) -> list[Row]:
    """What syft finds, as it would in an image."""
    place = f"dir:{tree.write(folder)}"
    words = [str(program), "scan", "-q", "-o", "syft-json", "--override-default-catalogers", "image", place]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "SYFT_CHECK_FOR_APP_UPDATE": "false"}
    done = subprocess.run(words, check=True, capture_output=True, text=True, env=environment)
    found: list[dict[str, Any]] = [one for one in json.loads(done.stdout)["artifacts"] if one["type"] in _KINDS]
    return sorted((one["purl"], one["name"], one["version"], _licenses(one["licenses"])) for one in found)


def _licenses(found: list[dict[str, Any]]) -> tuple[str, ...]:
    return tuple(sorted(one["spdxExpression"] or one["value"] for one in found))

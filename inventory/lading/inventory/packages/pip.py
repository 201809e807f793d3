"""Python's installed distributions: ``*.dist-info`` and ``*.egg-info`` (PyPA, "Recording installed projects")."""

from __future__ import annotations

import csv
import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import Final

from lading.inventory.packages.package import Package
from lading.inventory.packages.records import header, text
from lading.inventory.trees.file_nodes import FileNode
from lading.store.errors import DocumentError
from lading.store.oci.json import Fields, parse

RECORDS: Final = (b"dist-info/METADATA", b"egg-info/PKG-INFO", b".egg-info", b"EGG-INFO/PKG-INFO")
BESIDE: Final = (b"dist-info/RECORD", b"dist-info/direct_url.json")
_UNSAID: Final = ("", "UNKNOWN", "Dual License")
_USER: Final = re.compile(r"(?<=://)[^/@]*@")
_CLASSIFIER: Final = re.compile(r"License :: (?:.* :: )?(.+)")
_CLASSIFIED: Final = {  # those that mean one licence: that of Apache, or of BSD, may be several
    "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v2 (LGPLv2)": "LGPL-2.0-only",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "zlib/libpng License": "Zlib",
}


def read(root: FileNode, path: bytes, node: FileNode) -> Iterator[Package]:
    """The distribution whose metadata is at `path`. Python itself, which older ones record likewise, is none."""
    fields = header(node.content)
    first = dict(reversed(fields))
    name, version = first.get("Name", ""), first.get("Version", "")
    if name and name != "Python":
        called = re.sub(r"[-_.]+", "-", name).lower()
        origin = _origin(root, path)
        yield Package(
            "pypi",
            called,
            version,
            path,
            node.layer,
            files=_files(root, path),
            licenses=_licenses(fields),
            qualifiers=(("vcs_url", origin),) if origin else (),
        )


def _licenses(fields: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """The expression, else the field of one line (more are the text of one), else what the classifiers say."""
    for wanted in ("License-Expression", "License"):
        said = [value for name, value in fields if name == wanted and value not in _UNSAID and "\n" not in value]
        if said:
            return tuple(said[:1])
    found = (_CLASSIFIER.fullmatch(value) for name, value in fields if name == "Classifier")
    names = dict.fromkeys(match[1] for match in found if match and match[1] != "OSI Approved")
    return tuple(_CLASSIFIED.get(name, name) for name in names)


def _origin(root: FileNode, path: bytes) -> str:
    """The repository and the commit that it was installed from (PEP 610), without a user."""
    node = root.find(path.rpartition(b"/")[0] + b"/direct_url.json")
    if node is None:
        return ""
    try:
        fields = Fields(parse(node.content or b"", "direct_url.json"), "direct_url.json")
        url, vcs = fields.text("url"), fields.fields("vcs_info")
        return f"{vcs.text('vcs')}+{_USER.sub('', url)}@{vcs.text('commit_id')}"
    except DocumentError:
        return ""


def _files(root: FileNode, path: bytes) -> tuple[bytes, ...]:
    folder = path.rpartition(b"/")[0]
    listed = root.find(folder + b"/RECORD")
    if listed is None:
        return ()
    base = folder.rpartition(b"/")[0].decode("utf-8", "surrogateescape")
    try:
        names = [row[0] for row in csv.reader(text(listed.content).splitlines()) if row]
    except csv.Error:
        return ()
    paths = (posixpath.normpath(posixpath.join(base, name)).lstrip("/") for name in names)
    return tuple(found.encode("utf-8", "surrogateescape") for found in paths)

"""What an image's files record of packages is what syft finds there: names, versions, package URLs, licences.

Its answers were recorded (`syft/record.py`); where there is a `syft`, it is asked again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from lading.inventory.packages.packages import take_inventory
from lading.verify.reports.licenses import as_licenses
from suites.machine import BIN, needs
from suites.recorded_trees import FOLDER, TREES, RecordedTree, Row, by_syft
from suites.tars import opened

ANSWERS: dict[str, list[tuple[str, str, str, list[str]]]] = json.loads((FOLDER / "answers.json").read_text())["trees"]
OLD = "names of licences as Fedora had them before SPDX, which mean one each"
DIFFERENCES: dict[str, dict[str, str]] = {
    "Debian": {
        "half-installed": "its files are not all there",
        "purged": "is not there at all",
    },
    "Debian's copyright files": {
        "paths": "a text that is lent from /usr/share/common-licenses is not the licence, which may be a later one too",
        "exception": "the whole name, and both where there are two",
        "several": "Debian's name for MIT is Expat",
    },
    "dpkg without os-release": {"bash": "dpkg is Debian's where nothing else is said"},
    "rpm": {"old": OLD, "gpg-pubkey": "a key is no package"},
    "rpm of Red Hat": {"acl": OLD},
    "rpm of openSUSE": {"acl": OLD},
    "a list in the place of rpm": dict.fromkeys(("glibc", "vim"), "os-release says whose it is"),
    "Python": {
        "classified": "the classifiers say what the field does not",
        "long": "likewise where the field is a text of several lines",
    },
    "Node": {"sample": "deeper in a package are samples and tests of it"},
    "Go": {
        "stdlib": "experiments of the compiler are no part of the version",
        "example.com/flagged": "what a flag of the linker sets is any variable's value, not what Go says of the module",
        "command-line-arguments": "no module's name",
    },
}
"""Packages that are meant to come out otherwise here, and why."""


def in_our_words(row: Row) -> Row:
    """What syft says otherwise throughout.

    A colon is no letter that package URLs escape; a version that is not known is none; Go's is without ``go``; and the
    digest of a text names no licence, nor does the word for an unknown one.
    """
    url, name, version, found = row
    version = version.removeprefix("go") if name == "stdlib" else version.removeprefix("UNKNOWN")
    named = tuple(one for one in found if not one.startswith("sha256:") and one != "UNKNOWN")
    return url.replace("%3A", ":"), name, version, named


def found_here(tree: RecordedTree) -> Iterable[Row]:
    for package in take_inventory(opened(tree.layer())).packages:
        named = sorted(one.expression or one.text for one in as_licenses(package.licenses))
        yield package.url, package.full_name, package.version, tuple(named)


def by_name(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in sorted(rows):
        found.setdefault(row[1], []).append(row)
    return found


def test_every_tree_is_recorded() -> None:
    assert list(ANSWERS) == [tree.name for tree in TREES]


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree.name)
def test_as_recorded(tree: RecordedTree) -> None:
    """A known difference that is none any more fails."""
    rows: list[Row] = [(url, name, version, tuple(found)) for url, name, version, found in ANSWERS[tree.name]]
    ours, theirs = by_name(found_here(tree)), by_name(map(in_our_words, rows))
    others = {name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name)}
    assert others == set(DIFFERENCES.get(tree.name, ())), [(ours.get(name), theirs.get(name)) for name in others]


@needs("syft")
@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree.name)
def test_the_record_is_syfts(tree: RecordedTree, tmp_path: Path) -> None:
    assert json.loads(json.dumps(by_syft(BIN / "syft", tree, tmp_path / "tree"))) == ANSWERS[tree.name]

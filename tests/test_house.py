"""The plan of the house: the lists of components agree, and nothing closes the shared namespace."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import get_args

import pytest

from lading.cli.calls.command_table import COMMANDS
from lading.cli.calls.forms import FORMS
from lading.cli.display.remedies import WORDS
from lading.store.errors import RemedyName

HOUSE = Path(__file__).resolve().parents[1]
COMPONENTS = sorted(path.parent.parent.name for path in HOUSE.glob("*/lading/*/py.typed") for path in [path.parent])
_NO_ENTRIES = {"__init__.py", "py.typed", "__pycache__"}
SETTINGS = tomllib.loads((HOUSE / "pyproject.toml").read_text())["tool"]


def test_every_component_is_typed_and_named_after_its_folder() -> None:
    for folder in HOUSE.glob("*/lading"):
        inside = [path.name for path in folder.iterdir() if path.is_dir() and path.name != "__pycache__"]
        assert inside == [folder.parent.name]
        assert (folder / folder.parent.name / "py.typed").exists()


def test_the_namespace_stays_open() -> None:
    assert not list(HOUSE.glob("*/lading/__init__.py"))


def test_the_lists_of_components_agree() -> None:
    assert sorted(SETTINGS["hatch"]["build"]["targets"]["wheel"]["dev-mode-dirs"]) == COMPONENTS
    packages = [f"{name}/lading" for name in COMPONENTS]
    assert sorted(SETTINGS["hatch"]["build"]["targets"]["wheel"]["packages"]) == packages
    assert sorted(SETTINGS["mypy"]["mypy_path"]) == COMPONENTS
    assert sorted(SETTINGS["mypy"]["files"]) == packages
    assert sorted(SETTINGS["pyright"]["include"]) == packages
    assert sorted(SETTINGS["importlinter"]["root_packages"]) == [f"lading.{name}" for name in COMPONENTS]


def test_every_component_says_what_it_is_for() -> None:
    for name in COMPONENTS:
        assert (HOUSE / name / "README.md").is_file(), f"{name}/README.md"


def modules() -> dict[str, Path]:
    """Every module of the product by its full name."""
    found = {}
    for name in COMPONENTS:
        for file in (HOUSE / name / "lading").rglob("*.py"):
            parts = file.relative_to(HOUSE / name).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


@cache
def parsed(file: Path) -> ast.Module:
    """A module as Python reads it."""
    return ast.parse(file.read_text())


def imported(file: Path) -> Iterator[str]:
    """What a module imports anywhere: at its top, for types alone, inside functions."""
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, f"{file}: a relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_import_of_any_sort_closes_a_circle() -> None:
    known = modules()
    graph = {name: {other for other in imported(file) if other in known} - {name} for name, file in known.items()}
    assert sum(map(len, graph.values())) > len(known)
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the modules


def test_every_folder_lists_as_a_table_of_contents() -> None:
    for component in COMPONENTS:
        for folder in [path for path in (HOUSE / component / "lading").rglob("*") if path.is_dir()]:
            entries = [path.name for path in folder.iterdir() if path.name not in _NO_ENTRIES]
            assert folder.name == "__pycache__" or len(entries) <= 12, f"{folder}: {len(entries)} entries"


def test_every_room_has_its_place_in_the_layers() -> None:
    """Each contract names every folder and module at the top of a component or room, and so who may import whom."""
    contracts = [rule for rule in SETTINGS["importlinter"]["contracts"] if "containers" in rule]
    assert {name for rule in contracts for name in rule["containers"]} >= {
        f"lading.{name}" for name in COMPONENTS if list((HOUSE / name / "lading" / name).glob("*/__init__.py"))
    }
    assert all(rule["exhaustive"] and "ignore_imports" not in rule for rule in contracts)


def test_the_way_through_the_house_names_rooms_that_there_are() -> None:
    """docs/architecture.md passes every room, under the name that its folder has."""
    text = (HOUSE / "docs/architecture.md").read_text()
    words = [word.split("/") for word in re.findall(r"`([a-z]+(?:/[a-z]+)+)`", text)]
    named = {"/".join(word) for word in words if word[0] in COMPONENTS and "lading" not in word}
    rooms = {
        str(file.parent.relative_to(HOUSE / name / "lading"))
        for name in COMPONENTS
        for file in (HOUSE / name / "lading" / name).rglob("*/__init__.py")
    }
    assert named <= rooms
    assert {"/".join(room.split("/")[:2]) for room in rooms} == {"/".join(room.split("/")[:2]) for room in named}


def test_there_is_one_lock() -> None:
    """`lading.store.system.locks` alone calls flock."""
    assert [name for name, file in modules().items() if "flock(" in file.read_text()] == ["lading.store.system.locks"]


def _renames(node: ast.AST) -> bool:
    """Whether it is a call of `os.fsync`, `os.rename`, `os.replace`, or of a path's methods of these names."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return False
    name, of_os = node.func.attr, isinstance(node.func.value, ast.Name) and node.func.value.id == "os"
    return name == "fsync" or (name in {"rename", "replace"} and (of_os or (len(node.args) == 1 and not node.keywords)))


def test_files_are_made_durable_and_named_in_one_place() -> None:
    """`lading.store.system.atomic` alone does so; what else renames something makes no file appear."""
    found = {name for name, file in modules().items() if any(map(_renames, ast.walk(parsed(file))))}
    assert found == {
        "lading.store.system.atomic",
        "lading.store.archives.merged_layers",  # moves what is in an unpacked layer into another
        "lading.build.context.remote.check_outs",  # moves a submodule's .git into that of its repository
        "lading.build.debian.derived_files",  # the same with packages
        "lading.build.debian.package_actions",  # a folder of unpacked packages, which nobody keeps
        "lading.build.debian.archives.apt",  # one folder of lists for another
        "lading.build.solver.cache_trimming",  # lets something go
        "lading.host.upkeep.unpack_images",  # a folder of the user's, who syncs it where it matters
        "lading.networking.routed.records",  # no power cut outlives what they say
        "lading.runtime.chroot.places",  # moves what a step's mounts cover aside, and back
        "lading.runtime.containers.slots",  # where files cannot be exchanged
        "lading.runtime.containers.volumes",  # moves what is in a folder that is whole into a volume
    }


def test_the_image_of_an_index_is_found_in_one_place() -> None:
    """All ask `child_for`, which says what there is; two go on where none fits."""
    named = {
        name for name, file in modules().items() if "lading.store.oci.platform_choice.choose" in set(imported(file))
    }
    assert named == {"lading.host.images.outputs", "lading.host.images.images"}


def test_the_type_of_a_referrer_is_told_in_one_place() -> None:
    """`lading.store.oci.documents` alone lets the type of a config stand in for an artifact's."""
    stands_in = re.compile(r"artifact_type\b.*\bconfig\.media_type", re.DOTALL)
    functions = [
        (name, ast.unparse(node))
        for name, file in modules().items()
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.FunctionDef)
    ]
    assert [name for name, text in functions if stands_in.search(text)] == ["lading.store.oci.documents"]


def test_system_calls_are_made_in_one_place() -> None:
    """`lading.store.system.syscalls` alone calls the C library; what else needs ctypes calls something else."""
    assert {name for name, file in modules().items() if "ctypes" in set(imported(file))} == {
        "lading.store.system.syscalls",
        "lading.runtime.spec.seccomp_bpf",  # libseccomp
        "lading.cli.endings",  # Python's own interface: an exception in another thread
    }


def test_there_is_one_connection_to_a_database() -> None:
    """`lading.store.system.sqlite` alone knows SQLite, and what its errors mean."""
    assert [name for name, file in modules().items() if "sqlite3" in set(imported(file))] == [
        "lading.store.system.sqlite"
    ]


def test_a_kind_of_snapshots_is_named_where_it_is_chosen() -> None:
    """Callers know `Snapshots`; which `Snapshotter` is behind it is one line of the store's."""
    named = [name for name, file in modules().items() if "lading.store.snapshots.overlay" in set(imported(file))]
    assert named == ["lading.store.snapshots.kind_choice"]


def test_a_driver_is_named_where_it_is_chosen() -> None:
    """Of networking, the others know the `Driver`, what it is asked for and tells; which one it is, is one line."""
    known = {"driver", "ports", "observation"}
    seen = {
        (name, other.split(".")[2])
        for name, file in modules().items()
        for other in imported(file)
        if other.startswith("lading.networking.") and not name.startswith("lading.networking")
    }
    assert {(name, room) for name, room in seen if room not in known} == {
        ("lading.runtime.containers.networks", "routed"),
        ("lading.runtime.lifecycle.step_network", "enclosed"),  # which is no driver's
        ("lading.runtime.lifecycle.step_process", "enclosed"),
    }


OTHERS_FLAGS = {
    "lading.build.checks.stage_rules": "a Dockerfile's",
    "lading.build.convert.dockerfile_graph": "a Dockerfile's",
    "lading.build.convert.run_step": "a Dockerfile's, in the history of an image",
    "lading.build.debian.archives.release": "gpgv's",
    "lading.build.dockerfile.instruction_reader": "a Dockerfile's",
    "lading.runtime.oci.conmon": "conmon's",
    "lading.runtime.oci.oci_runtime": "crun's",
    "lading.runtime.process.execs": "crun's",
}
"""Modules in which an option that is called like one of ours is somebody else's."""


def texts(file: Path) -> Iterator[str]:
    """Every string of a module but what explains it."""
    tree = ast.parse(file.read_text())
    explaining = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in explaining:
            yield node.value


def test_the_words_of_the_command_line_are_spoken_there_alone() -> None:
    """Below it an error has a `Remedy` and an option; `lading.cli.display.remedies` says how these are typed."""
    flags = {word for options, _, _ in FORMS.values() for word in options if word.startswith("--")}
    verbs = {name for name, entry in COMMANDS.items() if not entry.later}
    ours = re.compile(
        rf"(?<![\w-])({'|'.join(sorted(flags))})(?![\w-])"
        rf"|(?:^|`|: )lading ({'|'.join(sorted(verbs))})\b|(?:^|with )-[a-z] |with -[a-z]$|LADING_[A-Z]"
    )
    for name, file in modules().items():
        if not name.startswith("lading.cli."):
            spoken = [text for text in texts(file) if ours.search(text)]
            assert not spoken or name in OTHERS_FLAGS, f"{name}: {spoken}"
            assert spoken or name not in OTHERS_FLAGS, f"{name} needs no exception any more"


def test_every_remedy_has_its_words() -> None:
    """Of the command line, and somebody needs them."""
    used = set[str]()
    for file in modules().values():
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Remedy":
                assert isinstance(node.args[0], ast.Constant)
                used.add(str(node.args[0].value))
    assert used == set(get_args(RemedyName)) == set(WORDS)


def rooms(component: str) -> set[str]:
    """The folders of a component, each by its own name."""
    return {file.parent.name for file in (HOUSE / component / "lading" / component).glob("*/**/__init__.py")}


def drawn(component: str) -> str:
    """What a README draws of its component: the first block under `## Rooms`."""
    _, _, rest = (HOUSE / component / "README.md").read_text().partition("\n## Rooms\n")
    return rest.partition("```\n")[2].partition("```")[0]


def listed(component: str) -> set[str]:
    """The modules that the tables of a README tell of, without their rooms."""
    rows = [row.split("|")[1] for row in (HOUSE / component / "README.md").read_text().splitlines() if row[:3] == "| `"]
    return {name.rpartition("/")[2] for row in rows for name in re.findall(r"`([a-z_/0-9]+)`", row)}


@pytest.mark.parametrize("component", sorted(set(COMPONENTS) - {"api", "cli"}))
def test_a_readme_tells_of_every_module(component: str) -> None:
    there = {file.stem for file in (HOUSE / component).rglob("lading/**/*.py")} - {"__init__"}
    assert there - listed(component) == set()
    assert listed(component) - there - rooms(component) - {component} == set()


def test_a_readme_draws_the_rooms_that_there_are() -> None:
    """A name with a slash is a folder, and every folder is there."""
    folders = {name: rooms(name) for name in COMPONENTS if rooms(name)}
    assert {name: set(re.findall(r"(?<![\w/])([a-z_]+)/(?!\w)", drawn(name))) for name in folders} == folders


TWICE = {
    # a command's file is called as the command
    **dict.fromkeys(("images", "inspect", "logs", "provenance", "pull", "push"), "a command, and its matter"),
    # the same matter on both sides of a line
    "blobs": "a store's, and the registry server's routes to them",
    "manifests": "what a client asks for, and the server's routes to them",
    "uploads": "what a client sends, and the server's routes for it",
    "gc": "a store's, and the registry server's",
    "evidence": "the Protocol, and the registry that satisfies it",
    "errors": "each component's own",
    # the field's word in two fields
    "files": "blobs in files, and files of credentials",
    "records": "a network's on disk, and containers'",
    "session": "with a registry, and with a container",
    "Body": "of a request, as the client sends it, and as the server reads it",
    "Document": "JSON that inspect makes, and JSON as a Go template sees it",
    "Index": "the store's database, and OCI's image index",
    "Limits": "of reading an archive, and of asking a registry",
    "Outcome": "of a requirement, and of an upload",
    "Pair": "two words of a Dockerfile, and a header",
    "Reference": "a name in the store, and a name as it is parsed",
    "Rule": "of a policy, and of seccomp",
    "Source": "of bytes for a decompressor, and of blobs",
    "Transport": "of a published port, and of the registry's client",
}
"""File names and public names of classes and types that two modules have, and why they may."""


def named(file: Path) -> Iterator[str]:
    """The public classes and types of a module."""
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name[0].isupper() and not name.isupper():
                yield name


def test_one_name_is_one_thing() -> None:
    files = [file.stem for file in modules().values() if file.stem != "__init__"]
    names = [name for file in modules().values() for name in named(file) if not name.startswith("_")]
    twice = {name for name, number in [*Counter(files).items(), *Counter(names).items()] if number > 1}
    assert twice - TWICE.keys() == set(), "rename one of each, or say in TWICE why both are called so"
    assert TWICE.keys() - twice == set(), "these are one by now"

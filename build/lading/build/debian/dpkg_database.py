"""dpkg's own database of packages that dpkg did not unpack, so that dpkg and apt in the image go on with it.

In ``/var/lib/dpkg/info`` lies what a package brought beside its files, and the list of these; ``status`` has what is
known of all, ``triggers`` who waits for what (deb-triggers(5)). Where packages are ``unpacked``, their scripts are
still to be run: ``dpkg --configure -a`` does that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from lading.build.debian.archives.apt import Resolution
from lading.build.debian.archives.apt_sources import sources_in
from lading.build.debian.archives.archive_names import EXAMPLES, addresses, archive_name
from lading.build.debian.deb import Control, Listing
from lading.build.debian.debian_spec import DebianSpec
from lading.build.debian.derived_files import inside, put_file, put_folder
from lading.store.errors import DocumentError
from lading.store.system.patterns import pattern

DPKG: Final = "var/lib/dpkg"
INFO: Final = f"{DPKG}/info"
_SOURCES: Final = "etc/apt/sources.list.d/archive.sources"
_INTEREST: Final = pattern(r"interest(?P<kind>|-await|-noawait)\s+(?P<name>/?[\x21-\x2e\x30-\x7e][\x21-\x7e]*)")
_POCKETS: Final = ("", "-updates")
_ROLLING: Final = frozenset({"sid", "unstable", "testing", "experimental", "devel"})


def put_info(tree: Path, control: Control, listing: Listing) -> None:
    """What dpkg keeps of one package, which brings what is in `listing`; sums where it brings none itself."""
    stem = _stem(control)
    put_file(tree, f"{INFO}/{stem}.list", _text(f"{name}\n" for name in listing.names))
    if control.md5sums is None:
        kept = set(_listed_conffiles(control))
        sums = (f"{digest}  {name[1:]}\n" for name, digest in listing.sums.items() if name not in kept)
        put_file(tree, f"{INFO}/{stem}.md5sums", _text(sums))
    for name, (data, is_program) in control.others.items():
        if name != "list":
            put_file(tree, f"{INFO}/{stem}.{name}", data)
            (tree / f"{INFO}/{stem}.{name}").chmod(0o755 if is_program else 0o644)


def put_database(target: Path, controls: Sequence[Control], trees: Sequence[Path], status: str) -> None:
    """What dpkg keeps of all packages together; `trees` have their files, lowest first."""
    stanzas = (_stanza(control, trees, status) for control in sorted(controls, key=_name))
    put_file(target, f"{DPKG}/status", b"\n".join(stanzas))
    put_file(target, f"{INFO}/format", b"1\n")
    for name in ("available", "diversions", "statoverride"):
        put_file(target, f"{DPKG}/{name}", b"")
    for name in ("alternatives", "parts", "triggers", "updates"):
        put_folder(target, f"{DPKG}/{name}")
    for name, waiting in _triggers(controls).items():
        put_file(target, f"{DPKG}/triggers/{name}", "".join(f"{line}\n" for line in waiting).encode())
    for name in ("var/lib/apt/lists/partial", "var/cache/apt/archives/partial"):
        put_folder(target, name)


def _name(control: Control) -> tuple[str, str]:
    return control.field("Package"), control.field("Architecture")


def _stem(control: Control) -> str:
    name, architecture = _name(control)
    return f"{name}:{architecture}" if control.field("Multi-Arch") == "same" else name


def _stanza(control: Control, trees: Sequence[Path], status: str) -> bytes:
    text = control.control.strip(b"\n") + b"\n"
    first, _, rest = text.partition(b"\n")
    if not first.lower().startswith(b"package:"):
        first, rest = f"Package: {control.field('Package')}".encode(), _without_name(text)
    kept = "".join(f"\n {line}" for line in _conffiles(control, trees))
    configured = f"Conffiles:{kept}\n".encode() if kept else b""
    return first + f"\nStatus: install ok {status}\n".encode() + configured + rest


def _without_name(text: bytes) -> bytes:
    return b"".join(line for line in text.splitlines(keepends=True) if not line.lower().startswith(b"package:"))


def _conffiles(control: Control, trees: Sequence[Path]) -> Iterator[str]:
    """Each file of configuration with its MD5 sum, by which dpkg knows whether somebody changed it."""
    for name in _listed_conffiles(control):
        if found := _file(trees, name):
            yield f"{name} {hashlib.md5(found.read_bytes(), usedforsecurity=False).hexdigest()}"


def _listed_conffiles(control: Control) -> Iterator[str]:
    listed, _ = control.others.get("conffiles", (b"", False))
    lines = listed.decode("utf-8", "surrogateescape").splitlines()
    return (line.strip() for line in lines if line.startswith("/"))


def _text(lines: Iterable[str]) -> bytes:
    return "".join(lines).encode("utf-8", "surrogateescape")


def _file(trees: Sequence[Path], name: str) -> Path | None:
    found = (inside(tree, name.strip("/")) for tree in reversed(trees))
    return next((path for path in found if path is not None and path.is_file()), None)


def _triggers(controls: Sequence[Control]) -> Mapping[str, list[str]]:
    """The files of the folder of triggers, each with its lines: who is interested in a name, or in a path."""
    found: dict[str, list[str]] = {}
    for control in sorted(controls, key=_name):
        listed, _ = control.others.get("triggers", (b"", False))
        for match in map(_INTEREST.fullmatch, listed.decode("utf-8", "replace").splitlines()):
            if match:
                name, who = match["name"], _stem(control) + ("/noawait" if match["kind"] == "-noawait" else "")
                place, line = ("File", f"{name} {who}") if name.startswith("/") else (name, who)
                if "/" in place or place in (".", ".."):
                    raise DocumentError(f"{control.field('Package')}: triggers: {name[:80]!r} is not a trigger's name")
                found.setdefault(place, []).append(line)
    return found


def archive_sources(spec: DebianSpec, suite: str, resolution: Resolution) -> str:
    """Where apt in the image has more packages from: Debian's or Ubuntu's archive by name, "" for any other."""
    origins = {release.origin.lower() for _, release in resolution.releases.values()}
    if origins not in ({"debian"}, {"ubuntu"}):
        return ""
    (origin,) = origins
    own = [suite] if suite in _ROLLING else [suite + pocket for pocket in _POCKETS]
    text = _source(archive_name(origin, security=False), [*own, *spec.suites], spec.components, origin)
    if suite in _ROLLING:
        return text
    return f"{text}\n{_source(archive_name(origin, security=True), [f'{suite}-security'], spec.components, origin)}"


def put_sources(target: Path, trees: Sequence[Path], text: str) -> None:
    """What `archive_sources` has, with the addresses that apt in the image gives; nothing where it gives none."""
    files = (file for name in EXAMPLES if (file := _file(trees, name)))
    published = addresses(source for file in files for source in sources_in(file))
    for name, address in published.items():
        text = text.replace(f"URIs: {name}\n", f"URIs: {address}\n")
    if "URIs: archive:" not in text:
        put_file(target, _SOURCES, text.encode())


def _source(uri: str, suites: Sequence[str], components: Sequence[str], origin: str) -> str:
    keys = f"/usr/share/keyrings/{origin}-archive-keyring.gpg"
    return (
        f"Types: deb\nURIs: {uri}\nSuites: {' '.join(suites)}\nComponents: {' '.join(components)}\nSigned-By: {keys}\n"
    )

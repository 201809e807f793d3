"""An archive's signed index: InRelease checked with gpgv, and the Packages files whose digests it lists."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lading.store.errors import DocumentError, InputError, MachineError

_ARMOR: Final = re.compile(
    r"-----BEGIN PGP PUBLIC KEY BLOCK-----\n(?:[\w-]+: .*\n)*\n?(?P<body>[A-Za-z0-9+/=\s]+?)(?:\n=[A-Za-z0-9+/]{4})?\n"
    r"-----END PGP PUBLIC KEY BLOCK-----"
)
_MAX_PACKAGES: Final = 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SignedRelease:
    """An InRelease file whose signature holds."""

    digest: str
    suite: str
    codename: str
    origin: str
    date: str
    signers: tuple[str, ...]
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PackageRecord:
    """A package as an archive's index lists it; `sha256` is of the .deb, `size` in bytes."""

    name: str
    version: str
    architecture: str
    sha256: str
    size: int
    filename: str
    release: str
    """The SHA-256 of the InRelease file that it chains to."""


def keyring(signed_by: str, folder: Path, root: Path = Path("/")) -> Path:
    """A binary keyring for gpgv with the keys that apt would accept, written into `folder` where needed."""
    if signed_by.startswith("/"):
        sources = [Path(name) for name in signed_by.replace(",", " ").split()]
    elif signed_by.startswith("-----BEGIN"):
        return _write(folder, _dearmor(signed_by, "Signed-By"))
    elif signed_by:
        raise InputError(
            f"Signed-By: {signed_by}: key fingerprints are not supported", hint="name the keyring's file instead"
        )
    else:
        parts = root / "etc/apt/trusted.gpg.d"
        sources = [root / "etc/apt/trusted.gpg", *sorted(parts.glob("*.gpg")), *sorted(parts.glob("*.asc"))]
    data = b"".join(_read_keys(source) for source in sources if source.is_file())
    if not data:
        raise MachineError(
            "apt has no keys to check the archive's signature with", hint="install debian-archive-keyring"
        )
    return _write(folder, data)


def _read_keys(file: Path) -> bytes:
    data = file.read_bytes()
    return _dearmor(data.decode("latin-1"), str(file)) if data.startswith(b"-----BEGIN") else data


def _dearmor(text: str, what: str) -> bytes:
    blocks = list(_ARMOR.finditer(text.replace("\r", "") + "\n"))
    try:
        return b"".join(base64.b64decode("".join(block["body"].split()), validate=True) for block in blocks)
    except binascii.Error:
        raise InputError(f"{what}: not an OpenPGP key block") from None


def _write(folder: Path, data: bytes) -> Path:
    file = folder / f"keyring-{hashlib.sha256(data).hexdigest()[:16]}.gpg"
    if not file.exists():
        file.write_bytes(data)
    return file


def check_release(inrelease: Path, keys: Path) -> SignedRelease:
    """Raises `DocumentError` unless a key of `keys` made a good signature and none is bad."""
    raw = inrelease.read_bytes()
    plain = inrelease.with_name(f"{inrelease.name}.plain")
    plain.unlink(missing_ok=True)
    try:
        said = subprocess.run(
            ["gpgv", "--status-fd", "1", "--keyring", str(keys), "--output", str(plain), "-"],
            input=raw,
            capture_output=True,
            check=False,
            timeout=60,
        )
    except FileNotFoundError:
        raise MachineError("gpgv is not installed", hint="apt-get install gpgv") from None
    status = [line.split()[1:] for line in said.stdout.decode("latin-1").splitlines() if line.startswith("[GNUPG:] ")]
    words = {line[0] for line in status if line}
    if "GOODSIG" not in words or words & {"BADSIG", "REVKEYSIG", "EXPSIG"} or not plain.exists():
        raise DocumentError(
            f"{inrelease.name}: the archive's signature does not hold ({', '.join(sorted(words)) or 'no signature'})",
            hint="are the archive's keys up to date? apt-get install debian-archive-keyring",
        )
    signers = tuple(line[1] for line in status if line and line[0] == "VALIDSIG")
    text = plain.read_text()
    plain.unlink()
    return _release(text, hashlib.sha256(raw).hexdigest(), signers)


def _release(text: str, digest: str, signers: tuple[str, ...]) -> SignedRelease:
    fields: dict[str, str] = {}
    files: dict[str, str] = {}
    section = ""
    for line in text.splitlines():
        if line.startswith(" "):
            parts = line.split()
            if section == "SHA256" and len(parts) == 3:
                files[parts[2]] = parts[0]
            continue
        section, _, value = line.partition(":")
        fields[section] = value.strip()
    return SignedRelease(
        digest=digest,
        suite=fields.get("Suite", ""),
        codename=fields.get("Codename", ""),
        origin=fields.get("Origin", ""),
        date=fields.get("Date", ""),
        signers=signers,
        files=files,
    )


def find_packages(
    packages: Path, listed_as: str, release: SignedRelease, wanted: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], PackageRecord]:
    """The records of the wanted (name, version) pairs in a Packages file that `release` vouches for."""
    if packages.stat().st_size > _MAX_PACKAGES:
        raise DocumentError(f"{packages.name}: larger than {_MAX_PACKAGES} bytes")
    data = packages.read_bytes()
    if release.files.get(listed_as) != hashlib.sha256(data).hexdigest():
        raise DocumentError(
            f"{packages.name}: is not the {listed_as} that the signed release lists",
            hint="--pull fetches the lists anew",
        )
    found: dict[tuple[str, str], PackageRecord] = {}
    for name, version in wanted:
        record = _record(data, name, version, release.digest)
        if record:
            found[name, version] = record
    return found


def _record(data: bytes, name: str, version: str, release: str) -> PackageRecord | None:
    head = f"Package: {name}\n".encode()
    at = 0 if data.startswith(head) else data.find(b"\n\n" + head)
    while at >= 0:
        end = data.find(b"\n\n", at + 2)
        stanza = data[at : end if end >= 0 else len(data)].decode("utf-8", "replace")
        pairs = (line.partition(": ") for line in stanza.splitlines() if line[:1] != " ")
        fields = {key: value for key, _, value in pairs}
        if fields.get("Version") == version:
            return PackageRecord(
                name,
                version,
                fields["Architecture"],
                fields["SHA256"],
                int(fields["Size"]),
                fields["Filename"],
                release,
            )
        at = data.find(b"\n\n" + head, at + 2)
    return None

"""An archive's signed index: InRelease checked with gpgv, as apt's Signed-By asks for it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from lading.store.errors import DocumentError, InputError, MachineError
from lading.store.fastclass import dataclass
from lading.store.oci.digests import Digest
from lading.store.system.machine_errors import machine_errors
from lading.store.system.patterns import pattern

_ARMOR: Final = pattern(
    r"-----BEGIN PGP PUBLIC KEY BLOCK-----\n(?:[\w-]+: .*\n)*\n?(?P<body>[A-Za-z0-9+/=\s]+?)(?:\n=[A-Za-z0-9+/]{4})?\n"
    r"-----END PGP PUBLIC KEY BLOCK-----"
)
_FINGERPRINT: Final = pattern(r"(?:[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})!?")
_WEAK: Final = frozenset({"1", "2", "3"})
"""Digest algorithms of RFC 4880 §9.4 that apt counts as weak: MD5, SHA-1, RIPEMD-160."""
_MAX_RELEASE: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that may sign: those of a keyring's bytes, and of those only the fingerprints, where any are named.

    A fingerprint with ``!`` at its end means that key itself and none of its subkeys.
    """

    data: bytes
    fingerprints: tuple[str, ...] = ()

    def file(self, folder: Path) -> Path:
        """The keyring as a file for gpgv and apt, in `folder`."""
        file = folder / f"keyring-{hashlib.sha256(self.data).hexdigest()[:16]}.gpg"
        with machine_errors(file):
            if not file.exists() or file.read_bytes() != self.data:
                file.write_bytes(self.data)
        return file

    def allow(self, key: str, primary: str) -> bool:
        """Whether a good signature by `key`, of which `primary` is the primary key, counts."""
        return not self.fingerprints or any(
            key == name[:-1] if name.endswith("!") else name in (key, primary) for name in self.fingerprints
        )


@dataclass(frozen=True, slots=True)
class SignedRelease:
    """An InRelease file whose signature holds. `files` has the digest of every file by its name, in bytes a size."""

    digest: str
    suite: str
    codename: str
    origin: str
    date: str
    signers: tuple[str, ...]
    files: Mapping[str, Digest]


def read_keys(signed_by: str, root: Path = Path("/")) -> Keys:
    """The keys that apt would accept by a source's Signed-By (sources.list(5)); "" means all of apt's trusted keys."""
    if signed_by.startswith("-----BEGIN"):
        return Keys(_dearmor(signed_by, "Signed-By"))
    words = signed_by.replace(",", " ").split()
    files = [Path(word) for word in words if word.startswith("/")]
    prints = tuple(word.upper() for word in words if not word.startswith("/"))
    for word in prints:
        if not _FINGERPRINT.fullmatch(word):
            raise InputError(
                f"Signed-By: {word}: neither a path nor a whole fingerprint",
                hint="a keyring's path, or the 40 digits of a key",
            )
    if not files:
        parts = root / "etc/apt/trusted.gpg.d"
        files = [root / "etc/apt/trusted.gpg", *sorted(parts.glob("*.gpg")), *sorted(parts.glob("*.asc"))]
    data = b"".join(_read_keys(file) for file in files if file.is_file())
    if not data:
        named = f" in {', '.join(words)}" if words and not prints else ""
        raise MachineError(
            f"apt has no keys to check the archive's signature with{named}", hint="install debian-archive-keyring"
        )
    return Keys(data, prints)


def _read_keys(file: Path) -> bytes:
    with machine_errors(file):
        data = file.read_bytes()
    return _dearmor(data.decode("latin-1"), str(file)) if data.startswith(b"-----BEGIN") else data


def _dearmor(text: str, source: str) -> bytes:
    blocks = list(_ARMOR.finditer(text.replace("\r", "") + "\n"))
    try:
        data = b"".join(base64.b64decode("".join(block["body"].split()), validate=True) for block in blocks)
    except binascii.Error:
        data = b""
    if not data:
        raise InputError(f"{source}: not an OpenPGP key block")
    return data


def check_release(inrelease: Path, keys: Keys, folder: Path) -> SignedRelease:
    """Raises `DocumentError` unless a key that `keys` allow made a good signature and none is bad.

    `folder` is for files on the way.
    """
    with machine_errors(inrelease), inrelease.open("rb") as stream:
        raw = stream.read(_MAX_RELEASE + 1)
    if len(raw) > _MAX_RELEASE:
        raise DocumentError(f"{inrelease.name}: larger than {_MAX_RELEASE} bytes")
    plain = folder / "InRelease.plain"
    plain.unlink(missing_ok=True)
    status = _gpgv(raw, keys.file(folder), plain)
    signers = _signers(status, keys)
    words = {line[0] for line in status}
    if not signers or "GOODSIG" not in words or words & {"BADSIG", "REVKEYSIG", "EXPSIG"} or not plain.exists():
        raise DocumentError(
            f"{inrelease.name}: the archive's signature does not hold ({', '.join(sorted(words)) or 'no signature'})",
            hint="are the archive's keys up to date? apt-get install debian-archive-keyring",
        )
    data = plain.read_bytes()
    plain.unlink()
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise DocumentError(f"{inrelease.name}: not UTF-8") from None
    return _release(text, hashlib.sha256(raw).hexdigest(), signers)


def _gpgv(raw: bytes, keyring: Path, plain: Path) -> list[list[str]]:
    """The status lines of gpgv (GnuPG's doc/DETAILS), each split into words."""
    weak = ["--weak-digest", "SHA1", "--weak-digest", "RIPEMD160"]
    try:
        said = subprocess.run(
            ["gpgv", *weak, "--status-fd", "1", "--keyring", str(keyring), "--output", str(plain), "-"],
            input=raw,
            capture_output=True,
            check=False,
            timeout=60,
        )
    except FileNotFoundError:
        raise MachineError("gpgv is not installed", hint="apt-get install gpgv") from None
    except subprocess.TimeoutExpired:
        raise DocumentError("InRelease: gpgv did not come to an end with it") from None
    lines = said.stdout.decode("latin-1").splitlines()
    return [words for line in lines if line.startswith("[GNUPG:] ") and (words := line.split()[1:])]


def _signers(status: Sequence[Sequence[str]], keys: Keys) -> tuple[str, ...]:
    """The fingerprints of the keys whose good signatures count (VALIDSIG: key, ..., digest algorithm, ..., primary)."""
    valid = [line for line in status if line[0] == "VALIDSIG" and len(line) >= 11 and line[8] not in _WEAK]
    return tuple(line[1] for line in valid if keys.allow(line[1], line[10]))


def _release(text: str, digest: str, signers: tuple[str, ...]) -> SignedRelease:
    fields: dict[str, str] = {}
    files: dict[str, dict[str, Digest]] = {"sha256": {}, "sha512": {}}
    section = ""
    for line in text.splitlines():
        if line.startswith((" ", "\t")):
            parts = line.split()
            if section in files and len(parts) == 3:
                files[section][parts[2]] = Digest.parse(f"{section}:{parts[0].lower()}")
            continue
        name, _, value = line.partition(":")
        section = name.strip().lower()
        fields[section] = value.strip()
    return SignedRelease(
        digest=digest,
        suite=fields.get("suite", ""),
        codename=fields.get("codename", ""),
        origin=fields.get("origin", ""),
        date=fields.get("date", ""),
        signers=signers,
        files=files["sha256"] or files["sha512"],
    )

"""A small Debian archive of our own, signed with a key made for it and served over HTTP on loopback."""

from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

from lading.build.debian.archives.apt_sources import ArchiveSource


@dataclass
class Archive:
    folder: Path
    home: str
    suite: str = "testing"
    origin: str = "Example"
    architectures: tuple[str, ...] = ("amd64",)
    uri: str = ""
    published: float = field(default_factory=time.time)
    requests: list[str] = field(default_factory=list)
    listed: dict[str, str] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return self.folder / "www"

    @property
    def key(self) -> Path:
        return self.folder / "archive.gpg"

    @property
    def inrelease(self) -> Path:
        return self.root / f"dists/{self.suite}/InRelease"

    def source(self, **changes: object) -> ArchiveSource:
        values: dict[str, object] = {
            "uri": self.uri,
            "suite": self.suite,
            "components": ("main",),
            "signed_by": str(self.key),
        }
        return ArchiveSource(**(values | changes))  # type: ignore[arg-type]

    def add(self, name: str, files: Mapping[str, str], version: str = "1.0", **control: str) -> Path:
        """Builds a package with dpkg-deb and lists it with the next `publish`."""
        tree = self.folder / f"{name}_{version}"
        for path, text in files.items():
            file = tree / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            file.chmod(0o755 if path in ("DEBIAN/postinst", "DEBIAN/prerm") else 0o644)
        fields = {"Package": name, "Version": version, "Architecture": "all", "Maintainer": "Example <a@example.com>"}
        fields |= {key.replace("_", "-"): value for key, value in control.items()} | {"Description": "an example"}
        (tree / "DEBIAN").mkdir(parents=True, exist_ok=True)
        (tree / "DEBIAN/control").write_text("".join(f"{key}: {value}\n" for key, value in fields.items()))
        pool = self.root / "pool"
        pool.mkdir(parents=True, exist_ok=True)
        deb = pool / f"{name}_{version}_all.deb"
        subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, deb], check=True, capture_output=True)
        return deb

    def put(self, name: str, data: bytes, **fields: str) -> None:
        """Lists these bytes as a package with the next `publish`; `fields` stand in place of its own, "" for none."""
        (self.root / "put").mkdir(exist_ok=True)
        (self.root / f"put/{name}.deb").write_bytes(data)
        values = {
            "Package": name,
            "Version": "1.0",
            "Architecture": "all",
            "Filename": f"put/{name}.deb",
            "Size": str(len(data)),
            "SHA256": hashlib.sha256(data).hexdigest(),
            **fields,
        }
        self.listed[name] = "".join(f"{key}: {value}\n" for key, value in values.items() if value)

    def publish(
        self, date: str | None = None, valid_until: str | None = None, sums: str = "sha256", by: str = ""
    ) -> None:
        """Writes Packages and an InRelease signed by the key `by` for everything that was added and put."""
        stanzas = list(self.listed.values())
        for deb in sorted((self.root / "pool").glob("*.deb")):
            said = subprocess.run(["dpkg-deb", "-f", deb], check=True, capture_output=True, text=True)
            data = deb.read_bytes()
            stanzas.append(
                f"{said.stdout.strip()}\nFilename: pool/{deb.name}\nSize: {len(data)}\n"
                f"SHA256: {hashlib.sha256(data).hexdigest()}\n"
            )
        dist = self.root / f"dists/{self.suite}"
        packages = "\n".join(stanzas).encode()
        lists = {"Packages": packages, "Packages.gz": gzip.compress(packages, mtime=0)}
        contents = {
            f"main/binary-{architecture}/{name}": data
            for architecture in self.architectures
            for name, data in lists.items()
        }
        lines = []
        for name, data in contents.items():
            (dist / name).parent.mkdir(parents=True, exist_ok=True)
            (dist / name).write_bytes(data)
            lines.append(f" {hashlib.new(sums, data).hexdigest()} {len(data)} {name}")
        head = f"Origin: {self.origin}\nSuite: {self.suite}\nCodename: {self.suite}\n"
        head += f"Date: {date or formatdate(usegmt=True)}\n"
        head += f"Valid-Until: {valid_until}\n" if valid_until else ""
        head += f"Architectures: {' '.join(self.architectures)}\nComponents: main\n{sums.upper()}:\n"
        plain = self.folder / "Release"
        plain.write_text(head + "\n".join(lines) + "\n")
        signer = ("-u", by) if by else ()
        self.gpg("--yes", *signer, "--clearsign", "-o", str(self.inrelease), str(plain))
        # HTTP tells times in seconds: what is published anew must not look unchanged.
        self.published += 10
        for file in (self.inrelease, *(dist / name for name in contents)):
            os.utime(file, (self.published, self.published))

    def gpg(self, *words: str) -> str:
        """What gpg says, with the archive's keys."""
        environment = {**os.environ, "GNUPGHOME": self.home}
        done = subprocess.run(
            ["gpg", "--batch", "--quiet", *words], check=True, capture_output=True, env=environment, text=True
        )
        return done.stdout

    def make_key(self, who: str = "archive@example.com") -> str:
        """A key more in the keyring; its fingerprint."""
        self.gpg("--passphrase", "", "--quick-generate-key", who, "ed25519", "sign", "never")
        self.gpg("--yes", "--export", "-o", str(self.key))
        said = self.gpg("--with-colons", "--list-keys", who)
        return next(line.split(":")[9] for line in said.splitlines() if line.startswith("fpr"))


@contextmanager
def archive(folder: Path) -> Generator[Archive, None, None]:
    """An empty archive; `add` and `publish` fill it."""
    # The agent's socket lies in its home: its whole path has 107 bytes.
    with TemporaryDirectory(prefix="gnupg") as home:
        try:
            with _served(Archive(folder, home)) as made:
                yield made
        finally:
            subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False, capture_output=True)


@contextmanager
def _served(made: Archive) -> Generator[Archive, None, None]:
    made.root.mkdir()
    made.make_key()

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            made.requests.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(made.root)))
    made.uri = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()

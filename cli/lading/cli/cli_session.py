"""What one call of `lading` knows of its surroundings: the only reader of the environment."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lading.store.errors import InputError
from lading.store.fastclass import dataclass

if TYPE_CHECKING:
    import typer

    from lading.cli.display.output import Output
    from lading.cli.key_passwords import KeyPasswords
    from lading.host.configuration import Configuration, Isolation
    from lading.host.host import Host
    from lading.host.trust.signing_keys import SigningKeyText
    from lading.registry.credentials.files import Given


OUTSIDE: Final = "_LADING_RUNS"
"""Where what lasts until the next boot lies, for a call in a user namespace: it is root there, and not its caller."""


class Color(StrEnum):
    """When output is coloured."""

    auto = "auto"
    always = "always"
    never = "never"


@dataclass(slots=True)
class CliSession:
    """The root folder, how to speak to the user, and the machine's `Host`, made when first asked for."""

    root: Path
    run: Path
    environment: dict[str, str]
    color: Color
    tls_verify: bool | None = None
    authfile: Path | None = None
    given: Given | None = None
    policy: Path | None = None
    quiet: bool = False
    verbose: bool = False
    progress: str = "auto"
    isolation: Isolation = "auto"
    _host: Host | None = None
    _output: Output | None = None

    @classmethod
    def of(cls, context: typer.Context | CliSession) -> CliSession:
        """The session of the call that typer's `context` belongs to; without typer it stands there itself."""
        if isinstance(context, CliSession):
            return context
        found = context.find_object(cls)
        assert found is not None
        return found

    @classmethod
    def from_environment(cls, root: Path | None, color: Color, *, verbose: bool = False) -> CliSession:
        """Reads LADING_ROOT, XDG_DATA_HOME, XDG_RUNTIME_DIR and HOME."""
        environment = dict(os.environ)
        given = root or _path(environment, "LADING_ROOT") or _default_root(environment)
        folder = Path(os.path.abspath(given))
        return cls(folder, _run_folder(environment, folder), environment, color, verbose=verbose)

    @property
    def host(self) -> Host:
        """This machine's Lading."""
        if self._host is None:
            from lading.cli.display.progress_display import progress_for  # noqa: PLC0415
            from lading.host.host import Host  # noqa: PLC0415
            from lading.store.progress import QUIET  # noqa: PLC0415

            self._host = Host(
                self._configuration(),
                passwords=self.passwords,
                warn=self.output.warn,
                progress=QUIET if self.quiet else progress_for(self.progress, self.output),
            )
        return self._host

    @property
    def output(self) -> Output:
        """Where words for the user go."""
        if self._output is None:
            from lading.cli.display.output import Output  # noqa: PLC0415

            self._output = Output(self.color, self.environment)
        return self._output

    def close(self) -> None:
        """Gives the terminal back, and closes what was opened."""
        from lading.cli.display.output import end_drawing  # noqa: PLC0415

        end_drawing()
        if self._host is not None:
            self._host.close()

    @property
    def passwords(self) -> KeyPasswords:
        """Those of keys."""
        from lading.cli.key_passwords import KeyPasswords  # noqa: PLC0415

        return KeyPasswords(self.environment)

    def key(self, word: str | None) -> SigningKeyText | None:
        """The private key that an option names: a file, a pipe or env:NAME, read now and once."""
        from lading.cli.key_passwords import named_key  # noqa: PLC0415

        return None if word is None else named_key(word, self.environment)

    def _configuration(self) -> Configuration:
        from lading.host.configuration import Configuration  # noqa: PLC0415

        def variable(name: str) -> str:
            return self.environment.get(name) or self.environment.get(name.upper()) or ""

        extra = _path(self.environment, "SSL_CERT_FILE")
        return Configuration(
            root=self.root,
            run=self.run,
            runs=self.run.parent,
            credentials=self._credentials(),
            proxies={kind: variable(f"{kind}_proxy") for kind in ("http", "https", "no")},
            certificates=(extra,) if extra and extra.exists() else (),
            given=self.given,
            tls_verify=self.tls_verify,
            policy=self.policy,
            isolation=self.isolation,
            build_cache=_build_cache(self.environment.get("LADING_BUILD_CACHE")),
            limits=self._limits(),
            limit_raised="LADING_LIMITS={}=... raises that",
        )

    def _limits(self) -> dict[str, int]:
        """LADING_LIMITS: ``NAME=NUMBER``, joined by commas."""
        found: dict[str, int] = {}
        for word in filter(None, self.environment.get("LADING_LIMITS", "").split(",")):
            name, _, value = word.strip().partition("=")
            if not (value.isascii() and value.isdigit() and len(value) < 16):
                raise InputError(f"LADING_LIMITS: {word!r}: expected NAME=NUMBER")
            found[name] = int(value)
        return found

    def _credentials(self) -> tuple[Path, ...]:
        """The file that was named, alone; else docker's config.json, or before it REGISTRY_AUTH_FILE: `login` writes to
        the first. Then podman's."""
        if self.authfile is not None:
            return (self.authfile,)
        home = Path(self.environment.get("HOME") or "/")
        docker = _path(self.environment, "DOCKER_CONFIG") or home / ".docker"
        runtime = _path(self.environment, "XDG_RUNTIME_DIR")
        podman = [runtime / "containers/auth.json"] if runtime else []
        named = _path(self.environment, "REGISTRY_AUTH_FILE")
        return (named, docker / "config.json") if named else (docker / "config.json", *podman)


def _build_cache(text: str | None) -> int | None:
    """The bound on the build cache that LADING_BUILD_CACHE sets; None where it says nothing."""
    if not text:
        return None
    from lading.cli.display.sizes import byte_count  # noqa: PLC0415

    return 1 << 62 if text == "unlimited" else byte_count(text, "LADING_BUILD_CACHE")


def _path(environment: dict[str, str], name: str) -> Path | None:
    value = environment.get(name)
    return Path(value) if value else None


def _home(environment: dict[str, str]) -> Path:
    home = _path(environment, "HOME")
    if home is None:
        raise InputError("HOME is not set", hint="name a folder with --root")
    return home


def _default_root(environment: dict[str, str]) -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/lading")
    data = _path(environment, "XDG_DATA_HOME") or _home(environment) / ".local/share"
    return data / "lading"


def _run_folder(environment: dict[str, str], root: Path) -> Path:
    from lading.host.configuration import run_folder_in  # noqa: PLC0415

    if outside := _path(environment, OUTSIDE):
        return run_folder_in(outside, root)
    if os.geteuid() == 0:
        return run_folder_in(Path("/run/lading"), root)
    given = _path(environment, "XDG_RUNTIME_DIR")
    return run_folder_in(given / "lading" if given else Path(f"/tmp/lading-{os.geteuid()}"), root)  # noqa: S108

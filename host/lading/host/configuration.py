"""The one value from which a machine's Lading is made."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from lading.store.fastclass import dataclass, field
from lading.store.system.hashing import sha256

if TYPE_CHECKING:
    from lading.registry.credentials.files import Given

Isolation = Literal["auto", "oci", "rootless", "chroot"]
"""Under what the steps of a build are executed, in buildah's words; auto is the strongest that there is."""
FLOOR: Final = Path("/etc/lading/policy.yaml")
"""The administrator's policy: where present, no flag and no variable loosens it."""


def installed_version() -> str:
    """Of Lading. What pip wrote beside the packages is looked for first: `importlib.metadata` loads thirty modules."""
    for folder in sys.path:
        with suppress(OSError):
            for name in os.listdir(folder or "."):
                if name.startswith("lading-") and name.endswith(".dist-info"):
                    return name.split("-")[1].removesuffix(".dist")
    from importlib.metadata import version  # noqa: PLC0415

    return version("lading")


@dataclass(frozen=True, slots=True)
class Configuration:
    """Where things are, and how registries are reached.

    `root` holds everything that lasts, `run` what lasts until the next boot. `credentials` are docker's
    `config.json` and files of its kind, the first one is written by `login`; `given` comes before them. `proxies`
    maps `http`, `https` and `no` to what the variables of those names say. `certificates` are files of further
    authorities to believe; `tls_verify` None leaves the default, which is to verify. `policy` names a policy file in
    place of `policy.yaml` below the root. `runs` is a folder of Lading's own in which `run` lies, if it is to be made
    too. `build_cache` bounds the build cache, in bytes; None leaves the default. `isolation` is that of build steps.
    `limits` raises or lowers what is asked of registries: ``retry-after`` (seconds that one may ask to wait), and
    for one judgement ``requests``, ``bytes`` and ``seconds``; ``layer`` is how many bytes of files one layer may hold.
    `limit_raised` says where a judgement needs more how a limit, `{}`, is raised.
    """

    root: Path
    run: Path
    credentials: tuple[Path, ...] = ()
    given: Given | None = None
    proxies: Mapping[str, str] = field(default_factory=dict[str, str])
    certificates: tuple[Path, ...] = ()
    tls_verify: bool | None = None
    policy: Path | None = None
    limits: Mapping[str, int] = field(default_factory=dict[str, int])
    limit_raised: str | None = None
    runs: Path | None = None
    build_cache: int | None = None
    isolation: Isolation = "auto"
    floor: Path = FLOOR


def run_folder_in(runs: Path, root: Path) -> Path:
    """The folder in `runs` for what the Lading at `root` needs until the next boot, the same for all who use it."""
    # Socket paths end at 107 bytes, so a short hash stands for the root.
    return runs / sha256(os.fsencode(root)).hexdigest()[:12]

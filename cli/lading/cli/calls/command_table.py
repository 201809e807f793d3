"""The commands there are: what `lading --help` and shell completion know without importing any of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from lading.store.fastclass import dataclass, replace


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """One command.

    `module`, below `lading.cli.commands`, holds a function of its own last name. `failure` is the exit code of any
    error of ours, usage included, None where the error's own counts. `later` says that it is not built yet. A group
    has `commands` of its own; `preset` are options' values that differ there.
    """

    help: str
    module: str = ""
    failure: int | None = None
    later: bool = False
    commands: Mapping[str, CommandEntry] | None = None
    preset: Mapping[str, object] | None = None

    @property
    def function(self) -> str:
        """The name of its function."""
        return self.module.rpartition(".")[2]


COMMANDS: Final[dict[str, CommandEntry]] = {
    "build": CommandEntry("Build an image from a Dockerfile or a Debian package set, and sign it", "images.build"),
    "lock": CommandEntry("Write down which packages a Debian package set installs", "examining.lock"),
    "bake": CommandEntry("Build the targets of a bake or Compose file in one go, and sign them", "baking.bake"),
    "images": CommandEntry("List images", "images.images"),
    "inspect": CommandEntry("Show an image or a container as JSON", "images.inspect"),
    "history": CommandEntry("Show how an image was made, layer by layer", "images.history"),
    "tag": CommandEntry("Give an image another name", "images.tag"),
    "rmi": CommandEntry("Remove images", "images.rmi"),
    "save": CommandEntry("Write images to an archive or an OCI layout", "images.save"),
    "load": CommandEntry("Read images from an OCI layout or an archive", "images.load"),
    "unpack": CommandEntry("Unpack an image ahead of its first run, or anew", "images.unpack"),
    "push": CommandEntry("Upload an image and its evidence to a registry", "images.push"),
    "pull": CommandEntry("Download images and their evidence from a registry", "images.pull"),
    "login": CommandEntry("Log in to a registry", "system.login"),
    "logout": CommandEntry("Log out of a registry", "system.logout"),
    "keygen": CommandEntry("Make a signing key, and a policy that trusts it", "trust.keygen"),
    "key": CommandEntry(
        "Manage the signing key",
        commands={"rotate": CommandEntry("Make a new signing key in place of the old one", "trust.key_rotate")},
    ),
    "sign": CommandEntry("Sign images", "trust.sign"),
    "attest": CommandEntry("Attach a signed statement about an image", "trust.attest"),
    "verify": CommandEntry("Judge images by the policy, as a launch would", "trust.verify"),
    "diff": CommandEntry("Show how two images differ: files, config, layers", "examining.diff"),
    "rebuild": CommandEntry("Build an image again from its provenance, and compare", "examining.rebuild"),
    "blame": CommandEntry("Show which step, input and package a file comes from", "examining.blame"),
    "sbom": CommandEntry("Show the packages that an image contains", "examining.sbom"),
    "provenance": CommandEntry("Show where an image came from and who vouched for it", "trust.provenance"),
    "registry": CommandEntry(
        "Serve a registry",
        commands={
            "serve": CommandEntry("Serve a registry that stock clients push to and pull from", "system.registry_serve")
        },
    ),
    "why": CommandEntry("Say why the steps of an image were executed", "examining.why"),
    "run": CommandEntry("Run a command in a new container of a verified image", "containers.run", failure=125),
    "exec": CommandEntry("Run a command in a running container", "containers.exec_", failure=125),
    "ps": CommandEntry("List containers", "containers.ps"),
    "logs": CommandEntry("Show what a container wrote", "containers.logs"),
    "stop": CommandEntry("Stop containers", "containers.stop"),
    "kill": CommandEntry("Send a signal to containers", "containers.kill"),
    "wait": CommandEntry("Wait until containers stop, and print their exit codes", "containers.wait"),
    "rm": CommandEntry("Remove containers", "containers.rm"),
    "completion": CommandEntry("Print the completion script of a shell", "system.completion"),
    "version": CommandEntry("Show the version of Lading, and with -a of what it drives", "system.version"),
    "create": CommandEntry("Create a container without starting it", later=True, failure=125),
    "start": CommandEntry("Start stopped containers", later=True, failure=125),
    "restart": CommandEntry("Restart containers", later=True),
    "network": CommandEntry("Manage networks", later=True),
    "volume": CommandEntry("Manage volumes", later=True),
    **{
        name: CommandEntry(help_, later=True)
        for name, help_ in (
            ("attach", "Attach to a running container"),
            ("commit", "Make an image of a container's changes"),
            ("cp", "Copy files to and from containers"),
            ("events", "Show what happens"),
            ("export", "Write a container's file system to a tar archive"),
            ("info", "Show facts about this machine"),
            ("pause", "Pause containers"),
            ("port", "Show a container's published ports"),
            ("rename", "Rename a container"),
            ("stats", "Show what containers use"),
            ("top", "Show a container's processes"),
            ("unpause", "Let paused containers go on"),
            ("update", "Change a container's limits"),
        )
    },
}


def _under(names: str, **others: str) -> dict[str, CommandEntry]:
    """The commands of these names, and with `others` some under other names, as a group has them."""
    pairs = {**{name: name for name in names.split()}, **others}
    return {name: replace(COMMANDS[of], module=COMMANDS[of].module) for name, of in pairs.items()}


_CONTAINER: Final = "run exec ps logs stop kill wait rm create start restart attach commit cp export pause port"
COMMANDS["image"] = CommandEntry(
    "Manage images",
    commands={
        **_under("build history load pull push save tag", ls="images", list="images", rm="rmi"),
        "inspect": replace(COMMANDS["inspect"], module="images.inspect", preset={"type_": "image"}),
        "diff": replace(COMMANDS["diff"], module="examining.diff"),
        "prune": CommandEntry("Remove images that have no name and no container", module="system.image_prune"),
    },
)
COMMANDS["builder"] = CommandEntry(
    "Manage the build cache",
    commands={"prune": CommandEntry("Remove what the build cache holds", module="system.builder_prune")},
)
COMMANDS["system"] = CommandEntry(
    "See and free what takes room",
    commands={
        "df": CommandEntry("Show what takes room on the disk", module="system.system_df"),
        "prune": CommandEntry(
            "Remove containers that ended, images that nothing uses, and build cache", module="system.system_prune"
        ),
    },
)
COMMANDS["container"] = CommandEntry(
    "Manage containers",
    commands={
        **_under(f"{_CONTAINER} rename stats top unpause update", ls="ps", list="ps"),
        "inspect": replace(COMMANDS["inspect"], module="images.inspect", preset={"type_": "container"}),
        "diff": CommandEntry("Show what a container changed", later=True),
        "prune": CommandEntry("Remove containers that ended", module="containers.container_prune"),
    },
)


def entry_of(words: Iterable[str]) -> CommandEntry | None:
    """The command that the words of a call name, those of groups included; None where there is none."""
    found: CommandEntry | None = None
    table: Mapping[str, CommandEntry] = COMMANDS
    for word in words:
        if word not in table:
            return found
        found = table[word]
        if found.commands is None:
            return found
        table = found.commands
    return found

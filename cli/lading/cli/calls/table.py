"""The commands there are: what `lading --help` and shell completion know without importing any of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from lading.store.fastclass import dataclass, replace


@dataclass(frozen=True, slots=True)
class Entry:
    """One command.

    `module`, below `lading.cli.commands`, holds a function of its own last name. `failure` is the exit code of any
    error of ours, usage included, None where the error's own counts. `later` says that it is not built yet. A group
    has `commands` of its own; `preset` are options' values that differ there.
    """

    help: str
    module: str = ""
    failure: int | None = None
    later: bool = False
    commands: Mapping[str, Entry] | None = None
    preset: Mapping[str, object] | None = None

    @property
    def function(self) -> str:
        """The name of its function."""
        return self.module.rpartition(".")[2]


COMMANDS: Final[dict[str, Entry]] = {
    "build": Entry("Build an image from a Dockerfile or a Debian package set, and sign it", "images.build"),
    "images": Entry("List images", "images.images"),
    "inspect": Entry("Show an image or a container as JSON", "images.inspect"),
    "history": Entry("Show how an image was made, layer by layer", "images.history"),
    "tag": Entry("Give an image another name", "images.tag"),
    "rmi": Entry("Remove images", "images.rmi"),
    "save": Entry("Write images to an archive or an OCI layout", "images.save"),
    "load": Entry("Read images from an OCI layout or an archive", "images.load"),
    "unpack": Entry("Unpack an image ahead of its first run, or anew", "images.unpack"),
    "push": Entry("Upload an image and its evidence to a registry", "images.push"),
    "pull": Entry("Download images and their evidence from a registry", "images.pull"),
    "login": Entry("Log in to a registry", "system.login"),
    "logout": Entry("Log out of a registry", "system.logout"),
    "keygen": Entry("Make a signing key, and a policy that trusts it", "trust.keygen"),
    "key": Entry("Manage the signing key", "trust.key"),
    "sign": Entry("Sign images", "trust.sign"),
    "attest": Entry("Attach a signed statement about an image", "trust.attest"),
    "verify": Entry("Judge images by the policy, as a launch would", "trust.verify"),
    "provenance": Entry("Show where an image came from and who vouched for it", "trust.provenance"),
    "registry": Entry("Serve a registry", "system.registry"),
    "run": Entry("Run a command in a new container of a verified image", "containers.run", failure=125),
    "exec": Entry("Run a command in a running container", "containers.exec_", failure=125),
    "ps": Entry("List containers", "containers.ps"),
    "logs": Entry("Show what a container wrote", "containers.logs"),
    "stop": Entry("Stop containers", "containers.stop"),
    "kill": Entry("Send a signal to containers", "containers.kill"),
    "wait": Entry("Wait until containers stop, and print their exit codes", "containers.wait"),
    "rm": Entry("Remove containers", "containers.rm"),
    "completion": Entry("Print the completion script of a shell", "system.completion"),
    "version": Entry("Show the version of Lading and of what it drives", "system.version"),
    "create": Entry("Create a container without starting it", later=True, failure=125),
    "start": Entry("Start stopped containers", later=True, failure=125),
    "restart": Entry("Restart containers", later=True),
    "network": Entry("Manage networks", later=True),
    "volume": Entry("Manage volumes", later=True),
    **{
        name: Entry(help_, later=True)
        for name, help_ in (
            ("attach", "Attach to a running container"),
            ("commit", "Make an image of a container's changes"),
            ("cp", "Copy files to and from containers"),
            ("diff", "Show what a container changed"),
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


def _under(names: str, **others: str) -> dict[str, Entry]:
    """The commands of these names, and with `others` some under other names, as a group has them."""
    pairs = {**{name: name for name in names.split()}, **others}
    return {name: replace(COMMANDS[of], module=COMMANDS[of].module) for name, of in pairs.items()}


_CONTAINER: Final = "run exec ps logs stop kill wait rm create start restart attach commit cp diff export pause port"
COMMANDS["image"] = Entry(
    "Manage images",
    commands={
        **_under("build history load pull push save tag", ls="images", list="images", rm="rmi"),
        "inspect": replace(COMMANDS["inspect"], module="images.inspect", preset={"type_": "image"}),
        "prune": Entry("Remove images that have no name and no container", module="system.image_prune"),
    },
)
COMMANDS["builder"] = Entry(
    "Manage the build cache",
    commands={"prune": Entry("Remove what the build cache holds", module="system.builder_prune")},
)
COMMANDS["system"] = Entry(
    "See and free what takes room",
    commands={
        "df": Entry("Show what takes room on the disk", module="system.system_df"),
        "prune": Entry(
            "Remove containers that ended, images that nothing uses, and build cache", module="system.system_prune"
        ),
    },
)
COMMANDS["container"] = Entry(
    "Manage containers",
    commands={
        **_under(f"{_CONTAINER} rename stats top unpause update", ls="ps", list="ps"),
        "inspect": replace(COMMANDS["inspect"], module="images.inspect", preset={"type_": "container"}),
    },
)


def entry_of(words: Iterable[str]) -> Entry | None:
    """The command that the words of a call name, those of groups included; None where there is none."""
    found: Entry | None = None
    table: Mapping[str, Entry] = COMMANDS
    for word in words:
        if word not in table:
            return found
        found = table[word]
        if found.commands is None:
            return found
        table = found.commands
    return found

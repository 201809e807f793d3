"""Errors in the words of the command line: which command or option mends what, and what an option is written as."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from lading.store.errors import Notice

if TYPE_CHECKING:
    from lading.store.errors import LadingError, RemedyName

WORDS: Final[Mapping[RemedyName, str]] = {
    "free space": "free some space there; `lading system prune` frees what nothing uses",
    "prune": "`lading system prune` removes what is not used",
    "restore": "restore it from a backup, or name another folder with --root",
    "upgrade": "upgrade lading, or name another folder with --root",
    "unpack again": "`lading unpack --force {0}` unpacks it anew from verified blobs{1}",
    "pull again": "`lading pull {0}` brings it anew",
    "build again": "`lading build -t {0} ...` makes it anew",
    "pull or build again": "`lading pull` brings the image anew, or `lading build` makes it anew",
    "pull or give up": "`lading pull {0}` mends it, `lading rmi {0}` gives it up",
    "give up container": "pulling its image mends it, `lading rm {0}` gives it up",
    "give up image": "`lading rmi {0}` gives it up",
    "look closer": "`lading verify` lists everything that was looked at, and why it did not count",
    "sign": "`lading sign` signs it, if it is yours to vouch for",
    "sign instead": "`lading sign` signs",
    "make key": "`lading keygen` makes one",
    "make a key": "`lading keygen` makes a key",
    "make key of this kind": "make one with `lading keygen`",
    "make or name key": "`lading keygen` makes one; --sign-key of build, --key of sign and attest name another",
    "make key and policy": (
        "`lading keygen` makes a key and a policy that trusts it; docs/policy.md says how to write one"
    ),
    "give password": "set LADING_PASSWORD or LADING_PASSWORD_FILE, or call from a terminal",
    "give another password": "set LADING_PASSWORD, or try again",
    "allow unverified": "left out, --unsafe-unverified is allowed, loudly",
    "log in": "lading login {0}",
    "log in anew": "lading login {0}, with the right user and password",
    "wait longer": "try then, or wait longer with LADING_LIMITS={0}=SECONDS",
    "raise limit": "LADING_LIMITS={0}=BYTES raises that",
    "serve HTTPS": "serve it over HTTPS, or give --tls-verify=false",
    "trust certificate": "put its CA's certificate into certs.d/{0}/ca.crt, or give --tls-verify=false",
    "give passwords": "give --htpasswd FILE (htpasswd -Bc FILE NAME makes one), or listen on 127.0.0.1",
    "give certificate": "give --tls-cert and --tls-key, or --insecure-http if the network is yours alone",
    "listen elsewhere": "another registry may be running; --listen names another address or port",
    "restore or store elsewhere": "restore it from a backup, or serve another --storage",
    "store elsewhere": "stop that one, or give this one another --storage",
    "store elsewhere, it is another version's": "another version of lading wrote it; serve another --storage",
    "list images": "`lading images` lists those that are",
    "list all images": "NAME@sha256:DIGEST is one in a registry; `lading images -a` lists those that are here",
    "name destination": "name where it goes: `lading push {0} NAME`",
    "name otherwise": "give another with --tag",
    "remove by force": "name one of them, or remove all with --force",
    "remove container or force": "remove the container first, or use --force",
    "remove index": "`lading rmi {0}` removes all",
    "name file": "name it with -f",
    "name another file": "name another with -f",
    "give withheld": "give it with --build-arg NAME=VALUE",
    "name context": "name what it was built from with --context",
    "name contexts": "--build-context NAME=SOURCE names each",
    "look at provenance": (
        "what it says is executed, so the policy must trust who signed it; `lading provenance` shows what there is"
    ),
    "give argument": "an ARG used in FROM stands before the first FROM and has a default, or a --build-arg",
    "give secret": "--secret id={0},src=FILE or --secret id={0},env=NAME gives it",
    "give agent": "--ssh {0} lends yours, --ssh {0}=SOCKET another one",
    "allow": "--allow {0} allows it, if you trust the Dockerfile with it",
    "fetch lists": "--pull fetches the lists anew",
    "lock anew": "`lading lock {0}` locks what it asks for now",
    "update lock": "`lading lock --update {0}` locks what the archive has now; or give apt a source of a snapshot",
    "lock for more": "name all of them in {0}: architectures = [...], then `lading lock {0}`",
    "list containers": "`lading ps -a` lists them",
    "remove container": "lading rm {0}",
    "stop container": "lading stop {0}",
    "stop container first": "`lading stop {0}` first",
    "stop or remove by force": "stop it first, or lading rm -f {0}",
    "container goes on": "container {0} goes on: `lading logs {0}`, `lading stop {0}`",
    "other network": "--network none or --network host",
    "leave out": "leave --{0} out, or have the controller delegated to {1}",
}
_LONGEST: Final = 4000
_SHORT: Final = {"volume": "-v", "publish": "-p", "output": "-o", "limits": "LADING_LIMITS"}
"""Options that are told by their letter, or come in a variable; the others by their name."""


def hint_of(error: LadingError) -> str | None:
    """What to do next."""
    remedy = error.remedy
    return error.hint if remedy is None else WORDS[remedy.name].format(*remedy.about)


def message_of(error: LadingError) -> str:
    """What happened, an option in it written as it is typed; of one that quotes without an end, the ends."""
    text = error.message if error.option is None else _as_typed(error.message, error.option)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} … {text[-_LONGEST // 2 :]}"


def notice_of(text: str) -> str:
    """What is told beside it, likewise."""
    return _as_typed(text, text.option) if isinstance(text, Notice) else text


def _as_typed(text: str, option: str) -> str:
    typed = _SHORT.get(option, f"--{option}")
    if text.startswith(option):
        return typed + text[len(option) :]
    before, found, after = text.rpartition(f" {option} ")
    return f"{before} {typed} {after}" if found else text

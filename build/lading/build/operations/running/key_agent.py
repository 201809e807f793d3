"""An ssh agent of this process: it tells its keys and signs, and knows no other request (draft-ietf-sshm-ssh-agent)."""

from __future__ import annotations

from typing import Final

from lading.build.operations.running.ssh_keys import SshKey, string
from lading.store.fastclass import dataclass

_FAILURE: Final = b"\5"
_IDENTITIES, _TOLD = 11, b"\x0c"
_SIGN, _SIGNED = 13, b"\x0e"


@dataclass(frozen=True, slots=True)
class KeyAgent:
    """An agent with `keys`."""

    keys: tuple[SshKey, ...]

    def answer(self, message: bytes) -> bytes:
        """What it says to a message; both without their lengths."""
        if message[:1] == bytes([_IDENTITIES]):
            told = b"".join(string(key.blob) + string(b"") for key in self.keys)
            return _TOLD + len(self.keys).to_bytes(4, "big") + told
        if message[:1] == bytes([_SIGN]):
            blob, rest = _string(message[1:])
            data, flags = _string(rest)
            key = next((one for one in self.keys if one.blob == blob), None)
            signature = key.sign(data, int.from_bytes(flags, "big")) if key and len(flags) == 4 else None
            return _FAILURE if signature is None else _SIGNED + string(signature)
        return _FAILURE


def _string(data: bytes) -> tuple[bytes, bytes]:
    """The string that `data` begins with, and the rest; two empty ones where there is none."""
    end = 4 + int.from_bytes(data[:4], "big")
    return (data[4:end], data[end:]) if 4 <= end <= len(data) else (b"", b"")

"""Which platforms a build is for: this machine's own alone, however it is spelt."""

from __future__ import annotations

from lading.store.errors import InputError
from lading.store.oci.descriptors import Platform
from lading.store.oci.platforms import normalise, parse_platform


def is_own(text: str, native: Platform) -> bool:
    """Whether `text` (``linux/x86_64``, ``Linux/amd64/v1``) is another word for `native`."""
    try:
        return parse_platform(text) == normalise(native)
    except InputError:
        return False

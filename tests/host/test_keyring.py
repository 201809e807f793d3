from __future__ import annotations

from pathlib import Path

import pytest

from lading.host.building import Key
from lading.host.keyring import KMS, Keyring, read_file
from lading.store.errors import InputError


@pytest.mark.parametrize("scheme", KMS)
def test_a_key_that_is_no_file_is_refused_by_name(scheme: str) -> None:
    with pytest.raises(InputError, match=f"^{scheme}: keys in a KMS"):
        read_file(Path(f"{scheme}:///alias/build"), "a hint")


def test_a_build_misses_its_key_before_the_first_step(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        Key(Keyring(tmp_path), lambda: b"", tmp_path / "missing.key")

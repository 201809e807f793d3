"""Small things are hashed by Python's own SHA-256, large ones by OpenSSL's: to the same digests."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys

import pytest

from lading.store.content.verifying_reader import VerifyingReader
from lading.store.errors import DocumentError
from lading.store.oci.digests import Digest
from lading.store.system import hashing
from suites.patience import PATIENCE

SIZES = (0, 1, 1000, hashing.SMALL - 1, hashing.SMALL, hashing.SMALL + 1, 3_000_000)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_digests_are_hashlibs(size: int, algorithm: str) -> None:
    data = bytes(number % 251 for number in range(size))
    assert Digest.of(data, algorithm).hex == hashlib.new(algorithm, data).hexdigest()
    assert hashing.sha256(data).digest() == hashlib.sha256(data).digest()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("piece", [-1, 7_000, 1_000_000])
def test_what_is_read_in_pieces_is_checked_to_the_last_byte(size: int, piece: int) -> None:
    data = bytes(number % 251 for number in range(size))
    digest = Digest("sha256", hashlib.sha256(data).hexdigest())
    with VerifyingReader(io.BytesIO(data), digest, "here") as reader:
        assert b"".join(iter(lambda: reader.read(piece), b"")) == data
    for other in (data + b"x", data[:-1] + b"y"):
        with (
            VerifyingReader(io.BytesIO(other), digest, "here") as reader,
            pytest.raises(DocumentError, match="changed"),
        ):
            list(iter(lambda: reader.read(piece), b""))


def test_a_small_digest_loads_no_openssl() -> None:
    code = "import sys; from lading.store.oci.digests import Digest; Digest.of(b'x'); print('_hashlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert done.stdout == "False\n"

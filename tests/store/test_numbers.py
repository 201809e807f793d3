"""Numbers in an archive that no system has are the archive's fault, said in a line."""

import io
import tarfile
from pathlib import Path

import pytest

from lading.store.archives.extract_archive import extract
from lading.store.errors import DocumentError


@pytest.mark.parametrize(
    "odd", [{"uid": 2**40}, {"gid": 2**32 - 1}, {"type": tarfile.CHRTYPE, "devmajor": 2**20, "devminor": 1}]
)
def test_owners_and_devices_out_of_range(tmp_path: Path, odd: dict[str, object]) -> None:
    member = tarfile.TarInfo("a")
    for name, value in odd.items():
        setattr(member, name, value)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.GNU_FORMAT) as tar:
        tar.addfile(member)
    archive.seek(0)
    with pytest.raises(DocumentError, match="no system has"):
        extract(archive, tmp_path, "layer")

from __future__ import annotations

import pytest

from suites.evidence import EvidenceContract, Place
from suites.papers import Shelf


class TestShelf(EvidenceContract):
    @pytest.fixture
    def place(self) -> Place:
        return lambda *artifacts: Shelf(*artifacts).evidence

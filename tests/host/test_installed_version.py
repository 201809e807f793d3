"""The version that provenances name."""

from __future__ import annotations

import sys
from importlib.metadata import version

import pytest

from lading.host.configuration import installed_version


def test_it_is_what_pip_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert installed_version() == version("lading")
    folders = [folder for folder in sys.path if folder]
    monkeypatch.setattr(sys, "path", ["/nowhere", *folders])
    assert installed_version() == version("lading")

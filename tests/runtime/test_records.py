"""Containers on disk: what is removed is gone, whoever looks at it at that moment."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from lading.runtime.containers import slots
from lading.runtime.containers.records import ContainerRecords
from suites.synced import synced


def test_a_folder_goes_although_others_ask_for_its_lock(tmp_path: Path) -> None:
    records = ContainerRecords(tmp_path / "root", tmp_path / "run")
    container, over = "c" * 64, threading.Event()

    def ask() -> None:
        while not over.is_set():
            with records.lock(container, wait=False):
                pass

    askers = [threading.Thread(target=ask) for _ in range(2)]
    for asker in askers:
        asker.start()
    try:
        for _ in range(30):
            records.folder(container).mkdir()
            with records.lock(container):
                (records.folder(container) / "state.json").touch()
                records.delete(container)
            assert not records.folder(container).exists()
    finally:
        over.set()
        for asker in askers:
            asker.join()


def test_a_state_is_synced_by_the_descriptor_that_wrote_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, state = synced(monkeypatch), tmp_path / "state.json"
    for data in (b"one", b"two"):
        slots.replace(state, data, durable=True)
        assert state.read_bytes().rstrip() == data
        assert seen.pop(state.stat().st_ino) == [True]
    slots.replace(state, b"three", durable=False)
    assert not seen

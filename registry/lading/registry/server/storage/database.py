"""One SQLite database (WAL): a connection that writes, and one that reads and waits for no writer's disk."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any, Final

from lading.store.errors import MachineError, Remedy
from lading.store.system.sqlite import Connection

_VERSION: Final = 2
_ROOM_HINT: Final = "free some space there"
_ELSEWHERE_HINT: Final = Remedy("restore or store elsewhere", "restore it from a backup, or serve another folder")


class Database:
    """Safe to use from threads. Reads inside a transaction see what it wrote; others see what was committed.

    Every method raises `MachineError`.
    """

    def __init__(self, path: Path, schema: str) -> None:
        self._writer = _connect(path)
        self.transaction = self._writer.transaction
        self._writer.insist("PRAGMA journal_mode = WAL")
        self._writer.run("PRAGMA synchronous = FULL")
        self._prepare(path, schema)
        self._reader = _connect(path)
        self._reader.run("PRAGMA query_only = ON")

    def _prepare(self, path: Path, schema: str) -> None:
        with self.transaction():
            found = self.one("PRAGMA user_version")[0]
            if found not in (0, _VERSION):
                raise MachineError(
                    f"{path}: has the form {found}, and this lading reads {_VERSION}",
                    hint=Remedy(
                        "store elsewhere, it is another version's", "another version wrote it; serve another folder"
                    ),
                )
            if found == 0:
                for statement in schema.split(";"):
                    self.run(statement)
                self.run(f"PRAGMA user_version = {_VERSION}")

    def all(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Every row."""
        return (self._writer if self._writer.is_mine() else self._reader).all(sql, parameters)

    def one(self, sql: str, *parameters: object) -> tuple[Any, ...]:
        """The first row, empty where there is none."""
        found = self.all(sql, *parameters)
        return found[0] if found else ()

    def run(self, sql: str, *parameters: object) -> int:
        """Changes something; how many rows."""
        with self.transaction():
            return self._writer.run(sql, parameters)

    def close(self) -> None:
        """Closes both connections."""
        self._reader.close()
        self._writer.close()


def tables(path: Path) -> set[str]:
    """Of a database that is there already, which is only read."""
    with closing(_connect(path, readonly=True)) as connection:
        return {row[0] for row in connection.all("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _connect(path: Path, *, readonly: bool = False) -> Connection:
    return Connection(path, room=_ROOM_HINT, elsewhere=_ELSEWHERE_HINT, readonly=readonly)

"""One SQLite database (WAL): a connection that writes, and one that reads and waits for no writer's disk."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from lading.store.errors import MachineError

_VERSION: Final = 2


class Database:
    """Safe to use from threads. Reads inside a transaction see what it wrote; others see what was committed."""

    def __init__(self, path: Path, schema: str) -> None:
        self._path = path
        self._writing = threading.RLock()
        self._reading = threading.Lock()
        self._writer_thread = 0
        try:
            self._writer = _connect(path)
            self._writer.execute("PRAGMA journal_mode = WAL")
            self._writer.execute("PRAGMA synchronous = FULL")
            self._prepare(schema)
            self._reader = _connect(path)
            self._reader.execute("PRAGMA query_only = ON")
        except sqlite3.Error as error:
            raise MachineError(f"{path}: cannot be opened: {error}") from error

    def _prepare(self, schema: str) -> None:
        with self.transaction():
            found = self.one("PRAGMA user_version")[0]
            if found not in (0, _VERSION):
                raise MachineError(
                    f"{self._path}: has the form {found}, and this lading reads {_VERSION}",
                    hint="another version of lading wrote it; serve another --storage",
                )
            if found == 0:
                for statement in schema.split(";"):
                    self.run(statement)
                self.run(f"PRAGMA user_version = {_VERSION}")

    @contextmanager
    def transaction(self) -> Generator[None, None, None]:
        """All or nothing, and durable; one inside another is part of it."""
        with self._writing:
            if self._writer_thread:
                yield
                return
            self._writer.execute("BEGIN IMMEDIATE")
            self._writer_thread = threading.get_ident()
            try:
                yield
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:  # a full disk ends it already
                    self._writer.execute("ROLLBACK")
                raise
            finally:
                self._writer_thread = 0

    def all(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Every row."""
        if self._writer_thread == threading.get_ident():
            return self._writer.execute(sql, parameters).fetchall()
        with self._reading:
            return self._reader.execute(sql, parameters).fetchall()

    def one(self, sql: str, *parameters: object) -> tuple[Any, ...]:
        """The first row, empty where there is none."""
        found = self.all(sql, *parameters)
        return found[0] if found else ()

    def run(self, sql: str, *parameters: object) -> int:
        """Changes something; how many rows."""
        with self.transaction():
            return self._writer.execute(sql, parameters).rowcount

    def close(self) -> None:
        """Closes both connections."""
        with self._writing, self._reading:
            self._reader.close()
            self._writer.close()


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)

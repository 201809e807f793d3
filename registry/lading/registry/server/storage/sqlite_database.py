"""One SQLite database (WAL): a connection that writes, and one that reads and waits for no writer's disk.

Where the disk is full or can only be read, what is there is served all the same, and each change tries anew.
"""

from __future__ import annotations

import logging
import threading
from contextlib import AbstractContextManager, ExitStack, closing
from pathlib import Path
from typing import Any, Final

from lading.store.errors import MachineError, Remedy
from lading.store.system.sqlite import Connection, is_full, is_read_only

LOG: Final = logging.getLogger("lading.registry.server")
_VERSION: Final = 2
_ROOM_HINT: Final = "free some space there"
_ELSEWHERE_HINT: Final = Remedy("restore or store elsewhere", "restore it from a backup, or serve another folder")


class Database:
    """Safe to use from threads. Reads inside a transaction see what it wrote; others see what was committed.

    Every method raises `MachineError`.
    """

    def __init__(self, path: Path, schema: str) -> None:
        self._path = path
        self._schema = schema
        self._opening = threading.Lock()
        self._writer: Connection | None = None
        self._connections: list[Connection] = []
        written = path.exists() and path.stat().st_size > 0
        try:
            self._open()
        except MachineError as error:
            if not (written and (is_full(error) or is_read_only(error))):
                raise
            self._reader = self._open_to_read()
            LOG.warning("%s; until that is mended, it is only read", error.message)

    def _open(self) -> Connection:
        with ExitStack() as stack:
            writer = stack.enter_context(closing(_connect(self._path)))
            writer.insist("PRAGMA journal_mode = WAL")
            writer.run("PRAGMA synchronous = FULL")
            self._prepare(writer)
            reader = stack.enter_context(closing(_connect(self._path)))
            reader.run("PRAGMA query_only = ON")
            stack.pop_all()
        self._writer, self._reader = writer, reader
        self._connections += [writer, reader]  # whoever reads by an older one ends in peace
        return writer

    def _open_to_read(self) -> Connection:
        with ExitStack() as stack:
            reader = stack.enter_context(closing(_connect_to_read(self._path)))
            self._check_form(_form(reader), _VERSION)
            stack.pop_all()
        self._connections.append(reader)
        return reader

    def _check_form(self, found: int, *known: int) -> None:
        if found not in known:
            raise MachineError(
                f"{self._path}: has the form {found}, and this lading reads {_VERSION}",
                hint=Remedy(
                    "store elsewhere, it is another version's", "another version wrote it; serve another folder"
                ),
            )

    def _prepare(self, writer: Connection) -> None:
        with writer.transaction():
            found = _form(writer)
            self._check_form(found, 0, _VERSION)
            if found == 0:
                for statement in self._schema.split(";"):
                    writer.run(statement)
                writer.run(f"PRAGMA user_version = {_VERSION}")

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing, and durable; one inside another is part of it."""
        return self._writing().transaction()

    def _writing(self) -> Connection:
        with self._opening:
            return self._writer or self._open()

    def all(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Every row."""
        writer = self._writer
        return (writer if writer and writer.is_mine() else self._reader).all(sql, parameters)

    def one(self, sql: str, *parameters: object) -> tuple[Any, ...]:
        """The first row, empty where there is none."""
        found = self.all(sql, *parameters)
        return found[0] if found else ()

    def run(self, sql: str, *parameters: object) -> int:
        """Changes something; how many rows."""
        writer = self._writing()
        with writer.transaction():
            return writer.run(sql, parameters)

    def close(self) -> None:
        """Closes every connection."""
        for connection in self._connections:
            connection.close()


def _form(connection: Connection) -> int:
    return int(connection.all("PRAGMA user_version")[0][0])


def tables(path: Path) -> set[str]:
    """Of a database that is there already, which is only read."""
    with closing(_connect(path, readonly=True)) as connection:
        return {row[0] for row in connection.all("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _connect_to_read(path: Path) -> Connection:
    """Where no file can be made. What a killed server left beside the database is part of it; nobody else writes."""
    log = path.with_name(f"{path.name}-wal")
    return _connect(path, readonly=True, immutable=not (log.exists() and log.stat().st_size))


def _connect(path: Path, *, readonly: bool = False, immutable: bool = False) -> Connection:
    return Connection(path, room=_ROOM_HINT, elsewhere=_ELSEWHERE_HINT, readonly=readonly, immutable=immutable)

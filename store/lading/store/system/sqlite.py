"""SQLite: connections whose errors are `MachineError`, whose waits end, and whose transactions nest."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from lading.store.errors import DocumentError, MachineError

_PATIENCE: Final = 60.0
"""Seconds to wait for other processes."""
_PAUSE: Final = 0.01
_NO_ROOM: Final = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_BUSY: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_HINTS: Final[dict[int, str]] = dict.fromkeys(_BUSY, "another lading is at work on it; try again")


class Connection:
    """A connection to a database, safe to share between threads and, through SQLite's own locks, between processes.

    Its methods raise `MachineError`, which names the file, with the hint for a full disk or for a damaged file. One
    that is `immutable`, which nobody changes meanwhile, can be read where no file can be made beside it.
    """

    def __init__(
        self, path: Path, *, room: str, elsewhere: str, readonly: bool = False, immutable: bool = False
    ) -> None:
        self._path = path
        self._hints = _HINTS | dict.fromkeys(_NO_ROOM, room) | dict.fromkeys(_DAMAGED, elsewhere)
        self._lock = threading.RLock()
        self._owner = 0
        place = f"file:{quote(os.fsencode(path))}?mode=ro{'&immutable=1' * immutable}" if readonly else path
        with self._errors():
            self._connection = sqlite3.connect(
                place, timeout=_PATIENCE, isolation_level=None, check_same_thread=False, uri=readonly
            )

    @contextmanager
    def _errors(self) -> Generator[None, None, None]:
        """The one place where SQLite's errors are told; misuse by ourselves stays what it is."""
        try:
            yield
        except sqlite3.ProgrammingError:
            raise
        except sqlite3.Error as error:
            # It says the same of too many open files and of a disk that can only be read.
            if _code(error) == sqlite3.SQLITE_CANTOPEN and not os.access(self._path.parent, os.W_OK):
                error.__cause__ = OSError(errno.EROFS, os.strerror(errno.EROFS))
            raise MachineError(f"{self._path}: {error}", hint=self._hints.get(_code(error))) from error

    def all(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Every row of a statement."""
        with self._lock, self._errors():
            return self._connection.execute(sql, parameters).fetchall()

    def one(self, sql: str, parameters: Sequence[object] = ()) -> tuple[Any, ...] | None:
        """The first row of a statement, or None."""
        with self._lock, self._errors():
            row: tuple[Any, ...] | None = self._connection.execute(sql, parameters).fetchone()
            return row

    def run(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Executes a statement that changes rows; returns how many."""
        with self._lock, self._errors():
            return self._connection.execute(sql, parameters).rowcount

    def insist(self, sql: str) -> tuple[Any, ...] | None:
        """As `one`, where SQLite itself does not always wait: others may be opening, recovering or closing."""
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                return self.one(sql)
            except MachineError as error:
                if _code(error.__cause__) not in _BUSY or time.monotonic() > end:
                    raise
                time.sleep(_PAUSE)

    @contextmanager
    def transaction(self) -> Generator[None, None, None]:
        """All statements inside are committed together, durably, or not at all. Nests into the outermost."""
        with self._lock:
            if self._owner:
                yield
                return
            self.run("BEGIN IMMEDIATE")
            self._owner = threading.get_ident()
            try:
                yield
                self.run("COMMIT")
            except BaseException:
                self._roll_back()
                raise
            finally:
                self._owner = 0

    def is_mine(self) -> bool:
        """Whether the thread that asks is in a transaction."""
        return self._owner == threading.get_ident()

    def _roll_back(self) -> None:
        """A full disk may have ended the transaction already; why it failed matters more than that."""
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Closes the connection."""
        with self._lock, self._errors():
            self._connection.close()


def read_bytes(database: bytes, sql: str, thousands: int) -> list[tuple[Any, ...]]:
    """The rows of a statement in a database that comes from outside, within so many thousand steps of SQLite's.

    What is still in a log beside it is not seen. Raises `DocumentError`.
    """
    left = iter(range(thousands))
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, len(database))
        connection.set_progress_handler(lambda: next(left, None) is None, 1000)
        # Versions 1 of the format are read and written without a log, which could not be beside it.
        connection.deserialize(database[:18] + b"\1\1" + database[20:])
        return list(_within(connection.execute(sql), len(database)))
    except sqlite3.Error as error:
        raise DocumentError(f"SQLite cannot read it: {error}") from error
    finally:
        connection.close()


def _within(rows: Iterable[tuple[Any, ...]], left: int) -> Iterator[tuple[Any, ...]]:
    """`rows`, which are larger than their database only where a view makes them up. Raises `DocumentError`."""
    for row in rows:
        left -= sum(len(value) if isinstance(value, bytes | str) else 1 for value in row)
        if left < 0:
            raise DocumentError("SQLite finds more in it than its size")
        yield row


def is_full(error: BaseException | None) -> bool:
    """Whether a full disk or a used-up quota is at the bottom of an error, of SQLite's or of a file."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if _code(error) == sqlite3.SQLITE_FULL or _extended(error) == sqlite3.SQLITE_IOERR_SHMSIZE:
            return True
        error = error.__cause__
    return False


def is_read_only(error: BaseException | None) -> bool:
    """Whether a disk, a folder or a file that may only be read is at the bottom of an error."""
    while error is not None:
        if isinstance(error, OSError) and error.errno == errno.EROFS:
            return True
        if _code(error) == sqlite3.SQLITE_READONLY:
            return True
        error = error.__cause__
    return False


def _code(error: BaseException | None) -> int:
    """The low byte of an extended code is the primary one."""
    return _extended(error) & 0xFF


def _extended(error: BaseException | None) -> int:
    """Errors of the module itself have none."""
    return getattr(error, "sqlite_errorcode", 0)

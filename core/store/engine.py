"""Opening a database, its transactions, and its errors put into words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from core.errors import StoreError

BUSY_S = 30  # a writer waits this long for another; our transactions last milliseconds


class Database:
    """An engine with one kind of transaction for reading and one for writing.

    On SQLite a writing transaction takes the lock when it begins (BEGIN IMMEDIATE): one that begins by reading and then
    writes could otherwise fail with "database is locked" whatever the time-out.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url)
            self.is_sqlite = parsed.get_backend_name() == "sqlite"
            options = {"connect_args": {"timeout": BUSY_S, "check_same_thread": False}} if self.is_sqlite else {"pool_pre_ping": True}
            self.engine: Engine = create_engine(parsed, **options)
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            raise StoreError(f"DATABASE_URL cannot be used: {error}", "use sqlite:///path or postgresql+psycopg://user:password@host/name") from error
        self.shown = parsed.render_as_string(hide_password=True)
        self.path = Path(parsed.database) if self.is_sqlite and parsed.database else None
        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with self._worded(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with self._worded(), self.engine.connect() as connection:
            connection = connection.execution_options(writes=True)
            with connection.begin():
                yield connection

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _worded(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise self._in_words(error) from error

    def _in_words(self, error: DBAPIError) -> StoreError:
        reason = str(error.orig).strip().splitlines()[0] if error.orig else str(error)
        low = reason.lower()
        if "not a database" in low or "malformed" in low:
            return StoreError(f"{self.shown} is not a readable database: {reason}", "move the file aside, or set DATA_DIR to another directory")
        if "full" in low or "no space" in low:
            return StoreError(f"the disk of {self.shown} is full", "free some space and try again: what was saved is kept")
        if "readonly" in low or "read-only" in low or "unable to open" in low:
            return StoreError(f"{self.shown} cannot be written: {reason}", "make its directory writable, or set DATA_DIR to one that is")
        if "no such table" in low or "undefinedtable" in low or ("relation" in low and "does not exist" in low):
            return StoreError(f"{self.shown} has no tables yet", "python -m core init")
        if "locked" in low:
            return StoreError(f"{self.shown} was locked by another program for {BUSY_S} s", "end that program, or wait and try again")
        if "connection" in low or "connect" in low:
            return StoreError(f"{self.shown} does not answer: {reason}", "start the server, or correct DATABASE_URL")
        return StoreError(f"{self.shown}: {reason}", "python -m core doctor")


def _prepare_sqlite(connection, record) -> None:
    connection.isolation_level = None  # transactions are begun by `_begin_sqlite`, not by the driver
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", f"busy_timeout={BUSY_S * 1000}"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")

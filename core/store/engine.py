"""Opening a database, and its transactions."""

from __future__ import annotations

import json
import math
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from core.errors import StoreError
from core.store.trouble import in_words, masked

BUSY_S = 30  # a writer waits this long for another; our transactions last milliseconds
MAKING_S = 5  # and for another to make the file
ADDRESSES = "use sqlite:////absolute/path or postgresql+psycopg://user:password@host:port/name"


class Database:
    """An engine with one kind of transaction for reading and one for writing.

    On SQLite a writing transaction takes the lock when it begins (BEGIN IMMEDIATE): one that begins by reading and then
    writes could otherwise fail with "database is locked" whatever the time-out. On PostgreSQL a reading one is a snapshot
    (REPEATABLE READ), so that several queries see one state, as they do on SQLite.
    """

    def __init__(self, address: str) -> None:
        self.url = _parsed(address)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.shown = masked(self.url)
        self.path = Path(self.url.database) if self.is_sqlite and self.url.database else None
        self._joined = threading.local()
        self.hide: Callable[[str], str] = str    # what people and agents write passes here before it is stored; set by whoever knows the keys
        options: dict[str, Any] = {"connect_args": {"timeout": BUSY_S, "check_same_thread": False}} if self.is_sqlite else {"pool_pre_ping": True}
        try:
            self.engine: Engine = create_engine(self.url, json_serializer=_dumps, json_deserializer=_loads, **options)
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            raise StoreError(f"DATABASE_URL {self.shown} cannot be used: {error}", ADDRESSES) from error
        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        if (joined := self._current()) is not None:
            yield joined
            return
        with self._worded(), self.engine.connect() as connection:
            if not self.is_sqlite:
                connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        if (joined := self._current()) is not None:
            yield joined
            return
        with self._worded(), self.engine.connect() as connection:
            connection = connection.execution_options(writes=True)
            with connection.begin():
                yield connection

    @contextmanager
    def together(self) -> Iterator[Connection]:
        """One writing transaction: whatever this thread reads and writes inside joins it, and stands or falls as one."""
        with self.write() as connection:
            outer, self._joined.connection = self._current(), connection
            try:
                yield connection
            finally:
                self._joined.connection = outer

    def insert(self, table: type) -> Any:
        """An INSERT that knows ON CONFLICT; the other database's dialect is not loaded."""
        if self.is_sqlite:
            from sqlalchemy.dialects.sqlite import insert
        else:
            from sqlalchemy.dialects.postgresql import insert
        return insert(table)

    def serialise(self, connection: Connection, name: str) -> None:
        """Let one transaction at a time past this line for a name; SQLite has one writer anyway."""
        if not self.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})

    def now(self, connection: Connection) -> datetime:
        """The server's clock, where machines share one: leases must not depend on how well theirs agree."""
        return datetime.now(UTC) if self.is_sqlite else connection.execute(text("SELECT clock_timestamp()")).scalar_one().astimezone(UTC)

    def close(self) -> None:
        self.engine.dispose()

    def _current(self) -> Connection | None:
        return getattr(self._joined, "connection", None)

    @contextmanager
    def _worded(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, PoolTimeout) as error:
            raise in_words(error, self.url) from error


def _parsed(address: str) -> URL:
    """The parser's own words may quote a piece of a password, so they are not passed on."""
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        raise StoreError("DATABASE_URL is not a database's address", ADDRESSES) from None
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise StoreError(f"DATABASE_URL names {url.get_backend_name()!r}, which this program does not speak", ADDRESSES)
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise StoreError("DATABASE_URL names a database in memory, which app and worker cannot share", ADDRESSES)
    return url


def _prepare_sqlite(connection: Any, record: object) -> None:
    connection.isolation_level = None  # transactions are begun by `_begin_sqlite`, not by the driver
    connection.execute(f"PRAGMA busy_timeout={BUSY_S * 1000}")
    until = time.monotonic() + MAKING_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            break
        except sqlite3.OperationalError as error:       # another process makes the file at this moment: SQLite does not wait for that
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.05)
    for pragma in ("synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")


# ------------------------------------------------------------------------------------------------------- JSON
# JSON has no NaN and no infinity: SQLite would keep Python's spelling of them, PostgreSQL refuses it. Both get {"$float": "nan"}.


def _dumps(value: Any) -> str:
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(_spelled(value))


def _loads(data: str | bytes) -> Any:
    words = data if isinstance(data, str) else data.decode("utf-8")  # psycopg hands over bytes
    return json.loads(words, object_hook=_unspelled) if "$float" in words else json.loads(words)


def _spelled(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": str(value)}
    if isinstance(value, dict):
        return {key: _spelled(item) for key, item in value.items()}
    return [_spelled(item) for item in value] if isinstance(value, list | tuple) else value


def _unspelled(value: dict[str, Any]) -> Any:
    return float(value["$float"]) if set(value) == {"$float"} else value

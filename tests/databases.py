"""A store on each database the project speaks: every test that asks for `store` runs on SQLite, and on PostgreSQL where a server is.

TEST_POSTGRES_URL names the server; tests/with_postgres.sh starts one.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, event, make_url, text

from core.config import Config
from core.store import Store

# Rows of these are never changed. The others change in named columns only: see core/store/tables.py.
FROZEN = {"designs", "design_parents", "proposals", "reviews", "decisions", "implementations", "checks", "curve_points", "events", "ledger"}
CHANGES = re.compile(r"^\s*(?:UPDATE|DELETE\s+FROM)\s+\"?(\w+)", re.IGNORECASE)


def config_in(directory: Path, url: str = "") -> Config:
    env = {"DATA_DIR": str(directory), "THREADS": "1", "LEASE_S": "30"}
    return Config.from_env({**env, "DATABASE_URL": url} if url else env)


@pytest.fixture(scope="session")
def postgres_server() -> str:
    url = os.environ.get("TEST_POSTGRES_URL", "")
    if not url:
        pytest.skip("TEST_POSTGRES_URL names no server: bash tests/with_postgres.sh starts one")
    return url


@contextmanager
def new_postgres(server: str) -> Iterator[str]:
    """The address of a database without tables, dropped afterwards."""
    name = f"model_discovery_{secrets.token_hex(4)}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as c:
        c.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as c:
            c.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Config]:
    """A configuration whose database is its own, and holds nothing yet."""
    config = config_in(tmp_path / "data")
    if request.param == "sqlite":
        yield config
        return
    with new_postgres(request.getfixturevalue("postgres_server")) as url:
        yield replace(config, database_url=url)


@pytest.fixture
def store(database: Config) -> Iterator[Store]:
    """An empty store, watched: a verb that changes or deletes what is append-only fails the test that used it."""
    store = Store.open(database, migrate=True)
    broken: list[str] = []

    def watch(connection: object, cursor: object, statement: str, *_: object) -> None:
        changed = CHANGES.match(statement)
        if changed and changed[1] in FROZEN:
            broken.append(statement)

    event.listen(store.database.engine, "before_cursor_execute", watch)
    yield store
    store.close()
    assert not broken, f"append-only rows were changed: {broken}"


def actor(config: Config, verb: str, *arguments: object) -> subprocess.Popen[str]:
    """Another process that does something to the same database: see tests/store_actor.py."""
    command = [sys.executable, str(Path(__file__).parent / "store_actor.py"), verb, str(config.data_dir), config.database_url, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def answer(process: subprocess.Popen[str]) -> Any:
    """What it said last; it must have ended well."""
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return json.loads(out.splitlines()[-1])

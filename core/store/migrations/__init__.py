"""The schema's history. `HEAD` is the newest revision: a store compares one row with it, and loads Alembic only to upgrade."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

HEAD = "0009"
HERE = Path(__file__).resolve().parent


def revision(connection: Connection) -> str | None:
    """The revision a database is at; None when it holds nothing."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def ours(thing: object, name: str | None, kind: str, *_: object) -> bool:
    """Whether Alembic shall compare it: the index for searching papers is the databases' own, and no table of core/store/tables.py."""
    table = name if kind == "table" else getattr(getattr(thing, "table", None), "name", "")
    return not (table or "").startswith(("paper_cards", "paper_words"))


def known_revisions() -> set[str]:
    return {path.name.split("_")[0] for path in (HERE / "versions").glob("[0-9]*.py")}


def upgrade(connection: Connection) -> None:
    from alembic.command import upgrade as run
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.attributes["connection"] = connection
    run(config, "head")

"""What a database driver complains of, in words that say what to do. The one place where its errors become ours."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from core.errors import Conflict, NotFound, StoreError


@dataclass(frozen=True)
class Trouble:
    """`codes` are beginnings of SQLite's error names and of PostgreSQL's SQLSTATEs; {shown} is the database, {reason} the driver's words."""

    codes: tuple[str, ...]
    what: str
    mend: str
    kind: type[StoreError] = StoreError


TROUBLES = (
    Trouble(("SQLITE_NOTADB", "SQLITE_CORRUPT"), "{shown} is not a readable database: {reason}",
            "move the file aside, or set DATA_DIR to another directory"),
    Trouble(("SQLITE_FULL", "53100"), "the disk of {shown} is full: {reason}", "free some space and try again: what was saved is kept"),
    Trouble(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "25006", "42501"), "{shown} cannot be written: {reason}",
            "make its directory writable, or set DATA_DIR to one that is"),
    Trouble(("SQLITE_IOERR", "58030"), "the disk of {shown} fails: {reason}", "check the disk, or set DATA_DIR to another one"),
    Trouble(("SQLITE_BUSY", "SQLITE_LOCKED", "55P03", "40P01", "40001"), "{shown} was locked by another program: {reason}",
            "end that program, or wait and try again"),
    Trouble(("SQLITE_CONSTRAINT_FOREIGNKEY", "23503"), "{shown} holds nothing of that name: {reason}", "store what it refers to first", NotFound),
    Trouble(("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY", "23505"), "somebody else was first: {reason}", "try again", Conflict),
    Trouble(("42P01",), "{shown} has no tables yet", "python -m core init"),
    Trouble(("08", "57P", "53300"), "{shown} does not answer: {reason}", "start the server, or correct DATABASE_URL"),
)


def in_words(error: SQLAlchemyError, url: URL) -> StoreError:
    """The error to raise in place of `error`; no password is in its text."""
    shown = masked(url)
    cause = error.orig if isinstance(error, DBAPIError) else None
    lines = str(cause or error).strip().splitlines()
    reason = _without(lines[0] if lines else type(error).__name__, url)
    code = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None) or ""
    for trouble in TROUBLES:
        if code.startswith(trouble.codes):
            return trouble.kind(trouble.what.format(shown=shown, reason=reason), trouble.mend)
    if "no such table" in reason:
        return StoreError(f"{shown} has no tables yet", "python -m core init")
    if cause is None or (not code and url.get_backend_name() == "postgresql"):  # psycopg gives no code for a connection that fails
        return StoreError(f"{shown} does not answer: {reason}", "start the server, or correct DATABASE_URL")
    return StoreError(f"{shown}: {reason}", "python -m core doctor")


def masked(url: URL) -> str:
    """The address as it may be shown: without its password, in either of the two places that can hold one."""
    return url.difference_update_query([name for name in url.query if "password" in name.lower()]).render_as_string(hide_password=True)


def _without(text: str, url: URL) -> str:
    for secret in (url.password, url.query.get("password")):
        if secret:
            text = text.replace(str(secret), "***")
    return text

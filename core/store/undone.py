"""Decisions that a person took back: a row says so, and from then on the one it names counts no more. Both stay where they are."""

from __future__ import annotations

from functools import cache

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import aliased

from core.store.tables import DecisionRow
from core.types import Verb


@cache
def standing() -> ColumnElement[bool]:
    """Of a query over decisions: those that nobody took back. The list of the undone is made once a query."""
    undo = aliased(DecisionRow)
    return DecisionRow.id.not_in(select(undo.data["decision"].as_integer()).where(undo.verb == str(Verb.UNDO), undo.data["decision"].as_integer().is_not(None)))

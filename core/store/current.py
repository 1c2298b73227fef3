"""Which scores count together: those made with the settings that a scale's name stands for now, of a design's newest code, at one kind of learning rate.

A scale's settings may be changed under its name, and a design's code has revisions. What was measured before stays in the record, and a mean, a ranking or
a comparison takes none of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select, true

from core.store.tables import VerificationRow as V
from core.types import OWN_RATE, Scale, Verification

OWN = V.label.startswith(OWN_RATE)


class Current:
    """Scale → its settings now. Of a scale that nobody has told, those of its newest score."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}

    def tell(self, scales: Mapping[str, Scale]) -> None:
        self._told = {name: scale.settings for name, scale in scales.items()}

    def settings(self, c: Connection) -> dict[str, str]:
        """One query."""
        measured = select(V.scale, V.settings).where(V.bits_per_byte.is_not(None), V.settings != "").group_by(V.scale, V.settings).order_by(func.max(V.id))
        return {scale: settings for scale, settings in c.execute(measured)} | self._told

    def settings_of(self, rows: Iterable[Row]) -> dict[str, str]:
        """The same, from all rows with a score, oldest first."""
        return {r.scale: r.settings for r in rows if r.settings} | self._told


def with_settings(settings: Mapping[str, str]) -> ColumnElement[bool]:
    """Of verifications made with these; those that do not tell theirs are taken to be."""
    if not settings:
        return true()
    return or_(V.settings == "", V.scale.not_in(list(settings)), *(and_(V.scale == scale, V.settings == told) for scale, told in settings.items()))


def newest_code(rows: Iterable[Verification]) -> list[Verification]:
    """Of each design at each scale, corpus and kind of rate those of the newest implementation."""
    rows = list(rows)
    newest: dict[tuple, int] = {}
    for v in rows:
        newest[_place(v)] = max(newest.get(_place(v), 0), v.implementation_id)
    return [v for v in rows if v.implementation_id == newest[_place(v)]]


def _place(v: Verification) -> tuple:
    return v.design_id, v.scale, v.corpus_hash, v.own_rate

"""What persons want of single designs (tags, pins, boosts, prunes), read from their decisions: the last one about a thing counts, and none that was undone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from core.store.tables import DecisionRow
from core.store.undone import standing
from core.types import Json, Verb

WISHES = (Verb.TAG, Verb.PIN, Verb.BOOST, Verb.PRUNE)


@dataclass
class Wish:
    """Of one design; what nobody said is as it is here."""

    tags: dict[str, bool] = field(default_factory=dict)
    pinned: bool = False
    boost: float = 1.0
    pruned: bool = False
    by: dict[str, str] = field(default_factory=dict)       # verb → who said it last

    def hear(self, verb: str, data: Json, author: str) -> None:
        self.by[verb] = author
        if verb == Verb.TAG:
            self.tags[data["tag"]] = data["on"]
        elif verb == Verb.PIN:
            self.pinned = data["on"]
        elif verb == Verb.BOOST:
            self.boost = float(data["factor"])
        else:
            self.pruned = data["on"]

    @property
    def kept_tags(self) -> tuple[str, ...]:
        return tuple(tag for tag, on in self.tags.items() if on) if self.tags else ()


NOTHING = Wish()


def wishes(c: Connection, ids: Sequence[str] | None) -> dict[str, Wish]:
    """By design, of those about which anything was said; one query."""
    R = DecisionRow
    query = select(R.design_id, R.verb, R.data, R.author).where(R.verb.in_(WISHES), R.design_id.is_not(None), standing()).order_by(R.id)
    found: dict[str, Wish] = {}
    for design, verb, data, author in c.execute(query if ids is None else query.where(R.design_id.in_(ids))):
        found.setdefault(design, Wish()).hear(verb, data, author)
    return found

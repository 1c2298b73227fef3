"""A gab.py that a person brings, as a root of the tree."""

from __future__ import annotations

import re

from core.errors import Conflict, DesignError, UsageError
from core.gab.canonical import canonical_hash
from core.gab.decompose import decompose
from core.gab.units import UnitLibrary
from core.store import Store
from core.types import CheckReport, Kind, Mode, UnitTree


def add_own(store: Store, library: UnitLibrary, code: str, report: CheckReport, title: str, summary: str, design_id: str, author: str) -> str:
    """Its id, made from the title where none is given. Raises Conflict for a block that the tree has already, UsageError for an id that is none."""
    known = twin(store, code)
    if known is not None:
        raise Conflict(f"this is {known} under other names", f"open it: python -m core show {known}")
    design_id = design_id.strip() or _free_id(store, title)
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", design_id):
        raise UsageError(f"{design_id!r} is no id", "use small letters, digits, dots, dashes; at most 64")
    units = known_units(library, code)
    store.designs.add(id=design_id, title=title, kind=Kind.MANUAL, mode=Mode.SEED, author=author, summary=summary.strip())
    store.proposals.add(design_id, author, True, title, summary.strip() or title, units)
    store.checks.add(store.implementations.add(design_id, author, code, units).id, report)
    return design_id


def twin(store: Store, code: str) -> str | None:
    """The design whose newest code is the same but for names, comments and order of keywords."""
    wanted = canonical_hash(code)
    return next((owner for owner, other in store.implementations.newest_code() if canonical_hash(other) == wanted), None)


def known_units(library: UnitLibrary, code: str) -> UnitTree | None:
    """The block's units where the library has them all: then the built-in agents can change it."""
    try:
        found = decompose(code, library)
        library.validate(found.tree)
    except DesignError:
        return None
    return found.tree


def _free_id(store: Store, title: str) -> str:
    base = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:40] or "own"
    taken = {d.id for d in store.designs.all()}
    return next(name for name in (base, *(f"{base}-{n}" for n in range(2, 10_000))) if name not in taken)

"""What a person changed in a proposal, in words that teach: the lines that went and the lines that came."""

from __future__ import annotations

import difflib

from core.agents.drafts import changed
from core.types import Proposal

SHOWN = 12           # lines


def how_edited(old: Proposal, new: Proposal) -> str:
    """Empty where nothing that is told to agents differs."""
    parts = []
    if old.title != new.title:
        parts.append(f"title: {old.title} → {new.title}")
    if old.units and new.units:
        for path in changed(old.units, new.units)[:3]:
            place = ".".join(("block", *path))
            before, after = (tree.at(path).unit for tree in (old.units, new.units))
            parts.append(f"{place}: {before} → {after}" if before != after else f"{place}: other settings or parts of {before}")
    lines = [line for line in difflib.unified_diff(old.body.splitlines(), new.body.splitlines(), lineterm="", n=0) if line[:1] in "+-" and line[:3] not in ("+++", "---") and line[1:].strip()]
    if lines:
        parts.append("text:\n" + "\n".join(lines[:SHOWN]) + ("\n…" if len(lines) > SHOWN else ""))
    if old.new_units != new.new_units:
        parts.append("new units: " + (", ".join(u.name for u in new.new_units) or "none"))
    return "; ".join(parts)

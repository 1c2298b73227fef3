"""Where the pages do what an error's way to mend it says for the command line: `python -m core implement s1-2` is the page of the design s1-2."""

from __future__ import annotations

import re
from typing import NamedTuple

COMMAND = re.compile(r"python -m core (?P<verb>[a-z]+)(?P<rest>[^`;,]*)")
NAME = re.compile(r"(?=.*[a-z0-9])[\w.-]+")       # of a design; "DESIGN" is for the reader to fill in
DESIGN = ("design", "Open the design")
PAGES: dict[str, tuple[str, str]] = {
    "implement": DESIGN, "show": DESIGN, "approve": DESIGN, "pin": DESIGN, "audit": DESIGN,
    "verify": ("verify", "Open Verify"), "budget": ("agents", "Open the budgets"), "jobs": ("jobs", "Open Jobs"), "run": ("evolve", "Open Evolve"), "runs": ("evolve", "Open Evolve"),
    "evolve": ("evolve", "Open Evolve"), "design": ("studio", "Open the Studio"), "resume": ("studio", "Open the Studio"), "designs": ("tree", "Open the tree"), "inbox": ("inbox", "Open the Inbox"),
    "undo": ("inbox", "Open the Inbox"), "agents": ("agents", "Open Agents"), "data": ("data", "Open Data and scales"), "papers": ("library", "Open the Library"),
    "doctor": ("settings", "Open Settings"), "models": ("settings", "Open Settings"), "users": ("settings", "Open Settings")}


class Way(NamedTuple):
    page: str
    label: str
    query: dict[str, str]


def way(mend: str) -> Way | None:
    """The page that does what the first command in `mend` does; None where no page does."""
    found = COMMAND.search(mend)
    if found is None or found["verb"] not in PAGES:
        return None
    page, label = PAGES[found["verb"]]
    words = [w for w in found["rest"].split() if not w.startswith("-")]
    subject = words[0] if words else ""
    named = bool(NAME.fullmatch(subject))
    if page == "design":
        return Way(page, label, {"design": subject}) if named else None
    run = next((w for w in words if w.startswith("run-")), "")
    if run:
        return Way("evolve", "Open the run", {"run": run.partition("/")[0]})
    return Way(page, label, {"designs": subject} if page == "verify" and named else {})

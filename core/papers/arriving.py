"""The work of an import: what stands in a folder or file, or is fetched by an id or a link."""

from __future__ import annotations

from pathlib import Path

from core.config import Config
from core.papers.importing import Report, Tally, import_all
from core.store import Store
from core.types import Json


def arrive(store: Store, config: Config, payload: Json, report: Report) -> Json:
    """The job's result: how many of each fate, and every broken one with its reason. Raises PaperError where there is nothing to import."""
    tally = import_all(store, payload["import"], Path(payload["source"]), payload["tier"], report)
    return told(tally)


def told(tally: Tally) -> Json:
    return {"words": tally.words, **{state: tally.counts[state] for state in ("added", "known", "broken")}, "papers": [i.paper_id for i in tally.items if i.paper_id][:20],
            "troubles": [{"item": i.item, "why": i.note} for i in tally.broken][:200]}

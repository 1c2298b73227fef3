"""Better than the reference? The desk's comparison where it is possible, else why it is not."""

from __future__ import annotations

from collections.abc import Sequence

from core.desk import Desk
from core.errors import UsageError
from core.report.parts import Report, Verdict
from core.types import Job, Verification


def verdict(desk: Desk, row: Verification, reference: str, theirs: Sequence[int], own: Sequence[int]) -> tuple[Verdict | None, str]:
    """`theirs`, `own`: the seeds measured at the row's scale on its corpus. (the verdict, or why there is none)."""
    if row.finished_at is None:
        return None, "It is still being measured."
    if row.metrics is None:
        return None, "It has no score: it failed."
    if row.design_id == reference:
        return None, f"It is {reference} itself, which the others are compared with."
    if not theirs:
        return None, f"{reference} was not verified at {row.scale} on this corpus, so there is nothing to compare with."
    if not set(own) & set(theirs):
        return None, f"{reference} was measured with seeds {_list(theirs)}, this design with {_list(own)}: no seed in common."
    return None, "The comparison is not possible."


def queue_more(desk: Desk, found: Report) -> list[Job]:
    """The further seeds that the verdict proposes, of the design and of the reference."""
    if found.verdict is None or not found.verdict.more_seeds:
        raise UsageError(f"{found.name} needs no more seeds", "its verdict stands")
    corpus = corpus_given(desk, found.verification)
    return desk.verify([found.design.id, found.reference], found.scale, found.verdict.more_seeds, corpus)


def corpus_given(desk: Desk, verification: int) -> str | None:
    """The corpus as it was named when the verification was asked for; None for the built-in one."""
    asked = (job.payload.get("corpus") for job in desk.queue.all(limit=2000) if job.result.get("verification") == verification)
    return next(asked, None)


def _list(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))

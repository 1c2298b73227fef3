"""Better than the reference? The desk's comparison in plain words, or why there is none; and the further seeds that would tell."""

from __future__ import annotations

from dataclasses import replace

from core.desk import Desk
from core.errors import UsageError
from core.evidence import Comparison, percent
from core.report.parts import Report
from core.statistics.paired import Verdict
from core.types import Job, Verification, VerifyOptions
from core.verification.training.recipes import DEFAULT

LIKELY = 0.9         # a probability from which "probably" is said


def compared(desk: Desk, row: Verification, reference: str) -> tuple[Comparison | None, str]:
    """(the comparison at the row's scale on its corpus, or why there is none)."""
    if row.finished_at is None:
        return None, "It is still being measured."
    if row.metrics is None:
        return None, "It has no score: it failed."
    if row.design_id == reference:
        return None, f"It is {reference} itself, which the others are compared with."
    try:
        found = desk.compare(row.design_id, row.scale, reference, row.corpus_hash, row.own_rate)
    except UsageError as error:
        return None, f"{error.what}, so there is nothing to compare with."
    if found.own.get(row.seed) != row.metrics.bits_per_byte:
        return None, "A newer measurement of this design with this seed was made, and the comparison is of that one."
    return found, ""


def answer(found: Comparison) -> str:
    """To "Better than the reference?", for somebody in a hurry."""
    if found.suspicious or found.p_better is None:
        return "Too good to count yet."
    sure = f"({percent(found.p_better)})"
    if found.verdict is Verdict.BETTER:
        return f"Yes {sure}."
    if found.verdict is Verdict.WORSE:
        return f"No {sure}."
    return f"Probably {sure}." if found.p_better >= LIKELY else f"Probably not {sure}." if found.p_better <= 1 - LIKELY else f"Within noise ({percent(found.p_better)} likely)."


def queue_more(desk: Desk, found: Report) -> list[Job]:
    """The further seeds that the comparison proposes, of the design and of the reference, where each lacks them. Raises UsageError where there are none."""
    told = found.comparison
    if told is None or not told.more_seeds:
        raise UsageError(f"{found.name} needs no more seeds", "its verdict stands")
    row = desk.store.verifications.get(found.verification)
    corpus, asked = corpus_given(desk, row), VerifyOptions.from_dict(row.provenance.get("options") or {})
    options = replace(asked, sweep=row.own_rate, early_stop=False, trackers=())
    jobs: list[Job] = []
    for design, have in ((told.design_id, told.own), (told.reference, told.base)):
        lacking = [seed for seed in told.more_seeds if seed not in have]
        jobs += desk.verify([design], told.scale, lacking, corpus, options=options) if lacking else []
    return jobs


def corpus_given(desk: Desk, row: Verification) -> str | None:
    """The corpus as it was named when the verification was asked for; None for the built-in one. Raises UsageError where that is not known."""
    known = row.provenance.get("corpus") or {}
    if "given" in known:
        return known["given"]
    for job in desk.queue.all(limit=2000):
        if job.result.get("verification") == row.id:
            return job.payload.get("corpus")
    if row.corpus != DEFAULT:
        raise UsageError(f"where the corpus {row.corpus} of verification {row.id} lies is not known", f"python -m core verify {row.design_id} --scale {row.scale} --corpus PATH --seeds …")
    return None

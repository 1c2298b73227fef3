"""The measures of a run, read from the store: see `Measures`. What is computed is in core/statistics/progress.py, core/calibration.py and core/statistics/ladder.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean

from core.budgets import Ends
from core.calibration import REFERENCE, Agreement, Record, agreement
from core.gates import VERIFY
from core.showing import facts
from core.statistics.ladder import RungCorrelation, correlation
from core.statistics.progress import Point, Step, curve, diversity, drawdown, improvement, means, since_better
from core.store import Store
from core.types import Decision, Design, Spent, Status, Verb, Verification


@dataclass(frozen=True)
class Joint:
    """How many of the run's designs came so far."""

    name: str
    n: int
    of: int                          # that came to the joint before, or were tried

    @property
    def share(self) -> float | None:
        return self.n / self.of if self.of else None


@dataclass(frozen=True)
class AtScale:
    """The search at one scale, over the run's own designs; bits per byte."""

    scale: str
    steps: tuple[Step, ...]
    reference: float | None          # its mean over seeds
    spread: tuple[float, float] | None   # (mean, standard deviation) of what one verification took off the best
    drawdown: float                  # the largest rise of the population's mean above its lowest
    seconds: float                   # of training and evaluation, in all


@dataclass(frozen=True)
class Measures:
    run: str
    joints: tuple[Joint, ...]        # proposed, reviewed, implemented, checked, verified
    scales: tuple[AtScale, ...]      # cheapest first; those where a design of the run has a score
    verified: int                    # designs with a score
    spent: Spent                     # on language models
    seconds: float                   # of training and evaluation, references among them
    diversity: float | None          # 0 all alike, 1 nothing shared
    idle: int                        # verifications since something better was found
    agreement: Agreement             # over the run's designs
    forecasters: tuple[Record, ...]  # with the forecasts about the run's designs
    rungs: tuple[RungCorrelation, ...]   # of the reviewers' ratings with what was measured first, then of each rung with the next

    @property
    def cost_words(self) -> str:
        """Of one verified design."""
        if not self.verified:
            return "none of its own designs is verified yet" + (f"; {self.seconds:,.0f} s of training went to references and earlier designs" if self.seconds else "")
        trained = f"{self.seconds / self.verified:,.0f} s of training"
        known = "an unknown sum" if self.spent.unpriced and not self.spent.money else f"${self.spent.money / self.verified:,.4g}"
        return f"{trained}, {self.spent.tokens / self.verified:,.0f} tokens, {known}" if self.spent.tries else f"{trained}, no calls to language models"

    @property
    def lines(self) -> list[tuple[str, str]]:
        """Each measure in words."""
        told = [("validity", "; ".join(f"{j.name} {j.n}" + (f" ({j.share:.0%})" if j.share is not None and j.name != "proposed" else "") for j in self.joints))]
        for at in self.scales:
            last = at.steps[-1]
            found = f"best {last.best:.4f} after {last.n} verification{'' if last.n == 1 else 's'}, mean of {len({s.design for s in at.steps})} designs {last.mean:.4f}"
            found += f"; reference {at.reference:.4f}" if at.reference is not None else "; reference not measured"
            found += f"; a verification took {at.spread[0]:.4f} ± {at.spread[1]:.4f} off the best" if at.spread else ""
            told.append((f"at {at.scale}", found + f"; drawdown of the mean {at.drawdown:.4f}"))
        told += [("cost of a verified design", self.cost_words), ("diversity", "fewer than two designs" if self.diversity is None else f"{self.diversity:.2f} (0 all alike, 1 nothing shared)"),
                 ("since something better", f"{self.idle} verification{'' if self.idle == 1 else 's'}")]
        told += [("agreement", "; ".join(f"{name} in {same} of {n}" for name, (n, same) in self.pairs if n) or "no two designs that two of the three judged")]
        told += [(f"forecasts of {r.who}", f"Brier {r.brier:.3f} over {len(r.scored)} (0 best, 0.25 is always saying 50 %)") for r in self.forecasters if r.brier is not None]
        told += [(f"rank correlation {r.low} to {r.high}", f"{r.spearman:+.2f} over {r.n} designs" if r.spearman is not None else f"{r.n} designs at both: too few") for r in self.rungs]
        return told

    @property
    def pairs(self) -> list[tuple[str, tuple[int, int]]]:
        """Who agreed with whom: (of how many pairs of designs, in how many)."""
        a = self.agreement
        return [("person and reviewer", a.person_reviewer), ("person and result", a.person_result), ("reviewer and result", a.reviewer_result)]


def measures(store: Store, run_id: str, scales: Sequence[str], records: Sequence[Record], words: Sequence[Decision], spent: Spent) -> Measures:
    """`scales`: cheapest first; `records`: everybody's forecasts; `words`: what people said of designs."""
    designs = store.designs.of_sessions(store.sessions.ids_of(run_id))
    ids = {d.id for d in designs}
    rows = verifications_of(store, run_id)
    points = points_of(rows, ids)
    own = [replace(r, forecasts=kept) for r in records if (kept := tuple(f for f in r.forecasts if f.design_id in ids))]
    judged = [d for d in words if d.verb not in (Verb.APPROVE, Verb.REFUSE) or d.design_id in ids]
    at = tuple(_at(scale, rows, points) for scale in scales if means(points, scale))
    made = {p.design_id: facts(p.units, {u.name: u for u in p.new_units}) for p in store.proposals.all_newest() if p.design_id in ids and p.units}
    return Measures(run_id, _joints(designs, points), at, len({p.design for p in points if p.score is not None}), spent, sum(_seconds(v) for v in rows), diversity(made),
                    since_better(points), agreement(judged, designs, scales), tuple(own),
                    tuple(_opinions(designs, at, points)) + tuple(correlation(low.scale, high.scale, means(points, low.scale), means(points, high.scale)) for low, high in pairwise(at)))


def _opinions(designs: Sequence[Design], at: Sequence[AtScale], points: Sequence[Point]) -> list[RungCorrelation]:
    """Whether the reviewers' ratings put designs in the order that training does, at the scale where most were measured."""
    rated = {d.id: -d.rating for d in designs if d.rating is not None}
    most = max(at, key=lambda one: len(means(points, one.scale)), default=None)
    return [correlation("ratings", most.scale, rated, means(points, most.scale))] if most and rated else []


def _joints(designs: Sequence[Design], points: Sequence[Point]) -> tuple[Joint, ...]:
    written = [d for d in designs if d.status in (Status.FAILED, Status.IMPLEMENTED, Status.VERIFIED)]
    passed = [d for d in written if d.status is not Status.FAILED]
    tried, scored = {p.design for p in points}, {p.design for p in points if p.score is not None}
    reviewed = sum(d.rating is not None for d in designs)
    return (Joint("proposed", len(designs), len(designs)), Joint("reviewed", reviewed, len(designs)), Joint("implemented", len(written), reviewed or len(designs)),
            Joint("checked", len(passed), len(written)), Joint("verified", len(scored), len(tried)))


def _at(scale: str, rows: Sequence[Verification], points: Sequence[Point]) -> AtScale:
    steps = curve(points, scale)
    base = [v.metrics.bits_per_byte for v in rows if v.design_id == REFERENCE and v.scale == scale and v.metrics]
    return AtScale(scale, tuple(steps), fmean(base) if base else None, improvement(steps), drawdown(steps), sum(_seconds(v) for v in rows if v.scale == scale))


def _seconds(v: Verification) -> float:
    return v.metrics.train_seconds + v.metrics.eval_seconds if v.metrics else 0.0


def own_designs(store: Store, run_id: str) -> set[str]:
    return store.designs.ids_of_run(run_id)


def verifications_of(store: Store, run_id: str) -> list[Verification]:
    """What the run measured, in the order in which it ended; references among them, on the corpus of its own designs."""
    begun = {(e.facts["design"], e.facts["scale"], e.facts["seed"]) for e in store.gates.read(run_id).entries.values() if e.began and e.step.startswith(VERIFY)}
    ended = [v for v in store.verifications.all() if v.finished_at and not v.cut_off and not v.own_rate and (v.design_id, v.scale, v.seed) in begun]
    own = own_designs(store, run_id)
    corpora = {v.corpus_hash for v in ended if v.design_id in own}
    return sorted((v for v in ended if not corpora or v.corpus_hash in corpora), key=lambda v: (v.finished_at, v.id))


def points_of(rows: Sequence[Verification], own: set[str]) -> list[Point]:
    return [Point(v.design_id, v.scale, v.seed, v.metrics.bits_per_byte if v.metrics else None) for v in rows if v.design_id in own]


def reached(store: Store, run_id: str, ends: Ends, corpus_hash: str) -> str:
    """Why the run is at its end by `ends`; "" where it is not."""
    own = own_designs(store, run_id)
    if ends.patience and (idle := since_better(points_of(verifications_of(store, run_id), own))) >= ends.patience:
        return f"it stopped: {idle} verifications in a row brought nothing better"
    if ends.scale:
        gains = gains_at(store, ends.scale, corpus_hash, own)
        if gains and (best := max(gains, key=lambda d: gains[d])) and gains[best] >= ends.gain:
            return f"it reached its target: {best} beats {REFERENCE} by {gains[best]:.4f} bits per byte at {ends.scale}, {ends.gain:g} were asked for"
    return ""


def gains_at(store: Store, scale: str, corpus_hash: str, own: set[str]) -> dict[str, float]:
    """Design → how much it is below the reference, over the seeds that both have; suspicious scores are left out until they are audited."""
    doubted = {id for id, suspect in store.verifications.suspects().items() if not suspect.passed}
    by: dict[str, dict[int, float]] = {}
    for v in store.verifications.counted(scale):
        if v.corpus_hash == corpus_hash and not v.own_rate and v.metrics and v.id not in doubted and v.design_id in {*own, REFERENCE}:
            by.setdefault(v.design_id, {})[v.seed] = v.metrics.bits_per_byte
    base = by.pop(REFERENCE, {})
    return {design: fmean(base[s] - scores[s] for s in both) for design, scores in by.items() if (both := sorted(set(base) & set(scores)))}

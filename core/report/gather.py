"""Reading everything about one verification out of the store. What cannot be told is said in words, and nothing is made up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from core.desk import Desk
from core.evidence import Comparison, by_design
from core.report.cautions import cautions
from core.report.parts import Cost, Curve, Peer, ProbeLine, Report, Rung, Score, SeedScore, TaskLine
from core.report.verdict import compared
from core.store.suspicion import Suspect
from core.types import Audit, CurvePoint, Design, Kind, Metrics, ProbeResult, TestScore, Verification

REFERENCE = "gpt2"
OWN_POINTS = 2000     # of the curve that the report is about
OTHER_POINTS = 120    # of each it is compared with
Seeds = dict[int, Verification]


@dataclass(frozen=True)
class Shelf:
    """What several reports share, read once."""

    desk: Desk
    rows: tuple[Verification, ...]   # all that have a score, of whatever code and settings
    designs: Mapping[str, Design]
    probes: tuple[tuple[str, int, ProbeResult], ...]
    tests: Mapping[int, TestScore]
    audits: Mapping[int, Audit]
    suspects: Mapping[int, Suspect]
    reference: str
    price: float

    @classmethod
    def read(cls, desk: Desk, reference: str, price: float) -> Shelf:
        store = desk.store
        return cls(desk, tuple(v for v in store.verifications.all() if v.metrics), {d.id: d for d in store.designs.all()}, tuple(store.measurements.probes()),
                   store.measurements.test_scores(), store.measurements.audits(), store.verifications.suspects(), reference, price)


def report(desk: Desk, verification_id: int, reference: str = REFERENCE, price_an_hour: float = 0.0) -> Report:
    """Raises NotFound for an unknown id. `price_an_hour`: of the machine, in whatever money; 0 leaves money out."""
    return reports(desk, [verification_id], reference, price_an_hour)[0]


def reports(desk: Desk, verification_ids: Sequence[int], reference: str = REFERENCE, price_an_hour: float = 0.0) -> list[Report]:
    shelf = Shelf.read(desk, reference, price_an_hour)
    return [_report(shelf, desk.store.verifications.get(id)) for id in verification_ids]


def _report(shelf: Shelf, row: Verification) -> Report:
    desk, store, reference = shelf.desk, shelf.desk.store, shelf.reference
    alike = _alike(shelf, row)
    at_scale = by_design([v for v in alike if v.scale == row.scale])
    own = {**at_scale.get(row.design_id, {}), **({row.seed: row} if row.metrics else {})}
    base = at_scale.get(reference, {}) if reference != row.design_id else {}
    made = store.implementations.get(row.implementation_id)
    newest = store.implementations.newest(row.design_id)
    told, why_not = compared(desk, row, reference)
    layers = row.provenance.get("sandbox") or {}
    rungs = _ladder(desk, row, alike, reference)
    report = Report(
        verification=row.id, design=shelf.designs[row.design_id], revision=made.revision, newest_revision=newest.revision if newest else made.revision, code_hash=made.code_hash,
        scale=row.scale, seed=row.seed, corpus=row.corpus, corpus_hash=row.corpus_hash, label=row.label,
        state=_state(row), failure=row.failure,
        created_at=row.created_at, finished_at=row.finished_at, reference=reference,
        score=_score(row, own, shelf.tests.get(row.id)), comparison=told, no_comparison=why_not,
        curve=_curve(desk, row, OWN_POINTS), references=_references(desk, row, at_scale, shelf.designs), peers=_peers(at_scale, shelf.designs),
        tasks=_tasks(desk, row, base, told), probes=_probes(shelf, row), ladder=rungs,
        scaling=desk.ladder([row.design_id, reference], row.corpus_hash) if len(rungs) > 1 and _counts(desk, row) else None,
        cost=_cost(desk, row, made.code_hash, shelf.price), training=row.provenance.get("training") or {}, story=_story(desk, row.id),
        layers_held=tuple(sorted(name for name, held in layers.items() if held)), layers_missing=tuple(sorted(name for name, held in layers.items() if not held)),
        suspect=shelf.suspects.get(row.id), audit=shelf.audits.get(row.id), warnings=(), provenance=row.provenance)
    return replace(report, warnings=tuple(cautions(report, desk.scales)))


def _counts(desk: Desk, row: Verification) -> bool:
    """Whether scaling curves, which are of today's code and settings at the scales' rates, are of it."""
    return not row.own_rate and any(v.id == row.id for v in desk.store.verifications.counted(row.scale))


def _alike(shelf: Shelf, row: Verification) -> list[Verification]:
    """What a verification may stand beside: on its corpus and at its kind of rate; at its scale made with the settings that it had, else with those of today. Of its own design
    the code that it was made with, of others the newest."""
    settings = {**{name: scale.settings for name, scale in shelf.desk.scales.items()}, row.scale: row.settings}

    def alike(v: Verification) -> bool:
        then = settings.get(v.scale, "")
        return v.corpus_hash == row.corpus_hash and v.own_rate is row.own_rate and ("" in (v.settings, then) or v.settings == then)

    return [v for v in shelf.rows if alike(v) and (v.design_id != row.design_id or v.implementation_id == row.implementation_id)]


def _state(row: Verification) -> str:
    if row.finished_at is None:
        return "running"
    if row.failure.startswith("stopped early"):
        return "stopped early"
    return "failed" if row.failure or row.metrics is None else "done"


def _story(desk: Desk, verification_id: int) -> tuple[str, ...]:
    told = {"resumed": lambda d: f"resumed from step {d.get('from_step')}", "skipped": lambda d: f"skipped step {d.get('step')}: {d.get('why')}"}
    return tuple(told[e.kind](e.data) for e in desk.store.events.since(f"verification:{verification_id}") if e.kind in told)


def spread(scores: Sequence[float]) -> float | None:
    """Standard error of the mean over seeds; None for one."""
    return stdev(scores) / len(scores) ** 0.5 if len(scores) > 1 else None


def scored(seeds: Seeds) -> tuple[float, float]:
    """(mean, standard error: over seeds, else over documents)."""
    metrics = [v.metrics for v in seeds.values() if v.metrics]
    scores = [m.bits_per_byte for m in metrics]
    return fmean(scores), spread(scores) or metrics[0].bits_per_byte_se


def _score(row: Verification, own: Seeds, test: TestScore | None) -> Score | None:
    m = row.metrics
    if m is None:
        return None
    seeds = tuple(SeedScore(seed, v.id, v.metrics.bits_per_byte, v.metrics.bits_per_byte_se) for seed, v in sorted(own.items()) if v.metrics)
    scores = [s.bits_per_byte for s in seeds]
    return Score(m.bits_per_byte, m.bits_per_byte_se, m.loss, m.perplexity, m.train_loss, seeds, fmean(scores), spread(scores), test)


def _curve(desk: Desk, row: Verification, most: int) -> Curve:
    points = desk.store.curves.of(row.id)
    return Curve(row.design_id, row.design_id, row.id, row.seed, thinned(points, most), len(points))


def thinned(points: Sequence[CurvePoint], most: int) -> tuple[CurvePoint, ...]:
    """Evenly, the last one kept, and all that bear a held-out score."""
    step = -(-len(points) // most) if points else 1
    return tuple(p for i, p in enumerate(points) if i % step == 0 or p.held_out is not None or i == len(points) - 1)


def _references(desk: Desk, row: Verification, at_scale: Mapping[str, Seeds], designs: Mapping[str, Design]) -> tuple[Curve, ...]:
    others = [(name, seeds) for name, seeds in at_scale.items() if designs[name].kind is Kind.REFERENCE and name != row.design_id]
    return tuple(_curve(desk, seeds.get(row.seed) or next(iter(seeds.values())), OTHER_POINTS) for name, seeds in sorted(others))


def _peers(at_scale: Mapping[str, Seeds], designs: Mapping[str, Design]) -> tuple[Peer, ...]:
    peers = [Peer(name, designs[name].title, designs[name].kind is Kind.REFERENCE, *scored(seeds), len(seeds)) for name, seeds in at_scale.items()]
    return tuple(sorted(peers, key=lambda p: p.mean))


# --------------------------------------------------------------------------------------------------- tasks and probes


def _tasks(desk: Desk, row: Verification, base: Seeds, told: Comparison | None) -> tuple[TaskLine, ...]:
    """Values of this seed, beside the reference's with the same one (else any); differences item by item over the shared seeds, where items are kept."""
    if row.metrics is None:
        return ()
    over_items = {t.task: t for t in told.tasks} if told else {}
    lines = []
    for task, scores in sorted(row.metrics.tasks.items()):
        metric = main_metric(scores)
        if metric is None:
            continue
        other = base.get(row.seed) or next((v for v in base.values() if v.metrics and task in v.metrics.tasks), None)
        theirs = other.metrics.tasks.get(task, {}) if other and other.metrics else {}
        value, se, their_value, their_se = scores[metric], scores.get(f"{metric}_stderr"), theirs.get(metric), theirs.get(f"{metric}_stderr")
        gap, gap_se, seeds, t = None, None, 0, over_items.get(task)
        if t is not None and metric == "acc":
            gap, gap_se, seeds = t.difference, t.se, t.seeds
        elif their_value is not None:
            gap, gap_se, seeds = value - their_value, (se**2 + their_se**2) ** 0.5 if se is not None and their_se is not None else None, 1
        used = {metric, f"{metric}_stderr", "chance", "n"}
        lines.append(TaskLine(task, metric, value, se, scores.get("chance"), int(scores.get("n", 0)), their_value, their_se, gap, gap_se, t is not None, seeds,
                              {k: v for k, v in scores.items() if k not in used}))
    return tuple(lines)


def main_metric(scores: Mapping[str, float]) -> str | None:
    """Accuracy where a task has it, else the first figure with a standard error, else the first."""
    with_error = [k.removesuffix("_stderr") for k in scores if k.endswith("_stderr") and k.removesuffix("_stderr") in scores]
    plain = [k for k in scores if not k.endswith("_stderr") and k not in ("chance", "n")]
    return next(iter([*(k for k in ("acc",) if k in scores), *with_error, *plain]), None)


def _probes(shelf: Shelf, row: Verification) -> tuple[ProbeLine, ...]:
    """Of the code that was trained, at whatever size its suite probes at; the newest of each seed."""
    own, theirs = defaultdict(dict), defaultdict(dict)
    for design, implementation, p in shelf.probes:
        if implementation == row.implementation_id:
            own[p.suite, p.task, p.level][p.seed] = p
        elif design == shelf.reference != row.design_id:
            theirs[p.suite, p.task, p.level][p.seed] = p
    lines = []
    for key, seeds in own.items():
        good = [p.accuracy for p in seeds.values() if not p.failure]
        other = [p.accuracy for p in theirs.get(key, {}).values() if not p.failure]
        last = list(seeds.values())[-1]
        lines.append(ProbeLine(*key, fmean(good) if good else 0.0, spread(good), last.chance, len(good), last.lr, fmean(other) if other else None,
                               "" if good else last.failure))
    return tuple(lines)


# ------------------------------------------------------------------------------------------------------ ladder, cost


def _ladder(desk: Desk, row: Verification, alike: Sequence[Verification], reference: str) -> tuple[Rung, ...]:
    rungs = []
    for scale in desk.scales:
        here = by_design([v for v in alike if v.scale == scale])
        own = here.get(row.design_id)
        if not own:
            continue
        base = here.get(reference, {}) if reference != row.design_id else {}
        mean, se = scored(own)
        theirs = scored(base) if base else (None, None)
        rungs.append(Rung(scale, _size(own), mean, se, len(own), *theirs, _size(base) if base else None))
    return tuple(rungs)


def _size(seeds: Seeds) -> int:
    return next(v.metrics.params for v in seeds.values() if v.metrics)


def _cost(desk: Desk, row: Verification, code_hash: str, price: float) -> Cost | None:
    m: Metrics | None = row.metrics
    if m is None:
        return None
    counted = desk.store.costs.of(code_hash, desk.scales).get(row.scale)
    hours = (m.train_seconds + m.eval_seconds) / 3600
    return Cost(m.train_seconds, m.eval_seconds, m.tokens, m.tokens_per_s, m.mfu, m.peak_memory_mb, m.energy_kj,
                counted.flops_train * m.tokens if counted else None, price, hours * price if price else None,
                m.params, m.params_embedding, m.n_layers, m.d_model, m.lr)

"""What the store's measurements say, read for the statistics: comparisons, noise, rungs. Pages and the command line reach these through the desk."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path
from statistics import fmean

from core.errors import UsageError
from core.estimates import estimate, took
from core.machine import Machine
from core.statistics import accuracy, ladder, paired
from core.statistics.ladder import Crossing, Curve, Point, RungCorrelation
from core.statistics.noise import Noise, Spread, load_priors, noise, pooled, prior_entry, residual, write_prior
from core.statistics.paired import Difference, Verdict
from core.store import Store
from core.types import Documents, Kind, Scale, Verification

REFERENCE = "gpt2"
SETTINGS = ("n_layers", "d_model", "context", "vocab_size", "tokens", "batch_tokens", "lr", "optimizer", "schedule", "precision")
MANY = 10            # designs of the search at one scale: from there on a note says that the best was picked
Seeds = dict[int, Verification]


def percent(p: float) -> str:
    """97 %, but never 100 % or 0 %."""
    return "over 99.9 %" if p > 0.999 else "under 0.1 %" if p < 0.001 else f"{100 * p:.1f} %" if p > 0.99 or p < 0.01 else f"{100 * p:.0f} %"


@dataclass(frozen=True)
class Comparison:
    """ "Is it better than the reference?" at one scale on one corpus: figures, a verdict, and both in words. Bits per byte; negative differences are better."""

    design_id: str
    reference: str
    scale: str
    corpus: str
    corpus_hash: str
    verdict: Verdict
    p_better: float | None           # that it is truly better, 0–1; None while it is suspicious
    difference: float
    se: float                        # of the seed noise
    low: float                       # 95 % interval of the seed noise
    high: float
    documents: tuple[float, float] | None    # 95 % over seeds and documents, where both have scores a document
    n_documents: int
    seeds: tuple[int, ...]           # shared by both; empty where the comparison is unpaired
    paired: bool
    own: Mapping[int, float]         # seed → bits per byte
    base: Mapping[int, float]
    noise: Noise                     # of the scale, before this design's own differences
    more_seeds: tuple[int, ...]      # that would decide it if the difference is as estimated; empty when it is decided, or too small to be worth it
    more_seconds: float | None       # what they would take
    tasks: tuple[accuracy.TaskDifference, ...]
    suspicious: bool
    test: Difference | None          # on the locked test split, where both were promoted
    notes: tuple[str, ...]           # what a reader must know
    words: str


@dataclass(frozen=True)
class Ladder:
    """Scaling curves of designs on one corpus."""

    corpus: str
    curves: tuple[Curve, ...]
    crossings: tuple[Crossing, ...]  # of each two
    without: tuple[str, ...]         # designs measured at fewer than two scales: a curve needs two


class Evidence:
    """`scales` is the ladder, cheapest first; `priors_file` is library/noise.yaml."""

    def __init__(self, store: Store, scales: Mapping[str, Scale], priors_file: Path, machine: Machine) -> None:
        self.store = store
        self.scales = scales
        self.priors_file = priors_file
        self.machine = machine

    # ------------------------------------------------------------------------------------------ one scale

    def noise(self, scale: str, corpus: str | None = None, without: Sequence[str] = ()) -> Noise:
        """The seed noise of a scale: the prior, and what was measured here on one corpus. `without` these designs."""
        rows = self._on(self._rows(scale), corpus, [])
        return self._noise(scale, rows, without)

    def measured_noise(self, scale: str, design_ids: Sequence[str], corpus: str | None, seeds: Collection[int] | None = None) -> tuple[Spread, Spread, list[Verification]]:
        """(of one score, of a difference on the same seed, what they were measured on), of these designs (and seeds) alone, without any prior. Raises UsageError for too few."""
        rows = [v for v in self._on(self._rows(scale), corpus, design_ids) if v.design_id in design_ids and (seeds is None or v.seed in seeds)]
        scores = {d: _scores(seeds) for d, seeds in by_design(rows).items()}
        single, both = pooled(scores), residual(scores)
        if single is None or both is None:
            raise UsageError(f"{sum(map(len, scores.values()))} verifications of {len(scores)} designs tell no noise of a difference", "two designs with two seeds in common, at least")
        return single, both, rows

    def write_noise(self, scale: str, design_ids: Sequence[str], corpus: str | None, seeds: Collection[int] | None = None) -> Path:
        """Put what was measured into library/noise.yaml, as the prior of the scale."""
        single, both, rows = self.measured_noise(scale, design_ids, corpus, seeds)
        newest = max(v.finished_at for v in rows if v.finished_at)
        entry = prior_entry(single, both, rows[0].corpus, sorted({v.design_id for v in rows}), sorted({v.seed for v in rows}), f"{newest:%Y-%m-%d}")
        write_prior(self.priors_file, scale, entry)
        return self.priors_file

    def _noise(self, scale: str, rows: Sequence[Verification], without: Sequence[str] = ()) -> Noise:
        scores = {d: _scores(seeds) for d, seeds in by_design(rows).items() if d not in without}
        corpus = rows[0].corpus if rows else ""
        return noise(scale, scores, load_priors(self.priors_file), list(self.scales), corpus)

    def compare(self, design_id: str, scale: str, reference: str = REFERENCE, corpus: str | None = None, own_rate: bool | None = None) -> Comparison:
        """`own_rate`: of the runs at each design's own learning rate, or of those at the scale's; None: the latter where both have some. Raises UsageError where one
        of the two was not measured there."""
        if design_id == reference:
            raise UsageError(f"{design_id} is the reference itself", "compare another design with it, or name another --reference")
        every = self.store.verifications.all(scale)
        counted = self.store.verifications.counted(scale)
        both = {design_id, reference}
        if own_rate is None:
            here = self._on(counted, corpus, [design_id, reference])
            own_rate = not both <= {v.design_id for v in here if not v.own_rate} and both <= {v.design_id for v in here if v.own_rate}
        alike = [v for v in counted if v.own_rate is own_rate]
        rows = self._on(alike, corpus, [design_id, reference]) if alike else []
        by = by_design(rows)
        for name in (design_id, reference):
            if name not in by:
                raise UsageError(f"{name} was not verified at {scale}{_where(name, rows, every, corpus, own_rate)}", f"python -m core verify {name} --scale {scale}" + " --sweep" * own_rate)
        own, base = by[design_id], by[reference]
        shared = sorted(set(own) & set(base))
        documents = [pair for s in shared if (pair := self._documents(own[s], base[s])) is not None]
        spread = self._noise(scale, rows, [design_id])
        found = paired.compare(_scores(own), _scores(base), spread, documents, (design_id, reference, scale))
        flagged = {id: s for id, s in self.store.verifications.suspects().items() if not s.counts}
        suspects = [flagged[v.id] for v in (*own.values(), *base.values()) if v.id in flagged]
        more = _further(own, base, found.more or 0)
        seconds = self._seconds(design_id, reference, scale, more, own, base) if more else None
        notes = [f"suspicious: {suspects[0].design_id}: {suspects[0].words}"] if suspects else []
        notes += _notes(found, spread, own, base)
        tasks = self._tasks(own, base, shared)
        notes += [f"task differences are {accuracy.ONE_SEED}"] if tasks and len(shared) == 1 else []
        notes += [f"{v.design_id} has no score for seed {v.seed}, which does not count: {v.failure}" for v in _failed(every, rows[0].corpus_hash, own, base)]
        rivals = len(set(by) - {d.id for d in self.store.designs.all() if d.kind is Kind.REFERENCE})
        if found.verdict is Verdict.BETTER and rivals >= MANY:
            notes.append(f"one of {rivals} designs measured at {scale}: the best of many looks better than it is, and further seeds or the test split tell")
        verdict = Verdict.SUSPICIOUS if suspects else found.verdict
        words = _words(suspects[0].design_id if suspects else design_id, reference, scale, verdict, found, more, seconds)
        return Comparison(
            design_id, reference, scale, rows[0].corpus, rows[0].corpus_hash, verdict, None if suspects else found.p_better, found.mean, found.se, found.low, found.high,
            found.documents, found.n_documents, found.seeds, found.paired, _scores(own), _scores(base), spread, more, seconds,
            tasks, bool(suspects), self._test(own, base, spread, design_id), tuple(notes), words)

    # ------------------------------------------------------------------------------------------ over the scales

    def rungs(self) -> list[RungCorrelation]:
        """From each rung to the next that was measured: the probes' suites to the cheapest scale, then scale to scale. What is suspicious is left out, and a design
        counts where the same code was measured at both."""
        held_back = self._held_back()
        counted = [v for v in self.store.verifications.counted() if not v.own_rate and v.id not in held_back]
        scales = {name: _means(self._on([v for v in counted if v.scale == name], None, [])) for name in self.scales}
        measured = [name for name, scores in scales.items() if scores]
        suites = {f"probes {suite}": scores for suite, scores in self._probed().items()}
        cheapest = measured[:1]
        pairs = [(suite, scale) for suite in suites for scale in cheapest] + list(pairwise(measured))
        known = {**scales, **suites}
        return [ladder.correlation(low, high, known[low], known[high]) for low, high in pairs]

    def _probed(self) -> dict[str, dict[str, float]]:
        """suite → code → minus its mean accuracy above chance, over the tasks and levels that all of the suite's codes have; a failure counts as chance. Of each design
        the newest code that was probed, and of each seed its newest result."""
        rows = self.store.measurements.probes()
        newest = {(p.suite, design): implementation for design, implementation, p in sorted(rows, key=lambda row: row[1])}
        found: dict[str, dict[str, dict[tuple[str, str], dict[int, float]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(dict)))
        for design, implementation, p in rows:
            if implementation == newest[p.suite, design]:
                found[p.suite][_code(design, implementation)][p.task, p.level][p.seed] = 0.0 if p.failure else (p.accuracy - p.chance) / (1 - p.chance)
        out: dict[str, dict[str, float]] = {}
        for suite, codes in found.items():
            common = set.intersection(*(set(tasks) for tasks in codes.values()))
            if common:
                out[suite] = {code: -fmean(fmean(tasks[key].values()) for key in sorted(common)) for code, tasks in codes.items()}
        return out

    def ladder(self, design_ids: Sequence[str], corpus: str | None = None, flops: bool = False) -> Ladder:
        """Bits per byte against non-embedding parameters (or the FLOPs of the whole training, where they are counted) on one corpus, and where each two of the designs cross."""
        held_back = self._held_back()
        rows = self._on([v for v in self.store.verifications.counted() if not v.own_rate and v.id not in held_back], corpus, design_ids)
        rows = _one_code(rows)
        points: dict[str, list[Point]] = defaultdict(list)
        for scale in self.scales:
            here = [v for v in rows if v.scale == scale]
            by = by_design(here)
            spread = self._noise(scale, here) if set(by) & set(design_ids) else None
            for name in design_ids:
                if name in by and spread:
                    scores = list(_scores(by[name]).values())
                    size = next(self._flops(v) if flops else v.metrics.params for v in by[name].values() if v.metrics)
                    if size:
                        points[name].append(Point(scale, size, fmean(scores), spread.single.sd / len(scores) ** 0.5))
        curves = [c for name in design_ids if (c := ladder.curve(name, points[name])) is not None]
        return Ladder(rows[0].corpus if rows else "", tuple(curves), tuple(ladder.crossing(a, b) for a, b in combinations(curves, 2)),
                      tuple(name for name in design_ids if name not in {c.design_id for c in curves}))

    # ------------------------------------------------------------------------------------------ inside

    def _rows(self, scale: str) -> list[Verification]:
        """Of runs at the scale's learning rate."""
        return [v for v in self.store.verifications.counted(scale) if not v.own_rate]

    def _flops(self, row: Verification) -> float:
        """Of the whole training; 0 where they were not counted."""
        code = self.store.implementations.get(row.implementation_id).code_hash
        costs = self.store.costs.of(code, self.scales).get(row.scale)
        return costs.flops_train * row.metrics.tokens if costs and row.metrics else 0.0

    def _held_back(self) -> set[int]:
        return {id for id, s in self.store.verifications.suspects().items() if not s.counts}

    def _on(self, rows: Sequence[Verification], corpus: str | None, both: Sequence[str]) -> list[Verification]:
        """The rows on one corpus: the one named (or its hash), else where most of `both` was measured, else where most was; the older of two."""
        if corpus is not None:
            named = [v for v in rows if corpus in (v.corpus, v.corpus_hash) or Path(corpus).stem == v.corpus]
            if not named:
                raise UsageError(f"nothing was verified on {corpus} there", f"measured on: {', '.join(sorted({v.corpus for v in rows})) or 'nothing yet'}")
            rows = named
        designs: dict[str, set[str]] = defaultdict(set)
        counts = Counter(v.corpus_hash for v in rows)
        for v in rows:
            designs[v.corpus_hash].add(v.design_id)
        best = max(designs, key=lambda h: (len(designs[h] & set(both)), len(designs[h]), counts[h]), default=None)
        return [v for v in rows if v.corpus_hash == best]

    def _documents(self, own: Verification, base: Verification, split: str = "valid") -> tuple[Documents, Documents] | None:
        mine, theirs = self.store.measurements.documents(own.id, split), self.store.measurements.documents(base.id, split)
        return (mine, theirs) if mine and theirs else None

    def _tasks(self, own: Seeds, base: Seeds, shared: Sequence[int]) -> tuple[accuracy.TaskDifference, ...]:
        """Item by item, over the seeds that both have."""
        mine: dict[str, list[list[int]]] = defaultdict(list)
        theirs: dict[str, list[list[int]]] = defaultdict(list)
        chances: dict[str, float] = {}
        for seed in shared:
            a, b = self.store.measurements.items(own[seed].id), self.store.measurements.items(base[seed].id)
            for task in sorted(set(a) & set(b)):
                if len(a[task]) == len(b[task]) > 0:
                    mine[task].append(a[task])
                    theirs[task].append(b[task])
                    chances[task] = own[seed].metrics.tasks.get(task, {}).get("chance", 0.0)
        return tuple(accuracy.compare(task, mine[task], theirs[task], chances[task]) for task in mine)

    def _test(self, own: Seeds, base: Seeds, spread: Noise, design_id: str) -> Difference | None:
        scores = self.store.measurements.test_scores()
        mine = {s: scores[v.id].bits_per_byte for s, v in own.items() if v.id in scores}
        theirs = {s: scores[v.id].bits_per_byte for s, v in base.items() if v.id in scores}
        if not mine or not theirs:
            return None
        documents = [pair for s in sorted(set(mine) & set(theirs)) if (pair := self._documents(own[s], base[s], "test")) is not None]
        return paired.compare(mine, theirs, spread, documents, (design_id, "test"))

    def _seconds(self, design_id: str, reference: str, scale: str, more: Sequence[int], own: Seeds, base: Seeds) -> float:
        rung = self.scales[scale]
        alone = estimate(self.store, self.scales, [design_id, reference], rung, 1, self.machine).parts
        return alone[0].seconds * sum(s not in own for s in more) + alone[1].seconds * sum(s not in base for s in more)


def by_design(rows: Iterable[Verification]) -> dict[str, Seeds]:
    """design → seed → its newest measurement, of the newest of its implementations that was measured."""
    newest: dict[str, int] = {}
    for v in rows:
        newest[v.design_id] = max(newest.get(v.design_id, 0), v.implementation_id)
    found: dict[str, Seeds] = defaultdict(dict)
    for v in rows:
        if v.implementation_id == newest[v.design_id]:
            found[v.design_id][v.seed] = v
    return dict(found)


def _one_code(rows: Sequence[Verification]) -> list[Verification]:
    """Of each design the newest code, over the scales: a curve is of one block."""
    newest = {v.design_id: v.implementation_id for v in sorted(rows, key=lambda v: v.implementation_id)}
    return [v for v in rows if v.implementation_id == newest[v.design_id]]


def _code(design_id: str, implementation_id: int) -> str:
    return f"{design_id}#{implementation_id}"


def _means(rows: Iterable[Verification]) -> dict[str, float]:
    """code → mean over its seeds."""
    return {_code(design, next(iter(seeds.values())).implementation_id): fmean(_scores(seeds).values()) for design, seeds in by_design(rows).items()}


def _where(name: str, rows: Sequence[Verification], every: Sequence[Verification], corpus: str | None, own_rate: bool) -> str:
    """On what a design was not verified."""
    here = corpus or next((v.corpus for v in rows or [v for v in every if v.metrics]), "")
    only = any(v.metrics and v.design_id == name and v.own_rate is own_rate and (not rows or v.corpus_hash == rows[0].corpus_hash) for v in every)
    return (f" on {here}" if here else "") + (" at its own learning rate" if own_rate else "") + (" with the scale's settings as they are now" if only else "")


def _scores(seeds: Seeds) -> dict[int, float]:
    return {seed: v.metrics.bits_per_byte for seed, v in seeds.items() if v.metrics}


def _further(own: Seeds, base: Seeds, n: int) -> tuple[int, ...]:
    """The n seeds to be measured next: those that one of the two has already come first, for they cost half."""
    half = sorted(set(own) ^ set(base))
    fresh = (s for s in range(len(own) + len(base) + n) if s not in own and s not in base)
    return tuple(sorted([*half, *fresh][:n] if n else []))


def _failed(rows: Iterable[Verification], corpus_hash: str, own: Seeds, base: Seeds) -> list[Verification]:
    """The newest failure of each seed that one of the two has no score for, with the code that is compared."""
    found = {}
    for seeds in (own, base):
        made = next(iter(seeds.values()))
        found |= {(v.design_id, v.seed): v for v in rows if v.failure and v.seed not in seeds and v.corpus_hash == corpus_hash and v.settings in ("", made.settings)
                  and (v.implementation_id, v.own_rate) == (made.implementation_id, made.own_rate)}
    return list(found.values())


def _notes(found: Difference, spread: Noise, own: Seeds, base: Seeds) -> list[str]:
    notes = [f"seed noise: {spread.paired.sd:.4f} bits per byte of a difference, from {spread.basis}" if found.paired
             else f"seed noise: {spread.single.sd:.4f} bits per byte, from {spread.basis}"]
    if not found.paired:
        notes.append(f"unpaired: no seed in common (seeds {_list(own)} against {_list(base)}), so the noise of the data's order does not cancel")
    elif len(found.seeds) == 1:
        notes.append("one seed: its noise is not measured but taken from what is known of the scale")
    if found.documents and found.documents[0] < 0 < found.documents[1] and found.verdict is not Verdict.WITHIN_NOISE:
        notes.append(f"over other documents it could be otherwise: {found.documents[0]:+.4f} to {found.documents[1]:+.4f} over seeds and {found.n_documents} documents")
    ways = [v.provenance["scale"] for v in [*own.values(), *base.values()] if v.provenance.get("scale")]
    changed = [k for k in SETTINGS if len({str(way[k]) for way in ways if k in way}) > 1]
    if changed:
        notes.append(f"not trained alike: {', '.join(f'{k} ' + ' and '.join(sorted({str(w[k]) for w in ways if k in w})) for k in changed)}")
    return notes


def _words(design: str, reference: str, scale: str, verdict: Verdict, found: Difference, more: Sequence[int], seconds: float | None) -> str:
    n = len(found.seeds)
    over = f"over {n} seed{'s' if n > 1 else ''}" if found.paired else "unpaired"
    figures = f"{_signed(found.mean)} ± {found.se:.4f} bits per byte {over}"
    if verdict is Verdict.SUSPICIOUS:
        return f"suspicious: {design} at {scale} does not count until its causality audit has passed ({figures} to {reference})"
    if verdict is Verdict.BETTER:
        return f"better than {reference} at {scale} with probability {_probability(found.p_better)}: {figures}"
    if verdict is Verdict.WORSE:
        return f"worse than {reference} at {scale} with probability {_probability(1 - found.p_better)}: {figures}"
    told = f"within noise of {reference} at {scale}, better with probability {_probability(found.p_better)}: {figures}"
    if more and seconds is not None:
        return f"{told}; {_count(len(more))} more seed{'s' if len(more) > 1 else ''} would take {took(seconds)}"
    return f"{told}; so small a difference would take more than {paired.MOST_SEEDS} more seeds: a larger scale tells more"


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")


def _probability(p: float) -> str:
    return "over 0.999" if p > 0.999 else "under 0.001" if p < 0.001 else f"{p:.3f}" if p > 0.99 or p < 0.01 else f"{p:.2f}"


def _count(n: int) -> str:
    words = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    return words[n] if n < len(words) else str(n)


def _list(seeds: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(seeds)))

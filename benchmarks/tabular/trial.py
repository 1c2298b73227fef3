"""Many evolutions of many selectors over a table, and what they amount to: means, bootstrap bands, differences seed by seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from benchmarks.tabular.replay import DESIGN_COST, Evolution, Person, World, evolve, rungs
from benchmarks.tabular.table import Table, load
from core.selection.base import Parts
from core.selection.make import make_selector
from core.types import DESIGN_BUDGET

RESAMPLES = 2000
GRID = 60            # costs at which curves are read

# What `bayes` is made of, left out one by one. The person is a simulated one, noisy, who is listened to or not.
ABLATIONS: Mapping[str, tuple[Parts, Person | None]] = {
    "bayes": (Parts(), None),
    "no ancestry": (Parts(ancestry=False), None),
    "no structure": (Parts(structure=False), None),
    "no text": (Parts(text=False), None),
    "no similarity": (Parts(ancestry=False, structure=False, text=False), None),
    "no scale": (Parts(scale=False), None),
    "no cost": (Parts(cost=False), None),
    "no novelty": (Parts(novelty=False), None),
    "with a person": (Parts(), Person()),
    "no preferences": (Parts(preferences=False), Person()),
}
BASES = {"no preferences": "with a person"}      # what a variant is held against, where that is not `bayes` as it is


@dataclass(frozen=True)
class Job:
    """One evolution to be run. `label` names it in the results."""

    table: str
    folder: str
    label: str
    selector: str
    seed: int
    budgets: tuple[tuple[str, float], ...]
    parts: Parts | None = None
    person: Person | None = None


@lru_cache(maxsize=4)
def _table(name: str, folder: str) -> Table:
    return load(name, Path(folder))


def run(job: Job) -> Evolution:
    """Deterministic from the table and the job."""
    table = _table(job.table, job.folder)
    selector = make_selector(job.selector, job.seed, table.scales, rungs(table), job.parts)
    return replace(evolve(selector, World(table, dict(job.budgets), job.seed, job.person), job.label), acts=())


def run_all(jobs: Sequence[Job], workers: int, told: Callable[[int, int], None] = lambda done, all_: None) -> list[Evolution]:
    """In the order of `jobs`, whatever the number of workers."""
    if workers <= 1:
        return [_told(run(job), i, len(jobs), told) for i, job in enumerate(jobs)]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return [_told(found, i, len(jobs), told) for i, found in enumerate(pool.map(run, jobs, chunksize=4))]


def _told(found: Evolution, i: int, n: int, told: Callable[[int, int], None]) -> Evolution:
    told(i + 1, n)
    return found


# ------------------------------------------------------------------------------------------------ what they amount to


@dataclass(frozen=True)
class Band:
    """A mean over evolutions with its 95 % bootstrap interval (percentiles; Efron & Tibshirani 1993)."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.4f} [{self.low:.4f}, {self.high:.4f}]"


@dataclass(frozen=True)
class Summary:
    label: str
    runs: int
    regret: Band                     # simple regret, bits per byte
    found: Band                      # of the best design in the tree
    area: Band                       # mean regret over the whole budget: the area under regret against cost, over the cost
    cost: float                      # spent, mean
    designs: float
    failures: float
    curve: tuple[tuple[float, float, float, float], ...]    # (cost, mean regret, low, high)


def band(values: Iterable[float], seed: int = 0) -> Band:
    x = np.asarray(list(values), float)
    means = _resampled(x[:, None], seed)[:, 0]
    return Band(float(x.mean()), *(float(q) for q in np.quantile(means, [0.025, 0.975])))


def _resampled(x: np.ndarray, seed: int = 0) -> np.ndarray:
    """(runs, k) → (RESAMPLES, k) means of runs drawn with replacement."""
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(len(x), np.full(len(x), 1 / len(x)), RESAMPLES)
    return counts @ x / len(x)


def whole_cost(table: Table, budgets: Mapping[str, float]) -> float:
    """Of spending all accounts."""
    known = rungs(table)
    return sum(n * (DESIGN_COST if account == DESIGN_BUDGET else known[account].cost) for account, n in budgets.items())


def stepped(run: Evolution, costs: np.ndarray) -> np.ndarray:
    """The regret of what would be handed over once so much was spent."""
    at = np.array([p.cost for p in run.path])
    return np.array([p.regret for p in run.path])[np.searchsorted(at, costs + 1e-9, side="right") - 1]


def summary(label: str, runs: Sequence[Evolution], most: float) -> Summary:
    costs = np.linspace(0, most, GRID + 1)
    curves = np.stack([stepped(r, costs) for r in runs])
    low, high = np.quantile(_resampled(curves), [0.025, 0.975], axis=0)
    return Summary(label, len(runs), band(r.regret for r in runs), band(r.found for r in runs), band(curves.mean(1)), float(np.mean([r.cost for r in runs])),
                   float(np.mean([r.designs for r in runs])), float(np.mean([r.failures for r in runs])),
                   tuple((round(float(c), 3), *(round(float(v), 5) for v in row)) for c, row in zip(costs, np.stack([curves.mean(0), low, high], 1), strict=True)))


def difference(a: Sequence[Evolution], b: Sequence[Evolution]) -> Band:
    """Of simple regrets, a less b, seed by seed: below zero where a is better."""
    other = {r.seed: r.regret for r in b}
    return band(r.regret - other[r.seed] for r in a if r.seed in other)


def halved(budgets: Mapping[str, float]) -> dict[str, float]:
    return {account: math.floor(n / 2) for account, n in budgets.items()}

"""The command line of benchmarks/selectors.py: what is run, and how it is told."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import networkx
import numpy
import scipy

from benchmarks.tabular import plot
from benchmarks.tabular.replay import Evolution, rungs
from benchmarks.tabular.table import FOLDER, Table, load
from benchmarks.tabular.trial import ABLATIONS, BASES, Job, Summary, difference, halved, run_all, summary, whole_cost
from core.errors import ModelDiscoveryError, UsageError
from core.selection.make import SELECTORS
from core.types import DESIGN_BUDGET

BUDGET = "design=48,xs=72,s=32,m=12"
COMPARED = tuple(name for name in SELECTORS if name != "person")


def main(about: str, argv: Sequence[str] | None = None) -> int:
    """The command line; its exit code."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--table", default="main")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the tables lie")
    parser.add_argument("--seeds", default="1000-1099")
    parser.add_argument("--selectors", default=",".join(COMPARED))
    parser.add_argument("--budget", default=BUDGET)
    parser.add_argument("--ablation", action="store_true", help="`bayes` with its parts left out one by one, instead of the selectors")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 1) - 1))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--plot", type=Path)
    args = parser.parse_args(argv)
    try:
        return compare(args)
    except ModelDiscoveryError as error:
        print(error, file=sys.stderr)
        return error.exit_code


def compare(args: argparse.Namespace) -> int:
    table = load(args.table, args.folder)
    full, seeds = budget(args.budget, table), span(args.seeds)
    jobs = ablated(args, full, seeds) if args.ablation else compared(args, full, seeds)
    print(machine(), described(table), f"budget {args.budget}: {whole_cost(table, full):.0f} in units of one training at {table.scales[0]}; {len(seeds)} evolutions each, seeds {args.seeds}", sep="\n")
    began, cpu = time.perf_counter(), time.process_time()
    found = run_all(jobs, args.workers, progress)
    took = time.perf_counter() - began
    runs: dict[tuple[str, bool], list[Evolution]] = {}
    for job, evolution in zip(jobs, found, strict=True):
        runs.setdefault((job.label, dict(job.budgets) == full), []).append(evolution)
    whole = {label: summary(label, r, whole_cost(table, full)) for (label, at), r in runs.items() if at}
    half = {label: summary(label, r, whole_cost(table, halved(full))) for (label, at), r in runs.items() if not at}
    print(f"\n{len(jobs)} evolutions in {took:.0f} s with {args.workers} worker{'s' if args.workers > 1 else ''}" + (f" ({time.process_time() - cpu:.0f} s of the processor)" if args.workers <= 1 else ""))
    told("the whole budget", whole)
    if half:
        told("half of it", half)
    answers = against_half(runs) if ("bayes", False) in runs else against(runs, "bayes") if ("bayes", True) in runs else {}
    written(args, table, full, whole, half, answers)
    return 0


def compared(args: argparse.Namespace, full: Mapping[str, float], seeds: list[int]) -> list[Job]:
    names = args.selectors.split(",")
    unknown = [n for n in names if n not in SELECTORS]
    if unknown:
        raise UsageError(f"selector {unknown[0]!r} is unknown", f"use some of {', '.join(COMPARED)}")
    return [Job(args.table, str(args.folder), name, name, seed, tuple(b.items())) for name in names for b in (full, halved(full)) for seed in seeds]


def ablated(args: argparse.Namespace, full: Mapping[str, float], seeds: list[int]) -> list[Job]:
    return [Job(args.table, str(args.folder), label, "bayes", seed, tuple(full.items()), parts, person) for label, (parts, person) in ABLATIONS.items() for seed in seeds]


# ------------------------------------------------------------------------------------------------ reading what is asked


def budget(text: str, table: Table) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in text.split(","):
        account, _, units = part.partition("=")
        if account not in (DESIGN_BUDGET, *table.scales) or not units.isdigit():
            raise UsageError(f"--budget {part!r}", f"give {DESIGN_BUDGET} and scales of the table with whole numbers, such as {BUDGET}")
        found[account] = float(units)
    return found


def span(text: str) -> list[int]:
    first, _, last = text.partition("-")
    if not first.isdigit() or not (last or first).isdigit() or int(last or first) < int(first):
        raise UsageError(f"--seeds {text!r}", "give a range such as 0-99")
    return list(range(int(first), int(last or first) + 1))


# ------------------------------------------------------------------------------------------------ telling what was found


def machine() -> str:
    versions = f"Python {platform.python_version()}, numpy {numpy.__version__}, scipy {scipy.__version__}, networkx {networkx.__version__}"
    return f"{platform.machine()}, {os.cpu_count()} cores, {versions}"


def described(table: Table) -> str:
    ranks, counts = table.manifest["ranks"], table.manifest["counts"]
    costs = ", ".join(f"{s} {r.cost:.2f}" for s, r in rungs(table).items())
    return (f"table {table.name}: {counts['designs']} designs, {counts['trainings']} trainings on {table.manifest['corpus']['text']} ({table.manifest['sha256'][:12]}); "
            f"costs {costs}; rank correlation between scales {ranks['between_scales']}, between seeds {ranks['between_seeds']}; spread {ranks['spread']}, seed noise {ranks['noise']}")


def told(what: str, found: Mapping[str, Summary]) -> None:
    width = max(map(len, found)) + 2
    print(f"\n{what}, bits per byte, mean [95 % interval]\n{'':{width}}{'simple regret':26}{'best found':26}{'area':26}{'cost':>8}{'designs':>9}{'failed':>8}")
    for s in sorted(found.values(), key=lambda s: s.regret.mean):
        print(f"{s.label:{width}}{s.regret!s:26}{s.found!s:26}{s.area!s:26}{s.cost:8.0f}{s.designs:9.1f}{s.failures:8.1f}")


def against_half(runs: Mapping[tuple[str, bool], list[Evolution]]) -> dict[str, dict]:
    """The question: is `bayes` at half the budget at or below each other at the whole?"""
    print("\nbayes at half the budget less the other at the whole, seed by seed (below zero: bayes is better for half the cost)")
    answers = {}
    for (label, at), other in runs.items():
        if at and label != "bayes":
            gap = difference(runs["bayes", False], other)
            answers[label] = asdict(gap) | {"at_or_below": gap.mean <= 0, "sure": gap.high <= 0}
            print(f"  {label:12}{gap!s:30}{'yes' if gap.high <= 0 else 'yes, within noise' if gap.mean <= 0 else 'no, within noise' if gap.low <= 0 else 'no'}")
    return answers


def against(runs: Mapping[tuple[str, bool], list[Evolution]], base: str) -> dict[str, dict]:
    print(f"\neach less {base}, seed by seed (above zero: what is left out helps)")
    answers = {}
    for (label, at), other in runs.items():
        if at and label != base:
            held = BASES.get(label, base)
            gap = difference(other, runs[held, True])
            answers[label] = asdict(gap) | {"against": held}
            print(f"  {label:16}{gap}" + (f"   against {held}" if held != base else ""))
    return answers


def written(args: argparse.Namespace, table: Table, full: Mapping[str, float], whole: Mapping[str, Summary], half: Mapping[str, Summary], answers: Mapping[str, dict]) -> None:
    if args.out:
        facts = {"machine": machine(), "table": table.name, "sha256": table.manifest["sha256"], "seeds": args.seeds, "budget": dict(full),
                 "whole": {k: asdict(s) for k, s in whole.items()}, "half": {k: asdict(s) for k, s in half.items()}, "answers": answers}
        args.out.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        print(f"\nwritten to {args.out}")
    if args.plot:
        title = f"Regret against cost, table {table.name}, {len(span(args.seeds))} evolutions each, 95 % bands"
        args.plot.write_text(plot.curves(title, {k: s.curve for k, s in whole.items()}, f"cost, in trainings at {table.scales[0]}", "regret of what is handed over, bits per byte"), encoding="utf-8")
        print(f"drawn to {args.plot}")


def progress(done: int, all_: int) -> None:
    if sys.stderr.isatty() or done == all_ or done % 100 == 0:
        print(f"\r{done} of {all_} evolutions", end="" if done < all_ else "\n", file=sys.stderr, flush=True)


"""`python -m core probe DESIGNS --suite NAME`: generated tasks that tell architectures apart in minutes."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from core import cli_text as text
from core.build import BuildSystem
from core.cli_work import work
from core.desk import Desk
from core.errors import UsageError
from core.types import Job, Json, ProbeResult
from core.verification.probes.scores import mean, relative
from core.verification.probes.suites import Suite, get_suite

Answer = tuple[object, str, int]


def probe(args: argparse.Namespace) -> Answer:
    """Run a suite on designs, or list the suites."""
    return answer(BuildSystem().open(), args, work)


def answer(desk: Desk, args: argparse.Namespace, do: Callable[[Desk, Job], Job]) -> Answer:
    """`do` does a job to its end. Exit code 1 when a design failed at every task."""
    if args.suite == "list":
        return list(desk.suites.values()), _suites(desk.suites), 0
    suite = get_suite(desk.suites, args.suite)
    ids = [name for name in args.designs.split(",") if name]
    if not ids:
        raise UsageError("no design is named", "python -m core probe gpt2,gla --suite mad; the suites: python -m core probe --suite list")
    tasks = [name for name in args.tasks.split(",") if name]
    started = time.monotonic()
    found: dict[str, list[ProbeResult]] = {}
    for design_id, job in zip(ids, desk.probe(ids, args.suite, args.seed, tasks, args.fresh), strict=True):
        done = do(desk, job)
        found[design_id] = [ProbeResult(**r) for r in done.result["probes"]]
        print(f"{design_id}: {mean(found[design_id]):.3f} in {sum(r.seconds for r in found[design_id]):,.0f} s of probes", file=sys.stderr, flush=True)
    data = {"suite": suite.name, "suite_hash": suite.hash, "seed": args.seed, "seconds": round(time.monotonic() - started, 1), "designs": {k: _told(v) for k, v in found.items()}}
    return data, table(suite, found), int(any(all(r.failure for r in results) for results in found.values()))


def _told(results: Sequence[ProbeResult]) -> Json:
    return {"mean": mean(results), "results": [{**r.__dict__, "relative": relative(r)} for r in results]}


def table(suite: Suite, found: Mapping[str, Sequence[ProbeResult]]) -> str:
    """Designs × tasks: 0 at chance, 1 when all is right; best design first."""
    keys = list(dict.fromkeys((r.task, r.level) for results in found.values() for r in results))
    order = sorted(found, key=lambda name: -mean(found[name]))
    rows = [(name, *[_cell({(r.task, r.level): r for r in found[name]}.get(key)) for key in keys], f"{mean(found[name]):.2f}") for name in order]
    failures = [f"{name}, {r.task} {r.level}: {r.failure}" for name in order for r in found[name] if r.failure]
    head = ("design", *[f"{task} {level}".strip() for task, level in keys], "mean")
    note = f"{suite.name}: accuracy relative to chance (0 at chance, 1 when all is right), best learning rate, fresh data"
    return "\n".join([text.table(head, rows), note, *failures])


def _cell(result: ProbeResult | None) -> str:
    return "" if result is None else "failed" if result.failure else f"{relative(result):.2f}"


def _suites(suites: Mapping[str, Suite]) -> str:
    return text.table(("suite", "probes", "tasks", "about"), [(s.name, len(s.probes), ", ".join(s.tasks), s.about) for s in suites.values()])


OPTIONS: Sequence[tuple] = (
    ("designs", {"nargs": "?", "default": "", "help": "ids, separated by commas"}),
    ("--suite", {"default": "mad", "help": "a suite of library/probes.yaml, or list"}),
    ("--seed", {"type": int, "default": 0}),
    ("--tasks", {"default": "", "help": "some of the suite's tasks, separated by commas"}),
    ("--fresh", {"action": "store_true", "help": "run them again, though results are stored"}),
)

"""What the command line prints: JSON of the nouns, and short tables for people."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from pathlib import Path
from statistics import fmean, stdev

from core.doctor import Finding
from core.dossier import Dossier
from core.jobs import Queue, WorkerInfo
from core.report.gather import main_metric
from core.types import Account, CheckReport, Costs, Design, Job, JobState, Json, UnitTree, Verification

MARKS = {"pass": "✓", "warn": "!", "fail": "✗", "ok": "✓"}


def print_json(data: object) -> None:
    print(json.dumps(data, default=_plain, ensure_ascii=False, indent=2))


def _plain(value: object) -> object:
    if isinstance(value, UnitTree):
        return value.to_dict()
    if is_dataclass(value) and not isinstance(value, type):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, (set, tuple)):
        return list(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    cells = [list(head), *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells)


def designs(found: Sequence[Design]) -> str:
    if not found:
        return "no designs of that sort"
    rows = [(d.id, d.kind, d.status, "" if d.rating is None else f"{d.rating:.1f}",
             " ".join(f"{scale}={score:.4f}" for scale, score in d.scores.items()), d.title) for d in found]
    return table(("id", "kind", "status", "rating", "bits per byte", "title"), rows)


def counting(scale: str) -> None:
    print(f"counting at {scale}", file=sys.stderr, flush=True)


def costs(found: Mapping[str, Costs]) -> str:
    rows = [(name, f"{c.params:,}", f"{c.params_embedding:,}", f"{c.flops_infer / 1e6:,.2f} M", f"{c.flops_train / 1e6:,.2f} M", f"{c.peak_mb:,.0f} MB")
            for name, c in found.items()]
    return table(("scale", "parameters", "embedding", "FLOPs a token", "in training", "memory"), rows)


def report(check: CheckReport | None) -> str:
    if check is None:
        return "not checked yet"
    lines = [f"{'passed' if check.passed else 'FAILED'} at {check.scale} in {check.seconds:.1f} s"]
    for result in check.results:
        lines.append(f"  {MARKS[result.verdict]} {result.name:<12} {result.evidence}")
        lines += [f"    mend: {result.mend}"] if result.mend else []
    if check.output:
        lines += ["  printed by the block:", *[f"    {line}" for line in check.output.splitlines()[:20]]]
    return "\n".join(lines)


def verification_dict(row: Verification) -> Json:
    """One flat answer: what was measured, and what it was made with."""
    metrics = asdict(row.metrics) if row.metrics else {}
    return {"design": row.design_id, "scale": row.scale, "seed": row.seed, "corpus": row.corpus, "corpus_hash": row.corpus_hash,
            "verification": row.id, "failure": row.failure, **metrics, "provenance": row.provenance}


def verification(row: Verification) -> str:
    name = f"{row.design_id} at {row.scale}, seed {row.seed}"
    if row.metrics is None:
        return f"{name}: {row.failure or 'not finished'}"
    m = row.metrics
    lines = [f"{name}, on {row.corpus}",
             f"  bits per byte  {m.bits_per_byte:.4f} ± {m.bits_per_byte_se:.4f} (standard error over documents)",
             f"  tokens         {m.tokens:,} at {m.tokens_per_s:,.0f}/s",
             f"  parameters     {m.params:,} + {m.params_embedding:,} embedding"]
    for task, s in m.tasks.items():
        lines.append(f"  {task:<14} {task_line(s)}")
    lines += [f"  {task:<14} not scored: {why}" for task, why in row.provenance.get("tasks_failed", {}).items()]
    return "\n".join(lines)


def task_line(scores: Mapping[str, float]) -> str:
    """0.640 ± 0.023 (chance 0.50, 400 items); another metric by its name, without what the task does not have."""
    name = main_metric(scores)
    if name is None:
        return "no figure"
    told = (f"{scores[name]:.3f}" if name == "acc" else f"{name} {scores[name]:.4g}") + (f" ± {scores[f'{name}_stderr']:.3f}" if f"{name}_stderr" in scores else "")
    more = [f"chance {scores['chance']:.2f}"] if "chance" in scores else []
    more += [f"{scores['n']:.0f} items"] if "n" in scores else []
    return told + (f" ({', '.join(more)})" if more else "")


def seeds_dict(rows: Sequence[Verification]) -> Json:
    """Every seed's answer, and their mean with its standard error over seeds."""
    return {"design": rows[0].design_id, "scale": rows[0].scale, "seeds": [r.seed for r in rows], **_together(rows), "verifications": [verification_dict(r) for r in rows]}


def _together(rows: Sequence[Verification]) -> Json:
    scores = [r.metrics.bits_per_byte for r in rows if r.metrics]
    if not scores:
        return {"bits_per_byte": None, "bits_per_byte_sd": None, "bits_per_byte_se": None, "tasks": {}}
    sd = stdev(scores) if len(scores) > 1 else None
    named = [r.metrics.tasks for r in rows if r.metrics]
    tasks = {name: {"acc": fmean(t[name]["acc"] for t in named if name in t and "acc" in t[name]), "chance": found.get("chance")}
             for name, found in named[0].items() if "acc" in found}
    return {"bits_per_byte": fmean(scores), "bits_per_byte_sd": sd, "bits_per_byte_se": sd / len(scores) ** 0.5 if sd is not None else None, "tasks": tasks}


def seeds(rows: Sequence[Verification]) -> str:
    found = _together(rows)
    lines = [verification(row) for row in rows]
    if found["bits_per_byte_se"] is not None:
        lines.append(f"{rows[0].design_id} at {rows[0].scale}: {found['bits_per_byte']:.4f} ± {found['bits_per_byte_se']:.4f} bits per byte over {len(rows)} seeds (standard error)")
    return "\n".join(lines)


def dossier(found: Dossier) -> str:
    d = found.design
    lines = [f"{d.id}  {d.title}", f"{d.kind}, {d.mode}, {d.status}" + (f", from {', '.join(d.parents)}" if d.parents else ""), ""]
    if found.proposals:
        lines += [found.proposals[-1].body, ""]
    for review in found.reviews:
        lines.append(f"{review.reviewer} rated {review.rating:.1f}")
    for decision in found.decisions:
        lines.append(f"{decision.author}: {decision.verb}" + (f" — {decision.reason}" if decision.reason else ""))
    if found.implementation:
        lines.append(report(found.implementation.check))
    lines += [verification(v) for v in found.verifications]
    return "\n".join(lines)


def jobs(found: Sequence[Job], workers: Sequence[WorkerInfo]) -> str:
    rows = [(j.id, j.kind, j.subject, j.state, f"{j.progress:.0%}", j.attempts, j.error or j.note) for j in found]
    alive = ", ".join(w.name for w in workers) or "none: start one with python -m core worker"
    return table(("id", "kind", "subject", "state", "done", "tries", "note"), rows) + f"\nworkers: {alive}"


def accounts(found: Sequence[Account]) -> str:
    return table(("account", "granted", "spent", "reserved", "left"),
                 [(a.name, *(f"{n:,.0f}" if abs(n) >= 1e5 else f"{n:g}" for n in (a.granted, a.spent, a.reserved, a.left))) for a in found])


def woken(sessions: Sequence[str]) -> str:
    """Sessions that waited for a budget, as they are handed to the workers."""
    return "".join(f"\nsession {one} waited for it: a worker goes on, or: python -m core resume {one}" for one in sessions)


def findings(found: Sequence[Finding]) -> str:
    return "\n".join(f"{MARKS[f.state]} {f.name:<14} {f.words}" + (f"\n  mend: {f.mend}" if f.mend else "") for f in found)


def follow(queue: Queue, job: Job, work: Callable[[], Job | None]) -> Job:
    """Do `work`, or wait for the worker that has the job; what the job does is told on stderr, on one line."""
    over = threading.Event()

    def tell() -> None:
        said = ""
        while not over.wait(0.5):
            now = queue.get(job.id)
            line = f"{now.progress:4.0%} {now.note}"
            if line != said and sys.stderr.isatty():
                print(f"\r\033[K{line[:100]}", end="", file=sys.stderr, flush=True)
            elif line != said and now.resting:
                print(f"{now.subject} rests: {now.note}", file=sys.stderr, flush=True)
            said = line

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        work()
        while queue.get(job.id).state in (JobState.QUEUED, JobState.RUNNING):
            time.sleep(0.3)
            work()
        return queue.get(job.id)
    finally:
        over.set()
        teller.join()
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)

"""`python -m core compare|estimate|…`: what the measurements say, and what further ones would take."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from core import cli_text as text
from core.build import BuildSystem
from core.cli_work import work
from core.errors import UsageError
from core.estimates import took
from core.evidence import REFERENCE, Comparison

Answer = tuple[object, str, int]
SCALE = ("--scale", {"default": "nano", "help": "a rung of library/scales.yaml"})
CORPUS = ("--corpus", {"help": "its name; otherwise the one on which both were measured"})


def compare(args: argparse.Namespace) -> Answer:
    found = BuildSystem().open().compare(args.id, args.scale, args.reference, args.corpus)
    return asdict(found), _comparison(found), 0


def _comparison(found: Comparison) -> str:
    lines = [found.words, f"  95 % interval   {found.low:+.4f} to {found.high:+.4f} (seed noise)"]
    if found.documents:
        lines.append(f"                  {found.documents[0]:+.4f} to {found.documents[1]:+.4f} (seeds and {found.n_documents} documents)")
    for seed in sorted({*found.own, *found.base}):
        a, b = found.own.get(seed), found.base.get(seed)
        gap = f"{a - b:+.4f}" if a is not None and b is not None else ""
        lines.append(f"  seed {seed:<4} {'' if a is None else f'{a:.4f}':>8} {'' if b is None else f'{b:.4f}':>8} {gap:>8}")
    if found.test:
        lines.append(f"  test split      {found.test.mean:+.4f} ± {found.test.se:.4f}: {found.test.verdict}")
    for task in found.tasks:
        lines.append(f"  {task.task:<15} {task.own.value:.3f} against {task.base.value:.3f} (chance {task.own.chance:.2f}): {task.difference:+.3f} ± {task.se:.3f}, p {task.p_value:.2g}")
    return "\n".join([*lines, *[f"  note: {note}" for note in found.notes]])


def estimate(args: argparse.Namespace) -> Answer:
    if not 1 <= args.seeds <= 10_000:
        raise UsageError(f"--seeds {args.seeds}", "give a number from 1 to 10000")
    if args.price < 0:
        raise UsageError(f"--price {args.price:g}", "what an hour costs is not negative")
    desk = BuildSystem().open()
    ids = list(dict.fromkeys(i for i in args.ids.split(",") if i))
    for design_id in ids:
        desk.store.designs.get(design_id)
    if args.measure:
        for design_id in ids:
            work(desk, desk.time(design_id, args.scale, args.corpus))
    found = desk.estimate(ids, args.scale, args.seeds, args.price)
    rows = [(p.design_id, took(p.seconds), f"{p.memory_mb:,.0f} MB", f"{p.flops:.3g}" if p.flops else "not counted", p.basis) for p in found.parts]
    total = f"all {len(ids)} × {args.seeds} seeds at {args.scale}: {took(found.seconds)}, {found.memory_mb:,.0f} MB at the peak"
    total += (f", {found.flops:.3g} FLOPs" if found.flops else "") + (f", {found.money:.2f} at {args.price:g} an hour" if found.money is not None else "")
    return asdict(found), f"{text.table(('design', 'a seed', 'memory', 'FLOPs', 'from'), rows)}\n{total}", 0


COMPARE = (("id", {"help": "a design's id"}), SCALE, ("--reference", {"default": REFERENCE, "help": "the design to compare with"}), CORPUS)
ESTIMATE = (("ids", {"metavar": "ID[,ID…]", "help": "designs, separated by commas"}), SCALE, ("--seeds", {"type": int, "default": 1, "help": "how many"}),
            ("--price", {"type": float, "default": 0.0, "metavar": "MONEY", "help": "what an hour of the machine costs"}),
            ("--measure", {"action": "store_true", "help": "a short timed run of each first"}),
            ("--corpus", {"help": "for the timed run"}))

"""`python -m core compare|estimate|…`: what the measurements say, and what further ones would take."""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import asdict

from core import cli_text as text
from core.build import BuildSystem
from core.cli_work import work
from core.errors import UsageError
from core.estimates import took
from core.evidence import REFERENCE, Comparison
from core.statistics.noise import Spread
from core.types import VerifyOptions

Answer = tuple[object, str, int]
SCALE = ("--scale", {"default": "nano", "help": "a rung of library/scales.yaml"})
CORPUS = ("--corpus", {"help": "its name; otherwise the one on which both were measured"})


def compare(args: argparse.Namespace) -> Answer:
    found = BuildSystem().open().compare(args.id, args.scale, args.reference, args.corpus, True if args.sweep else None)
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
        lines.append(f"  {task.task:<15} {task.own.value:.3f} against {task.base.value:.3f} (chance {task.own.chance:.2f}): {task.words}")
    return "\n".join([*lines, *[f"  note: {note}" for note in found.notes]])


def estimate(args: argparse.Namespace) -> Answer:
    if not 1 <= args.seeds <= 10_000:
        raise UsageError(f"--seeds {args.seeds}", "give a number from 1 to 10000")
    if not 0 <= args.price < math.inf:
        raise UsageError(f"--price {args.price:g}", "what an hour costs is a number that is not negative")
    desk = BuildSystem().open()
    ids = list(dict.fromkeys(i for i in args.ids.split(",") if i))
    for design_id in ids:
        desk.store.designs.get(design_id)
    if args.measure:
        for design_id in ids:
            work(desk, desk.time(design_id, args.scale, args.corpus))
    found = desk.estimate(ids, args.scale, args.seeds, args.price, VerifyOptions(tuple(t for t in args.tasks.split(",") if t), args.sweep))
    rows = [(p.design_id, took(p.seconds), f"{p.memory_mb:,.0f} MB", f"{p.flops:.3g}" if p.flops else "not counted", p.basis) for p in found.parts]
    total = f"all {len(ids)} × {args.seeds} seeds at {args.scale}: {took(found.seconds)}, {found.memory_mb:,.0f} MB at the peak"
    total += (f", {found.flops:.3g} FLOPs" if found.flops else "") + (f", {found.money:.2f} at {args.price:g} an hour" if found.money is not None else "")
    return asdict(found), f"{text.table(('design', 'a seed', 'memory', 'FLOPs', 'from'), rows)}\n{total}", 0


def rungs(args: argparse.Namespace) -> Answer:
    found = BuildSystem().open().rungs()
    if not found:
        return [], "nothing was measured at two rungs yet: verify designs at nano and at micro, or probe them", 0
    rows = [(r.low, r.high, r.n, _rank(r.spearman, r.spearman_interval), _rank(r.kendall, r.kendall_interval)) for r in found]
    return [asdict(r) for r in found], text.table(("from", "to", "designs", "Spearman", "Kendall"), rows), 0


def _rank(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None:
        return "too few"
    return f"{value:+.2f}" + (f" ({interval[0]:+.2f} to {interval[1]:+.2f})" if interval else "")


def ladder(args: argparse.Namespace) -> Answer:
    found = BuildSystem().open().ladder([i for i in args.ids.split(",") if i], args.corpus)
    lines = [f"bits per byte against non-embedding parameters, on {found.corpus or 'nothing'}; 95 % in brackets"]
    for c in found.curves:
        measured = ", ".join(f"{p.scale} {p.y:.4f} ± {p.se:.4f}" for p in c.points)
        lines += [f"{c.design_id:<12} {measured}",
                  f"{'':<12} {c.kind}: level {c.level.value:.4f} ({c.level.low:.4f} to {c.level.high:.4f}), "
                  f"slope {c.slope.value:+.4f} ({c.slope.low:+.4f} to {c.slope.high:+.4f}) for ten times the size"]
    for x in found.crossings:
        where = "do not cross" if x.size is None else (
            f"{x.second} overtakes at {x.size.value:.3g} parameters ({x.size.low:.3g} to {x.size.high:.3g})" + (", an extrapolation" if x.extrapolated else ""))
        lines.append(f"{x.first} leads {x.second}: {where}; crossing with probability {x.probability:.2f}")
    lines += [f"{name}: measured at fewer than two scales" for name in found.without]
    return asdict(found), "\n".join(lines), 0


def promote(args: argparse.Namespace) -> Answer:
    desk = BuildSystem().open()
    work(desk, desk.promote(args.verification, args.reason))
    row = desk.store.verifications.get(args.verification)
    score, looks = desk.store.measurements.test_scores()[row.id], desk.test_looks(row.corpus_hash)
    words = (f"{row.design_id} at {row.scale}, seed {row.seed}: {score.bits_per_byte:.4f} ± {score.bits_per_byte_se:.4f} bits per byte on {score.documents} documents of the test split\n"
             f"  validation      {row.metrics.bits_per_byte:.4f}\n  the test split of {row.corpus} has been looked at {looks} time{'s' if looks != 1 else ''}: each look weakens it")
    return {**asdict(score), "validation": row.metrics.bits_per_byte, "looks": looks}, words, 0


def audit(args: argparse.Namespace) -> Answer:
    desk = BuildSystem().open()
    if args.verification is None:
        found = desk.suspicious()
        return [asdict(s) for s in found], "\n".join(f"verification {s.verification_id}, {s.design_id} at {s.scale}: {s.words}" for s in found) or "nothing is suspicious", 0
    result = work(desk, desk.audit(args.verification)).result
    return result, f"verification {args.verification}: the audit {'passed' if result['passed'] else 'FAILED'}: {result['evidence']}", int(not result["passed"])


def noise(args: argparse.Namespace) -> Answer:
    """Measured with --seeds; otherwise what is known."""
    desk = BuildSystem().open()
    if args.seeds:
        ids = list(dict.fromkeys(i for i in args.designs.split(",") if i))
        if len(ids) < 2 or args.seeds < 2:
            raise UsageError(f"{len(ids)} designs × {args.seeds} seeds", "the noise of a difference needs two designs and two seeds: --designs gpt2,llama,gla --seeds 8")
        cost = desk.estimate(ids, args.scale, args.seeds)
        print(f"{len(ids)} designs × {args.seeds} seeds: {took(cost.seconds)} at most, {cost.basis}; what is stored is not made again", file=sys.stderr, flush=True)
        for job in desk.verify(ids, args.scale, range(args.seeds), args.corpus):
            done = work(desk, job)
            row = desk.store.verifications.get(done.result["verification"])
            print(text.verification(row).splitlines()[0], f"{row.metrics.bits_per_byte:.4f}" if row.metrics else "", file=sys.stderr, flush=True)
        measured = desk.measured_noise(args.scale, ids, row.corpus_hash, range(args.seeds))
        where = desk.write_noise(args.scale, ids, row.corpus_hash, range(args.seeds)) if args.write else None
        words = f"measured at {args.scale} with {', '.join(ids)} × {args.seeds} seeds\n{_spreads(*measured)}" + (f"\nwritten to {where}" if where else "")
        return {"single": asdict(measured[0]), "paired": asdict(measured[1]), "written": str(where or "")}, words, 0
    if args.write:
        raise UsageError("--write without --seeds", "say how many seeds to measure: --seeds 8 (what is measured already is not made again)")
    found = desk.noise(args.scale, args.corpus)
    return asdict(found), f"noise of {args.scale}, from {found.basis}\n{_spreads(found.single, found.paired)}", 0


def _spreads(single: Spread, paired: Spread) -> str:
    def line(name: str, s: Spread) -> str:
        low, high = s.interval()
        return f"  {name:<32} {s.sd:.4f}  ({low:.4f} to {high:.4f}, {s.df:.0f} degrees of freedom)"

    return "\n".join(["bits per byte, standard deviation over seeds (95 %)", line("of one score", single), line("of a difference on the same seed", paired)])


COMPARE = (("id", {"help": "a design's id"}), SCALE, ("--reference", {"default": REFERENCE, "help": "the design to compare with"}), CORPUS,
           ("--sweep", {"action": "store_true", "help": "the runs at each design's own learning rate; otherwise those at the scale's, where both have some"}))
ESTIMATE = (("ids", {"metavar": "ID[,ID…]", "help": "designs, separated by commas"}), SCALE, ("--seeds", {"type": int, "default": 1, "help": "how many"}),
            ("--price", {"type": float, "default": 0.0, "metavar": "MONEY", "help": "what an hour of the machine costs"}),
            ("--measure", {"action": "store_true", "help": "a short timed run of each first"}),
            ("--corpus", {"help": "for the timed run"}), ("--tasks", {"default": "minimal_pairs", "metavar": "NAMES", "help": "as for verify"}),
            ("--sweep", {"action": "store_true", "help": "with the search for the design's own learning rate"}))
RUNGS = ()
LADDER = (("ids", {"metavar": "ID[,ID…]", "help": "designs, separated by commas"}), CORPUS)
PROMOTE = (("verification", {"type": int, "metavar": "VERIFICATION", "help": "its number, as `show` prints it"}), ("--reason", {"required": True, "help": "why, in words"}))
AUDIT = (("verification", {"type": int, "nargs": "?", "metavar": "VERIFICATION", "help": "its number; the suspicious ones are listed otherwise"}),)
NOISE = (SCALE, ("--seeds", {"type": int, "default": 0, "help": "measure with so many seeds of each design; otherwise what is known is shown"}),
         ("--designs", {"default": "gpt2,llama,gla", "help": "two at least, unlike ones, separated by commas"}), CORPUS,
         ("--write", {"action": "store_true", "help": "write what was measured into library/noise.yaml"}))

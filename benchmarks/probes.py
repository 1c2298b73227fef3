"""Do the probes tell apart what is known to differ? Designs × probes on this machine, then each known ordering, reproduced or not.

    python benchmarks/probes.py                      # all of it: about an hour on two cores; goes on where it was stopped
    python benchmarks/probes.py --suites mqar,state --designs attention,gla,deltanet
    python benchmarks/probes.py --show               # what is there already

Beside the library's references stand variants composed here: a recurrence of one number a channel, attention that sees 8 positions only, and
DeltaNet whose writes may overshoot (negative eigenvalues). "Better" means by 0.1 of relative accuracy at least; "solved" means 0.95 and more.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from core.cli_text import table  # noqa: E402
from core.gab.references import load_references  # noqa: E402
from core.gab.units import UnitLibrary  # noqa: E402
from core.types import ProbeResult, UnitTree, sha256_text  # noqa: E402
from core.verification.probes.probe import Outcome, probe  # noqa: E402
from core.verification.probes.scores import relative  # noqa: E402
from core.verification.probes.suites import Probe, load_suites  # noqa: E402
from core.verification.work import cores, machine_of  # noqa: E402

MARGIN, SOLVED = 0.1, 0.95
Scores = Mapping[tuple[str, str], float]         # (design, probe) → relative accuracy


# ----------------------------------------------------------------------------------------------------- designs


def variants(units: UnitLibrary) -> dict[str, str]:
    """Name → gab.py: references under short names, and what is composed here."""
    codes = {r.slug: r.code for r in load_references(ROOT / "library")}
    found = {"attention": codes["gpt2"], **{name: codes[name] for name in ("retnet", "gla", "mamba2", "deltanet")}}
    conv, norm = UnitTree("short_conv", {"width": 4}), UnitTree("rms_norm")

    def block(mixer: UnitTree) -> str:
        return units.compose(UnitTree("pre_norm", {}, {"norm": norm, "mixer": mixer, "channel": UnitTree("swiglu")}), "A variant for the probes")

    found["deltanet ±"] = block(UnitTree("delta_net", {"heads": 4, "most": 2.0}, {"conv": conv, "norm": norm}))
    found["one a channel"] = block(UnitTree("rg_lru", {"heads": 4}, {"conv": conv}))
    found["window 8"] = block(UnitTree("sliding_window_attention", {"heads": 4, "window": 8}, {"position": UnitTree("rotary")}))
    return found


# ----------------------------------------------------------------------------------------------------- what is known


@dataclass(frozen=True)
class Ordering:
    """`holds` is asked once every score that it `needs` is there."""

    claim: str
    source: str
    needs: tuple[tuple[str, str], ...]
    holds: Callable[[Scores], bool]


def better(better_ones: tuple[str, ...], worse_ones: tuple[str, ...], on: str, claim: str, source: str) -> Ordering:
    needs = tuple((name, on) for name in (*better_ones, *worse_ones))
    return Ordering(claim, source, needs, lambda s: min(s[name, on] for name in better_ones) >= max(s[name, on] for name in worse_ones) + MARGIN)


def solves(who: tuple[str, ...], on: str, claim: str, source: str) -> Ordering:
    return Ordering(claim, source, tuple((name, on) for name in who), lambda s: all(s[name, on] >= SOLVED for name in who))


ZOOLOGY, DELTA = "Arora et al. 2023, 2312.04927", "Yang et al. 2024, 2406.06484"
GRAZZI, MERRILL = "Grazzi et al. 2024, 2411.12537", "Merrill et al. 2024, 2404.08819"
KNOWN = (
    solves(("attention",), "mqar/4 pairs", "attention solves MQAR", ZOOLOGY),
    solves(("attention",), "mqar/4 pairs, width 32", "and does so at half the width", ZOOLOGY),
    better(("attention",), ("retnet", "gla", "one a channel"), "mqar/4 pairs", "linear attention of this state, and a diagonal recurrence, do not", ZOOLOGY),
    better(("attention", "deltanet"), ("retnet", "gla"), "mqar/8 pairs", "with twice the pairs neither", ZOOLOGY),
    better(("deltanet",), ("retnet", "gla"), "mqar/4 pairs", "the delta rule recalls better than linear attention of equal state", DELTA),
    better(("deltanet",), ("retnet", "gla"), "mad/in_context_recall", "on MAD's in-context recall too", DELTA),
    solves(("attention",), "quick/induction", "attention finds induction", "Olsson et al. 2022, 2209.11895"),
    better(("attention",), ("gla", "mamba2"), "mad/in_context_recall", "attention recalls better than fixed states of this size", "Poli et al. 2024, 2403.17844"),
    better(("attention",), ("gla", "mamba2"), "mad/fuzzy_recall", "and of keys that are several tokens long", "Poli et al. 2024, 2403.17844"),
    better(("mamba2",), ("retnet",), "mad/selective_copying", "selective copying needs decays that see the input", "Gu & Dao 2023, 2312.00752, section 4.1.1"),
    better(("attention",), ("one a channel", "window 8"), "quick/induction", "induction needs recall over the whole sequence", "Olsson et al. 2022, 2209.11895"),
    better(("deltanet ±",), ("gla", "mamba2", "retnet", "one a channel"), "state/parity", "parity splits off recurrences with eigenvalues in 0…1", GRAZZI),
    better(("deltanet ±",), ("deltanet",), "extrapolation/parity", "it is the negative eigenvalues: at four times the length DeltaNet without them fails", GRAZZI),
    better(("deltanet ±",), ("attention", "gla", "mamba2"), "extrapolation/parity", "so do attention and diagonal recurrences", GRAZZI),
    better(("deltanet ±",), ("gla", "mamba2", "retnet", "one a channel"), "state/permutations S3, swaps", "exchanges are reflections: one step of DeltaNet ±", GRAZZI),
    better(("deltanet ±",), ("gla", "mamba2", "retnet", "one a channel"), "state/permutations S5, swaps", "for five things as well, where diagonal ones cannot follow", f"{GRAZZI}; {MERRILL}"),
)


# ----------------------------------------------------------------------------------------------------- running


class Kept:
    """Results in a file, one a line, so that a run that was stopped goes on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self.found: dict[str, ProbeResult] = {row["key"]: ProbeResult(**row["result"]) for row in map(json.loads, lines)}

    def key(self, code: str, one: Probe, seed: int) -> str:
        return sha256_text(f"{sha256_text(code)} {one.hash} {seed}")

    def add(self, key: str, design: str, outcome: Outcome) -> None:
        self.found[key] = outcome.result
        with self.path.open("a") as file:
            file.write(json.dumps({"key": key, "design": design, "result": asdict(outcome.result), "facts": {k: v for k, v in outcome.provenance.items() if k != "probe"}}) + "\n")


def column(one: Probe) -> str:
    return f"{one.suite}/{one.level}" if one.suite == one.task else f"{one.suite}/{one.task} {one.level}".strip()


def main() -> int:
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("--suites", default="mqar,state,extrapolation,quick,mad")
    parse.add_argument("--designs", default="", help="some of them, separated by commas")
    parse.add_argument("--seed", type=int, default=0)
    parse.add_argument("--children", type=int, default=cores())
    parse.add_argument("--out", default=str(Path(os.environ.get("DATA_DIR") or ROOT / "data") / "probes.jsonl"))
    parse.add_argument("--show", action="store_true", help="run nothing")
    args = parse.parse_args()
    path = Path(args.out)
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = Kept(path)
    suites = load_suites(ROOT / "library" / "probes.yaml")
    probes = [p for name in args.suites.split(",") for p in suites[name].probes]
    codes = {name: code for name, code in variants(UnitLibrary(ROOT / "library" / "units")).items() if not args.designs or name in args.designs.split(",")}
    for name, code in () if args.show else codes.items():
        missing = [p for p in probes if kept.key(code, p, args.seed) not in kept.found]
        by_name = {(p.suite, p.task, p.level): kept.key(code, p, args.seed) for p in missing}

        def keep(outcome: Outcome, name: str = name, by_name: dict = by_name) -> None:
            r = outcome.result
            kept.add(by_name[r.suite, r.task, r.level], name, outcome)
            print(f"{name}, {r.suite}/{r.task} {r.level}: {relative(r):.2f} in {r.seconds:.0f} s {r.failure}", file=sys.stderr, flush=True)

        probe(code, missing, args.seed, children=args.children, on_result=keep)
    show(codes, probes, kept, args.seed)
    return 0


def show(codes: Mapping[str, str], probes: list[Probe], kept: Kept, seed: int) -> None:
    from core.config import Config

    scores = {(name, column(p)): relative(kept.found[key]) for name, code in codes.items() for p in probes if (key := kept.key(code, p, seed)) in kept.found}
    print(f"{machine_of(Config.from_env())}; relative accuracy: 0 at chance, 1 when all is right\n")
    print(table(("probe", *codes), [(column(p), *[f"{scores[name, column(p)]:.2f}" if (name, column(p)) in scores else "" for name in codes]) for p in probes]))
    rows = []
    for known in KNOWN:
        there = all(need in scores for need in known.needs)
        figures = ", ".join(f"{name} {scores[name, on]:.2f}" for name, on in known.needs if (name, on) in scores)
        rows.append(("yes" if there and known.holds(scores) else "NO" if there else "not run", known.claim, figures, known.needs[0][1], known.source))
    print("\n" + table(("reproduced", "what is known", "found", "on", "source"), rows))


if __name__ == "__main__":
    sys.exit(main())

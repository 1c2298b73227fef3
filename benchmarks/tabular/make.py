"""Make the tables: grow the designs, train each at three scales with three seeds, probe it. Goes on where it was, whenever it is started again.

    python benchmarks/tabular/make.py [--work data/tabular] [--text ../shared/data/text] [--part 1/2] [--table main] [--until 22:05]
    python benchmarks/tabular/make.py --pack [--work data/tabular]

Each part of n works on its own share and appends one line of JSON a training to WORK/part-i-of-n.jsonl; a kill costs the training under way, and a torn last
line is made again. The order is breadth first: one seed of all designs before the next seed, so that what is there at any moment is a table. --pack
writes what is there to benchmarks/tabular/<table>.json.gz with a manifest beside it. Seconds are the processor's.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks.tabular.settings import LIMIT_S, PROBE_LIMIT_S, PROBES, SCALES, SEEDS, TABLES, VOCAB, TableSettings  # noqa: E402
from core.errors import ModelDiscoveryError, UsageError  # noqa: E402
from core.types import Json  # noqa: E402


@dataclass(frozen=True)
class Item:
    """One training, or one probe where `seed` is of a probe and `what` its task."""

    table: str
    design: str
    what: str                        # a scale's name, or "probe:<task>"
    seed: int

    @property
    def key(self) -> tuple[str, str, str, int]:
        return self.table, self.design, self.what, self.seed


def items(tables: dict[str, TableSettings], designs: dict[str, list[str]]) -> Iterator[Item]:
    """Breadth first: one seed of every design of the first table, then of the next, and so on; the first table is whole before the others' later seeds."""
    order = [(seed, name) for name in tables for seed in range(SEEDS)]
    order.sort(key=lambda place: (place[0] + 2 * list(tables).index(place[1]) * (place[0] > 0), list(tables).index(place[1])))
    for n, (seed, name) in enumerate(order):
        for design in designs[name]:
            for scale in SCALES:
                yield Item(name, design, scale.name, seed)
        if n == min(2, len(order) - 1):
            for probed in tables:
                for design in designs[probed]:
                    for probe in PROBES:
                        yield Item(probed, design, f"probe:{probe.task}", 0)


def recorded(work: Path) -> dict[tuple, Json]:
    """Every whole line of every part; the first of a key counts."""
    found: dict[tuple, Json] = {}
    for path in sorted(work.glob("part-*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                data = json.loads(line)
                found.setdefault((data["table"], data["design"], data["what"], data["seed"]), data)
            except (ValueError, KeyError):
                continue  # torn by a kill
    return found


def run(args: argparse.Namespace, part: int, parts: int) -> None:
    from benchmarks.tabular.engine import probed, reference_code, trained
    from benchmarks.tabular.grammar import Grammar
    from core.config import Config
    from core.selection.base import REFERENCE
    from core.verification.training.corpus import prepare

    args.work.mkdir(parents=True, exist_ok=True)
    tables = {name: t for name, t in TABLES.items() if args.table in ("", name)}
    config = Config.from_env({"DATA_DIR": str(args.work)})
    corpora = {name: prepare(str(args.text / t.text), VOCAB, config) for name, t in tables.items()}
    grammar, reference = Grammar(ROOT), reference_code(ROOT / "library", REFERENCE)
    grown = {name: {e.id: e for e in grammar.grow(t.designs, t.growth)} for name, t in tables.items()}
    done = recorded(args.work)
    mine = [item for n, item in enumerate(items(tables, {name: list(found) for name, found in grown.items()})) if n % parts == part]
    todo = [item for item in mine if item.key not in done]
    print(f"part {part + 1} of {parts}: {len(mine)} trainings and probes, {len(todo)} to be done", flush=True)
    scales, tasks = {s.name: s for s in SCALES}, {f"probe:{p.task}": p for p in PROBES}
    path = args.work / f"part-{part + 1}-of-{parts}.jsonl"
    whole(path)
    with path.open("a", encoding="utf-8") as sink:
        for n, item in enumerate(todo):
            if over(args.until):
                print(f"it is {args.until}: {len(todo) - n} are left", flush=True)
                return
            code = grammar.code(grown[item.table][item.design])
            if item.what in tasks:
                found = vars(probed(code, tasks[item.what], item.seed, PROBE_LIMIT_S))
            else:
                found = vars(trained(code, reference, scales[item.what], corpora[item.table], item.seed, LIMIT_S[item.what]))
            facts = {k if k != "what" else "why": v for k, v in found.items()}
            sink.write(json.dumps({**vars(item), **facts}) + "\n")
            sink.flush()
            if n % 50 == 0:
                print(f"{datetime.now():%H:%M:%S} {n} of {len(todo)}, {time.process_time():.0f} s of the processor: {item}", flush=True)


def whole(path: Path) -> None:
    """Cut a last line that a kill has torn."""
    if path.exists() and (data := path.read_bytes()) and not data.endswith(b"\n"):
        path.write_bytes(data[: data.rfind(b"\n") + 1])


def over(until: str) -> bool:
    return bool(until) and f"{datetime.now():%H:%M}" >= until


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=ROOT / "data" / "tabular")
    parser.add_argument("--text", type=Path, default=ROOT.parent / "shared" / "data" / "text", help="the folder of the corpora's texts")
    parser.add_argument("--part", default="1/1", help="which share of how many processes")
    parser.add_argument("--table", default="", choices=["", *TABLES])
    parser.add_argument("--until", default="", help="HH:MM of this machine's clock, at which it stops")
    parser.add_argument("--pack", action="store_true", help="write what is there to the repository")
    args = parser.parse_args()
    try:
        if args.pack:
            from benchmarks.tabular.pack import pack

            for name in TABLES if not args.table else [args.table]:
                print(pack(TABLES[name], recorded(args.work), args.work, args.text))
            return 0
        part, _, parts = args.part.partition("/")
        if not (part.isdigit() and parts.isdigit() and 1 <= int(part) <= int(parts)):
            raise UsageError(f"--part {args.part}", "give one such as 1/2: the first of two")
        run(args, int(part) - 1, int(parts))
    except ModelDiscoveryError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What the parts made, as one table of the repository: checked against the grammar, stored compactly, with what it says of itself."""

from __future__ import annotations

import gzip
import hashlib
import json
import platform
import subprocess
from collections import Counter
from dataclasses import asdict
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from benchmarks.tabular.engine import DONE
from benchmarks.tabular.grammar import Grammar
from benchmarks.tabular.settings import LIMIT_S, PROBE_LIMIT_S, PROBES, SCALES, SEEDS, VOCAB, TableSettings
from benchmarks.tabular.table import FOLDER, FORMAT, ProbeScore, Table, Training
from core.errors import UsageError
from core.types import Json

ROOT = FOLDER.parents[1]


def pack(settings: TableSettings, recorded: dict[tuple, Json], work: Path, text: Path, folder: Path = FOLDER) -> str:
    """Write the table and its manifest; what was written, in a line. A design that was not trained at every scale yet is left out."""
    entries = Grammar(ROOT).grow(settings.designs, settings.growth)
    mine = [data for (table, *_), data in recorded.items() if table == settings.name]
    seen: dict[str, set[str]] = {}
    for data in mine:
        seen.setdefault(data["design"], set()).add(data["what"])
    entries = [e for e in entries if {s.name for s in SCALES} <= seen.get(e.id, set())]
    kept = {e.id: i for i, e in enumerate(entries)}
    if not kept:
        raise UsageError(f"nothing of the table {settings.name!r} was made yet", f"python benchmarks/tabular/make.py --table {settings.name} --work {work}")
    order = {s.name: i for i, s in enumerate(SCALES)}
    mine = sorted((d for d in mine if d["design"] in kept), key=lambda d: (kept[d["design"]], order.get(d["what"], 9), d["what"], d["seed"]))
    trainings = [Training(d["design"], d["what"], d["seed"], d["state"], None if d["bits_per_byte"] is None else round(d["bits_per_byte"], 5), round(d["seconds"], 2), d["params"],
                          d["n_layers"], d["d_model"], d["why"]) for d in mine if d["what"] in order]
    probes = [ProbeScore(d["design"], d["what"].removeprefix("probe:"), d["accuracy"], round(d["chance"], 5), round(d["seconds"], 2), d["why"]) for d in mine if d["what"] not in order]
    content = {"designs": [e.to_dict() for e in entries], "trainings": [list(vars(t).values()) for t in trainings], "probes": [list(vars(p).values()) for p in probes]}
    data = gzip.compress(json.dumps(content, separators=(",", ":")).encode(), 9, mtime=0)
    manifest = _manifest(settings, text) | {"sha256": hashlib.sha256(data).hexdigest()}
    table = Table(settings.name, manifest, {e.id: e for e in entries}, trainings, probes)
    manifest |= {"counts": _counts(table), "seconds": {s: round(c, 3) for s, c in table.cost.items()}, "ranks": ranks(table)}
    (folder / f"{settings.name}.json.gz").write_bytes(data)
    (folder / f"{settings.name}.manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return f"{settings.name}: {len(entries)} designs, {len(trainings)} trainings, {len(probes)} probes, {len(data):,} bytes"


def _manifest(settings: TableSettings, text: Path) -> Json:
    import torch

    versions = {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__, "project": _commit()}
    corpus = {"text": settings.text, "sha256": hashlib.sha256((text / settings.text).read_bytes()).hexdigest(), "vocab_size": VOCAB}
    return {"format": FORMAT, "table": settings.name, "growth_seed": settings.growth, "versions": versions, "machine": f"{platform.machine()}, one thread a training",
            "corpus": corpus, "seeds": SEEDS, "limit_seconds": LIMIT_S, "probe_limit_seconds": PROBE_LIMIT_S,
            "scales": [asdict(s) | {"settings": s.settings} for s in SCALES],
            "probes": [{"task": p.task, "steps": p.steps, "width": p.width, "batch": p.batch, "lrs": list(p.lrs), "settings": dict(p.settings)} for p in PROBES]}


def _commit() -> str:
    try:
        return subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _counts(table: Table) -> Json:
    whole = sum(all(len(table.states.get((d, s), {})) >= SEEDS for s in table.scales) for d in table.entries)
    valid = sum(all(set(table.states.get((d, s), {}).values()) == {DONE} for s in table.scales) for d in table.entries)
    return {"designs": len(table.entries), "references": len(table.entries) - len(table.grown), "distinct_hashes": len({e.hash for e in table.entries.values()}),
            "with_all_seeds": whole, "valid_at_every_scale": valid, "trainings": len(table.trainings), "states": dict(Counter(t.state for t in table.trainings)),
            "probes": len(table.probes), "probes_failed": sum(p.accuracy is None for p in table.probes)}


def ranks(table: Table) -> Json:
    """Spearman's rank correlations: of the means at two scales, of two seeds at each scale, of a probe and the largest scale; and spread beside noise."""
    found: Json = {"between_scales": {}, "between_seeds": {}, "probe_and_largest": {}, "spread": {}, "noise": {}}
    for a, b in combinations(table.scales, 2):
        found["between_scales"][f"{a}–{b}"] = _rho([(table.means[a][d], table.means[b][d]) for d in table.means[a] if d in table.means[b]])
    for s in table.scales:
        pairs = [_rho([(y[i], y[j]) for (_, at), y in table.scores.items() if at == s and i in y and j in y]) for i, j in combinations(range(SEEDS), 2)]
        told = [p for p in pairs if p is not None]
        found["between_seeds"][s] = round(float(np.mean(told)), 3) if told else None
        found["spread"][s] = round(float(np.std(list(table.means[s].values()), ddof=1)), 4)
        found["noise"][s] = round(table.noise[s], 4)
    largest = table.means[table.scales[-1]]
    for task in dict.fromkeys(p.task for p in table.probes):
        found["probe_and_largest"][task] = _rho([(-p.accuracy, largest[p.design]) for p in table.probes if p.task == task and p.accuracy is not None and p.design in largest])
    return found


def _rho(pairs: list[tuple[float, float]]) -> float | None:
    return round(float(spearmanr(*zip(*pairs, strict=True)).statistic), 3) if len(pairs) > 2 else None

"""A table as it is stored: designs, every training, every probe, and a manifest that says what they were made with. Loads no torch.

    benchmarks/tabular/<name>.json.gz         {"designs": [...], "trainings": [[design, scale, seed, state, bits per byte, seconds, parameters, layers, width, why], …],
                                               "probes": [[design, task, accuracy, chance, seconds, why], …]}
    benchmarks/tabular/<name>.manifest.json   versions, corpus, scales, counts, rank correlations, and the hash of the file above
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmarks.tabular.entry import Entry
from core.errors import ModelDiscoveryError
from core.showing import facts
from core.statistics.noise import pooled
from core.types import Json, Kind

FOLDER = Path(__file__).resolve().parent
FORMAT = 1
DONE = "done"
MEND = "restore it: git checkout -- benchmarks/tabular; or make it anew: python benchmarks/tabular/make.py, then --pack"


class TableError(ModelDiscoveryError):
    """A table's file is missing, damaged, or not what its manifest says."""


@dataclass(frozen=True)
class Training:
    design: str
    scale: str
    seed: int
    state: str                       # done, diverged, too slow, broken or does not fit
    bits_per_byte: float | None      # held out; None unless done
    seconds: float                   # of the processor, evaluation included
    params: int                      # non-embedding
    n_layers: int
    d_model: int
    why: str = ""                    # of a failure


@dataclass(frozen=True)
class ProbeScore:
    design: str
    task: str
    accuracy: float | None
    chance: float
    seconds: float
    why: str = ""


@dataclass(frozen=True)
class Table:
    name: str
    manifest: Json
    entries: Mapping[str, Entry]     # references first, in the order they were made
    trainings: Sequence[Training]
    probes: Sequence[ProbeScore]

    @property
    def scales(self) -> list[str]:
        """Cheapest first."""
        return [s["name"] for s in self.manifest["scales"]]

    @cached_property
    def scores(self) -> dict[tuple[str, str], dict[int, float]]:
        """(design, scale) → seed → bits per byte, of what ended well."""
        found: dict[tuple[str, str], dict[int, float]] = {}
        for t in self.trainings:
            if t.bits_per_byte is not None:
                found.setdefault((t.design, t.scale), {})[t.seed] = t.bits_per_byte
        return found

    @cached_property
    def states(self) -> dict[tuple[str, str], dict[int, str]]:
        found: dict[tuple[str, str], dict[int, str]] = {}
        for t in self.trainings:
            found.setdefault((t.design, t.scale), {})[t.seed] = t.state
        return found

    @cached_property
    def means(self) -> dict[str, dict[str, float]]:
        """Scale → design → mean over seeds: what a search would know in the end."""
        return {s: {d: float(np.mean(list(y.values()))) for (d, at), y in self.scores.items() if at == s} for s in self.scales}

    @cached_property
    def cost(self) -> dict[str, float]:
        """Scale → mean processor seconds of a training, failures included."""
        return {s: float(np.mean([t.seconds for t in self.trainings if t.scale == s])) for s in self.scales}

    @cached_property
    def noise(self) -> dict[str, float]:
        """Scale → standard deviation over seeds, pooled over designs."""
        spreads = {s: pooled({d: y for (d, at), y in self.scores.items() if at == s}) for s in self.scales}
        return {s: spread.sd if spread else 0.0 for s, spread in spreads.items()}

    @cached_property
    def grown(self) -> list[str]:
        """Those that are no references."""
        return [e.id for e in self.entries.values() if e.kind is not Kind.REFERENCE]

    @cached_property
    def facts(self) -> dict[str, frozenset[str]]:
        """Design → its unit tree's facts, as a run shows them to its selector."""
        return {e.id: facts(e.units) for e in self.entries.values()}

    @cached_property
    def distances(self) -> np.ndarray:
        """(designs, designs) of core/gab/structure.py's distance, in the order of `entries`."""
        columns = {fact: i for i, fact in enumerate(sorted(set().union(*self.facts.values())))}
        rows = np.zeros((len(self.entries), len(columns)), np.float32)
        for i, found in enumerate(self.facts.values()):
            rows[i, [columns[f] for f in found]] = 1
        common, size = rows @ rows.T, rows.sum(1)
        return 1 - common / np.maximum(1, size[:, None] + size[None] - common)


def load(name: str, folder: Path = FOLDER) -> Table:
    """Raises TableError naming the file, what is wrong with it and how to mend it."""
    manifest_file, file = folder / f"{name}.manifest.json", folder / f"{name}.json.gz"
    try:
        manifest = json.loads(manifest_file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TableError(f"{manifest_file} is not there: table {name!r} is unknown or was not made", f"the tables here are {', '.join(known(folder)) or 'none'}; {MEND}") from None
    except (OSError, ValueError) as error:
        raise TableError(f"{manifest_file} cannot be read: {error}", MEND) from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise TableError(f"{manifest_file} is of format {manifest.get('format') if isinstance(manifest, dict) else '?'}, {FORMAT} is due", MEND)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise TableError(f"{file} cannot be read: {error.strerror}", MEND) from None
    found = hashlib.sha256(data).hexdigest()
    if found != manifest.get("sha256"):
        raise TableError(f"{file} is not the file that its manifest was written for (SHA-256 {found[:12]}…, {str(manifest.get('sha256'))[:12]}… is due)", MEND)
    try:
        content = json.loads(gzip.decompress(data))
        entries = {d["id"]: Entry.from_dict(d) for d in content["designs"]}
        return Table(name, manifest, entries, [Training(*row) for row in content["trainings"]], [ProbeScore(*row) for row in content["probes"]])
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise TableError(f"{file} holds no table: {error!r}", MEND) from None


def known(folder: Path = FOLDER) -> list[str]:
    return sorted(p.name.removesuffix(".manifest.json") for p in folder.glob("*.manifest.json"))

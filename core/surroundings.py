"""What the program stands on, for the pages Settings and Data: keys (which, never what), places, versions, corpora, tasks, the ladder. Loads nothing heavy."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import yaml

from core.config import KEYS, ROOT, Config
from core.errors import ConfigError
from core.estimates import REFERENCE
from core.machine import this_machine
from core.quick_yaml import parsed
from core.store import Store, migrations
from core.types import Costs, Scale
from core.verification.training.shelf import prepared

if TYPE_CHECKING:
    from core.verification.training.shelf import Shelved

CHECK_UP_S = 180             # the doctor loads torch and tries every layer of the sandbox
WHAT_FOR = {"openai": "language models", "anthropic": "language models", "together": "language models", "openrouter": "language models",
            "huggingface": "gated corpora and tasks of the Hub", "semantic_scholar": "more searches of papers", "embeddings": "papers searched by meaning", "wandb": "tracking of trainings"}


@dataclass(frozen=True)
class KeyState:
    """Whether a key is there, and under which name; never what it is."""

    service: str
    variables: tuple[str, ...]       # the first that is set counts
    found: str                       # that one; "" for none
    what_for: str


@dataclass(frozen=True)
class Place:
    """Where something lies. `free`: bytes left on its disk, None where that says nothing."""

    name: str
    path: str
    note: str = ""
    free: int | None = None


@dataclass(frozen=True)
class Finding:
    """One line of a check-up (core/doctor.py)."""

    name: str
    state: str                       # ok, warn or fail
    words: str
    mend: str = ""


@dataclass(frozen=True)
class KeptCorpus:
    """A corpus that was made ready for a vocabulary."""

    name: str
    hash: str
    scales: tuple[str, ...]          # whose vocabulary and tokenizer it has
    vocab_size: int
    train_tokens: int
    documents: int
    size: int                        # bytes on the disk, all its files
    notes: tuple[str, ...]
    folder: str


@dataclass(frozen=True)
class TaskState:
    """A task of library/tasks, and whether its data are here."""

    name: str
    ready: bool
    items: int | None                # lines of its files; None for data that are not here
    where: str                       # the folder or file; where it was looked for when there is none
    what: str = ""
    problem: str = ""


@dataclass(frozen=True)
class RungFacts:
    """A rung of the ladder, as far as it is known. Parameters and FLOPs are the reference's."""

    scale: Scale
    params: int | None               # non-embedding; None until they are counted
    params_embedding: int | None
    flops: float | None              # of one training
    minutes_here: float | None       # the median of the reference's verifications, or a timed run's; None for neither
    measured: int                    # verifications of any design here, with a score


class Surroundings:
    """The desk's verbs about them."""

    store: Store
    scales: dict[str, Scale]
    config: Config

    if TYPE_CHECKING:
        def costs(self, design_id: str) -> dict[str, Costs]: ...
        def corpora(self) -> list[Shelved]: ...

    def key_states(self) -> list[KeyState]:
        own = {name: (name,) for name in self.config.key_variables if name not in KEYS}
        return [KeyState(service, names, self.config.key_variables.get(service, ""), WHAT_FOR.get(service, "language models")) for service, names in {**KEYS, **own}.items()]

    def places(self) -> list[Place]:
        config, database = self.config, self.store.database
        with database.read() as c:
            schema = migrations.revision(c)
        logs = [config.data_dir / f"{name}.log" for name in ("app", "worker")]
        return [
            Place("Data", str(config.data_dir), "DATA_DIR: database, corpora, people's versions of agents", _free(config.data_dir)),
            Place("Checkpoints and weights", str(config.ckpt_dir), "CKPT_DIR", _free(config.ckpt_dir)),
            Place("Database", database.shown, f"schema {schema}"),
            Place("Scales", str(config.scales_file), "SCALES_FILE"),
            Place("Providers", str(config.providers_file), "PROVIDERS_FILE"),
            Place("Prices", str(config.prices_file), "PRICES_FILE"),
            *(Place(f"Log of the {log.stem}", str(log), f"{log.stat().st_size / 1024:,.0f} kB") for log in logs if log.is_file())]

    def versions(self) -> dict[str, str]:
        """Of Python and of what requirements.txt pins; "missing" for what is not installed."""
        names = [line.partition("==")[0].partition("[")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line]
        return {"python": f"{platform.python_version()}, {platform.system()} {platform.machine()}", "machine": this_machine(self.config).key,
                **{name: _version(name) for name in names}}

    def check_up(self) -> list[Finding]:
        """`python -m core doctor`, in a process of its own: devices, packages, sandbox layers. Some ten seconds. Raises ConfigError when it does not answer."""
        command = [sys.executable, "-m", "core", "doctor", "--json"]
        try:
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=CHECK_UP_S, check=False, stdin=subprocess.DEVNULL)
            return [Finding(**f) for f in json.loads(done.stdout)]
        except subprocess.TimeoutExpired:
            raise ConfigError(f"the check-up did not end within {CHECK_UP_S} s", "the machine is busy: try again later, or in a terminal: python -m core doctor") from None
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(f"the check-up did not answer: {error}", "try it in a terminal: python -m core doctor") from error

    def kept_corpora(self) -> list[KeptCorpus]:
        """What was made ready, by name and vocabulary."""
        found = []
        for meta in prepared(self.config):
            folder = Path(meta["dir"])
            fits = tuple(s.name for s in self.scales.values() if (s.vocab_size, s.tokenizer) == (meta["vocab_size"], meta["tokenizer"]))
            size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
            found.append(KeptCorpus(meta["name"], meta["hash"], fits, meta["vocab_size"], meta["train_tokens"], meta["documents"], size, tuple(meta.get("notes", ())), str(folder)))
        return sorted(found, key=lambda c: (c.name, c.vocab_size))

    def own_tasks(self) -> list[TaskState]:
        """Those of library/tasks (core/verification/evaluation/tasks.py tells how one is written)."""
        return [_task(path, self.config.data_dir) for path in sorted((self.config.library_dir / "tasks").glob("*/*.yaml"))]

    def ladder_facts(self) -> list[RungFacts]:
        """Cheapest first."""
        costs, machine = self.costs(REFERENCE), this_machine(self.config)
        rows = [v for v in self.store.verifications.all() if v.metrics]
        newest = self.store.implementations.newest(REFERENCE)
        told = []
        for name, scale in self.scales.items():
            own, counted = [v for v in rows if v.scale == name], costs.get(name)
            seconds = [v.metrics.train_seconds + v.metrics.eval_seconds for v in own if v.metrics and v.design_id == REFERENCE and v.settings in ("", scale.settings) and machine.made(v)]
            timing = self.store.measurements.timings(scale, machine.key).get(newest.code_hash) if newest and not seconds else None
            if timing:
                seconds = [timing.start_seconds + scale.steps * timing.seconds_per_step + timing.eval_seconds]
            told.append(RungFacts(scale, counted.params if counted else None, counted.params_embedding if counted else None,
                                  counted.flops_train * scale.steps * scale.batch_tokens if counted else None, median(seconds) / 60 if seconds else None, len(own)))
        return told


def _free(path: Path) -> int | None:
    try:
        return shutil.disk_usage(path).free
    except OSError:
        return None


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def _task(path: Path, data_dir: Path) -> TaskState:
    try:
        config = parsed(path.read_text(encoding="utf-8"))
        one, folders = config.get("data_file"), config.get("folders") or []
        what = next((line.lstrip("# ").strip() for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")), "")
    except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError) as error:
        return TaskState(path.stem, False, None, str(path), problem=f"cannot be read: {type(error).__name__}")
    looked = [path.parent / one] if one else [data_dir / name for name in folders]
    for place in looked:
        files = [place] if place.is_file() else sorted(place.glob("*.jsonl"))
        if files:
            return TaskState(path.stem, True, sum(_lines(file) for file in files), str(place), what)
    return TaskState(path.stem, False, None, str(looked[0]) if looked else str(path), what)


def _lines(file: Path) -> int:
    with file.open("rb") as lines:
        return sum(1 for line in lines if line.strip())

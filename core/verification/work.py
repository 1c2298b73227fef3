"""One verification's settings, whom it reports to, and the machine it is done on."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

from core.config import ROOT, Config
from core.machine import cores, processor
from core.sandbox.run import confined
from core.types import CurvePoint, Json, Scale, VerifyOptions, sha256_text
from core.verification.training import kernels
from core.verification.training.compiled import wanted
from core.verification.training.corpus import PreparedCorpus
from core.verification.training.precision import chosen_precision

PACKAGES = ("torch", "lm-eval", "tokenizers", "numpy", "safetensors")


@dataclass(frozen=True)
class Work:
    code: str
    scale: Scale
    seed: int
    corpus: PreparedCorpus
    reference_code: str
    folder: Path
    config: Config
    on_point: Callable[[CurvePoint], None]
    on_progress: Callable[[float, str], None]
    on_event: Callable[[str, Json], None]
    check_cancel: Callable[[], None]
    options: VerifyOptions = field(default_factory=VerifyOptions)
    corpus_path: str | None = None   # where a local corpus lies: test sets may lie beside it
    cheapest: tuple[Scale, PreparedCorpus] | None = None     # where a learning rate is swept

    @cached_property
    def device(self) -> str:
        return device_of(self.config)

    @cached_property
    def threads(self) -> int:
        return self.config.threads or cores()

    @cached_property
    def precision(self) -> str:
        return chosen_precision(self.scale, self.device)

    @cached_property
    def kernels(self) -> tuple[str, ...]:
        return kernels.choose(self.device, self.precision)

    @cached_property
    def compile(self) -> tuple[bool, str]:
        asked, why = wanted(self.scale, self.device)
        if asked and not confined(self.device):
            return False, "neither bubblewrap nor Landlock 6 holds here: no compiler is started beside generated code"
        return asked, why

    @property
    def identity(self) -> Json:
        """What a checkpoint must be of to be gone on from."""
        import torch

        return {"code": sha256_text(self.code), "scale": asdict(self.scale), "seed": self.seed, "corpus": self.corpus.hash, "tokenizer": self.corpus.tokenizer_hash,
                "torch": torch.__version__, "device": self.device, "threads": self.threads, "precision": self.precision, "kernels": list(self.kernels),
                "compile": self.compile[0], "ranks": self.config.ranks}


def device_of(config: Config) -> str:
    if config.device:
        return config.device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def machine_of(config: Config) -> str:
    """What a timing depends on, in words."""
    if device_of(config) == "cuda":
        import torch

        return f"{torch.cuda.get_device_name()} × {max(1, config.ranks)}"
    return f"{processor()}, {config.threads or cores()} threads"


def memory_mb() -> int:
    """Four fifths of the machine's memory: a training may use much of it, and must not take the machine down."""
    return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20 * 0.8)


def versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in PACKAGES} | {"python": platform.python_version()}


def commit() -> str:
    """The project's commit, with a + when files were changed; empty outside a checkout."""
    git = shutil.which("git")
    if git is None:
        return ""
    done = subprocess.run([git, "-C", str(ROOT), "describe", "--always", "--dirty=+", "--exclude=*"], capture_output=True, text=True, check=False, timeout=10)
    return done.stdout.strip()


def provenance(work: Work, record: Json) -> Json:
    """What a result was made with."""
    return {
        "versions": versions(), "commit": commit(), "machine": f"{platform.machine()} {platform.system()} {cores()} cores", "processor": machine_of(work.config),
        "device": work.device, "threads": work.threads, "sandbox": record.get("layers", {}), "seed": work.seed, "scale": asdict(work.scale), "fit": record["fit"],
        "code": sha256_text(work.code), "weights": record["weights"], "training": record["training"], "options": asdict(work.options),
        "corpus": {"name": work.corpus.name, "hash": work.corpus.hash, "tokenizer": work.corpus.tokenizer_hash, "train_tokens": work.corpus.train_tokens,
                   "given": work.corpus_path}}

"""`verification(code, scale, seed, corpus, …)`: train in one sandboxed child, evaluate the saved weights in a fresh one.

Called again after a crash it goes on where it was: from the last checkpoint, or from the weights when these are written and recorded.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from core.config import ROOT, Config
from core.errors import DesignError, VerificationError
from core.sandbox.run import Limits, Sandbox
from core.types import CurvePoint, Json, Metrics, Scale, sha256_text
from core.verification.training.corpus import PreparedCorpus

WEIGHTS = "weights.safetensors"
RECORD = "trained.json"
PACKAGES = ("torch", "lm-eval", "tokenizers", "numpy", "safetensors")


@dataclass(frozen=True)
class Outcome:
    metrics: Metrics
    provenance: Json


@dataclass(frozen=True)
class Work:
    """One verification's settings, and whom it reports to."""

    code: str
    scale: Scale
    seed: int
    corpus: PreparedCorpus
    reference_code: str
    folder: Path
    device: str
    threads: int
    on_point: Callable[[CurvePoint], None]
    on_progress: Callable[[float, str], None]
    on_event: Callable[[str, Json], None]
    checkpoint_s: float
    check_cancel: Callable[[], None]

    @property
    def identity(self) -> Json:
        """What a checkpoint must be of to be gone on from."""
        import torch

        return {"code": sha256_text(self.code), "scale": asdict(self.scale), "seed": self.seed, "corpus": self.corpus.hash,
                "tokenizer": self.corpus.tokenizer_hash, "torch": torch.__version__, "device": self.device, "threads": self.threads}


def verification(
    code: str, scale: Scale, seed: int, corpus: PreparedCorpus, *, config: Config, on_point: Callable[[CurvePoint], None],
    on_progress: Callable[[float, str], None], on_event: Callable[[str, Json], None], check_cancel: Callable[[], None],
    ckpt_dir: Path, reference_code: str, task_dir: Path,
) -> Outcome:
    """Raises Diverged for a design whose loss is no number, VerificationError when the surroundings fail, DesignError when the block does."""
    device, threads = _device(config), config.threads or _cores()
    try:
        ckpt_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise VerificationError(f"{ckpt_dir} cannot be made: {error.strerror}", "make CKPT_DIR writable, or set it to a directory that is") from error
    work = Work(code, scale, seed, corpus, reference_code, ckpt_dir, device, threads, on_point, on_progress, on_event,
                config.checkpoint_s, check_cancel)
    record = _recorded(work) or _train(work)
    started = time.monotonic()
    on_progress(0.92, "evaluating in a fresh process")
    held_out, tasks = _evaluate(work, record, task_dir)
    metrics = Metrics(
        bits_per_byte=float(held_out.bits_per_byte), bits_per_byte_se=held_out.bits_per_byte_se, loss=held_out.loss, perplexity=math.exp(min(50.0, held_out.loss)),
        train_loss=record["train_loss"], tokens=scale.steps * scale.batch_tokens, tokens_per_s=record["tokens_per_s"],
        train_seconds=record["train_seconds"], eval_seconds=time.monotonic() - started, params=record["params"],
        params_embedding=record["params_embedding"], n_layers=record["fit"]["n_layers"], d_model=record["fit"]["d_model"],
        peak_memory_mb=record["peak_memory_mb"], tasks=tasks)
    outcome = Outcome(metrics, _provenance(work, record, held_out))
    for left in ckpt_dir.glob("step-*"):
        left.unlink(missing_ok=True)
    return outcome


def _train(work: Work) -> Json:
    """Train to the end; what is recorded beside the weights, their hash among it."""
    payload = {
        "code": work.code, "scale": asdict(work.scale), "seed": work.seed, "reference_code": work.reference_code, "folder": str(work.folder),
        "tokens": str(work.corpus.dir / "train.bin"), "bytes_per_token": work.corpus.bytes_per_token, "identity": work.identity,
        "device": work.device, "threads": work.threads, "checkpoint_s": work.checkpoint_s}
    record: Json = {"identity": work.identity}
    work.on_progress(0.01, "starting the training")
    with Sandbox(Limits(seconds=None, memory_mb=_memory_mb(), file_mb=20_000), work.threads, work.device, readable=[work.corpus.dir / "train.bin"],
                 writable=[work.folder]).open("core.verification.training.child", payload) as child:
        record["layers"] = {layer.name: layer.held for layer in child.layers}
        for header, _ in child.frames():
            work.check_cancel()
            if "fit" in header:
                record["fit"] = header["fit"]
            elif "point" in header:
                point = CurvePoint(**header["point"])
                work.on_point(point)
                note = f"step {point.step} of {work.scale.steps}, {point.tokens_per_s:,.0f} tokens/s"
                work.on_progress(0.02 + 0.88 * point.step / work.scale.steps, note)
            elif "resumed" in header:
                work.on_event("resumed", {"from_step": header["resumed"]})
            elif header.get("done"):
                record |= {key: header[key] for key in ("train_seconds", "tokens_per_s", "train_loss")}
                record["peak_memory_mb"] = header["cuda_peak_mb"] or child.peak_memory_mb
    record["weights"] = file_hash(work.folder / WEIGHTS)
    record["params"], record["params_embedding"] = _counted(work.folder / WEIGHTS, record["fit"])
    scratch = work.folder / f"{RECORD}.tmp"
    scratch.write_text(json.dumps(record))
    os.replace(scratch, work.folder / RECORD)
    return record


def _counted(weights: Path, fit: Json) -> tuple[int, int]:
    """(non-embedding, embedding) parameters, from the file itself: what the block says of its size is not taken for it. Raises DesignError where the two differ."""
    from safetensors import safe_open

    with safe_open(str(weights), "pt") as file:
        sizes = {name: math.prod(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    embedding = sizes.pop("embedding.weight", 0)
    found = sum(sizes.values())
    if found > 1.05 * fit["params"] + 4096:  # buffers are saved too, and are no parameters
        raise DesignError(f"{found:,} numbers were saved, {fit['params']:,} parameters were counted when the block was fitted", "make every parameter in __init__, the same each time")
    return fit["params"], embedding


def _recorded(work: Work) -> Json | None:
    """The record of a training that is over, if it is of this one."""
    try:
        record = json.loads((work.folder / RECORD).read_text())
    except (OSError, ValueError):
        return None
    return record if record.get("identity") == json.loads(json.dumps(work.identity)) else None


def _evaluate(work: Work, record: Json, task_dir: Path):
    from tokenizers import Tokenizer

    from core.verification.evaluation.harness import Places, run_tasks
    from core.verification.evaluation.heldout import held_out
    from core.verification.evaluation.reader import Reader

    weights = work.folder / WEIGHTS
    found = file_hash(weights)
    if found != record["weights"]:
        raise VerificationError(f"{weights} is not what the training wrote (SHA-256 {found[:12]}…, recorded {record['weights'][:12]}…)",
                                f"remove {work.folder} and retry: it is trained again")
    payload = {"code": work.code, "scale": asdict(work.scale), "fit": record["fit"], "weights": str(weights), "device": work.device, "threads": work.threads}
    with Sandbox(Limits(seconds=None, memory_mb=_memory_mb()), work.threads, work.device, readable=[weights]).open("core.verification.evaluation.oracle", payload) as child:
        child.recv()
        reader = Reader(child, weights, work.scale.context)
        score = held_out(reader, work.corpus, work.scale.eval_tokens)
        work.check_cancel()
        work.on_progress(0.96, "minimal pairs, through lm-eval")
        tokenizer = Tokenizer.from_file(str(work.corpus.dir / "tokenizer.json"))
        tasks = run_tasks(reader, tokenizer, ("minimal_pairs",), Places(task_dir, work.folder)).scores
        child.send({"stop": True})
    return score, tasks


def file_hash(path: Path) -> str:
    """SHA-256. Raises VerificationError when the file is not there."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise VerificationError(f"{path} cannot be read: {error.strerror}", "remove its folder and retry: it is trained again") from error


def _provenance(work: Work, record: Json, held_out) -> Json:
    from importlib.metadata import version

    return {
        "versions": {name: version(name) for name in PACKAGES} | {"python": platform.python_version()}, "commit": _commit(),
        "machine": f"{platform.machine()} {platform.system()} {_cores()} cores", "device": work.device, "threads": work.threads,
        "sandbox": record.get("layers", {}), "seed": work.seed, "scale": asdict(work.scale), "fit": record["fit"], "code": sha256_text(work.code), "weights": record["weights"],
        "corpus": {"name": work.corpus.name, "hash": work.corpus.hash, "tokenizer": work.corpus.tokenizer_hash,
                   "train_tokens": work.corpus.train_tokens, "held_out_documents": len(held_out.documents.bits), "held_out_tokens": held_out.tokens}}


def _commit() -> str:
    """The project's commit, with a + when files were changed; empty outside a checkout."""
    git = shutil.which("git")
    if git is None:
        return ""
    done = subprocess.run([git, "-C", str(ROOT), "describe", "--always", "--dirty=+", "--exclude=*"], capture_output=True, text=True, check=False, timeout=10)
    return done.stdout.strip()


def _device(config: Config) -> str:
    if config.device:
        return config.device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory_mb() -> int:
    """Four fifths of the machine's memory: a training may use much of it, and must not take the machine down."""
    return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20 * 0.8)



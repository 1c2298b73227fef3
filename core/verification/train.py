"""Training in a sandboxed child, seen from outside: its frames become curve points and events, its weights are hashed and counted here."""

from __future__ import annotations

import glob
import hashlib
import json
import math
import os
import shutil
import stat
import time
from dataclasses import asdict, replace
from pathlib import Path

from core.errors import DesignError, Diverged, SandboxMemory, SandboxTimeout, StoppedEarly, VerificationError
from core.gab.counting import EMBEDDING, most_saved
from core.sandbox.run import Child, Limits, Sandbox
from core.types import CurvePoint, Json
from core.verification.gpu import energy_kj, peak_flops
from core.verification.trackers import Follow, trackers
from core.verification.work import Work, memory_mb

WEIGHTS = "weights.safetensors"
RECORD = "trained.json"
RUN = "run"                  # the folder that the child writes; beside it lies what is ours, out of its reach
KEPT = ("train_seconds", "tokens_per_s", "train_loss", "step_seconds", "watched")
STARTS, STEPS = 6, 50        # the first step is waited for so many times HANG_S; a later one HANG_S, or so many times the slowest so far
TRIES = 16                   # halvings of the micro-batch after the child was ended for its memory
BUSES = "/sys/bus/pci/devices"


def trained(work: Work) -> Json:
    """The record of the training: of one that is over, else of one done now, from the last checkpoint on."""
    return _recorded(work) or train(work)


def train(work: Work, at_most_s: float | None = None) -> Json:
    """Train to the end; what is recorded beside the weights, their hash among it. `at_most_s` ends a timed run early."""
    rows: int | None = None
    for _ in range(TRIES):
        try:
            return _attempt(work, at_most_s, rows)
        except (Diverged, StoppedEarly, DesignError):  # the same would happen again: there is nothing to go on from
            forget(work)
            raise
        except SandboxMemory as error:  # the system has no more; a smaller micro-batch may do, from the last checkpoint on
            tried = rows or _first_rows(work)
            if tried == 1:
                raise VerificationError(f"out of memory at micro-batch 1: {error.what}", "a smaller scale, or a machine with more memory") from error
            rows = max(1, tried // 2)
            work.on_event("micro_batch", {"sequences": rows, "why": error.what})
    raise VerificationError("out of memory", "a smaller scale, or a machine with more memory")


def _first_rows(work: Work) -> int:
    from core.gab.loss import MICRO_TOKENS

    return max(1, MICRO_TOKENS[work.device] // work.scale.context)


def _attempt(work: Work, at_most_s: float | None, rows: int | None) -> Json:
    compile_, why = work.compile
    run = _ready(work)
    payload = {
        "code": work.code, "scale": asdict(work.scale), "seed": work.seed, "reference_code": work.reference_code, "folder": str(run),
        "corpus": str(work.corpus.dir), "bytes_per_token": work.corpus.bytes_per_token, "identity": work.identity, "device": work.device, "threads": work.threads,
        "precision": work.precision, "kernels": list(work.kernels), "compile": compile_, "checkpoint_s": work.config.checkpoint_s, "at_most_s": at_most_s,
        "rows": rows, "ranks": work.config.ranks}
    record: Json = {"identity": work.identity, "training": {
        "precision": work.precision, "kernels": list(work.kernels), "compiled": why or "compiled", "optimizer": work.scale.optimizer, "schedule": work.scale.schedule,
        "lr": work.scale.lr, "world_size": max(1, work.config.ranks)}}
    work.on_progress(0.01, "starting the training")
    seen = [work.corpus.dir / name for name in ("train.bin", "watch.bin", "watch.json") if (work.corpus.dir / name).exists()]
    if work.config.ranks > 1:
        seen += [Path(path) for path in (BUSES, *glob.glob(f"{BUSES}/*/")) if Path(path).exists()]      # gloo asks which device its network card is
    task = "core.verification.training.child" if work.config.ranks <= 1 else "core.verification.training.launch"
    sandbox = Sandbox(Limits(seconds=None, memory_mb=memory_mb(), file_mb=20_000), work.threads, work.device, readable=seen, writable=[run],
                      programs=compile_ or work.config.ranks > 1, sockets=work.config.ranks > 1)
    before = energy_kj() if work.device == "cuda" else None
    with trackers(work) as follow, sandbox.open(task, payload) as child:
        record["layers"] = {layer.name: layer.held for layer in child.layers}
        child.check = work.check_cancel
        pace = _Pace(child, work.config.hang_s)
        try:
            for header, _ in child.frames():
                work.check_cancel()
                pace.heard(header)
                _take(work, header, record, child, follow)
        except SandboxTimeout as error:
            raise DesignError(f"the training hangs: no step in {child.silence_s:.0f} s after step {pace.step}", "look for an endless loop in the block") from error
    after = energy_kj() if work.device == "cuda" else None
    whole = before is not None and after is not None and not record.pop("resumed", False)  # what an earlier attempt took was not kept
    record["energy_kj"] = after - before if whole else None
    _take_out(run / WEIGHTS, work.folder / WEIGHTS)
    record["weights"] = file_hash(work.folder / WEIGHTS)
    record["params"], record["params_embedding"] = _counted(work.folder / WEIGHTS, record["fit"])
    write_json(work.folder / RECORD, record)
    return record


class _Pace:
    """How long the next step is waited for: many times what the last ones took, and long enough for a pause of the machine."""

    def __init__(self, child: Child, hang_s: float) -> None:
        self.child, self.hang_s, self.step, self._last, self._took = child, hang_s, 0, time.monotonic(), 0.0
        child.silence_s = STARTS * hang_s

    def heard(self, header: Json) -> None:
        now = time.monotonic()
        if "point" in header:
            self.step = header["point"]["step"]
            self._took = max(self._took, now - self._last)
            self.child.silence_s = max(self.hang_s, STEPS * self._took)
        self._last = now


def _take(work: Work, header: Json, record: Json, child: Child, follow: Follow) -> None:
    if "fit" in header:
        record["fit"] = header["fit"]
    elif "point" in header:
        point = CurvePoint(**header["point"])
        work.on_point(point)
        follow(point)
        work.on_progress(0.02 + 0.88 * point.step / work.scale.steps, f"step {point.step} of {work.scale.steps}, {point.tokens_per_s:,.0f} tokens/s")
    elif "resumed" in header:
        record["resumed"] = True
        work.on_event("resumed", {"from_step": header["resumed"]})
    elif "event" in header:
        work.on_event(str(header["event"]), dict(header["data"]))
    elif header.get("done"):
        record |= {key: header[key] for key in KEPT}
        record["peak_memory_mb"] = header["cuda_peak_mb"] or child.peak_memory_mb
        peak = peak_flops(header["gpu"])
        record["mfu"] = header["tokens_per_s"] * header["flops_train"] / (peak * max(1, work.config.ranks)) if peak and header["flops_train"] else None
        record["training"] |= {"micro_batch": header["micro_batch"], "replicas": header["replicas"], "spikes": header["spikes"]}
        if header["compiled"]:
            record["training"]["compiled"] = header["compiled"]


def _counted(weights: Path, fit: Json) -> tuple[int, int]:
    """(non-embedding, embedding) parameters, from the file itself: what the block says of its size is not taken for it. Raises DesignError where the two differ.

    Tensors of equal content are one: a weight shared between modules is saved under each of its names.
    """
    import torch
    from safetensors import safe_open

    sizes: dict[tuple[torch.Size, bytes], int] = {}
    with safe_open(str(weights), "pt") as file:
        embedding = math.prod(file.get_slice(EMBEDDING).get_shape())
        for name in file.keys():  # noqa: SIM118
            if name != EMBEDDING:
                tensor = file.get_tensor(name)
                sizes[tensor.shape, hashlib.sha256(tensor.reshape(-1).view(torch.uint8).numpy()).digest()] = tensor.numel()
    found = sum(sizes.values())
    if found > most_saved(fit["params"]):
        raise DesignError(f"{found:,} numbers were saved, {fit['params']:,} parameters were counted when the block was fitted", "make every parameter in __init__, the same each time")
    return fit["params"], embedding


def _recorded(work: Work) -> Json | None:
    """The record of a training that is over, if it is of this one."""
    try:
        record = json.loads((work.folder / RECORD).read_text())
    except (OSError, ValueError):
        return None
    return record if record.get("identity") == json.loads(json.dumps(work.identity)) else None


def _ready(work: Work) -> Path:
    """The child's folder."""
    run = work.folder / RUN
    try:
        run.mkdir(parents=True, exist_ok=True)
        for torn in run.glob("*.tmp"):  # of a write that a kill cut off
            if stat.S_ISREG(torn.lstat().st_mode):
                torn.unlink()
    except OSError as error:
        raise VerificationError(f"{run} cannot be made: {error.strerror}", "make CKPT_DIR writable, or set it to a directory that is") from error
    return run


def forget(work: Work) -> None:
    """Remove what a training would be gone on from."""
    shutil.rmtree(work.folder / RUN, ignore_errors=True)


def _take_out(made: Path, kept: Path) -> None:
    """Move the weights out of the child's reach. Raises VerificationError unless they are a plain file that nothing else names."""
    try:
        found = made.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            raise VerificationError(f"{made} is no plain file that the training wrote", "remove its folder and retry: it is trained again")
        os.replace(made, kept)
    except OSError as error:
        raise VerificationError(f"the weights {made} cannot be taken: {error.strerror}", "free some space or set CKPT_DIR, then retry the job: it goes on from the last checkpoint") from error


def write_json(target: Path, record: Json) -> None:
    """The whole file or none. Raises VerificationError."""
    scratch = target.with_suffix(".tmp")
    try:
        with scratch.open("w") as sink:
            sink.write(json.dumps(record))
            sink.flush()
            os.fsync(sink.fileno())
        os.replace(scratch, target)
    except OSError as error:
        if scratch.is_file():
            scratch.unlink()
        raise VerificationError(f"{target} cannot be written: {error.strerror}", "free some space or set CKPT_DIR, then retry the job: it goes on from the last checkpoint") from error


def file_hash(path: Path) -> str:
    """SHA-256. Raises VerificationError when the file is not there, or no regular file."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise VerificationError(f"{path} is no regular file", "remove its folder and retry: it is trained again")
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise VerificationError(f"{path} cannot be read: {error.strerror}", "remove its folder and retry: it is trained again") from error


def at_rate(work: Work, lr: float) -> Work:
    return replace(work, scale=replace(work.scale, lr=lr))

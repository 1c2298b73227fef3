"""The training loop. It runs in a sandboxed child, since the block is generated code.

Gradients clipped to norm 1 and the other settings after GPT-3 (Brown et al. 2020, arXiv 2005.14165, appendix B); weights, gradients and moments in float32.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch

from core.gab.model import GAM
from core.types import CurvePoint, Json, Scale
from core.verification.training.checkpoint import Checkpoints
from core.verification.training.compiled import Compiled
from core.verification.training.data import Windows
from core.verification.training.guards import Guard
from core.verification.training.optim import Optimizer, clipped
from core.verification.training.ranks import Ranks
from core.verification.training.replicas import Replicas
from core.verification.training.schedule import learning_rate
from core.verification.training.watch import Watch, watched

CLIP = 1.0
SMOOTH = 0.9                 # of the throughput that is shown
WARM = 3                     # steps that a timed run leaves out
RECENT = 1000                # points that a checkpoint keeps, to be told again


@dataclass(frozen=True)
class Trained:
    train_seconds: float
    tokens_per_s: float
    train_loss: float                # mean over the last tenth
    step_seconds: float              # median
    micro_batch: int                 # sequences
    replicas: int
    spikes: list[int]
    watched: float | None            # bits per byte of the watched documents at the end


@dataclass(frozen=True)
class Settings:
    """How this machine trains; what the numbers depend on."""

    device: str
    precision: str
    threads: int
    checkpoint_s: float              # when a checkpoint is written changes nothing in the result
    bytes_per_token: float
    at_most_s: float | None = None   # a timed run ends then
    rows: int | None = None          # sequences at once, where memory has told


class Trainer:
    def __init__(self, model: GAM, scale: Scale, windows: Windows, watch: Watch | None, checkpoints: Checkpoints, settings: Settings, ranks: Ranks,
                 compiled: Compiled | None, tell: Callable[[str, Json], None]) -> None:
        self.model = model.to(settings.device)
        self.scale = scale
        self.windows = windows
        self.watch = watch
        self.checkpoints = checkpoints
        self.settings = settings
        self.ranks = ranks
        self.tell = tell
        self.optimizer = Optimizer(self.model, scale)
        self.parameters = list(self.model.parameters())
        self.replicas = Replicas(self.model, settings.device, settings.precision, settings.threads if ranks.world == 1 and compiled is None else 1, scale.context,
                                 scale.batch_tokens // scale.context,
                                 lambda rows: tell("micro_batch", {"sequences": rows}))
        if settings.rows is not None:
            self.replicas.rows = settings.rows
        if compiled is not None:
            self.replicas.hidden, self.replicas.gives_up = compiled.hidden, compiled.gives_up
        self.guard = Guard(scale.steps)
        self.recent: deque[CurvePoint] = deque(maxlen=RECENT)
        self.nats_to_bpb = 1 / (math.log(2) * settings.bytes_per_token)

    def run(self, on_point: Callable[[CurvePoint], None], on_resume: Callable[[int], None]) -> Trained:
        """From the newest checkpoint, if there is one, to the scale's last step. Raises Diverged."""
        step, seconds, losses = self._resume()
        if step:
            on_resume(step)
        for point in self.recent:          # who followed may have died before it wrote them down
            on_point(point)
        saved, pace, times = time.monotonic(), 0.0, []
        watched_at = watched(self.scale) if self.watch else frozenset()
        while step < self.scale.steps:
            loss, norm, took = self.timed_step(step)
            step, seconds = step + 1, seconds + took
            times.append(took)
            losses.append(loss)
            pace = took if len(times) <= WARM else SMOOTH * pace + (1 - SMOOTH) * took
            held_out = self.watch.bits_per_byte(self.model) if self.watch and step in watched_at else None
            self.recent.append(CurvePoint(step, step * self.scale.batch_tokens, loss, loss * self.nats_to_bpb, learning_rate(self.scale, step - 1), norm,
                                          self.scale.batch_tokens / pace, held_out))
            on_point(self.recent[-1])
            due = time.monotonic() - saved > self.settings.checkpoint_s and step < self.scale.steps
            over = self.settings.at_most_s is not None and sum(times[WARM:]) > self.settings.at_most_s
            due, over = self.ranks.agreed((due, over), self.settings.device)
            if due:
                self._save(step, seconds, losses)
                saved = time.monotonic()
            if over:
                break
        if self.settings.at_most_s is None:
            self._save(step, seconds, losses)
        watched_last = self.watch.bits_per_byte(self.model) if self.watch and not times else held_out if times else None
        tail = losses[-max(1, len(losses) // 10):]
        steady = sorted(times[WARM:] or times or [seconds / max(1, step)])
        return Trained(seconds, step * self.scale.batch_tokens / seconds, sum(tail) / len(tail), steady[len(steady) // 2], self.replicas.rows, len(self.replicas.models),
                       self.guard.spikes, watched_last)

    def timed_step(self, step: int) -> tuple[float, float, float]:
        """(loss, gradient norm, seconds). The norm has been read off the device, so the step is over when this returns."""
        started = time.perf_counter()
        loss, norm = self._step(step)
        return loss, norm, time.perf_counter() - started

    def _step(self, step: int) -> tuple[float, float]:
        """(loss in nats a token, gradient norm before clipping)"""
        batch = torch.from_numpy(self.windows.batch(step, self.scale.batch_tokens // self.scale.context)).to(self.settings.device, non_blocking=True)
        loss = self.replicas.gradients(self.ranks.share(batch), self.scale.batch_tokens, self.settings.threads)
        loss = self.ranks.summed(loss, self.parameters, self.settings.device)
        self.guard.loss(step, loss)
        norm = clipped(self.parameters, CLIP)
        if self.guard.norm(step, norm):
            self.optimizer.step(learning_rate(self.scale, step))
        else:
            self.optimizer.forget()
            self.tell("skipped", {"step": step, "why": f"the gradient norm is {norm}"})
        return loss, norm

    def _save(self, step: int, seconds: float, losses: list[float]) -> None:
        random = self.ranks.random(self.settings.device)  # all ranks take part; one writes
        if self.ranks.rank:
            return
        why = self.checkpoints.save(step, {
            "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "random": random, "seconds": seconds, "losses": losses, "guard": asdict(self.guard),
            "rows": self.replicas.rows, "single": self.replicas.pool is None,
            "recent": [asdict(point) for point in self.recent]})
        if why:
            self.tell("no_checkpoint", {"step": step, "why": why})

    def _resume(self) -> tuple[int, float, list[float]]:
        state: dict[str, Any] | None = self.checkpoints.newest()
        if state is None or "random" not in state:
            return 0, 0.0, []
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.ranks.go_on(state["random"])
        self.guard = Guard(**state["guard"])
        self.replicas.rows = min(self.replicas.rows, state["rows"])
        if state["single"] and self.replicas.pool is not None:
            self.replicas.single(self.settings.threads)
        self.recent.extend(CurvePoint(**point) for point in state.get("recent", []))
        return state["step"], state["seconds"], state["losses"]

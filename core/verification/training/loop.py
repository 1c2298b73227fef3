"""The training loop. It runs in a sandboxed child, since the block is generated code.

AdamW with decoupled decay on matrices only, linear warm-up and cosine to a tenth, gradients clipped to norm 1: the recipe of GPT-3 (Brown et al.
2020, arXiv 2005.14165, appendix B). On a GPU that has it, bfloat16 autocast over float32 weights.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from core.errors import Diverged
from core.gab.loss import MICRO_TOKENS, token_loss
from core.gab.model import GAM
from core.types import CurvePoint, Scale
from core.verification.training.checkpoint import Checkpoints
from core.verification.training.data import Windows

CLIP = 1.0
BETAS = (0.9, 0.95)
FLOOR = 0.1                  # of the peak learning rate, at the end


@dataclass(frozen=True)
class Trained:
    train_seconds: float
    tokens_per_s: float
    train_loss: float                # mean over the last tenth


class Trainer:
    def __init__(self, model: GAM, scale: Scale, windows: Windows, checkpoints: Checkpoints, device: str, bytes_per_token: float,
                 checkpoint_s: float) -> None:
        self.checkpoint_s = checkpoint_s  # when a checkpoint is written changes nothing in the result
        self.model = model.to(device)
        self.scale = scale
        self.windows = windows
        self.checkpoints = checkpoints
        self.device = device
        self.nats_to_bpb = 1 / (math.log(2) * bytes_per_token)
        self.optimizer = _optimizer(model, scale, device)
        self.amp = device == "cuda" and torch.cuda.is_bf16_supported()

    def run(self, on_point: Callable[[CurvePoint], None], on_resume: Callable[[int], None]) -> Trained:
        """From the newest checkpoint, if there is one, to the scale's last step. Raises Diverged."""
        step, seconds, losses = self._resume()
        if step:
            on_resume(step)
        saved = time.monotonic()
        while step < self.scale.steps:
            started = time.perf_counter()
            loss, norm = self._step(step)
            took = time.perf_counter() - started
            if not math.isfinite(loss):
                raise Diverged(f"diverged at step {step} of {self.scale.steps}: the loss is {loss}", "a lower learning rate, or another normalisation")
            step, seconds = step + 1, seconds + took
            losses.append(loss)
            on_point(CurvePoint(step, step * self.scale.batch_tokens, loss, loss * self.nats_to_bpb, learning_rate(self.scale, step - 1), norm,
                                self.scale.batch_tokens / took))
            if time.monotonic() - saved > self.checkpoint_s and step < self.scale.steps:
                self._save(step, seconds, losses)
                saved = time.monotonic()
        self._save(step, seconds, losses)
        tail = losses[-max(1, len(losses) // 10):]
        return Trained(seconds, self.scale.steps * self.scale.batch_tokens / seconds, sum(tail) / len(tail))

    def _step(self, step: int) -> tuple[float, float]:
        """(loss in nats a token, gradient norm before clipping)"""
        self.model.train()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.scale, step)
        rows = self.scale.batch_tokens // self.scale.context
        batch = torch.from_numpy(self.windows.batch(step, rows)).to(self.device)
        parts = batch.split(max(1, MICRO_TOKENS // self.scale.context))
        total = 0.0
        for part in parts:
            with torch.autocast(self.device, torch.bfloat16, enabled=self.amp):
                loss = token_loss(self.model.hidden(part[:, :-1]), self.model.embedding.weight, part[:, 1:]) / self.scale.batch_tokens
            loss.backward()
            total += loss.item()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP).item()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return total, norm

    def _save(self, step: int, seconds: float, losses: list[float]) -> None:
        self.checkpoints.save(step, {
            "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state_all() if self.device == "cuda" else [], "seconds": seconds, "losses": losses})

    def _resume(self) -> tuple[int, float, list[float]]:
        state = self.checkpoints.newest()
        if state is None:
            return 0, 0.0, []
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["rng"])
        if self.device == "cuda":
            torch.cuda.set_rng_state_all(state["cuda_rng"])
        return state["step"], state["seconds"], state["losses"]


def learning_rate(scale: Scale, step: int) -> float:
    """Of the step counted from 0."""
    warm = max(1, round(scale.warmup * scale.steps))
    if step < warm:
        return scale.lr * (step + 1) / warm
    done = (step - warm) / max(1, scale.steps - warm)
    return scale.lr * (FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * done)))


def _optimizer(model: GAM, scale: Scale, device: str) -> torch.optim.AdamW:
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    others = [p for p in model.parameters() if p.ndim < 2]
    groups: list[dict[str, Any]] = [{"params": matrices, "weight_decay": scale.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=scale.lr, betas=BETAS, fused=True)

"""Training a small model on a task's endless data, in a sandboxed child: every batch is fresh, so that the accuracy in training is one on unseen data.

AdamW, decay 0.1 on matrices, gradients clipped to norm 1, a tenth of warm-up and a cosine to a tenth, as Zoology and MAD train up to their schedules'
ends; what is new is that a run ends early when it has solved its task, and when half of it has shown nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.gab.model import GAM
from core.types import Json, derive_seed
from core.verification.probes.base import Task

BETAS = (0.9, 0.98)
FLOOR, WARM = 0.1, 0.1
WINDOW = 20                          # batches over which the accuracy in training is averaged
SOLVED = 0.995                       # of it: the run has solved its task
HOPELESS = 0.5                       # share of the steps after which an accuracy within noise of chance ends the run
TOLD_EVERY = 10                      # steps


@dataclass(frozen=True)
class Run:
    """How one learning rate went. `failure`: in words, where the loss was no number."""

    steps: int
    accuracy: float
    failure: str = ""


class Decoder(nn.Module):
    """MAD's compression decoder (appendix B): the last position's vector plus a sinusoid for each position, through two layers, to a token."""

    def __init__(self, width: int, length: int, vocab: int) -> None:
        super().__init__()
        half = width // 2
        angle = torch.outer(torch.arange(length), 10_000.0 ** (-torch.arange(half) / half))
        self.register_buffer("place", torch.cat([angle.sin(), angle.cos()], -1))  # (t, d)
        self.layers = nn.Sequential(nn.RMSNorm(width), nn.Linear(width, width), nn.GELU(), nn.RMSNorm(width), nn.Linear(width, width), nn.GELU(),
                                    nn.RMSNorm(width), nn.Linear(width, vocab))

    def forward(self, last: Tensor) -> Tensor:  # (b, d) → (b, t, vocab)
        return self.layers(last.unsqueeze(1) + self.place)


@torch.no_grad()
def scale_start(model: GAM) -> None:
    """Give a narrow model the start of a wide one. Linear weights drawn with GPT-2's 0.02, which belongs to a width of 768, are scaled by
    √(768 / width), since what a projection adds up grows with the width's root; the embedding to 1/√width, so that the tied head begins with logits
    of unit variance. Without it a width of 64 stays on the plateau before the first recall for thousands of steps (measured: gpt2 on
    in-context recall, not solved in 3,000 steps, solved in 300 with it). Weights with another start are the block's own choice and stay.
    """
    width = model.embedding.embedding_dim
    for module in model.blocks.modules():
        if isinstance(module, nn.Linear) and module.weight.numel() > 1 and 0 < module.weight.std() < 1.1 * 0.02:
            module.weight.mul_(math.sqrt(768 / width))
    model.embedding.weight.mul_(width**-0.5 / 0.02)


class Learner:
    """A model and, for a task that needs one, its decoder."""

    def __init__(self, model: GAM, task: Task, settings: Json, seed: int) -> None:
        self.model, self.task, self.settings = model, task, settings
        torch.manual_seed(derive_seed(seed, "decoder"))
        self.decoder = Decoder(model.embedding.embedding_dim, settings["length"] - 1, task.vocab(settings)) if task.decoder else None

    def parameters(self) -> list[nn.Parameter]:
        return [*self.model.parameters(), *(self.decoder.parameters() if self.decoder else ())]

    def loss(self, ids: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """(cross-entropy, right or wrong) over what has a target."""
        at = targets >= 0
        hidden = self.model.hidden(ids)
        logits = self.decoder(hidden[:, -1])[at] if self.decoder else hidden[at] @ self.model.embedding.weight.T  # (n, vocab)
        return F.cross_entropy(logits.float(), targets[at]), logits.argmax(-1) == targets[at]

    @torch.no_grad()
    def predict(self, ids: np.ndarray, rows: int = 32) -> np.ndarray:
        """(b, l) → the likeliest token at each position (b, t), uint16."""
        self.model.eval()
        found = []
        for part in torch.from_numpy(ids.astype(np.int64)).split(rows):
            hidden = self.model.hidden(part)
            logits = self.decoder(hidden[:, -1]) if self.decoder else hidden @ self.model.embedding.weight.T
            found.append(logits.argmax(-1).numpy().astype(np.uint16))
        return np.concatenate(found)


def train(learner: Learner, spec: Json, lr: float, seed: int, on_step: Callable[[int], None]) -> Run:
    """`spec`: steps, batch (rows), stop_solved (no: what is to hold at other lengths goes on settling after it is solved at this one), ease
    (settings of every other batch, or None). The data follow from the seed alone: every learning rate and every design meets the same ones."""
    task, settings, steps = learner.task, learner.settings, spec["steps"]
    rng = np.random.default_rng(derive_seed(seed, "train"))
    torch.manual_seed(derive_seed(seed, "draws", lr))  # for blocks that draw, e.g. dropout
    learner.model.train()
    parameters = learner.parameters()
    optimizer = torch.optim.AdamW([{"params": [p for p in parameters if p.ndim >= 2], "weight_decay": 0.1},
                                   {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0}], lr=lr, betas=BETAS, fused=True)
    right, asked = [], []
    chance, last = task.chance(settings), 0.0
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = lr * schedule(step, steps)
        easier = spec["ease"] is not None and step % 2 == 1
        batch = task.batch(rng, spec["batch"], spec["ease"] if easier else settings, seed)
        loss, hits = learner.loss(torch.from_numpy(batch.ids), torch.from_numpy(batch.targets))
        if not math.isfinite(loss.item()):
            return Run(step, last, f"diverged at step {step} of {steps}: the loss is {loss.item()}")
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if not easier:
            right.append(hits.sum().item())
            asked.append(len(hits))
        got, n = sum(right[-WINDOW:]), sum(asked[-WINDOW:])
        last = got / n
        if step % TOLD_EVERY == 0:
            on_step(step)
        if spec["stop_solved"] and step >= WINDOW and last >= SOLVED:
            return Run(step + 1, last)
        if step >= max(WINDOW, HOPELESS * steps) and last < chance + 4 * math.sqrt(chance * (1 - chance) / n):
            return Run(step + 1, last)
    return Run(steps, last)


def schedule(step: int, steps: int) -> float:
    """The share of the peak learning rate at a step counted from 0."""
    warm = max(1, round(WARM * steps))
    if step < warm:
        return (step + 1) / warm
    return FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))

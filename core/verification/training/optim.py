"""Optimizers: AdamW, or Muon for the blocks' matrices with AdamW for the rest. Their state is float32, as the weights are."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from core.gab.model import GAM
from core.types import Scale

BETAS = (0.9, 0.95)          # GPT-3's (Brown et al. 2020, arXiv 2005.14165, appendix B)


class Optimizer:
    """One or two of torch's, driven as one. Decay is decoupled, and on matrices only."""

    def __init__(self, model: GAM, scale: Scale) -> None:
        embedding = model.embedding.weight
        blocks = [p for p in model.parameters() if p is not embedding]
        by_muon = [p for p in blocks if p.ndim == 2] if scale.optimizer == "muon" else []
        taken = {id(p) for p in by_muon}
        rest = [p for p in model.parameters() if id(p) not in taken]
        groups: list[dict[str, Any]] = [
            {"params": [p for p in rest if p.ndim >= 2], "weight_decay": scale.weight_decay}, {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0}]
        self.parts: list[torch.optim.Optimizer] = [torch.optim.AdamW([g for g in groups if g["params"]], lr=scale.lr, betas=BETAS, fused=True)]
        if by_muon:  # its steps are scaled to AdamW's size (Liu et al. 2025, arXiv 2502.16982), so that both take one learning rate; Jordan et al. 2024
            self.parts.append(torch.optim.Muon(by_muon, lr=scale.lr, weight_decay=scale.weight_decay, momentum=0.95, adjust_lr_fn="match_rms_adamw"))

    def step(self, lr: float) -> None:
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = lr
            part.step()
        self.forget()

    def forget(self) -> None:
        for part in self.parts:
            part.zero_grad(set_to_none=True)

    def state_dict(self) -> list[dict[str, Any]]:
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        for part, state in zip(self.parts, states, strict=True):
            part.load_state_dict(state)


def clipped(parameters: list[nn.Parameter], limit: float) -> float:
    """Clip the gradients to a joint norm; the norm before it."""
    return torch.nn.utils.clip_grad_norm_(parameters, limit).item()

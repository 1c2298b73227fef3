"""The next-token loss that training, checks and estimates share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

MICRO_TOKENS = {"cpu": 8192, "cuda": 8192}       # trained at once; more are accumulated. library/costs.json was counted with these
LOGITS = {"cpu": 2**19, "cuda": 2**27}           # logits held at once: what the processor's cache keeps, and half a gigabyte


def token_loss(hidden: Tensor, head: Tensor, targets: Tensor) -> Tensor:
    """Summed cross-entropy in nats of hidden (b, l, d) against head (vocab, d) at targets (b, l).

    The gradient is made together with the loss, a few rows at a time, so that the full logits are never held and never computed twice (after Hsu et al.
    2024, arXiv 2410.10989, and Wijmans et al. 2024, arXiv 2411.09009). Under autocast the products are in its type, softmax and sums in float32.
    """
    return _LinearCrossEntropy.apply(hidden.flatten(0, 1), head, targets.flatten())


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor, head: Tensor, t: Tensor) -> Tensor:
        kind = h.device.type if h.device.type in LOGITS else "cpu"
        half = torch.is_autocast_enabled(kind)
        dtype = torch.get_autocast_dtype(kind) if half else head.dtype
        wanted = any(ctx.needs_input_grad[:2])
        with torch.autocast(kind, enabled=False):
            w = head.to(dtype)
            total = h.new_zeros((), dtype=torch.float32 if half else h.dtype)
            dh = torch.empty_like(h) if wanted else None
            dw = torch.zeros_like(head) if wanted else None
            rows = max(16, LOGITS[kind] // head.shape[0])
            for hc, tc, dhc in zip(h.split(rows), t.split(rows), dh.split(rows) if wanted else (None,) * -(-len(h) // rows), strict=True):
                hc = hc.to(dtype)
                logits = hc @ w.T
                logits = logits.float() if half else logits
                odds = logits.softmax(-1)
                total += (logits.amax(-1) - odds.amax(-1).log() - logits.gather(-1, tc[:, None]).squeeze(-1)).sum()  # log Σ e^x = max x − log max p
                if wanted:
                    slope = odds.scatter_add_(-1, tc[:, None], odds.new_full((len(tc), 1), -1.0)).to(dtype)
                    dhc.copy_(slope @ w)
                    dw.add_(slope.T @ hc)
        if wanted:
            ctx.save_for_backward(dh, dw)
        return total

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, Tensor, None]:
        dh, dw = ctx.saved_tensors
        return dh * upstream, dw * upstream, None

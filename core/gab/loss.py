"""The next-token loss that training, checks and estimates share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

MICRO_TOKENS = 8192          # trained at once; more are accumulated
LOGITS = 2**25               # logits held at once: 128 MB in float32


def token_loss(hidden: Tensor, head: Tensor, targets: Tensor) -> Tensor:
    """Summed cross-entropy. Above LOGITS entries it goes chunk by chunk, recomputed in the backward pass: the full logits are never held."""
    h, t = hidden.flatten(0, 1), targets.flatten()  # (n, d), (n,)
    if not chunked(len(t), head.shape[0]):
        return _chunk_loss(h, head, t)
    rows = max(1, LOGITS // head.shape[0])
    return torch.stack([checkpoint(_chunk_loss, hc, head, tc, use_reentrant=False) for hc, tc in zip(h.split(rows), t.split(rows), strict=True)]).sum()


def chunked(tokens: int, vocab_size: int) -> bool:
    return tokens > max(1, LOGITS // vocab_size)


def _chunk_loss(h: Tensor, head: Tensor, t: Tensor) -> Tensor:
    return F.cross_entropy((h @ head.T).float(), t, reduction="sum")

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.gab import GAUBase


class RMSNorm(GAUBase):
    """Divides by the root mean square, no mean taken off: cheaper than LayerNorm, as good (Zhang & Sennrich 2019, arXiv 1910.07467, eq. 4)."""

    kind = "norm"

    def __init__(self, embed_dim, block_loc, device=None, dtype=None):
        super().__init__(embed_dim, block_loc)
        self.weight = nn.Parameter(torch.ones(embed_dim, device=device, dtype=dtype))

    def _forward(self, X: Tensor) -> Tensor:  # (…, d)
        return nn.functional.rms_norm(X, (self.embed_dim,), self.weight, eps=1e-6)

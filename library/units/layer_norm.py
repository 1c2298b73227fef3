from __future__ import annotations

import torch
from torch import Tensor, nn

from core.gab import GAUBase


class LayerNorm(GAUBase):
    """Zero mean and unit variance over the channels, with gain and bias (Ba et al. 2016, arXiv 1607.06450, eq. 4)."""

    kind = "norm"

    def __init__(self, embed_dim, block_loc, device=None, dtype=None):
        super().__init__(embed_dim, block_loc)
        self.weight = nn.Parameter(torch.ones(embed_dim, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.zeros(embed_dim, device=device, dtype=dtype))

    def _forward(self, X: Tensor) -> Tensor:  # (…, d)
        return nn.functional.layer_norm(X, (self.embed_dim,), self.weight, self.bias)

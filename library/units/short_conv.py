from __future__ import annotations

import torch
from torch import Tensor, nn

from core.gab import GAUBase


class ShortConv(GAUBase):
    """A causal depthwise convolution over the last few positions: local order and n-grams for mixers that lack them (H3, Fu et al. 2022, arXiv 2212.14052)."""

    kind = "conv"
    choices = {"width": (2, 3, 4), "activate": (False, True)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, width: int = 4, activate: bool = True):
        super().__init__(embed_dim, block_loc)
        self.width, self.activate = width, activate
        self.weight = nn.Parameter(torch.empty(width, embed_dim, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.zeros(embed_dim, device=device, dtype=dtype))
        nn.init.normal_(self.weight, std=width**-0.5)

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        padded = nn.functional.pad(X, (0, 0, self.width - 1, 0))  # (b, l + w − 1, d)
        Y = sum(padded[:, i : i + X.shape[1]] * self.weight[i] for i in range(self.width))  # shifted sums: faster than conv1d on a processor
        return nn.functional.silu(Y + self.bias) if self.activate else Y + self.bias

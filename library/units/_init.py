"""Weights as GPT-2 starts them (Radford et al. 2019): normal with 0.02, smaller where a residual branch ends."""

from __future__ import annotations

import math

from torch import nn


def linear(d_in: int, d_out: int, bias: bool = False, residual_of: int = 0, device=None, dtype=None) -> nn.Linear:
    """A projection. `residual_of`: the number of blocks whose residual sums it feeds, two branches a block; 0 for none."""
    layer = nn.Linear(d_in, d_out, bias=bias, device=device, dtype=dtype)
    nn.init.normal_(layer.weight, std=0.02 / math.sqrt(2 * residual_of) if residual_of else 0.02)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer

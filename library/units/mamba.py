from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from core.gab import GAUBase, Slot, build
from library.units._init import linear
from library.units._selective import selective_scan


class Mamba(GAUBase):
    """A selective state space: each channel its own small state, whose step size and in- and output are read from the input (Mamba, Gu & Dao 2023, arXiv 2312.00752, algorithm 2)."""

    kind = "mixer"
    slots = {
        "conv": Slot("conv", "applied to x", optional=True),
        "gate": Slot("gate", "applied to the states' output", optional=True),
    }
    choices = {"state": (8, 16), "expand": (1, 2)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children, state: int = 16, expand: int = 2):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        inner, rank = expand * embed_dim, math.ceil(embed_dim / 16)
        self.split = [rank, state, state]
        self.x = linear(embed_dim, inner, **to)
        self.dt_b_c = linear(inner, rank + 2 * state, **to)
        self.dt = nn.Linear(rank, inner, **to)
        self.out = linear(inner, embed_dim, residual_of=block_loc[1], **to)
        self.a_log = nn.Parameter(torch.arange(1, state + 1, device=device, dtype=dtype).log().repeat(inner, 1))  # (e, n), S4D-real
        nn.init.uniform_(self.dt.weight, -(rank**-0.5), rank**-0.5)
        dt = torch.linspace(math.log(1e-3), math.log(1e-1), inner, device=device, dtype=dtype).exp()
        self.dt.bias = nn.Parameter(dt + torch.log(-torch.expm1(-dt)))  # softplus of it is dt
        self.skip = nn.Parameter(torch.ones(inner, **to))
        self.conv = build(children["conv"], inner, block_loc, **to) if "conv" in children else None
        self.gate = build(children["gate"], inner, block_loc, source_dim=embed_dim, **to) if "gate" in children else None

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        x = self.x(X)  # (b, l, e)
        if self.conv is not None:
            x, _ = self.conv(x)
        dt, b, c = self.dt_b_c(x).split(self.split, dim=-1)  # (b, l, r), (b, l, n), (b, l, n)
        dt = nn.functional.softplus(self.dt(dt))  # (b, l, e)
        Y = selective_scan(dt, x, b, c, -self.a_log.exp()).to(x.dtype) + self.skip * x  # (b, l, e)
        if self.gate is not None:
            Y, _ = self.gate(Y, source=X)
        return self.out(Y)

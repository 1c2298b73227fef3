from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from core.gab import GAUBase, Slot, build
from library.units._heads import head_width, join_heads, split_heads
from library.units._init import linear
from library.units._scan import scalar_decay_attention


class Mamba2(GAUBase):
    """A selective state space in its dual form: one decay a head and step, read from the input (Mamba-2, Dao & Gu 2024, arXiv 2405.21060, sections 6 and 7)."""

    kind = "mixer"
    slots = {
        "conv": Slot("conv", "applied to x, B and C", optional=True),
        "norm": Slot("norm", "applied to the gated output"),
        "gate": Slot("gate", "applied before the norm", optional=True),
    }
    choices = {"heads": (2, 4, 8), "state": (16, 32, 64), "expand": (1, 2)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children, heads: int = 4, state: int = 32, expand: int = 2):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        inner = expand * embed_dim
        head_width("Mamba2", inner, heads)
        self.heads, self.state, self.inner = heads, state, inner
        self.x_b_c = linear(embed_dim, inner + 2 * state, **to)
        self.dt = linear(embed_dim, heads, **to)
        self.out = linear(inner, embed_dim, residual_of=block_loc[1], **to)
        # A from 1 to 16 over the heads, dt from 0.001 to 0.1, as the paper's code starts them; evenly spread here instead of drawn.
        self.a_log = nn.Parameter(torch.linspace(1, 16, heads, device=device, dtype=dtype).log())
        dt = torch.linspace(math.log(1e-3), math.log(1e-1), heads, device=device, dtype=dtype).exp()
        self.dt_bias = nn.Parameter(dt + torch.log(-torch.expm1(-dt)))  # softplus of it is dt
        self.skip = nn.Parameter(torch.ones(heads, device=device, dtype=dtype))
        self.conv = build(children["conv"], inner + 2 * state, block_loc, **to) if "conv" in children else None
        self.gate = build(children["gate"], inner, block_loc, source_dim=embed_dim, **to) if "gate" in children else None
        self.norm = build(children["norm"], inner, block_loc, **to)

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        x_b_c = self.x_b_c(X)  # (b, l, e + 2n)
        if self.conv is not None:
            x_b_c, _ = self.conv(x_b_c)
        x, b, c = x_b_c.split([self.inner, self.state, self.state], dim=-1)  # one group: all heads share B and C
        dt = nn.functional.softplus(self.dt(X) + self.dt_bias).transpose(1, 2)  # (b, h, l)
        log_decay = -dt * self.a_log.exp()[:, None]  # (b, h, l)
        x = split_heads(x, self.heads)  # (b, h, l, e/h)
        b, c = (s.unsqueeze(1).expand(-1, self.heads, -1, -1) for s in (b, c))  # (b, h, l, n)
        Y = scalar_decay_attention(c, b, x * dt.unsqueeze(-1), log_decay) + self.skip[:, None, None] * x  # (b, h, l, e/h)
        Y = join_heads(Y)  # (b, l, e)
        if self.gate is not None:
            Y, _ = self.gate(Y, source=X)
        Y, _ = self.norm(Y)
        return self.out(Y)

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from core.gab import GAUBase, Slot, build
from library.units._delta import gated_delta_rule
from library.units._heads import head_width, join_heads, split_heads
from library.units._init import linear


class GatedDeltaNet(GAUBase):
    """The delta rule with a forget gate a head: the state decays, then is corrected (Gated DeltaNet, Yang et al. 2024, arXiv 2412.06464, eq. 10)."""

    kind = "mixer"
    slots = {
        "conv": Slot("conv", "applied to queries, keys and values", optional=True),
        "norm": Slot("norm", "applied to each head's output"),
        "gate": Slot("gate", "applied to the heads' outputs", optional=True),
    }
    choices = {"heads": (2, 4), "value_share": (1, 2)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children, heads: int = 4, value_share: int = 1):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        width = head_width("GatedDeltaNet", embed_dim, heads)
        values = value_share * embed_dim
        self.heads, self.split = heads, [embed_dim, embed_dim, values]
        self.qkv = linear(embed_dim, sum(self.split), **to)
        self.write = linear(embed_dim, heads, **to)
        self.forget = linear(embed_dim, heads, **to)
        self.out = linear(values, embed_dim, residual_of=block_loc[1], **to)
        # A from 1 to 16 and a step from 0.001 to 0.1 over the heads: Mamba-2's start, which the paper takes over.
        self.a_log = nn.Parameter(torch.linspace(1, 16, heads, device=device, dtype=dtype).log())
        dt = torch.linspace(math.log(1e-3), math.log(1e-1), heads, device=device, dtype=dtype).exp()
        self.dt_bias = nn.Parameter(dt + torch.log(-torch.expm1(-dt)))  # softplus of it is dt
        self.conv = build(children["conv"], sum(self.split), block_loc, **to) if "conv" in children else None
        self.norm = build(children["norm"], value_share * width, block_loc, **to)
        self.gate = build(children["gate"], values, block_loc, source_dim=embed_dim, **to) if "gate" in children else None

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        qkv = self.qkv(X)
        if self.conv is not None:
            qkv, _ = self.conv(qkv)
        q, k, v = (split_heads(x, self.heads) for x in qkv.split(self.split, dim=-1))  # (b, h, l, d/h), twice, and (b, h, l, v)
        q, k = (nn.functional.normalize(x, dim=-1, eps=1e-6) for x in (q, k))
        beta = self.write(X).sigmoid().transpose(1, 2)  # (b, h, l)
        log_decay = (-self.a_log.exp() * nn.functional.softplus(self.forget(X) + self.dt_bias)).transpose(1, 2)  # (b, h, l)
        Y, _ = self.norm(gated_delta_rule(q / math.sqrt(q.shape[-1]), k, v, beta, log_decay))  # (b, h, l, v)
        Y = join_heads(Y)
        if self.gate is not None:
            Y, _ = self.gate(Y, source=X)
        return self.out(Y)

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from core.gab import GAUBase, Slot, build
from library.units._delta import gated_delta_rule
from library.units._heads import head_width, join_heads, split_heads
from library.units._init import linear


class DeltaNet(GAUBase):
    """Linear attention that overwrites: a value is stored in place of what its key would have answered (DeltaNet, Yang et al. 2024, arXiv 2406.06484, eq. 2)."""

    kind = "mixer"
    slots = {
        "conv": Slot("conv", "applied to queries, keys and values", optional=True),
        "norm": Slot("norm", "applied to each head's output"),
        "gate": Slot("gate", "applied to the heads' outputs", optional=True),
    }
    choices = {"heads": (2, 4), "most": (1.0, 2.0)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children, heads: int = 4, most: float = 1.0):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        width = head_width("DeltaNet", embed_dim, heads)
        self.heads, self.most = heads, most  # how strongly a write may correct; above 1 the state's eigenvalues may be negative
        self.qkv = linear(embed_dim, 3 * embed_dim, **to)
        self.write = linear(embed_dim, heads, **to)
        self.out = linear(embed_dim, embed_dim, residual_of=block_loc[1], **to)
        self.conv = build(children["conv"], 3 * embed_dim, block_loc, **to) if "conv" in children else None
        self.norm = build(children["norm"], width, block_loc, **to)
        self.gate = build(children["gate"], embed_dim, block_loc, source_dim=embed_dim, **to) if "gate" in children else None

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        qkv = self.qkv(X)
        if self.conv is not None:
            qkv, _ = self.conv(qkv)
        q, k, v = (split_heads(x, self.heads) for x in qkv.chunk(3, dim=-1))  # (b, h, l, d/h)
        q, k = (nn.functional.normalize(x, dim=-1, eps=1e-6) for x in (q, k))
        beta = self.most * self.write(X).sigmoid().transpose(1, 2)  # (b, h, l)
        Y, _ = self.norm(gated_delta_rule(q / math.sqrt(q.shape[-1]), k, v, beta, torch.zeros_like(beta)))  # (b, h, l, d/h)
        Y = join_heads(Y)
        if self.gate is not None:
            Y, _ = self.gate(Y, source=X)
        return self.out(Y)

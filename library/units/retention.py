from __future__ import annotations

import math

import torch
from torch import Tensor

from core.gab import GAUBase, Slot, build
from library.units._heads import head_width, join_heads, split_heads
from library.units._init import linear
from library.units._scan import scalar_decay_attention


class Retention(GAUBase):
    """Linear attention with a fixed exponential decay a head, from fast to slow (RetNet, Sun et al. 2023, arXiv 2307.08621, eqs. 7 and 8)."""

    kind = "mixer"
    slots = {
        "position": Slot("position", "applied to queries and keys", optional=True),
        "conv": Slot("conv", "applied to the input", optional=True),
        "norm": Slot("norm", "applied to each head's output"),
        "gate": Slot("gate", "applied to the heads' outputs", optional=True),
    }
    choices = {"heads": (2, 4, 8), "value_share": (1, 2)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children, heads: int = 4, value_share: int = 2):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        width = head_width("Retention", embed_dim, heads, even="position" in children)
        values = value_share * embed_dim
        self.heads = heads
        self.q = linear(embed_dim, embed_dim, **to)
        self.k = linear(embed_dim, embed_dim, **to)
        self.v = linear(embed_dim, values, **to)
        self.out = linear(values, embed_dim, residual_of=block_loc[1], **to)
        self.position = build(children["position"], width, block_loc, **to) if "position" in children else None
        self.norm = build(children["norm"], value_share * width, block_loc, **to)
        self.conv = build(children["conv"], embed_dim, block_loc, **to) if "conv" in children else None
        self.gate = build(children["gate"], values, block_loc, source_dim=embed_dim, **to) if "gate" in children else None

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        source = X
        if self.conv is not None:
            X, _ = self.conv(X)
        q, k, v = (split_heads(p(X), self.heads) for p in (self.q, self.k, self.v))  # (b, h, l, d/h) and (b, h, l, v)
        if self.position is not None:
            (q, _), (k, _) = self.position(q), self.position(k)
        # Decays 1 − 2^−5 … 1 − 2^−12 over the heads: the paper's eq. 8 steps the exponent by one a head, for eight heads and more.
        exponent = torch.linspace(5, 12, self.heads, device=X.device, dtype=torch.float64)
        log_decay = torch.log1p(-torch.exp2(-exponent)).to(X.dtype)  # (h,)
        log_decay = log_decay[None, :, None].expand(X.shape[0], -1, X.shape[1])  # (b, h, l)
        Y = scalar_decay_attention(q / math.sqrt(q.shape[-1]), k, v, log_decay)  # (b, h, l, v)
        Y, _ = self.norm(Y)
        Y = join_heads(Y)
        if self.gate is not None:
            Y, _ = self.gate(Y, source=source)
        return self.out(Y)

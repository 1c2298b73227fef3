from __future__ import annotations

import torch
from torch import Tensor, nn

from core.gab import GAUBase, Slot, build
from library.units._heads import head_width, join_heads, split_heads
from library.units._init import linear
from library.units._scan import vector_decay_attention
from library.units._shift import ramp, shifted


class RWKV6(GAUBase):
    """Finch's time mixing: a token shift and a decay that depend on the input, and a bonus for the present token (RWKV-6, Peng et al. 2024, arXiv 2404.05892, eqs. 12 to 19)."""

    kind = "mixer"
    slots = {
        "norm": Slot("norm", "applied to each head's output"),
        "gate": Slot("gate", "applied to the heads' outputs", optional=True),
    }
    choices = {"heads": (2, 4, 8), "rank": (16, 32)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children, heads: int = 4, rank: int = 16):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        width = head_width("RWKV6", embed_dim, heads)
        self.heads = heads
        depth = block_loc[0] / max(1, block_loc[1] - 1)
        self.mix_base = nn.Parameter(ramp(embed_dim, 1 - depth / 2, **to))
        self.mix = nn.Parameter(ramp(embed_dim, 1 - depth / 2, **to).repeat(5, 1))  # of w, k, v, r and g
        self.mix_in = linear(embed_dim, 5 * rank, **to)
        self.mix_out = nn.Parameter(torch.zeros(5, rank, embed_dim, **to))
        self.r, self.k, self.v = (linear(embed_dim, embed_dim, **to) for _ in range(3))
        self.decay = nn.Parameter(torch.linspace(-6, -1, embed_dim, **to))
        self.decay_in = linear(embed_dim, rank, **to)
        self.decay_out = nn.Parameter(torch.zeros(rank, embed_dim, **to))
        self.bonus = nn.Parameter(torch.linspace(1, 0, embed_dim, **to).view(heads, width))
        self.out = linear(embed_dim, embed_dim, residual_of=block_loc[1], **to)
        self.norm = build(children["norm"], width, block_loc, **to)
        self.gate = build(children["gate"], embed_dim, block_loc, source_dim=embed_dim, **to) if "gate" in children else None

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        before = shifted(X)
        low = self.mix_in(X + before * self.mix_base).tanh().unflatten(-1, (5, -1))  # (b, l, 5, rank)
        mix = self.mix + torch.einsum("blgr,grd->blgd", low, self.mix_out)  # (b, l, 5, d): how much of the token before
        w, k, v, r, g = (X.unsqueeze(2) + before.unsqueeze(2) * mix).unbind(2)  # (b, l, d) each
        log_decay = -(self.decay + self.decay_in(w).tanh() @ self.decay_out).exp().clamp(max=10.0)  # in the chunked form's range
        r, k, v, log_decay = (split_heads(x, self.heads) for x in (self.r(r), self.k(k), self.v(v), log_decay))  # (b, h, l, d/h)
        Y, _ = self.norm(vector_decay_attention(r, k, v, log_decay, self.bonus))
        Y = join_heads(Y)
        if self.gate is not None:
            Y, _ = self.gate(Y, source=g)
        return self.out(Y)

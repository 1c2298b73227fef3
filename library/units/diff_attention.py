from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from core.gab import GAUBase, Slot, build
from library.units._heads import head_width, join_heads, split_heads
from library.units._init import linear


class DiffAttention(GAUBase):
    """The difference of two softmax attentions over the same values: what both attend to alike cancels (Differential Transformer, Ye et al. 2024, arXiv 2410.05258, eqs. 1 to 3)."""

    kind = "mixer"
    slots = {
        "position": Slot("position", "applied to queries and keys", optional=True),
        "conv": Slot("conv", "applied to the input", optional=True),
        "norm": Slot("norm", "applied to each head's output"),
    }
    choices = {"heads": (1, 2, 4)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children, heads: int = 2):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        width = head_width("DiffAttention", embed_dim, 2 * heads, even="position" in children)
        self.heads = heads  # each of twice the usual width, with two softmaxes
        self.q, self.k, self.v = (linear(embed_dim, embed_dim, **to) for _ in range(3))
        self.out = linear(embed_dim, embed_dim, residual_of=block_loc[1], **to)
        self.share = nn.Parameter(torch.randn(2, 2, width, **to) * 0.1)  # λ = exp(a₁·b₁) − exp(a₂·b₂) + its start
        self.share_start = 0.8 - 0.6 * math.exp(-0.3 * block_loc[0])
        self.position = build(children["position"], width, block_loc, **to) if "position" in children else None
        self.conv = build(children["conv"], embed_dim, block_loc, **to) if "conv" in children else None
        self.norm = build(children["norm"], 2 * width, block_loc, **to)

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        if self.conv is not None:
            X, _ = self.conv(X)
        q, k = (split_heads(p(X), 2 * self.heads) for p in (self.q, self.k))  # (b, 2h, l, d/2h): the first h against the last h
        v = split_heads(self.v(X), self.heads)  # (b, h, l, d/h)
        if self.position is not None:
            (q, _), (k, _) = self.position(q), self.position(k)
        halves = [nn.functional.scaled_dot_product_attention(q, k, half.repeat(1, 2, 1, 1), is_causal=True) for half in v.chunk(2, dim=-1)]
        one, two = torch.cat(halves, -1).chunk(2, dim=1)  # (b, h, l, d/h); values by halves, since fast kernels want all widths equal
        first, second = (self.share[:, 0] * self.share[:, 1]).sum(-1).exp()
        Y, _ = self.norm(one - (first - second + self.share_start) * two)
        return self.out(join_heads(Y) * (1 - self.share_start))

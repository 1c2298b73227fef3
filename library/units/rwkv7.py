from __future__ import annotations

import torch
from torch import Tensor, nn

from core.gab import GAUBase, Slot, build
from library.units._delta import vector_delta_rule
from library.units._heads import head_width, join_heads, split_heads
from library.units._init import linear
from library.units._shift import ramp, shifted


class RWKV7(GAUBase):
    """Goose's time mixing: a delta rule with a decay and a learning rate for each channel; later blocks mix the first one's values in, which travel in Z (RWKV-7, Peng et al. 2025, arXiv 2503.14456, eqs. 3 to 22)."""

    kind = "mixer"
    slots = {"norm": Slot("norm", "applied to each head's output")}
    choices = {"heads": (2, 4, 8), "rank": (16, 32)}
    writes = {"rwkv7_v_first": "the first block's values, (b, l, d)"}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children, heads: int = 4, rank: int = 16):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        width = head_width("RWKV7", embed_dim, heads)
        self.heads = heads
        depth = block_loc[0] / max(1, block_loc[1] - 1)

        def low_rank(inner: int) -> nn.Sequential:
            pair = nn.Sequential(linear(embed_dim, inner, **to), linear(inner, embed_dim, **to))
            nn.init.zeros_(pair[0].weight)
            return pair

        self.mix = nn.Parameter(ramp(embed_dim, 1 - depth / 2, **to).repeat(6, 1))  # of r, w, k, v, a and g
        self.r, self.k, self.v = (linear(embed_dim, embed_dim, **to) for _ in range(3))
        self.decay_in, self.decay_out = linear(embed_dim, rank, **to), linear(rank, embed_dim, **to)
        nn.init.zeros_(self.decay_out.weight)
        self.decay = nn.Parameter(torch.linspace(-6, 1, embed_dim, **to))
        self.rate, self.rate_bias = low_rank(rank), nn.Parameter(torch.zeros(embed_dim, **to))
        self.first, self.first_bias = (low_rank(rank), nn.Parameter(torch.ones(embed_dim, **to))) if block_loc[0] else (None, None)
        self.gate_in, self.gate_out = linear(embed_dim, 2 * rank, **to), linear(2 * rank, embed_dim, **to)
        self.removed = nn.Parameter(torch.full((embed_dim,), 0.85, **to))  # scales the key that is overwritten
        self.replaced = nn.Parameter(torch.ones(embed_dim, **to))  # how far the learning rate scales the key that is written
        self.bonus = nn.Parameter(torch.zeros(heads, width, **to))
        self.out = linear(embed_dim, embed_dim, residual_of=block_loc[1], **to)
        self.norm = build(children["norm"], width, block_loc, **to)

    def _forward(self, X: Tensor, rwkv7_v_first: Tensor | None = None) -> tuple[Tensor, dict[str, Tensor]]:  # (b, l, d)
        r, w, k, v, a, g = (X.unsqueeze(2) + shifted(X).unsqueeze(2) * self.mix).unbind(2)  # (b, l, d) each
        r, k, v = self.r(r), self.k(k), self.v(v)
        # −e^(−1/2) · sigmoid is −exp of the paper's −softplus(−w) − 1/2: a decay between 0.545 and 1
        log_decay = -0.6065306597126334 * (self.decay + self.decay_out(self.decay_in(w).tanh())).sigmoid()
        found: dict[str, Tensor] = {}
        if rwkv7_v_first is None:
            found["rwkv7_v_first"] = v
        elif self.first is not None:
            v = v + (rwkv7_v_first - v) * (self.first_bias + self.first(X)).sigmoid()
        rate = (self.rate_bias + self.rate(a)).sigmoid()  # (b, l, d): how much of the old answer is taken out
        gone = nn.functional.normalize(split_heads(k * self.removed, self.heads), dim=-1, eps=1e-6)  # (b, h, l, d/h)
        k = k * (1 + (rate - 1) * self.replaced)
        r, k, v, rate, log_decay = (split_heads(x, self.heads) for x in (r, k, v, rate, log_decay))
        Y, _ = self.norm(vector_delta_rule(r, k, v, -gone, gone * rate, log_decay))  # (b, h, l, d/h)
        Y = Y + (r * k * self.bonus[:, None]).sum(-1, keepdim=True) * v
        return self.out(join_heads(Y) * self.gate_out(self.gate_in(g).sigmoid())), found

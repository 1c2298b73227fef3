from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from core.gab import GAUBase, Slot, build
from library.units._heads import head_width, join_heads, split_heads
from library.units._init import linear
from library.units._scan import scalar_decay_attention


class MLSTM(GAUBase):
    """An LSTM with a matrix memory, an exponential input gate and a normaliser (mLSTM of xLSTM, Beck et al. 2024, arXiv 2405.04517, eqs. 19 to 27).

    The gates' preactivations are capped softly at 15, as in xLSTM 7B (arXiv 2503.13427): no weight exceeds e^15, and the running
    maximum that kept the recurrence in range falls away.
    """

    kind = "mixer"
    slots = {
        "conv": Slot("conv", "applied to the input of queries and keys", optional=True),
        "norm": Slot("norm", "applied to each head's output"),
        "gate": Slot("gate", "the output gate", optional=True),
    }
    choices = {"heads": (2, 4), "key_share": (0.5, 1.0)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children, heads: int = 4, key_share: float = 0.5):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        keys = int(embed_dim * key_share)
        head_width("MLSTM", keys, heads)
        self.heads = heads
        self.q = linear(embed_dim, keys, **to)
        self.k = linear(embed_dim, keys, **to)
        self.v = linear(embed_dim, embed_dim, **to)
        self.enter = linear(embed_dim, heads, bias=True, **to)
        self.forget = linear(embed_dim, heads, bias=True, **to)
        self.out = linear(embed_dim, embed_dim, residual_of=block_loc[1], **to)
        nn.init.constant_(self.enter.bias, -10.0)  # xLSTM 7B's start: nearly closed
        self.forget.bias = nn.Parameter(torch.linspace(3, 6, heads, **to))  # nearly open
        self.conv = build(children["conv"], embed_dim, block_loc, **to) if "conv" in children else None
        self.norm = build(children["norm"], head_width("MLSTM", embed_dim, heads), block_loc, **to)
        self.gate = build(children["gate"], embed_dim, block_loc, source_dim=embed_dim, **to) if "gate" in children else None

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        source = X
        if self.conv is not None:
            source, _ = self.conv(X)
        q, k, v = (split_heads(y, self.heads) for y in (self.q(source), self.k(source), self.v(X)))  # (b, h, l, k), twice, and (b, h, l, v)
        enter, forget = (15 * (gate(X) / 15).tanh().transpose(1, 2) for gate in (self.enter, self.forget))  # (b, h, l)
        weighed = torch.cat([v, torch.ones_like(v[..., :1])], -1)  # the last column sums the weights: the normaliser n
        Y = scalar_decay_attention(q / math.sqrt(q.shape[-1]), k * enter.exp().unsqueeze(-1), weighed, nn.functional.logsigmoid(forget))
        Y, _ = self.norm(Y[..., :-1] / Y[..., -1:].abs().clamp(min=1))  # (b, h, l, v)
        Y = join_heads(Y)
        if self.gate is not None:
            Y, _ = self.gate(Y, source=X)
        return self.out(Y)

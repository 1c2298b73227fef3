from __future__ import annotations

import torch
from torch import Tensor, nn

from core.gab import GAUBase, Slot, build
from library.units._heads import head_width
from library.units._init import linear
from library.units._scan import linear_scan


class RGLRU(GAUBase):
    """A diagonal linear recurrence gated by its input, in Griffin's recurrent block (RG-LRU, De et al. 2024, arXiv 2402.19427, eqs. 1 to 4)."""

    kind = "mixer"
    slots = {
        "conv": Slot("conv", "applied before the recurrence", optional=True),
        "gate": Slot("gate", "applied to the recurrence's output", optional=True),
    }
    choices = {"heads": (2, 4, 8), "expand": (1.0, 1.5)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children, heads: int = 4, expand: float = 1.0):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        inner = int(embed_dim * expand)
        width = head_width("RGLRU", inner, heads)
        self.heads = heads
        self.x = linear(embed_dim, inner, bias=True, **to)
        self.gates = nn.Parameter(torch.randn(2, heads, width, width, **to) * width**-0.5)  # of the input, of the recurrence: block-diagonal
        self.gates_bias = nn.Parameter(torch.zeros(2, heads, width, **to))
        kept = torch.linspace(0.9, 0.999, inner, **to)  # a to the power 8·r at r = 1: the paper's range, evenly spread
        self.decay = nn.Parameter(torch.log(torch.expm1(-torch.log(kept) / 8)))  # softplus of it, times −8, is log kept
        self.out = linear(inner, embed_dim, bias=True, residual_of=block_loc[1], **to)
        self.conv = build(children["conv"], inner, block_loc, **to) if "conv" in children else None
        self.gate = build(children["gate"], inner, block_loc, source_dim=embed_dim, **to) if "gate" in children else None

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        x = self.x(X)  # (b, l, e)
        if self.conv is not None:
            x, _ = self.conv(x)
        gates = torch.einsum("blhi,ghij->gblhj", x.unflatten(-1, (self.heads, -1)), self.gates) + self.gates_bias[:, None, None]
        enter, recur = gates.flatten(-2).sigmoid()  # (b, l, e), twice
        log_decay = -8 * recur * nn.functional.softplus(self.decay)  # (b, l, e)
        share = torch.sqrt(-torch.expm1(2 * log_decay) + 1e-6)  # √(1 − a²); kept off zero, where its slope is infinite
        share = torch.cat([torch.ones_like(share[:, :1]), share[:, 1:]], 1)  # the first input starts the state
        Y = linear_scan(log_decay, share * enter * x)
        if self.gate is not None:
            Y, _ = self.gate(Y, source=X)
        return self.out(Y)

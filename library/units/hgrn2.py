from __future__ import annotations

import torch
from torch import Tensor, nn

from core.gab import GAUBase, Slot, build
from library.units._heads import head_width, join_heads, split_heads
from library.units._init import linear
from library.units._scan import vector_decay_attention


class HGRN2(GAUBase):
    """A gated recurrence whose key is what its forget gate lets go: the state expands by an outer product (HGRN2, Qin et al. 2024, arXiv 2404.07904, eq. 5).

    The forget gate's lower bound rises from block to block; the paper learns the bounds, here they rise evenly, since blocks share nothing.
    """

    kind = "mixer"
    slots = {
        "conv": Slot("conv", "applied to the input", optional=True),
        "norm": Slot("norm", "applied to each head's output"),
        "gate": Slot("gate", "applied to the heads' outputs", optional=True),
    }
    choices = {"heads": (2, 4, 8)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children, heads: int = 2):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        width = head_width("HGRN2", embed_dim, heads)
        self.heads = heads
        self.bound = block_loc[0] / block_loc[1]
        self.q = linear(embed_dim, embed_dim, **to)
        self.forget = linear(embed_dim, embed_dim, **to)
        self.v = linear(embed_dim, embed_dim, **to)
        self.out = linear(embed_dim, embed_dim, residual_of=block_loc[1], **to)
        self.conv = build(children["conv"], embed_dim, block_loc, **to) if "conv" in children else None
        self.norm = build(children["norm"], width, block_loc, **to)
        self.gate = build(children["gate"], embed_dim, block_loc, source_dim=embed_dim, **to) if "gate" in children else None

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        source = X
        if self.conv is not None:
            X, _ = self.conv(X)
        kept = self.bound + (1 - self.bound) * self.forget(X).sigmoid()  # (b, l, d)
        kept = kept.clamp(min=5e-5)  # log ≥ −10: the chunked form's range
        q = nn.functional.silu(self.q(X))
        q, k, v, log_decay = (split_heads(x, self.heads) for x in (q, 1 - kept, self.v(X), torch.log(kept)))  # (b, h, l, d/h)
        Y, _ = self.norm(vector_decay_attention(q, k, v, log_decay))
        Y = join_heads(Y)
        if self.gate is not None:
            Y, _ = self.gate(Y, source=source)
        return self.out(Y)

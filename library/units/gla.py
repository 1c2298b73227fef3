from __future__ import annotations

from torch import Tensor, nn

from core.gab import GAUBase, Slot, build
from library.units._heads import head_width, join_heads, split_heads
from library.units._init import linear
from library.units._scan import vector_decay_attention


class GatedLinearAttention(GAUBase):
    """Linear attention whose state forgets channel by channel, as the input says (GLA, Yang et al. 2023, arXiv 2312.06635, eqs. 3 and 4)."""

    kind = "mixer"
    slots = {
        "conv": Slot("conv", "applied to the input", optional=True),
        "norm": Slot("norm", "applied to each head's output"),
        "gate": Slot("gate", "applied to the heads' outputs", optional=True),
    }
    choices = {"heads": (2, 4), "key_share": (0.5, 1.0), "temperature": (8.0, 16.0)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children, heads: int = 4, key_share: float = 0.5, temperature: float = 16.0):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        keys = int(embed_dim * key_share)
        head_width("GatedLinearAttention", keys, heads)
        self.heads, self.temperature = heads, temperature
        self.q = linear(embed_dim, keys, **to)
        self.k = linear(embed_dim, keys, **to)
        self.v = linear(embed_dim, embed_dim, **to)
        self.forget = nn.Sequential(linear(embed_dim, 16, **to), linear(16, keys, bias=True, **to))  # low rank, as in the paper's section 4.4
        self.out = linear(embed_dim, embed_dim, residual_of=block_loc[1], **to)
        self.norm = build(children["norm"], head_width("GatedLinearAttention", embed_dim, heads), block_loc, **to)
        self.conv = build(children["conv"], embed_dim, block_loc, **to) if "conv" in children else None
        self.gate = build(children["gate"], embed_dim, block_loc, source_dim=embed_dim, **to) if "gate" in children else None

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        source = X
        if self.conv is not None:
            X, _ = self.conv(X)
        q, k, v = (split_heads(p(X), self.heads) for p in (self.q, self.k, self.v))  # (b, h, l, k), (b, h, l, k), (b, h, l, v)
        log_decay = nn.functional.logsigmoid(split_heads(self.forget(X), self.heads)) / self.temperature  # (b, h, l, k)
        log_decay = log_decay.clamp(min=-10.0)  # a factor of 5e-5 a step: forgotten all the same, and within float32's range
        Y, _ = self.norm(vector_decay_attention(q * q.shape[-1] ** -0.5, k, v, log_decay))  # (b, h, l, v)
        Y = join_heads(Y)
        if self.gate is not None:
            Y, _ = self.gate(Y, source=source)
        return self.out(Y)

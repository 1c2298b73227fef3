from __future__ import annotations

from torch import Tensor, nn

from core.gab import GAUBase, Slot, build
from library.units._heads import head_width, join_heads, split_heads
from library.units._init import linear


class Attention(GAUBase):
    """Causal softmax attention: every position looks at all before it (Vaswani et al. 2017, arXiv 1706.03762, eq. 1); kv_heads < heads shares keys and values (Ainslie et al. 2023, arXiv 2305.13245)."""

    kind = "mixer"
    slots = {
        "position": Slot("position", "applied to queries and keys", optional=True),
        "qk_norm": Slot("norm", "applied to each head's queries and keys", optional=True),
        "conv": Slot("conv", "applied to the input", optional=True),
        "gate": Slot("gate", "applied to the heads' outputs", optional=True),
    }
    choices = {"heads": (2, 4, 8), "kv_share": (1, 2), "bias": (False, True)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children, heads: int = 4, kv_share: int = 1, bias: bool = False):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        width = head_width("Attention", embed_dim, heads, even="position" in children)
        self.heads, self.kv_heads = heads, heads // kv_share  # kv_share query heads use one key and value head
        self.q = linear(embed_dim, embed_dim, bias, **to)
        self.k = linear(embed_dim, self.kv_heads * width, bias, **to)
        self.v = linear(embed_dim, self.kv_heads * width, bias, **to)
        self.out = linear(embed_dim, embed_dim, bias, residual_of=block_loc[1], **to)
        self.position = build(children["position"], width, block_loc, **to) if "position" in children else None
        self.q_norm = build(children["qk_norm"], width, block_loc, **to) if "qk_norm" in children else None
        self.k_norm = build(children["qk_norm"], width, block_loc, **to) if "qk_norm" in children else None
        self.conv = build(children["conv"], embed_dim, block_loc, **to) if "conv" in children else None
        self.gate = build(children["gate"], embed_dim, block_loc, source_dim=embed_dim, **to) if "gate" in children else None

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        source = X
        if self.conv is not None:
            X, _ = self.conv(X)
        q = split_heads(self.q(X), self.heads)  # (b, h, l, d/h)
        k = split_heads(self.k(X), self.kv_heads)
        v = split_heads(self.v(X), self.kv_heads)
        if self.q_norm is not None:
            (q, _), (k, _) = self.q_norm(q), self.k_norm(k)
        if self.position is not None:
            (q, _), (k, _) = self.position(q), self.position(k)
        Y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=self.kv_heads != self.heads)
        Y = join_heads(Y)  # (b, l, d)
        if self.gate is not None:
            Y, _ = self.gate(Y, source=source)
        return self.out(Y)

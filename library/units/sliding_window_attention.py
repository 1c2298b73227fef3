from __future__ import annotations

import torch
from torch import Tensor, nn

from core.gab import GAUBase, Slot, build
from library.units._heads import head_width, join_heads, split_heads
from library.units._init import linear
from library.units._scan import causal_window, to_chunks


class SlidingWindowAttention(GAUBase):
    """Softmax attention over the last `window` positions only: linear in length, in chunks of one window (Beltagy et al. 2020, arXiv 2004.05150, section 3.1)."""

    kind = "mixer"
    slots = {
        "position": Slot("position", "applied to queries and keys", optional=True),
        "conv": Slot("conv", "applied to the input", optional=True),
        "gate": Slot("gate", "applied to the heads' outputs", optional=True),
    }
    choices = {"heads": (2, 4, 8), "window": (16, 32, 64, 128)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children, heads: int = 4, window: int = 64):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        width = head_width("SlidingWindowAttention", embed_dim, heads, even="position" in children)
        self.heads, self.window = heads, window
        self.qkv = linear(embed_dim, 3 * embed_dim, **to)
        self.out = linear(embed_dim, embed_dim, residual_of=block_loc[1], **to)
        self.position = build(children["position"], width, block_loc, **to) if "position" in children else None
        self.conv = build(children["conv"], embed_dim, block_loc, **to) if "conv" in children else None
        self.gate = build(children["gate"], embed_dim, block_loc, source_dim=embed_dim, **to) if "gate" in children else None

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        source, length = X, X.shape[1]
        if self.conv is not None:
            X, _ = self.conv(X)
        q, k, v = (split_heads(x, self.heads) for x in self.qkv(X).chunk(3, dim=-1))  # (b, h, l, d/h)
        if self.position is not None:
            (q, _), (k, _) = self.position(q), self.position(k)
        q, k, v = to_chunks(q, self.window), causal_window(k, self.window), causal_window(v, self.window)  # (b, h, n, w, ·), (b, h, n, 2w, ·)
        row = torch.arange(self.window, device=X.device)[:, None]
        column = torch.arange(2 * self.window, device=X.device)[None]  # column w + i is row i's own position
        seen = ((column <= row + self.window) & (column > row)).expand(q.shape[2], -1, -1).clone()  # (n, w, 2w)
        seen[0, :, : self.window] = False  # nothing lies before the first chunk
        Y = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=seen)  # (b, h, n, w, d/h)
        Y = join_heads(Y.flatten(2, 3)[:, :, :length])
        if self.gate is not None:
            Y, _ = self.gate(Y, source=source)
        return self.out(Y)

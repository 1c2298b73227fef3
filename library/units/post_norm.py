from __future__ import annotations

from torch import Tensor

from core.gab import GAUBase, Slot, build


class PostNorm(GAUBase):
    """Mix, add, norm; twice: the original Transformer's order (Vaswani et al. 2017, arXiv 1706.03762, section 3.1)."""

    kind = "block"
    slots = {
        "norm": Slot("norm", "one after each sum"),
        "mixer": Slot("mixer", "mixes positions"),
        "channel": Slot("channel", "mixes channels"),
    }

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children):
        super().__init__(embed_dim, block_loc)
        at = (embed_dim, block_loc, device, dtype)
        self.mixer_norm = build(children["norm"], *at)
        self.channel_norm = build(children["norm"], *at)
        self.mixer = build(children["mixer"], *at)
        self.channel = build(children["channel"], *at)

    def _forward(self, X: Tensor, **Z) -> tuple[Tensor, dict]:  # (b, l, d)
        H, Z = self.mixer(X, **Z)
        X, Z = self.mixer_norm(X + H, **Z)
        H, Z = self.channel(X, **Z)
        return self.channel_norm(X + H, **Z)

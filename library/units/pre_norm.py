from __future__ import annotations

from torch import Tensor

from core.gab import GAUBase, Slot, build


class PreNorm(GAUBase):
    """Norm, mix, add; twice: the residual stream itself is never normalised (Xiong et al. 2020, arXiv 2002.04745, figure 1b)."""

    kind = "block"
    slots = {
        "norm": Slot("norm", "one before each branch"),
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
        H, Z = self.mixer_norm(X, **Z)
        H, Z = self.mixer(H, **Z)
        X = X + H
        H, Z = self.channel_norm(X, **Z)
        H, Z = self.channel(H, **Z)
        return X + H, Z

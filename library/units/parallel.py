from __future__ import annotations

from torch import Tensor

from core.gab import GAUBase, Slot, build


class Parallel(GAUBase):
    """Mixer and channel mixer side by side from one norm: one residual sum a block (GPT-J, Wang & Komatsuzaki 2021; PaLM, Chowdhery et al. 2022, arXiv 2204.02311, section 2)."""

    kind = "block"
    slots = {
        "norm": Slot("norm", "one before both"),
        "mixer": Slot("mixer", "mixes positions"),
        "channel": Slot("channel", "mixes channels"),
    }

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children):
        super().__init__(embed_dim, block_loc)
        at = (embed_dim, block_loc, device, dtype)
        self.norm = build(children["norm"], *at)
        self.mixer = build(children["mixer"], *at)
        self.channel = build(children["channel"], *at)

    def _forward(self, X: Tensor, **Z) -> tuple[Tensor, dict]:  # (b, l, d)
        H, Z = self.norm(X, **Z)
        A, Z = self.mixer(H, **Z)
        B, Z = self.channel(H, **Z)
        return X + A + B, Z

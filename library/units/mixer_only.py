from __future__ import annotations

from torch import Tensor

from core.gab import GAUBase, Slot, build


class MixerOnly(GAUBase):
    """Norm, mix, add; no channel mixer: for mixers with a wide gated inside (Mamba, Gu & Dao 2023, arXiv 2312.00752, section 3.4)."""

    kind = "block"
    slots = {
        "norm": Slot("norm", "before the mixer"),
        "mixer": Slot("mixer", "mixes positions, and channels inside"),
    }

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children):
        super().__init__(embed_dim, block_loc)
        at = (embed_dim, block_loc, device, dtype)
        self.norm = build(children["norm"], *at)
        self.mixer = build(children["mixer"], *at)

    def _forward(self, X: Tensor, **Z) -> tuple[Tensor, dict]:  # (b, l, d)
        H, Z = self.norm(X, **Z)
        H, Z = self.mixer(H, **Z)
        return X + H, Z

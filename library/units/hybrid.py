from __future__ import annotations

from torch import Tensor

from core.gab import GAUBase, Slot, build


class Hybrid(GAUBase):
    """Two kinds of block stacked in turn: of each `every`, one is b, the others a (Jamba, Lieber et al. 2024, arXiv 2403.19887, section 3)."""

    kind = "block"
    slots = {"a": Slot("block", "most blocks"), "b": Slot("block", "one of each `every`: at `place`, counted from 1; 0 for the last")}
    choices = {"every": (2, 3, 4)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children, every: int = 2, place: int = 0):
        super().__init__(embed_dim, block_loc)
        chosen = children["b"] if block_loc[0] % every == (place or every) - 1 else children["a"]
        self.block = build(chosen, embed_dim, block_loc, device, dtype)

    def _forward(self, X: Tensor, **Z) -> tuple[Tensor, dict]:  # (b, l, d)
        return self.block(X, **Z)

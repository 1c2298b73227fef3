from __future__ import annotations

from torch import Tensor, nn

from core.gab import GAUBase, Slot, build


class SandwichNorm(GAUBase):
    """A norm before and after each branch: keeps every branch's output in bounds (Ding et al. 2021, arXiv 2105.13290, section 2.2)."""

    kind = "block"
    slots = {
        "norm": Slot("norm", "two a branch"),
        "mixer": Slot("mixer", "mixes positions"),
        "channel": Slot("channel", "mixes channels"),
    }

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children):
        super().__init__(embed_dim, block_loc)
        at = (embed_dim, block_loc, device, dtype)
        self.norms = nn.ModuleList(build(children["norm"], *at) for _ in range(4))
        self.mixer = build(children["mixer"], *at)
        self.channel = build(children["channel"], *at)

    def _forward(self, X: Tensor, **Z) -> tuple[Tensor, dict]:  # (b, l, d)
        H, Z = self.norms[0](X, **Z)
        H, Z = self.mixer(H, **Z)
        H, Z = self.norms[1](H, **Z)
        X = X + H
        H, Z = self.norms[2](X, **Z)
        H, Z = self.channel(H, **Z)
        H, Z = self.norms[3](H, **Z)
        return X + H, Z

from __future__ import annotations

from torch import Tensor, nn

from core.gab import GAUBase
from library.units._init import linear


class SiluGate(GAUBase):
    """Multiplies a mixer's output by silu of a projection of its input (RetNet, Sun et al. 2023, arXiv 2307.08621, eq. 8)."""

    kind = "gate"

    def __init__(self, embed_dim, block_loc, source_dim=None, device=None, dtype=None):
        super().__init__(embed_dim, block_loc)
        self.project = linear(source_dim or embed_dim, embed_dim, device=device, dtype=dtype)

    def _forward(self, X: Tensor, source: Tensor) -> Tensor:  # X (b, l, e), source (b, l, d)
        return X * nn.functional.silu(self.project(source))

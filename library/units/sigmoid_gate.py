from __future__ import annotations

from torch import Tensor

from core.gab import GAUBase
from library.units._init import linear


class SigmoidGate(GAUBase):
    """Multiplies a mixer's output by a sigmoid of a projection of its input: lets a head say nothing (Qiu et al. 2025, arXiv 2505.06708)."""

    kind = "gate"

    def __init__(self, embed_dim, block_loc, source_dim=None, device=None, dtype=None):
        super().__init__(embed_dim, block_loc)
        self.project = linear(source_dim or embed_dim, embed_dim, device=device, dtype=dtype)

    def _forward(self, X: Tensor, source: Tensor) -> Tensor:  # X (b, l, e), source (b, l, d)
        return X * self.project(source).sigmoid()

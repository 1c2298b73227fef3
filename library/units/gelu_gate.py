from __future__ import annotations

from torch import Tensor, nn

from core.gab import GAUBase
from library.units._init import linear


class GeluGate(GAUBase):
    """Multiplies by gelu of a projection of the input (the gate of Griffin's recurrent block, De et al. 2024, arXiv 2402.19427, section 2.3)."""

    kind = "gate"

    def __init__(self, embed_dim, block_loc, source_dim=None, device=None, dtype=None, *, bias: bool = False):
        super().__init__(embed_dim, block_loc)
        self.project = linear(source_dim or embed_dim, embed_dim, bias, device=device, dtype=dtype)

    def _forward(self, X: Tensor, source: Tensor) -> Tensor:  # X (b, l, e), source (b, l, d)
        return X * nn.functional.gelu(self.project(source), approximate="tanh")

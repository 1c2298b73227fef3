from __future__ import annotations

from torch import Tensor, nn

from core.gab import GAUBase
from library.units._init import linear


class MLPGelu(GAUBase):
    """Two projections with GELU between, four times as wide: GPT-2's channel mixer (Radford et al. 2019; GELU: Hendrycks & Gimpel 2016, arXiv 1606.08415)."""

    kind = "channel"
    choices = {"ratio": (2.0, 3.0, 4.0)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, ratio: float = 4.0, bias: bool = False):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        hidden = 8 * round(embed_dim * ratio / 8)
        self.up = linear(embed_dim, hidden, bias, **to)
        self.down = linear(hidden, embed_dim, bias, residual_of=block_loc[1], **to)

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        return self.down(nn.functional.gelu(self.up(X), approximate="tanh"))

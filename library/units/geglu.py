from __future__ import annotations

from torch import Tensor, nn

from core.gab import GAUBase
from library.units._init import linear


class GeGLU(GAUBase):
    """A projection gated by GELU of another (Shazeer 2020, arXiv 2002.05202, eq. 6)."""

    kind = "channel"
    choices = {"ratio": (2.0, 2.667, 3.5)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, ratio: float = 2.667):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        hidden = 8 * round(embed_dim * ratio / 8)
        self.gate = linear(embed_dim, hidden, **to)
        self.up = linear(embed_dim, hidden, **to)
        self.down = linear(hidden, embed_dim, residual_of=block_loc[1], **to)

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        return self.down(nn.functional.gelu(self.gate(X), approximate="tanh") * self.up(X))

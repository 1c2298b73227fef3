from __future__ import annotations

from torch import Tensor, nn

from core.gab import GAUBase
from library.units._init import linear


class ReluSquared(GAUBase):
    """Two projections with a squared ReLU between: sparse and cheap (Primer, So et al. 2021, arXiv 2109.08668)."""

    kind = "channel"
    choices = {"ratio": (2.0, 3.0, 4.0)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, ratio: float = 4.0):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        hidden = 8 * round(embed_dim * ratio / 8)
        self.up = linear(embed_dim, hidden, **to)
        self.down = linear(hidden, embed_dim, residual_of=block_loc[1], **to)

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        return self.down(nn.functional.relu(self.up(X)).square())

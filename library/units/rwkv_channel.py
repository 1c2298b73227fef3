from __future__ import annotations

from torch import Tensor, nn

from core.gab import GAUBase
from library.units._init import linear
from library.units._shift import ramp, shifted


class RWKVChannel(GAUBase):
    """A squared-relu network over a mixture with the token before, its output let through by a receptance (RWKV-6, Peng et al. 2024, arXiv 2404.05892, section 4.2); RWKV-7 drops the receptance."""

    kind = "channel"
    choices = {"ratio": (2.0, 3.5, 4.0), "receptance": (False, True)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, ratio: float = 3.5, receptance: bool = True):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        inner = int(ratio * embed_dim)
        depth = block_loc[0] / max(1, block_loc[1] - 1)
        self.mix_k = nn.Parameter(ramp(embed_dim, 1 - depth / 2, **to))
        self.k = linear(embed_dim, inner, **to)
        self.v = linear(inner, embed_dim, residual_of=block_loc[1], **to)
        self.mix_r = nn.Parameter(ramp(embed_dim, 1 - depth / 2, **to)) if receptance else None
        self.r = linear(embed_dim, embed_dim, **to) if receptance else None

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        before = shifted(X)
        Y = self.v(nn.functional.relu(self.k(X + before * self.mix_k)).square())
        return Y if self.r is None else Y * self.r(X + before * self.mix_r).sigmoid()

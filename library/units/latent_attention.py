from __future__ import annotations

import torch
from torch import Tensor, nn

from core.gab import GAUBase, Slot, build
from library.units._heads import head_width, join_heads, split_heads
from library.units._init import linear


class LatentAttention(GAUBase):
    """Softmax attention whose keys and values unfold from one small latent; positions ride on a few channels apart (MLA of DeepSeek-V2, 2024, arXiv 2405.04434, eqs. 9 to 19)."""

    kind = "mixer"
    slots = {
        "norm": Slot("norm", "applied to the latent"),
        "position": Slot("position", "applied to the positional channels of queries and keys"),
        "conv": Slot("conv", "applied to the input", optional=True),
    }
    choices = {"heads": (2, 4, 8), "latent_share": (0.25, 0.5)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children, heads: int = 4, latent_share: float = 0.5):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        width = head_width("LatentAttention", embed_dim, heads, even=True)
        latent, place = int(latent_share * embed_dim), max(2, width // 4 * 2)
        self.heads, self.width, self.latent, self.place = heads, width, latent, place
        self.q = linear(embed_dim, heads * (width + place), **to)
        self.down = linear(embed_dim, latent + place, **to)
        self.up = linear(latent, 2 * embed_dim, **to)
        self.out = linear(embed_dim, embed_dim, residual_of=block_loc[1], **to)
        self.norm = build(children["norm"], latent, block_loc, **to)
        self.position = build(children["position"], place, block_loc, **to)
        self.conv = build(children["conv"], embed_dim, block_loc, **to) if "conv" in children else None

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        if self.conv is not None:
            X, _ = self.conv(X)
        q, q_place = split_heads(self.q(X), self.heads).split([self.width, self.place], dim=-1)  # (b, h, l, ·)
        latent, k_place = self.down(X).split([self.latent, self.place], dim=-1)
        latent, _ = self.norm(latent)
        k, v = split_heads(self.up(latent), self.heads).chunk(2, dim=-1)  # (b, h, l, d/h)
        (q_place, _), (k_place, _) = self.position(q_place), self.position(k_place.unsqueeze(1))  # one for all heads
        q, k = torch.cat([q, q_place], -1), torch.cat([k, k_place.expand(-1, self.heads, -1, -1)], -1)
        v = nn.functional.pad(v, (0, self.place))  # fast kernels want all widths equal
        Y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)[..., : self.width]
        return self.out(join_heads(Y))

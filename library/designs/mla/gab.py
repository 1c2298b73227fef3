"""Latent attention (DeepSeek-AI 2024, 2405.04434).

Multi-head latent attention: keys and values unfold from one small latent a token, so that little need be kept; rotary positions
on a few channels apart. Otherwise Llama: RMSNorm, SwiGLU. Without experts.

Shapes: b batch, l length, d embed_dim, h heads. Units, each with its source in its own docstring:

  latent_attention           mixer
  pre_norm                   block
  rms_norm                   norm
  rotary                     position
  swiglu                     channel
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from core.errors import ContractError
from core.gab import ComposedGAB, GAUBase, Slot, build, unit


def head_width(unit: str, width: int, heads: int, even: bool = False) -> int:
    """The width of one head; raises ContractError where the width does not divide."""
    if width % heads or (even and width // heads % 2):
        raise ContractError(f"{unit}: a width of {width} does not split into {heads} {'even ' if even else ''}heads", "choose another number of heads")
    return width // heads


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(b, l, h·d) → (b, h, l, d)"""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def join_heads(x: Tensor) -> Tensor:
    """(b, h, l, d) → (b, l, h·d)"""
    return x.transpose(1, 2).flatten(2)


def linear(d_in: int, d_out: int, bias: bool = False, residual_of: int = 0, device=None, dtype=None) -> nn.Linear:
    """A projection. `residual_of`: the number of blocks whose residual sums it feeds, two branches a block; 0 for none."""
    layer = nn.Linear(d_in, d_out, bias=bias, device=device, dtype=dtype)
    nn.init.normal_(layer.weight, std=0.02 / math.sqrt(2 * residual_of) if residual_of else 0.02)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


class RMSNorm(GAUBase):
    """Divides by the root mean square, no mean taken off: cheaper than LayerNorm, as good (Zhang & Sennrich 2019, arXiv 1910.07467, eq. 4)."""

    kind = "norm"

    def __init__(self, embed_dim, block_loc, device=None, dtype=None):
        super().__init__(embed_dim, block_loc)
        self.weight = nn.Parameter(torch.ones(embed_dim, device=device, dtype=dtype))

    def _forward(self, X: Tensor) -> Tensor:  # (…, d)
        return nn.functional.rms_norm(X, (self.embed_dim,), self.weight, eps=1e-6)


class Rotary(GAUBase):
    """Rotates pairs of channels by an angle that grows with the position, so that q·k depends on the distance (RoPE, Su et al. 2021, arXiv 2104.09864, eq. 34)."""

    kind = "position"
    choices = {"base": (10000.0, 100000.0)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, base: float = 10000.0):
        super().__init__(embed_dim, block_loc)
        if embed_dim % 2:
            raise ContractError(f"Rotary: a head of {embed_dim} channels has no pairs", "choose a number of heads that leaves an even width")
        self.base = base

    def _forward(self, X: Tensor) -> Tensor:  # (b, h, l, d), one head's queries or keys
        half = self.embed_dim // 2
        to = {"device": X.device, "dtype": torch.promote_types(X.dtype, torch.float32)}  # angles in bfloat16 would be far off
        speed = self.base ** (-torch.arange(half, **to) / half)  # (d/2,)
        angle = torch.outer(torch.arange(X.shape[-2], **to), speed)  # (l, d/2)
        cos, sin = angle.cos().to(X.dtype), angle.sin().to(X.dtype)
        a, b = X[..., :half], X[..., half:]
        return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


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


class SwiGLU(GAUBase):
    """A projection gated by silu of another: better than one non-linearity at equal parameters (Shazeer 2020, arXiv 2002.05202, eq. 6)."""

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
        return self.down(nn.functional.silu(self.gate(X)) * self.up(X))


class PreNorm(GAUBase):
    """Norm, mix, add; twice: the residual stream itself is never normalised (Xiong et al. 2020, arXiv 2002.04745, figure 1b)."""

    kind = "block"
    slots = {
        "norm": Slot("norm", "one before each branch"),
        "mixer": Slot("mixer", "mixes positions"),
        "channel": Slot("channel", "mixes channels"),
    }

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children):
        super().__init__(embed_dim, block_loc)
        at = (embed_dim, block_loc, device, dtype)
        self.mixer_norm = build(children["norm"], *at)
        self.channel_norm = build(children["norm"], *at)
        self.mixer = build(children["mixer"], *at)
        self.channel = build(children["channel"], *at)

    def _forward(self, X: Tensor, **Z) -> tuple[Tensor, dict]:  # (b, l, d)
        H, Z = self.mixer_norm(X, **Z)
        H, Z = self.mixer(H, **Z)
        X = X + H
        H, Z = self.channel_norm(X, **Z)
        H, Z = self.channel(H, **Z)
        return X + H, Z


TREE = unit(
    PreNorm,
    norm=unit(RMSNorm),
    mixer=unit(
        LatentAttention, heads=4, latent_share=0.5,
        norm=unit(RMSNorm),
        position=unit(Rotary, base=10000.0),
    ),
    channel=unit(SwiGLU, ratio=2.667),
)

gab_config = {'mixer__heads': 4, 'mixer__latent_share': 0.5, 'mixer__position__base': 10000.0, 'channel__ratio': 2.667}


class GAB(ComposedGAB):
    """The tree of units above, with `gab_config` as its hyperparameters."""

    tree = TREE

"""Differential Transformer (Ye et al. 2024, 2410.05258).

Attention as the difference of two softmaxes over the same values, so that what both attend to alike cancels; a norm on each head.
Otherwise Llama: rotary positions, RMSNorm, SwiGLU.

Shapes: b batch, l length, d embed_dim, h heads. Units, each with its source in its own docstring:

  diff_attention             mixer
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


class DiffAttention(GAUBase):
    """The difference of two softmax attentions over the same values: what both attend to alike cancels (Differential Transformer, Ye et al. 2024, arXiv 2410.05258, eqs. 1 to 3)."""

    kind = "mixer"
    slots = {
        "position": Slot("position", "applied to queries and keys", optional=True),
        "conv": Slot("conv", "applied to the input", optional=True),
        "norm": Slot("norm", "applied to each head's output"),
    }
    choices = {"heads": (1, 2, 4)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children, heads: int = 2):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        width = head_width("DiffAttention", embed_dim, 2 * heads, even="position" in children)
        self.heads = heads  # each of twice the usual width, with two softmaxes
        self.q, self.k, self.v = (linear(embed_dim, embed_dim, **to) for _ in range(3))
        self.out = linear(embed_dim, embed_dim, residual_of=block_loc[1], **to)
        self.share = nn.Parameter(torch.randn(2, 2, width, **to) * 0.1)  # λ = exp(a₁·b₁) − exp(a₂·b₂) + its start
        self.share_start = 0.8 - 0.6 * math.exp(-0.3 * block_loc[0])
        self.position = build(children["position"], width, block_loc, **to) if "position" in children else None
        self.conv = build(children["conv"], embed_dim, block_loc, **to) if "conv" in children else None
        self.norm = build(children["norm"], 2 * width, block_loc, **to)

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        if self.conv is not None:
            X, _ = self.conv(X)
        q, k = (split_heads(p(X), 2 * self.heads) for p in (self.q, self.k))  # (b, 2h, l, d/2h): the first h against the last h
        v = split_heads(self.v(X), self.heads)  # (b, h, l, d/h)
        if self.position is not None:
            (q, _), (k, _) = self.position(q), self.position(k)
        halves = [nn.functional.scaled_dot_product_attention(q, k, half.repeat(1, 2, 1, 1), is_causal=True) for half in v.chunk(2, dim=-1)]
        one, two = torch.cat(halves, -1).chunk(2, dim=1)  # (b, h, l, d/h); values by halves, since fast kernels want all widths equal
        first, second = (self.share[:, 0] * self.share[:, 1]).sum(-1).exp()
        Y, _ = self.norm(one - (first - second + self.share_start) * two)
        return self.out(join_heads(Y) * (1 - self.share_start))


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
        DiffAttention, heads=2,
        position=unit(Rotary, base=10000.0),
        norm=unit(RMSNorm),
    ),
    channel=unit(SwiGLU, ratio=2.667),
)

gab_config = {'mixer__heads': 2, 'mixer__position__base': 10000.0, 'channel__ratio': 2.667}


class GAB(ComposedGAB):
    """The tree of units above, with `gab_config` as its hyperparameters."""

    tree = TREE

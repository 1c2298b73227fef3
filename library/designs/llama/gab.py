"""Llama (Touvron et al. 2023, 2302.13971).

The Transformer as it is mostly built today: RMSNorm before each branch, rotary positions, a SwiGLU channel mixer of 8/3 the
width, no biases. Keys and values can be shared between heads (kv_share), as from Llama 2 on.

Shapes: b batch, l length, d embed_dim, h heads. Units, each with its source in its own docstring:

  attention                  mixer
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


class Attention(GAUBase):
    """Causal softmax attention: every position looks at all before it (Vaswani et al. 2017, arXiv 1706.03762, eq. 1); kv_heads < heads shares keys and values (Ainslie et al. 2023, arXiv 2305.13245)."""

    kind = "mixer"
    slots = {
        "position": Slot("position", "applied to queries and keys", optional=True),
        "qk_norm": Slot("norm", "applied to each head's queries and keys", optional=True),
        "conv": Slot("conv", "applied to the input", optional=True),
        "gate": Slot("gate", "applied to the heads' outputs", optional=True),
    }
    choices = {"heads": (2, 4, 8), "kv_share": (1, 2), "bias": (False, True)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children, heads: int = 4, kv_share: int = 1, bias: bool = False):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        width = head_width("Attention", embed_dim, heads, even="position" in children)
        self.heads, self.kv_heads = heads, heads // kv_share  # kv_share query heads use one key and value head
        self.q = linear(embed_dim, embed_dim, bias, **to)
        self.k = linear(embed_dim, self.kv_heads * width, bias, **to)
        self.v = linear(embed_dim, self.kv_heads * width, bias, **to)
        self.out = linear(embed_dim, embed_dim, bias, residual_of=block_loc[1], **to)
        self.position = build(children["position"], width, block_loc, **to) if "position" in children else None
        self.q_norm = build(children["qk_norm"], width, block_loc, **to) if "qk_norm" in children else None
        self.k_norm = build(children["qk_norm"], width, block_loc, **to) if "qk_norm" in children else None
        self.conv = build(children["conv"], embed_dim, block_loc, **to) if "conv" in children else None
        self.gate = build(children["gate"], embed_dim, block_loc, source_dim=embed_dim, **to) if "gate" in children else None

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        source = X
        if self.conv is not None:
            X, _ = self.conv(X)
        q = split_heads(self.q(X), self.heads)  # (b, h, l, d/h)
        k = split_heads(self.k(X), self.kv_heads)
        v = split_heads(self.v(X), self.kv_heads)
        if self.q_norm is not None:
            (q, _), (k, _) = self.q_norm(q), self.k_norm(k)
        if self.position is not None:
            (q, _), (k, _) = self.position(q), self.position(k)
        Y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=self.kv_heads != self.heads)
        Y = join_heads(Y)  # (b, l, d)
        if self.gate is not None:
            Y, _ = self.gate(Y, source=source)
        return self.out(Y)


class RMSNorm(GAUBase):
    """Divides by the root mean square, no mean taken off: cheaper than LayerNorm, as good (Zhang & Sennrich 2019, arXiv 1910.07467, eq. 4)."""

    kind = "norm"

    def __init__(self, embed_dim, block_loc, device=None, dtype=None):
        super().__init__(embed_dim, block_loc)
        self.weight = nn.Parameter(torch.ones(embed_dim, device=device, dtype=dtype))

    def _forward(self, X: Tensor) -> Tensor:  # (…, d)
        return nn.functional.rms_norm(X, (self.embed_dim,), self.weight, eps=1e-6)


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
        Attention, heads=4, kv_share=1, bias=False,
        position=unit(Rotary, base=10000.0),
    ),
    channel=unit(SwiGLU, ratio=2.667),
)

gab_config = {'mixer__heads': 4, 'mixer__kv_share': 1, 'mixer__bias': False, 'mixer__position__base': 10000.0, 'channel__ratio': 2.667}


class GAB(ComposedGAB):
    """The tree of units above, with `gab_config` as its hyperparameters."""

    tree = TREE

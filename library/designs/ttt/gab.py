"""TTT-Linear (Sun et al. 2024, 2407.04620).

The hidden state is itself a linear model, trained by gradient descent on the sequence it reads, in mini-batches of 16 tokens. In
the Transformer's backbone: pre-norm and a SwiGLU channel mixer. Linear in length.

Shapes: b batch, l length, d embed_dim, h heads. Units, each with its source in its own docstring:

  layer_norm                 norm
  pre_norm                   block
  rms_norm                   norm
  rotary                     position
  swiglu                     channel
  ttt_linear                 mixer
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


def to_chunks(x: Tensor, chunk: int) -> Tensor:
    """(b, h, l, …) → (b, h, n, c, …), zeros appended."""
    length = x.shape[2]
    padding = -length % chunk
    if padding:
        x = torch.cat([x, x.new_zeros(*x.shape[:2], padding, *x.shape[3:])], dim=2)
    return x.unflatten(2, (-1, chunk))


class LayerNorm(GAUBase):
    """Zero mean and unit variance over the channels, with gain and bias (Ba et al. 2016, arXiv 1607.06450, eq. 4)."""

    kind = "norm"

    def __init__(self, embed_dim, block_loc, device=None, dtype=None):
        super().__init__(embed_dim, block_loc)
        self.weight = nn.Parameter(torch.ones(embed_dim, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.zeros(embed_dim, device=device, dtype=dtype))

    def _forward(self, X: Tensor) -> Tensor:  # (…, d)
        return nn.functional.layer_norm(X, (self.embed_dim,), self.weight, self.bias)


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


class TTTLinear(GAUBase):
    """Its state is a linear model, trained on the sequence as it reads: a gradient step a token, in mini-batches of 16 (TTT-Linear, Sun et al. 2024, arXiv 2407.04620, sections 2.4 to 2.6, dual form of appendix A)."""

    kind = "mixer"
    slots = {
        "position": Slot("position", "applied to queries and keys inside a mini-batch", optional=True),
        "conv": Slot("conv", "applied to the input", optional=True),
        "norm": Slot("norm", "applied to the heads' joined outputs"),
        "gate": Slot("gate", "applied to the normed outputs", optional=True),
    }
    choices = {"heads": (2, 4, 8), "rate": (0.5, 1.0)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children, heads: int = 4, rate: float = 1.0):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        width = head_width("TTTLinear", embed_dim, heads, even="position" in children)
        self.heads, self.rate, self.batch = heads, rate, 16
        self.q, self.k, self.v = (linear(embed_dim, embed_dim, **to) for _ in range(3))
        self.start = nn.Parameter(torch.randn(heads, width, width, **to) * 0.02)  # W before the first token
        self.start_bias = nn.Parameter(torch.zeros(heads, 1, width, **to))
        self.gain = nn.Parameter(torch.ones(heads, 1, 1, width, **to))  # the inner model's norm
        self.shift = nn.Parameter(torch.zeros(heads, 1, 1, width, **to))
        self.speed = linear(embed_dim, heads, bias=True, **to)
        self.within = nn.Parameter(torch.zeros(self.batch, **to))  # added to 1/i, the weight of a mini-batch's i-th answer
        self.out = linear(embed_dim, embed_dim, residual_of=block_loc[1], **to)
        self.position = build(children["position"], width, block_loc, **to) if "position" in children else None
        self.conv = build(children["conv"], embed_dim, block_loc, **to) if "conv" in children else None
        self.norm = build(children["norm"], embed_dim, block_loc, **to)
        self.gate = build(children["gate"], embed_dim, block_loc, source_dim=embed_dim, **to) if "gate" in children else None

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        source, length, c = X, X.shape[1], self.batch
        if self.conv is not None:
            X, _ = self.conv(X)
        q, k, v = (to_chunks(split_heads(p(X), self.heads), c) for p in (self.q, self.k, self.v))  # (b, h, n, c, f)
        if self.position is not None:
            (q, _), (k, _) = self.position(q), self.position(k)
        speed = to_chunks(self.speed(X).sigmoid().transpose(1, 2), c) * (self.rate / k.shape[-1])  # (b, h, n, c)
        weight = (1 / torch.arange(1, c + 1, device=X.device, dtype=X.dtype) + self.within).clamp(min=0)  # (c,)
        step = (weight[:, None] * speed.unsqueeze(-2)).tril()  # (b, h, n, c, c): the s-th gradient's share in the t-th answer
        target = v - k
        seen = (q @ k.transpose(-1, -2)).tril() * step
        last = step[..., -1:, :].transpose(-1, -2)  # (b, h, n, c, 1): its share in what the next mini-batch starts from
        W, bias, answers = self.start, self.start_bias, []
        parts = (q, k, target, seen + step, last, (last * k).transpose(-1, -2))
        for q_i, k_i, target_i, share, last_i, into in zip(*(x.unbind(2) for x in parts), strict=True):
            gradient = self._gradient(k_i @ W + bias, target_i)  # (b, h, c, f)
            answers.append(q_i @ W + bias - share @ gradient)
            W = W - into @ gradient
            bias = bias - (last_i * gradient).sum(-2, keepdim=True)
        Z = torch.stack(answers, 2)
        Z = q + self.gain * nn.functional.layer_norm(Z, (Z.shape[-1],), eps=1e-6) + self.shift  # the inner model is residual
        Y, _ = self.norm(join_heads(Z.flatten(2, 3)[:, :, :length]))
        if self.gate is not None:
            Y, _ = self.gate(Y, source=source)
        return self.out(Y)

    def _gradient(self, Z: Tensor, target: Tensor) -> Tensor:
        """Of ½‖gain · norm(Z) + shift − target‖² by Z, (b, h, c, f)."""
        gain, shift = self.gain[:, 0], self.shift[:, 0]
        spread = torch.rsqrt(Z.var(-1, keepdim=True, unbiased=False) + 1e-6)
        normed = (Z - Z.mean(-1, keepdim=True)) * spread
        error = (gain * normed + shift - target) * gain
        return (error - error.mean(-1, keepdim=True) - normed * (error * normed).mean(-1, keepdim=True)) * spread


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
        TTTLinear, heads=4, rate=1.0,
        position=unit(Rotary, base=10000.0),
        norm=unit(LayerNorm),
    ),
    channel=unit(SwiGLU, ratio=2.667),
)

gab_config = {'mixer__heads': 4, 'mixer__rate': 1.0, 'mixer__position__base': 10000.0, 'channel__ratio': 2.667}


class GAB(ComposedGAB):
    """The tree of units above, with `gab_config` as its hyperparameters."""

    tree = TREE

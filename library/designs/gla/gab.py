"""Gated linear attention (Yang et al. 2023, 2312.06635).

Linear attention with a forget gate for each key channel, read from the input; a norm on each head's output, a silu gate, and a
SwiGLU channel mixer. Trained in chunks of 16, linear in length.

Shapes: b batch, l length, d embed_dim, h heads. Units, each with its source in its own docstring:

  gla                        mixer
  pre_norm                   block
  rms_norm                   norm
  silu_gate                  gate
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


def to_chunks(x: Tensor, chunk: int) -> Tensor:
    """(b, h, l, …) → (b, h, n, c, …), zeros appended."""
    length = x.shape[2]
    padding = -length % chunk
    if padding:
        x = torch.cat([x, x.new_zeros(*x.shape[:2], padding, *x.shape[3:])], dim=2)
    return x.unflatten(2, (-1, chunk))


def states_before(over: Tensor, added: Tensor) -> Tensor:
    """The state that each chunk starts from: over (b, h, n, k or 1, 1) of it is kept by a chunk, added (b, h, n, k, v) → (b, h, n, k, v)."""
    state, states = torch.zeros_like(added[:, :, 0]), []
    for kept, new in zip(over.unbind(2), added.unbind(2), strict=True):  # unbind: one backward for all, where indexing has one for each
        states.append(state)
        state = kept * state + new
    return torch.stack(states, 2)


def vector_decay_attention(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, bonus: Tensor | None = None, chunk: int = 16) -> Tensor:
    """One decay a key channel and step: q, k, log_decay (b, h, l, k), v (b, h, l, v) → (b, h, l, v).

    With `bonus` u (h, k), the query meets the state before the step, and the step's own key weighted by u: RWKV's
    o_t = (S_{t−1} + (u ∘ k_t) v_tᵀ)ᵀ q_t.
    The decay between two positions factors into one exponential on q and one on k; measured from the chunk's middle both
    stay in float32's range as long as log_decay ≥ −10 (chunk/2 · 10 = 80 < 88).
    """
    length = q.shape[2]
    q, k, v, w = (to_chunks(x, chunk) for x in (q, k, v, log_decay))  # (b, h, n, c, ·)
    g = w.cumsum(-2)  # (b, h, n, c, k)
    reach = g if bonus is None else g - w  # up to which step the query's state has decayed
    middle = g[..., chunk // 2 - 1 : chunk // 2, :]  # (b, h, n, 1, k)
    within = (q * (reach - middle).exp()) @ (k * (middle - g).exp()).transpose(-1, -2)  # (b, h, n, c, c)
    out = within.tril(0 if bonus is None else -1) @ v
    if bonus is not None:
        out = out + (q * bonus[:, None, None] * k).sum(-1, keepdim=True) * v
    end = g[..., -1:, :]  # (b, h, n, 1, k)
    added = (k * (end - g).exp()).transpose(-1, -2) @ v  # (b, h, n, k, v)
    over = end.exp().transpose(-1, -2)  # (b, h, n, k, 1)
    out = out + (q * reach.exp()) @ states_before(over, added)
    return out.flatten(2, 3)[:, :, :length]


class RMSNorm(GAUBase):
    """Divides by the root mean square, no mean taken off: cheaper than LayerNorm, as good (Zhang & Sennrich 2019, arXiv 1910.07467, eq. 4)."""

    kind = "norm"

    def __init__(self, embed_dim, block_loc, device=None, dtype=None):
        super().__init__(embed_dim, block_loc)
        self.weight = nn.Parameter(torch.ones(embed_dim, device=device, dtype=dtype))

    def _forward(self, X: Tensor) -> Tensor:  # (…, d)
        return nn.functional.rms_norm(X, (self.embed_dim,), self.weight, eps=1e-6)


class SiluGate(GAUBase):
    """Multiplies a mixer's output by silu of a projection of its input (RetNet, Sun et al. 2023, arXiv 2307.08621, eq. 8)."""

    kind = "gate"

    def __init__(self, embed_dim, block_loc, source_dim=None, device=None, dtype=None):
        super().__init__(embed_dim, block_loc)
        self.project = linear(source_dim or embed_dim, embed_dim, device=device, dtype=dtype)

    def _forward(self, X: Tensor, source: Tensor) -> Tensor:  # X (b, l, e), source (b, l, d)
        return X * nn.functional.silu(self.project(source))


class GatedLinearAttention(GAUBase):
    """Linear attention whose state forgets channel by channel, as the input says (GLA, Yang et al. 2023, arXiv 2312.06635, eqs. 3 and 4)."""

    kind = "mixer"
    slots = {
        "conv": Slot("conv", "applied to the input", optional=True),
        "norm": Slot("norm", "applied to each head's output"),
        "gate": Slot("gate", "applied to the heads' outputs", optional=True),
    }
    choices = {"heads": (2, 4), "key_share": (0.5, 1.0), "temperature": (8.0, 16.0)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children, heads: int = 4, key_share: float = 0.5, temperature: float = 16.0):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        keys = int(embed_dim * key_share)
        head_width("GatedLinearAttention", keys, heads)
        self.heads, self.temperature = heads, temperature
        self.q = linear(embed_dim, keys, **to)
        self.k = linear(embed_dim, keys, **to)
        self.v = linear(embed_dim, embed_dim, **to)
        self.forget = nn.Sequential(linear(embed_dim, 16, **to), linear(16, keys, bias=True, **to))  # low rank, as in the paper's section 4.4
        self.out = linear(embed_dim, embed_dim, residual_of=block_loc[1], **to)
        self.norm = build(children["norm"], head_width("GatedLinearAttention", embed_dim, heads), block_loc, **to)
        self.conv = build(children["conv"], embed_dim, block_loc, **to) if "conv" in children else None
        self.gate = build(children["gate"], embed_dim, block_loc, source_dim=embed_dim, **to) if "gate" in children else None

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        source = X
        if self.conv is not None:
            X, _ = self.conv(X)
        q, k, v = (split_heads(p(X), self.heads) for p in (self.q, self.k, self.v))  # (b, h, l, k), (b, h, l, k), (b, h, l, v)
        log_decay = nn.functional.logsigmoid(split_heads(self.forget(X), self.heads)) / self.temperature  # (b, h, l, k)
        log_decay = log_decay.clamp(min=-10.0)  # a factor of 5e-5 a step: forgotten all the same, and within float32's range
        Y, _ = self.norm(vector_decay_attention(q * q.shape[-1] ** -0.5, k, v, log_decay))  # (b, h, l, v)
        Y = join_heads(Y)
        if self.gate is not None:
            Y, _ = self.gate(Y, source=source)
        return self.out(Y)


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
        GatedLinearAttention, heads=4, key_share=0.5, temperature=16.0,
        norm=unit(RMSNorm),
        gate=unit(SiluGate),
    ),
    channel=unit(SwiGLU, ratio=2.667),
)

gab_config = {'mixer__heads': 4, 'mixer__key_share': 0.5, 'mixer__temperature': 16.0, 'channel__ratio': 2.667}


class GAB(ComposedGAB):
    """The tree of units above, with `gab_config` as its hyperparameters."""

    tree = TREE

"""RWKV-6 (Finch) (Peng et al. 2024, 2404.05892).

A linear recurrence with a decay for each channel and token, a bonus for the present token, and token shifts whose weights depend
on the input; a channel mixer of squared relu let through by a receptance. Trained in chunks of 16, linear in length.

Shapes: b batch, l length, d embed_dim, h heads. Units, each with its source in its own docstring:

  layer_norm                 norm
  pre_norm                   block
  rwkv6                      mixer
  rwkv_channel               channel
  silu_gate                  gate
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
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


def shifted(X: Tensor) -> Tensor:
    """(b, l, d) → what stands one position earlier, less X itself; zeros stand before the first."""
    return F.pad(X, (0, 0, 1, 0))[:, :-1] - X


def ramp(width: int, power: float, device=None, dtype=None) -> Tensor:
    """(d,) Weights of the earlier position for a start: from 1 for the first channels to 0 for the last."""
    return 1 - (torch.arange(width, device=device, dtype=dtype) / width) ** power


class LayerNorm(GAUBase):
    """Zero mean and unit variance over the channels, with gain and bias (Ba et al. 2016, arXiv 1607.06450, eq. 4)."""

    kind = "norm"

    def __init__(self, embed_dim, block_loc, device=None, dtype=None):
        super().__init__(embed_dim, block_loc)
        self.weight = nn.Parameter(torch.ones(embed_dim, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.zeros(embed_dim, device=device, dtype=dtype))

    def _forward(self, X: Tensor) -> Tensor:  # (…, d)
        return nn.functional.layer_norm(X, (self.embed_dim,), self.weight, self.bias)


class SiluGate(GAUBase):
    """Multiplies a mixer's output by silu of a projection of its input (RetNet, Sun et al. 2023, arXiv 2307.08621, eq. 8)."""

    kind = "gate"

    def __init__(self, embed_dim, block_loc, source_dim=None, device=None, dtype=None):
        super().__init__(embed_dim, block_loc)
        self.project = linear(source_dim or embed_dim, embed_dim, device=device, dtype=dtype)

    def _forward(self, X: Tensor, source: Tensor) -> Tensor:  # X (b, l, e), source (b, l, d)
        return X * nn.functional.silu(self.project(source))


class RWKV6(GAUBase):
    """Finch's time mixing: a token shift and a decay that depend on the input, and a bonus for the present token (RWKV-6, Peng et al. 2024, arXiv 2404.05892, eqs. 12 to 19)."""

    kind = "mixer"
    slots = {
        "norm": Slot("norm", "applied to each head's output"),
        "gate": Slot("gate", "applied to the heads' outputs", optional=True),
    }
    choices = {"heads": (2, 4, 8), "rank": (16, 32)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children, heads: int = 4, rank: int = 16):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        width = head_width("RWKV6", embed_dim, heads)
        self.heads = heads
        depth = block_loc[0] / max(1, block_loc[1] - 1)
        self.mix_base = nn.Parameter(ramp(embed_dim, 1 - depth / 2, **to))
        self.mix = nn.Parameter(ramp(embed_dim, 1 - depth / 2, **to).repeat(5, 1))  # of w, k, v, r and g
        self.mix_in = linear(embed_dim, 5 * rank, **to)
        self.mix_out = nn.Parameter(torch.zeros(5, rank, embed_dim, **to))
        self.r, self.k, self.v = (linear(embed_dim, embed_dim, **to) for _ in range(3))
        self.decay = nn.Parameter(torch.linspace(-6, -1, embed_dim, **to))
        self.decay_in = linear(embed_dim, rank, **to)
        self.decay_out = nn.Parameter(torch.zeros(rank, embed_dim, **to))
        self.bonus = nn.Parameter(torch.linspace(1, 0, embed_dim, **to).view(heads, width))
        self.out = linear(embed_dim, embed_dim, residual_of=block_loc[1], **to)
        self.norm = build(children["norm"], width, block_loc, **to)
        self.gate = build(children["gate"], embed_dim, block_loc, source_dim=embed_dim, **to) if "gate" in children else None

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        before = shifted(X)
        low = self.mix_in(X + before * self.mix_base).tanh().unflatten(-1, (5, -1))  # (b, l, 5, rank)
        mix = self.mix + torch.einsum("blgr,grd->blgd", low, self.mix_out)  # (b, l, 5, d): how much of the token before
        w, k, v, r, g = (X.unsqueeze(2) + before.unsqueeze(2) * mix).unbind(2)  # (b, l, d) each
        log_decay = -(self.decay + self.decay_in(w).tanh() @ self.decay_out).exp().clamp(max=10.0)  # in the chunked form's range
        r, k, v, log_decay = (split_heads(x, self.heads) for x in (self.r(r), self.k(k), self.v(v), log_decay))  # (b, h, l, d/h)
        Y, _ = self.norm(vector_decay_attention(r, k, v, log_decay, self.bonus))
        Y = join_heads(Y)
        if self.gate is not None:
            Y, _ = self.gate(Y, source=g)
        return self.out(Y)


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
    norm=unit(LayerNorm),
    mixer=unit(
        RWKV6, heads=4, rank=16,
        norm=unit(LayerNorm),
        gate=unit(SiluGate),
    ),
    channel=unit(RWKVChannel, ratio=3.5, receptance=True),
)

gab_config = {'mixer__heads': 4, 'mixer__rank': 16, 'channel__ratio': 3.5, 'channel__receptance': True}


class GAB(ComposedGAB):
    """The tree of units above, with `gab_config` as its hyperparameters."""

    tree = TREE

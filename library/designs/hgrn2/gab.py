"""HGRN2 (Qin et al. 2024, 2404.07904).

A gated linear recurrence whose state is expanded by an outer product; the key is what the forget gate lets go, and the gate's
lower bound rises with depth. A SwiGLU channel mixer. Trained in chunks of 16, linear in length.

Shapes: b batch, l length, d embed_dim, h heads. Units, each with its source in its own docstring:

  hgrn2                      mixer
  pre_norm                   block
  rms_norm                   norm
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


class HGRN2(GAUBase):
    """A gated recurrence whose key is what its forget gate lets go: the state expands by an outer product (HGRN2, Qin et al. 2024, arXiv 2404.07904, eq. 5).

    The forget gate's lower bound rises from block to block; the paper learns the bounds, here they rise evenly, since blocks share nothing.
    """

    kind = "mixer"
    slots = {
        "conv": Slot("conv", "applied to the input", optional=True),
        "norm": Slot("norm", "applied to each head's output"),
        "gate": Slot("gate", "applied to the heads' outputs", optional=True),
    }
    choices = {"heads": (2, 4, 8)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children, heads: int = 2):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        width = head_width("HGRN2", embed_dim, heads)
        self.heads = heads
        self.bound = block_loc[0] / block_loc[1]
        self.q = linear(embed_dim, embed_dim, **to)
        self.forget = linear(embed_dim, embed_dim, **to)
        self.v = linear(embed_dim, embed_dim, **to)
        self.out = linear(embed_dim, embed_dim, residual_of=block_loc[1], **to)
        self.conv = build(children["conv"], embed_dim, block_loc, **to) if "conv" in children else None
        self.norm = build(children["norm"], width, block_loc, **to)
        self.gate = build(children["gate"], embed_dim, block_loc, source_dim=embed_dim, **to) if "gate" in children else None

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        source = X
        if self.conv is not None:
            X, _ = self.conv(X)
        kept = self.bound + (1 - self.bound) * self.forget(X).sigmoid()  # (b, l, d)
        kept = kept.clamp(min=5e-5)  # log ≥ −10: the chunked form's range
        q = nn.functional.silu(self.q(X))
        q, k, v, log_decay = (split_heads(x, self.heads) for x in (q, 1 - kept, self.v(X), torch.log(kept)))  # (b, h, l, d/h)
        Y, _ = self.norm(vector_decay_attention(q, k, v, log_decay))
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
        HGRN2, heads=2,
        norm=unit(RMSNorm),
    ),
    channel=unit(SwiGLU, ratio=2.667),
)

gab_config = {'mixer__heads': 2, 'channel__ratio': 2.667}


class GAB(ComposedGAB):
    """The tree of units above, with `gab_config` as its hyperparameters."""

    tree = TREE

"""DeltaNet (Yang et al. 2024, 2406.06484).

Linear attention under the delta rule: before a value is written, what its key already answers is taken out. Short convolutions,
normalised keys, a SwiGLU channel mixer. Trained in chunks of 64 by the WY form, linear in length.

Shapes: b batch, l length, d embed_dim, h heads. Units, each with its source in its own docstring:

  delta_net                  mixer
  pre_norm                   block
  rms_norm                   norm
  short_conv                 conv
  swiglu                     channel
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from core.errors import ContractError
from core.gab import ComposedGAB, GAUBase, Slot, build, unit


def gated_delta_rule(q: Tensor, k: Tensor, v: Tensor, beta: Tensor, log_decay: Tensor, chunk: int = 64) -> Tensor:
    """S_t = a_t S_{t−1} + β_t k_t (v_t − a_t S_{t−1}ᵀ k_t)ᵀ, o_t = S_tᵀ q_t, with one decay a_t = exp(log_decay) a head and step.

    q, k (b, h, l, k), keys of norm 1; v (b, h, l, v); beta in 0–2 and log_decay ≤ 0 (b, h, l) → (b, h, l, v).
    """
    length = q.shape[2]
    chunk = min(chunk, max(16, length))
    q, k, v = (to_chunks(x, chunk) for x in (q, k, v))  # (b, h, n, c, ·)
    beta, g = to_chunks(beta, chunk).unsqueeze(-1), to_chunks(log_decay, chunk).cumsum(-1)  # (b, h, n, c, 1), (b, h, n, c)
    later = torch.ones(chunk, chunk, dtype=torch.bool, device=q.device).triu(1)
    since = (g.unsqueeze(-1) - g.unsqueeze(-2)).masked_fill(later, -torch.inf).exp()  # (b, h, n, c, c): decay between two positions
    answered = (beta * k @ k.transpose(-1, -2) * since).tril(-1)  # what earlier writes of the chunk answer to a key
    right = torch.cat([beta * v, beta * k * g.exp().unsqueeze(-1)], -1)
    solved = solve_unit(answered, right)  # (I + A)⁻¹
    new, from_state = solved.split([v.shape[-1], k.shape[-1]], -1)  # writes = new − from_state · S
    to_end = k * (g[..., -1:] - g).exp().unsqueeze(-1)  # (b, h, n, c, k)
    over = g[..., -1].exp()[..., None, None]
    state, states, writes = new.new_zeros(*k.shape[:2], k.shape[-1], v.shape[-1]), [], []
    for fresh, old, end, kept in zip(*(x.unbind(2) for x in (new, from_state, to_end.transpose(-1, -2), over)), strict=True):
        states.append(state)
        writes.append(fresh - old @ state)
        state = kept * state + end @ writes[-1]
    within = q @ k.transpose(-1, -2) * since
    out = within @ torch.stack(writes, 2) + (q * g.exp().unsqueeze(-1)) @ torch.stack(states, 2)
    return out.flatten(2, 3)[:, :, :length]


def solve_unit(below: Tensor, right: Tensor) -> Tensor:
    """(I + below)⁻¹ right, of what lies below the diagonal (…, c, c); in float32 at least, since the solver knows no less."""
    exact = torch.promote_types(right.dtype, torch.float32)
    return torch.linalg.solve_triangular(below.to(exact), right.to(exact), upper=False, unitriangular=True)


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


class RMSNorm(GAUBase):
    """Divides by the root mean square, no mean taken off: cheaper than LayerNorm, as good (Zhang & Sennrich 2019, arXiv 1910.07467, eq. 4)."""

    kind = "norm"

    def __init__(self, embed_dim, block_loc, device=None, dtype=None):
        super().__init__(embed_dim, block_loc)
        self.weight = nn.Parameter(torch.ones(embed_dim, device=device, dtype=dtype))

    def _forward(self, X: Tensor) -> Tensor:  # (…, d)
        return nn.functional.rms_norm(X, (self.embed_dim,), self.weight, eps=1e-6)


class ShortConv(GAUBase):
    """A causal depthwise convolution over the last few positions: local order and n-grams for mixers that lack them (H3, Fu et al. 2022, arXiv 2212.14052)."""

    kind = "conv"
    choices = {"width": (2, 3, 4), "activate": (False, True)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, width: int = 4, activate: bool = True):
        super().__init__(embed_dim, block_loc)
        self.width, self.activate = width, activate
        self.weight = nn.Parameter(torch.empty(width, embed_dim, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.zeros(embed_dim, device=device, dtype=dtype))
        nn.init.normal_(self.weight, std=width**-0.5)

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        padded = nn.functional.pad(X, (0, 0, self.width - 1, 0))  # (b, l + w − 1, d)
        Y = sum(padded[:, i : i + X.shape[1]] * self.weight[i] for i in range(self.width))  # shifted sums: faster than conv1d on a processor
        return nn.functional.silu(Y + self.bias) if self.activate else Y + self.bias


class DeltaNet(GAUBase):
    """Linear attention that overwrites: a value is stored in place of what its key would have answered (DeltaNet, Yang et al. 2024, arXiv 2406.06484, eq. 2)."""

    kind = "mixer"
    slots = {
        "conv": Slot("conv", "applied to queries, keys and values", optional=True),
        "norm": Slot("norm", "applied to each head's output"),
        "gate": Slot("gate", "applied to the heads' outputs", optional=True),
    }
    choices = {"heads": (2, 4), "most": (1.0, 2.0)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children, heads: int = 4, most: float = 1.0):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        width = head_width("DeltaNet", embed_dim, heads)
        self.heads, self.most = heads, most  # how strongly a write may correct; above 1 the state's eigenvalues may be negative
        self.qkv = linear(embed_dim, 3 * embed_dim, **to)
        self.write = linear(embed_dim, heads, **to)
        self.out = linear(embed_dim, embed_dim, residual_of=block_loc[1], **to)
        self.conv = build(children["conv"], 3 * embed_dim, block_loc, **to) if "conv" in children else None
        self.norm = build(children["norm"], width, block_loc, **to)
        self.gate = build(children["gate"], embed_dim, block_loc, source_dim=embed_dim, **to) if "gate" in children else None

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        qkv = self.qkv(X)
        if self.conv is not None:
            qkv, _ = self.conv(qkv)
        q, k, v = (split_heads(x, self.heads) for x in qkv.chunk(3, dim=-1))  # (b, h, l, d/h)
        q, k = (nn.functional.normalize(x, dim=-1, eps=1e-6) for x in (q, k))
        beta = self.most * self.write(X).sigmoid().transpose(1, 2)  # (b, h, l)
        Y, _ = self.norm(gated_delta_rule(q / math.sqrt(q.shape[-1]), k, v, beta, torch.zeros_like(beta)))  # (b, h, l, d/h)
        Y = join_heads(Y)
        if self.gate is not None:
            Y, _ = self.gate(Y, source=X)
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
        DeltaNet, heads=4, most=1.0,
        conv=unit(ShortConv, width=4, activate=True),
        norm=unit(RMSNorm),
    ),
    channel=unit(SwiGLU, ratio=2.667),
)

gab_config = {'mixer__heads': 4, 'mixer__most': 1.0, 'mixer__conv__width': 4, 'mixer__conv__activate': True, 'channel__ratio': 2.667}


class GAB(ComposedGAB):
    """The tree of units above, with `gab_config` as its hyperparameters."""

    tree = TREE

"""Mamba-2 (Dao & Gu 2024, 2405.21060).

A selective state space model in its dual, chunked form: one decay a head and step, a short convolution over x, B and C, a silu
gate and a norm before the output. No channel mixer; about twice the layers at equal parameters.

Shapes: b batch, l length, d embed_dim, h heads. Units, each with its source in its own docstring:

  mamba2                     mixer
  mixer_only                 block
  rms_norm                   norm
  short_conv                 conv
  silu_gate                  gate
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


def scalar_decay_attention(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, chunk: int = 64) -> Tensor:
    """One decay a head and step: q, k (b, h, l, k), v (b, h, l, v), log_decay (b, h, l) ≤ 0 → (b, h, l, v).

    Decays between two positions are exponentials of differences ≤ 0, so nothing overflows, however fast the decay.
    """
    length = q.shape[2]
    q, k, v = (to_chunks(x, chunk) for x in (q, k, v))  # (b, h, n, c, ·)
    g = to_chunks(log_decay, chunk).cumsum(-1)  # (b, h, n, c): log decay since the chunk's start
    gap = g.unsqueeze(-1) - g.unsqueeze(-2)  # (b, h, n, c, c)
    later = torch.ones(chunk, chunk, dtype=torch.bool, device=q.device).triu(1)
    within = (q @ k.transpose(-1, -2)) * gap.masked_fill(later, -torch.inf).exp()  # (b, h, n, c, c)
    out = within @ v  # (b, h, n, c, v)
    to_end = (g[..., -1:] - g).exp().unsqueeze(-1)  # (b, h, n, c, 1)
    added = (k * to_end).transpose(-1, -2) @ v  # (b, h, n, k, v): what each chunk adds to the state
    over = g[..., -1].exp()[..., None, None]  # (b, h, n, 1, 1): what each chunk keeps of it
    out = out + (q * g.exp().unsqueeze(-1)) @ states_before(over, added)
    return out.flatten(2, 3)[:, :, :length]


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


class SiluGate(GAUBase):
    """Multiplies a mixer's output by silu of a projection of its input (RetNet, Sun et al. 2023, arXiv 2307.08621, eq. 8)."""

    kind = "gate"

    def __init__(self, embed_dim, block_loc, source_dim=None, device=None, dtype=None):
        super().__init__(embed_dim, block_loc)
        self.project = linear(source_dim or embed_dim, embed_dim, device=device, dtype=dtype)

    def _forward(self, X: Tensor, source: Tensor) -> Tensor:  # X (b, l, e), source (b, l, d)
        return X * nn.functional.silu(self.project(source))


class Mamba2(GAUBase):
    """A selective state space in its dual form: one decay a head and step, read from the input (Mamba-2, Dao & Gu 2024, arXiv 2405.21060, sections 6 and 7)."""

    kind = "mixer"
    slots = {
        "conv": Slot("conv", "applied to x, B and C", optional=True),
        "norm": Slot("norm", "applied to the gated output"),
        "gate": Slot("gate", "applied before the norm", optional=True),
    }
    choices = {"heads": (2, 4, 8), "state": (16, 32, 64), "expand": (1, 2)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children, heads: int = 4, state: int = 32, expand: int = 2):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        inner = expand * embed_dim
        head_width("Mamba2", inner, heads)
        self.heads, self.state, self.inner = heads, state, inner
        self.x_b_c = linear(embed_dim, inner + 2 * state, **to)
        self.dt = linear(embed_dim, heads, **to)
        self.out = linear(inner, embed_dim, residual_of=block_loc[1], **to)
        # A from 1 to 16 over the heads, dt from 0.001 to 0.1, as the paper's code starts them; evenly spread here instead of drawn.
        self.a_log = nn.Parameter(torch.linspace(1, 16, heads, device=device, dtype=dtype).log())
        dt = torch.linspace(math.log(1e-3), math.log(1e-1), heads, device=device, dtype=dtype).exp()
        self.dt_bias = nn.Parameter(dt + torch.log(-torch.expm1(-dt)))  # softplus of it is dt
        self.skip = nn.Parameter(torch.ones(heads, device=device, dtype=dtype))
        self.conv = build(children["conv"], inner + 2 * state, block_loc, **to) if "conv" in children else None
        self.gate = build(children["gate"], inner, block_loc, source_dim=embed_dim, **to) if "gate" in children else None
        self.norm = build(children["norm"], inner, block_loc, **to)

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        x_b_c = self.x_b_c(X)  # (b, l, e + 2n)
        if self.conv is not None:
            x_b_c, _ = self.conv(x_b_c)
        x, b, c = x_b_c.split([self.inner, self.state, self.state], dim=-1)  # one group: all heads share B and C
        dt = nn.functional.softplus(self.dt(X) + self.dt_bias).transpose(1, 2)  # (b, h, l)
        log_decay = -dt * self.a_log.exp()[:, None]  # (b, h, l)
        x = split_heads(x, self.heads)  # (b, h, l, e/h)
        b, c = (s.unsqueeze(1).expand(-1, self.heads, -1, -1) for s in (b, c))  # (b, h, l, n)
        Y = scalar_decay_attention(c, b, x * dt.unsqueeze(-1), log_decay) + self.skip[:, None, None] * x  # (b, h, l, e/h)
        Y = join_heads(Y)  # (b, l, e)
        if self.gate is not None:
            Y, _ = self.gate(Y, source=X)
        Y, _ = self.norm(Y)
        return self.out(Y)


class MixerOnly(GAUBase):
    """Norm, mix, add; no channel mixer: for mixers with a wide gated inside (Mamba, Gu & Dao 2023, arXiv 2312.00752, section 3.4)."""

    kind = "block"
    slots = {
        "norm": Slot("norm", "before the mixer"),
        "mixer": Slot("mixer", "mixes positions, and channels inside"),
    }

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children):
        super().__init__(embed_dim, block_loc)
        at = (embed_dim, block_loc, device, dtype)
        self.norm = build(children["norm"], *at)
        self.mixer = build(children["mixer"], *at)

    def _forward(self, X: Tensor, **Z) -> tuple[Tensor, dict]:  # (b, l, d)
        H, Z = self.norm(X, **Z)
        H, Z = self.mixer(H, **Z)
        return X + H, Z


TREE = unit(
    MixerOnly,
    norm=unit(RMSNorm),
    mixer=unit(
        Mamba2, heads=4, state=32, expand=2,
        conv=unit(ShortConv, width=4, activate=True),
        gate=unit(SiluGate),
        norm=unit(RMSNorm),
    ),
)

gab_config = {'mixer__heads': 4, 'mixer__state': 32, 'mixer__expand': 2, 'mixer__conv__width': 4, 'mixer__conv__activate': True}


class GAB(ComposedGAB):
    """The tree of units above, with `gab_config` as its hyperparameters."""

    tree = TREE

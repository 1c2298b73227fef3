"""RetNet (Sun et al. 2023, 2307.08621).

Retention in the place of attention: a linear recurrence with a fixed decay a head, a norm on each head's output and a silu gate;
trained in chunks, linear in length. The channel mixer is two times as wide, since retention's values and gate are. Rotary stands
for xPos, whose decay retention has already.

Shapes: b batch, l length, d embed_dim, h heads. Units, each with its source in its own docstring:

  layer_norm                 norm
  mlp_gelu                   channel
  pre_norm                   block
  retention                  mixer
  rms_norm                   norm
  rotary                     position
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


class SiluGate(GAUBase):
    """Multiplies a mixer's output by silu of a projection of its input (RetNet, Sun et al. 2023, arXiv 2307.08621, eq. 8)."""

    kind = "gate"

    def __init__(self, embed_dim, block_loc, source_dim=None, device=None, dtype=None):
        super().__init__(embed_dim, block_loc)
        self.project = linear(source_dim or embed_dim, embed_dim, device=device, dtype=dtype)

    def _forward(self, X: Tensor, source: Tensor) -> Tensor:  # X (b, l, e), source (b, l, d)
        return X * nn.functional.silu(self.project(source))


class LayerNorm(GAUBase):
    """Zero mean and unit variance over the channels, with gain and bias (Ba et al. 2016, arXiv 1607.06450, eq. 4)."""

    kind = "norm"

    def __init__(self, embed_dim, block_loc, device=None, dtype=None):
        super().__init__(embed_dim, block_loc)
        self.weight = nn.Parameter(torch.ones(embed_dim, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.zeros(embed_dim, device=device, dtype=dtype))

    def _forward(self, X: Tensor) -> Tensor:  # (…, d)
        return nn.functional.layer_norm(X, (self.embed_dim,), self.weight, self.bias)


class MLPGelu(GAUBase):
    """Two projections with GELU between, four times as wide: GPT-2's channel mixer (Radford et al. 2019; GELU: Hendrycks & Gimpel 2016, arXiv 1606.08415)."""

    kind = "channel"
    choices = {"ratio": (2.0, 3.0, 4.0)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, ratio: float = 4.0, bias: bool = False):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        hidden = 8 * round(embed_dim * ratio / 8)
        self.up = linear(embed_dim, hidden, bias, **to)
        self.down = linear(hidden, embed_dim, bias, residual_of=block_loc[1], **to)

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        return self.down(nn.functional.gelu(self.up(X), approximate="tanh"))


class Retention(GAUBase):
    """Linear attention with a fixed exponential decay a head, from fast to slow (RetNet, Sun et al. 2023, arXiv 2307.08621, eqs. 7 and 8)."""

    kind = "mixer"
    slots = {
        "position": Slot("position", "applied to queries and keys", optional=True),
        "conv": Slot("conv", "applied to the input", optional=True),
        "norm": Slot("norm", "applied to each head's output"),
        "gate": Slot("gate", "applied to the heads' outputs", optional=True),
    }
    choices = {"heads": (2, 4, 8), "value_share": (1, 2)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children, heads: int = 4, value_share: int = 2):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        width = head_width("Retention", embed_dim, heads, even="position" in children)
        values = value_share * embed_dim
        self.heads = heads
        self.q = linear(embed_dim, embed_dim, **to)
        self.k = linear(embed_dim, embed_dim, **to)
        self.v = linear(embed_dim, values, **to)
        self.out = linear(values, embed_dim, residual_of=block_loc[1], **to)
        self.position = build(children["position"], width, block_loc, **to) if "position" in children else None
        self.norm = build(children["norm"], value_share * width, block_loc, **to)
        self.conv = build(children["conv"], embed_dim, block_loc, **to) if "conv" in children else None
        self.gate = build(children["gate"], values, block_loc, source_dim=embed_dim, **to) if "gate" in children else None

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        source = X
        if self.conv is not None:
            X, _ = self.conv(X)
        q, k, v = (split_heads(p(X), self.heads) for p in (self.q, self.k, self.v))  # (b, h, l, d/h) and (b, h, l, v)
        if self.position is not None:
            (q, _), (k, _) = self.position(q), self.position(k)
        # Decays 1 − 2^−5 … 1 − 2^−12 over the heads: the paper's eq. 8 steps the exponent by one a head, for eight heads and more.
        exponent = torch.linspace(5, 12, self.heads, device=X.device, dtype=torch.float64)
        log_decay = torch.log1p(-torch.exp2(-exponent)).to(X.dtype)  # (h,)
        log_decay = log_decay[None, :, None].expand(X.shape[0], -1, X.shape[1])  # (b, h, l)
        Y = scalar_decay_attention(q / math.sqrt(q.shape[-1]), k, v, log_decay)  # (b, h, l, v)
        Y, _ = self.norm(Y)
        Y = join_heads(Y)
        if self.gate is not None:
            Y, _ = self.gate(Y, source=source)
        return self.out(Y)


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
        Retention, heads=4, value_share=2,
        position=unit(Rotary, base=10000.0),
        norm=unit(RMSNorm),
        gate=unit(SiluGate),
    ),
    channel=unit(MLPGelu, ratio=2.0, bias=False),
)

gab_config = {'mixer__heads': 4, 'mixer__value_share': 2, 'mixer__position__base': 10000.0, 'channel__ratio': 2.0, 'channel__bias': False}


class GAB(ComposedGAB):
    """The tree of units above, with `gab_config` as its hyperparameters."""

    tree = TREE

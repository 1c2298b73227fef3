"""xLSTM (Beck et al. 2024, 2405.04517).

An LSTM with a matrix memory, exponential input gates and a normaliser (mLSTM), in the pre-norm block of xLSTM 7B with a SwiGLU
channel mixer. Without the sLSTM blocks, which cannot be trained in parallel. Chunks of 64, linear in length.

Shapes: b batch, l length, d embed_dim, h heads. Units, each with its source in its own docstring:

  layer_norm                 norm
  mlstm                      mixer
  pre_norm                   block
  rms_norm                   norm
  sigmoid_gate               gate
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


class LayerNorm(GAUBase):
    """Zero mean and unit variance over the channels, with gain and bias (Ba et al. 2016, arXiv 1607.06450, eq. 4)."""

    kind = "norm"

    def __init__(self, embed_dim, block_loc, device=None, dtype=None):
        super().__init__(embed_dim, block_loc)
        self.weight = nn.Parameter(torch.ones(embed_dim, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.zeros(embed_dim, device=device, dtype=dtype))

    def _forward(self, X: Tensor) -> Tensor:  # (…, d)
        return nn.functional.layer_norm(X, (self.embed_dim,), self.weight, self.bias)


class SigmoidGate(GAUBase):
    """Multiplies a mixer's output by a sigmoid of a projection of its input: lets a head say nothing (Qiu et al. 2025, arXiv 2505.06708)."""

    kind = "gate"

    def __init__(self, embed_dim, block_loc, source_dim=None, device=None, dtype=None):
        super().__init__(embed_dim, block_loc)
        self.project = linear(source_dim or embed_dim, embed_dim, device=device, dtype=dtype)

    def _forward(self, X: Tensor, source: Tensor) -> Tensor:  # X (b, l, e), source (b, l, d)
        return X * self.project(source).sigmoid()


class MLSTM(GAUBase):
    """An LSTM with a matrix memory, an exponential input gate and a normaliser (mLSTM of xLSTM, Beck et al. 2024, arXiv 2405.04517, eqs. 19 to 27).

    The gates' preactivations are capped softly at 15, as in xLSTM 7B (arXiv 2503.13427): no weight exceeds e^15, and the running
    maximum that kept the recurrence in range falls away.
    """

    kind = "mixer"
    slots = {
        "conv": Slot("conv", "applied to the input of queries and keys", optional=True),
        "norm": Slot("norm", "applied to each head's output"),
        "gate": Slot("gate", "the output gate", optional=True),
    }
    choices = {"heads": (2, 4), "key_share": (0.5, 1.0)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children, heads: int = 4, key_share: float = 0.5):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        keys = int(embed_dim * key_share)
        head_width("MLSTM", keys, heads)
        self.heads = heads
        self.q = linear(embed_dim, keys, **to)
        self.k = linear(embed_dim, keys, **to)
        self.v = linear(embed_dim, embed_dim, **to)
        self.enter = linear(embed_dim, heads, bias=True, **to)
        self.forget = linear(embed_dim, heads, bias=True, **to)
        self.out = linear(embed_dim, embed_dim, residual_of=block_loc[1], **to)
        nn.init.constant_(self.enter.bias, -10.0)  # xLSTM 7B's start: nearly closed
        self.forget.bias = nn.Parameter(torch.linspace(3, 6, heads, **to))  # nearly open
        self.conv = build(children["conv"], embed_dim, block_loc, **to) if "conv" in children else None
        self.norm = build(children["norm"], head_width("MLSTM", embed_dim, heads), block_loc, **to)
        self.gate = build(children["gate"], embed_dim, block_loc, source_dim=embed_dim, **to) if "gate" in children else None

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        source = X
        if self.conv is not None:
            source, _ = self.conv(X)
        q, k, v = (split_heads(y, self.heads) for y in (self.q(source), self.k(source), self.v(X)))  # (b, h, l, k), twice, and (b, h, l, v)
        enter, forget = (15 * (gate(X) / 15).tanh().transpose(1, 2) for gate in (self.enter, self.forget))  # (b, h, l)
        weighed = torch.cat([v, torch.ones_like(v[..., :1])], -1)  # the last column sums the weights: the normaliser n
        Y = scalar_decay_attention(q / math.sqrt(q.shape[-1]), k * enter.exp().unsqueeze(-1), weighed, nn.functional.logsigmoid(forget))
        Y, _ = self.norm(Y[..., :-1] / Y[..., -1:].abs().clamp(min=1))  # (b, h, l, v)
        Y = join_heads(Y)
        if self.gate is not None:
            Y, _ = self.gate(Y, source=X)
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
        MLSTM, heads=4, key_share=0.5,
        norm=unit(LayerNorm),
        gate=unit(SigmoidGate),
    ),
    channel=unit(SwiGLU, ratio=2.667),
)

gab_config = {'mixer__heads': 4, 'mixer__key_share': 0.5, 'channel__ratio': 2.667}


class GAB(ComposedGAB):
    """The tree of units above, with `gab_config` as its hyperparameters."""

    tree = TREE

"""RWKV-7 (Goose) (Peng et al. 2025, 2503.14456).

A generalised delta rule: the state decays channel by channel, part of what it answers to a key is taken out, and a new value is
written. Later blocks mix the first block's values in, handed on in Z. Trained in chunks of 16, linear in length.

Shapes: b batch, l length, d embed_dim, h heads. Units, each with its source in its own docstring:

  layer_norm                 norm
  pre_norm                   block
  rwkv7                      mixer
  rwkv_channel               channel
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.errors import ContractError
from core.gab import ComposedGAB, GAUBase, Slot, build, unit


def vector_delta_rule(q: Tensor, k: Tensor, v: Tensor, asked: Tensor, answer: Tensor, log_decay: Tensor, chunk: int = 16) -> Tensor:
    """S_t = diag(w_t) S_{t−1} + answer_t (S_{t−1}ᵀ asked_t)ᵀ + k_t v_tᵀ, o_t = S_tᵀ q_t: one decay a key channel, a free rank-one change.

    q, k, asked, answer, log_decay (b, h, l, k), v (b, h, l, v) → (b, h, l, v). As in vector_decay_attention, log_decay ≥ −10.
    (RWKV-7, Peng et al. 2025, arXiv 2503.14456, eq. 16 and appendix on chunks.)
    """
    length, values = q.shape[2], v.shape[-1]
    q, k, v, asked, answer, w = (to_chunks(x, chunk) for x in (q, k, v, asked, answer, log_decay))  # (b, h, n, c, ·)
    g = w.cumsum(-2)
    before = g - w  # log decay up to the position before
    middle = g[..., chunk // 2 - 1 : chunk // 2, :]  # exponents are measured from the chunk's middle, to stay in range
    out_of, into = (middle - g).exp(), (before - middle).exp()
    keys = torch.cat([k * out_of, answer * out_of], -2)  # (b, h, n, 2c, k)
    on_asked = (asked * into) @ keys.transpose(-1, -2)  # (b, h, n, c, 2c)
    on_query = (q * (g - middle).exp()) @ keys.transpose(-1, -2)
    right = torch.cat([on_asked[..., :chunk].tril(-1) @ v, asked * before.exp()], -1)
    solved = solve_unit(-on_asked[..., chunk:].tril(-1), right)
    heard, from_state = solved.split([values, k.shape[-1]], -1)  # what S answers: heard + from_state · S
    end = g[..., -1:, :]
    to_end = torch.cat([k, answer], -2) * (end - torch.cat([g, g], -2)).exp()  # (b, h, n, 2c, k)
    over = end.exp().transpose(-1, -2)  # (b, h, n, k, 1)
    state, states, writes = v.new_zeros(*k.shape[:2], k.shape[-1], values), [], []
    for value, new, old, ends, kept in zip(*(x.unbind(2) for x in (v, heard, from_state, to_end.transpose(-1, -2), over)), strict=True):
        states.append(state)
        writes.append(torch.cat([value, new + old @ state], -2))  # (b, h, 2c, v)
        state = kept * state + ends @ writes[-1]
    seen = torch.cat([on_query[..., :chunk].tril(), on_query[..., chunk:].tril()], -1)
    out = seen @ torch.stack(writes, 2) + (q * g.exp()) @ torch.stack(states, 2)
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


class RWKV7(GAUBase):
    """Goose's time mixing: a delta rule with a decay and a learning rate for each channel; later blocks mix the first one's values in, which travel in Z (RWKV-7, Peng et al. 2025, arXiv 2503.14456, eqs. 3 to 22)."""

    kind = "mixer"
    slots = {"norm": Slot("norm", "applied to each head's output")}
    choices = {"heads": (2, 4, 8), "rank": (16, 32)}
    writes = {"rwkv7_v_first": "the first block's values, (b, l, d)"}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children, heads: int = 4, rank: int = 16):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        width = head_width("RWKV7", embed_dim, heads)
        self.heads = heads
        depth = block_loc[0] / max(1, block_loc[1] - 1)

        def low_rank(inner: int) -> nn.Sequential:
            pair = nn.Sequential(linear(embed_dim, inner, **to), linear(inner, embed_dim, **to))
            nn.init.zeros_(pair[0].weight)
            return pair

        self.mix = nn.Parameter(ramp(embed_dim, 1 - depth / 2, **to).repeat(6, 1))  # of r, w, k, v, a and g
        self.r, self.k, self.v = (linear(embed_dim, embed_dim, **to) for _ in range(3))
        self.decay_in, self.decay_out = linear(embed_dim, rank, **to), linear(rank, embed_dim, **to)
        nn.init.zeros_(self.decay_out.weight)
        self.decay = nn.Parameter(torch.linspace(-6, 1, embed_dim, **to))
        self.rate, self.rate_bias = low_rank(rank), nn.Parameter(torch.zeros(embed_dim, **to))
        self.first, self.first_bias = (low_rank(rank), nn.Parameter(torch.ones(embed_dim, **to))) if block_loc[0] else (None, None)
        self.gate_in, self.gate_out = linear(embed_dim, 2 * rank, **to), linear(2 * rank, embed_dim, **to)
        self.removed = nn.Parameter(torch.full((embed_dim,), 0.85, **to))  # scales the key that is overwritten
        self.replaced = nn.Parameter(torch.ones(embed_dim, **to))  # how far the learning rate scales the key that is written
        self.bonus = nn.Parameter(torch.zeros(heads, width, **to))
        self.out = linear(embed_dim, embed_dim, residual_of=block_loc[1], **to)
        self.norm = build(children["norm"], width, block_loc, **to)

    def _forward(self, X: Tensor, rwkv7_v_first: Tensor | None = None) -> tuple[Tensor, dict[str, Tensor]]:  # (b, l, d)
        r, w, k, v, a, g = (X.unsqueeze(2) + shifted(X).unsqueeze(2) * self.mix).unbind(2)  # (b, l, d) each
        r, k, v = self.r(r), self.k(k), self.v(v)
        # −e^(−1/2) · sigmoid is −exp of the paper's −softplus(−w) − 1/2: a decay between 0.545 and 1
        log_decay = -0.6065306597126334 * (self.decay + self.decay_out(self.decay_in(w).tanh())).sigmoid()
        found: dict[str, Tensor] = {}
        if rwkv7_v_first is None:
            found["rwkv7_v_first"] = v
        elif self.first is not None:
            v = v + (rwkv7_v_first - v) * (self.first_bias + self.first(X)).sigmoid()
        rate = (self.rate_bias + self.rate(a)).sigmoid()  # (b, l, d): how much of the old answer is taken out
        gone = nn.functional.normalize(split_heads(k * self.removed, self.heads), dim=-1, eps=1e-6)  # (b, h, l, d/h)
        k = k * (1 + (rate - 1) * self.replaced)
        r, k, v, rate, log_decay = (split_heads(x, self.heads) for x in (r, k, v, rate, log_decay))
        Y, _ = self.norm(vector_delta_rule(r, k, v, -gone, gone * rate, log_decay))  # (b, h, l, d/h)
        Y = Y + (r * k * self.bonus[:, None]).sum(-1, keepdim=True) * v
        return self.out(join_heads(Y) * self.gate_out(self.gate_in(g).sigmoid())), found


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
        RWKV7, heads=4, rank=16,
        norm=unit(LayerNorm),
    ),
    channel=unit(RWKVChannel, ratio=4.0, receptance=False),
)

gab_config = {'mixer__heads': 4, 'mixer__rank': 16, 'channel__ratio': 4.0, 'channel__receptance': False}


class GAB(ComposedGAB):
    """The tree of units above, with `gab_config` as its hyperparameters."""

    tree = TREE

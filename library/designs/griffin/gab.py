"""Griffin (De et al. 2024, 2402.19427).

Two blocks of a gated diagonal recurrence (RG-LRU), then one of attention over a local window, in turn; each with a gated gelu
channel mixer. Linear in length.

Shapes: b batch, l length, d embed_dim, h heads. Units, each with its source in its own docstring:

  geglu                      channel
  gelu_gate                  gate
  hybrid                     block
  pre_norm                   block
  rg_lru                     mixer
  rms_norm                   norm
  rotary                     position
  short_conv                 conv
  sliding_window_attention   mixer
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


def linear_scan(log_decay: Tensor, x: Tensor, chunk: int = 32) -> Tensor:
    """h_t = exp(log_decay_t) · h_{t−1} + x_t, element by element: log_decay ≤ 0 and x (b, l, …) → (b, l, …).

    Two levels: the positions of a chunk in turn, for all chunks at once; then the chunks. chunk + length/chunk steps, and nothing
    is divided, so no decay is too fast.
    """
    length = x.shape[1]
    padding = [0] * (2 * (x.dim() - 2)) + [0, -length % chunk]
    w, x = (F.pad(t, padding).unflatten(1, (-1, chunk)) for t in (log_decay, x))  # (b, n, c, …)
    local, state = [], 0.0
    for a_i, x_i in zip(w.exp().unbind(2), x.unbind(2), strict=True):
        state = a_i * state + x_i
        local.append(state)
    state, states = torch.zeros_like(state[:, 0]), []  # (b, …)
    for over, last in zip(w.sum(2).exp().unbind(1), local[-1].unbind(1), strict=True):  # what each chunk keeps, and adds
        states.append(state)
        state = over * state + last
    out = torch.stack(local, 2) + w.cumsum(2).exp() * torch.stack(states, 1).unsqueeze(2)
    return out.flatten(1, 2)[:, :length]


def causal_window(x: Tensor, width: int) -> Tensor:
    """(b, h, l, d) → (b, h, n, 2·width, d): each chunk of `width` positions behind the one before it."""
    own = to_chunks(x, width)
    return torch.cat([F.pad(own, (0, 0, 0, 0, 1, 0))[:, :, :-1], own], dim=3)


class GeluGate(GAUBase):
    """Multiplies by gelu of a projection of the input (the gate of Griffin's recurrent block, De et al. 2024, arXiv 2402.19427, section 2.3)."""

    kind = "gate"

    def __init__(self, embed_dim, block_loc, source_dim=None, device=None, dtype=None, *, bias: bool = False):
        super().__init__(embed_dim, block_loc)
        self.project = linear(source_dim or embed_dim, embed_dim, bias, device=device, dtype=dtype)

    def _forward(self, X: Tensor, source: Tensor) -> Tensor:  # X (b, l, e), source (b, l, d)
        return X * nn.functional.gelu(self.project(source), approximate="tanh")


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


class GeGLU(GAUBase):
    """A projection gated by GELU of another (Shazeer 2020, arXiv 2002.05202, eq. 6)."""

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
        return self.down(nn.functional.gelu(self.gate(X), approximate="tanh") * self.up(X))


class RGLRU(GAUBase):
    """A diagonal linear recurrence gated by its input, in Griffin's recurrent block (RG-LRU, De et al. 2024, arXiv 2402.19427, eqs. 1 to 4)."""

    kind = "mixer"
    slots = {
        "conv": Slot("conv", "applied before the recurrence", optional=True),
        "gate": Slot("gate", "applied to the recurrence's output", optional=True),
    }
    choices = {"heads": (2, 4, 8), "expand": (1.0, 1.5)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children, heads: int = 4, expand: float = 1.0):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        inner = int(embed_dim * expand)
        width = head_width("RGLRU", inner, heads)
        self.heads = heads
        self.x = linear(embed_dim, inner, bias=True, **to)
        self.gates = nn.Parameter(torch.randn(2, heads, width, width, **to) * width**-0.5)  # of the input, of the recurrence: block-diagonal
        self.gates_bias = nn.Parameter(torch.zeros(2, heads, width, **to))
        kept = torch.linspace(0.9, 0.999, inner, **to)  # a to the power 8·r at r = 1: the paper's range, evenly spread
        self.decay = nn.Parameter(torch.log(torch.expm1(-torch.log(kept) / 8)))  # softplus of it, times −8, is log kept
        self.out = linear(inner, embed_dim, bias=True, residual_of=block_loc[1], **to)
        self.conv = build(children["conv"], inner, block_loc, **to) if "conv" in children else None
        self.gate = build(children["gate"], inner, block_loc, source_dim=embed_dim, **to) if "gate" in children else None

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        x = self.x(X)  # (b, l, e)
        if self.conv is not None:
            x, _ = self.conv(x)
        gates = torch.einsum("blhi,ghij->gblhj", x.unflatten(-1, (self.heads, -1)), self.gates) + self.gates_bias[:, None, None]
        enter, recur = gates.flatten(-2).sigmoid()  # (b, l, e), twice
        log_decay = -8 * recur * nn.functional.softplus(self.decay)  # (b, l, e)
        share = torch.sqrt(-torch.expm1(2 * log_decay) + 1e-6)  # √(1 − a²); kept off zero, where its slope is infinite
        share = torch.cat([torch.ones_like(share[:, :1]), share[:, 1:]], 1)  # the first input starts the state
        Y = linear_scan(log_decay, share * enter * x)
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


class SlidingWindowAttention(GAUBase):
    """Softmax attention over the last `window` positions only: linear in length, in chunks of one window (Beltagy et al. 2020, arXiv 2004.05150, section 3.1)."""

    kind = "mixer"
    slots = {
        "position": Slot("position", "applied to queries and keys", optional=True),
        "conv": Slot("conv", "applied to the input", optional=True),
        "gate": Slot("gate", "applied to the heads' outputs", optional=True),
    }
    choices = {"heads": (2, 4, 8), "window": (16, 32, 64, 128)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children, heads: int = 4, window: int = 64):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        width = head_width("SlidingWindowAttention", embed_dim, heads, even="position" in children)
        self.heads, self.window = heads, window
        self.qkv = linear(embed_dim, 3 * embed_dim, **to)
        self.out = linear(embed_dim, embed_dim, residual_of=block_loc[1], **to)
        self.position = build(children["position"], width, block_loc, **to) if "position" in children else None
        self.conv = build(children["conv"], embed_dim, block_loc, **to) if "conv" in children else None
        self.gate = build(children["gate"], embed_dim, block_loc, source_dim=embed_dim, **to) if "gate" in children else None

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        source, length = X, X.shape[1]
        if self.conv is not None:
            X, _ = self.conv(X)
        q, k, v = (split_heads(x, self.heads) for x in self.qkv(X).chunk(3, dim=-1))  # (b, h, l, d/h)
        if self.position is not None:
            (q, _), (k, _) = self.position(q), self.position(k)
        q, k, v = to_chunks(q, self.window), causal_window(k, self.window), causal_window(v, self.window)  # (b, h, n, w, ·), (b, h, n, 2w, ·)
        row = torch.arange(self.window, device=X.device)[:, None]
        column = torch.arange(2 * self.window, device=X.device)[None]  # column w + i is row i's own position
        seen = ((column <= row + self.window) & (column > row)).expand(q.shape[2], -1, -1).clone()  # (n, w, 2w)
        seen[0, :, : self.window] = False  # nothing lies before the first chunk
        Y = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=seen)  # (b, h, n, w, d/h)
        Y = join_heads(Y.flatten(2, 3)[:, :, :length])
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


class Hybrid(GAUBase):
    """Two kinds of block stacked in turn: of each `every`, one is b, the others a (Jamba, Lieber et al. 2024, arXiv 2403.19887, section 3)."""

    kind = "block"
    slots = {"a": Slot("block", "most blocks"), "b": Slot("block", "one of each `every`: at `place`, counted from 1; 0 for the last")}
    choices = {"every": (2, 3, 4)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children, every: int = 2, place: int = 0):
        super().__init__(embed_dim, block_loc)
        chosen = children["b"] if block_loc[0] % every == (place or every) - 1 else children["a"]
        self.block = build(chosen, embed_dim, block_loc, device, dtype)

    def _forward(self, X: Tensor, **Z) -> tuple[Tensor, dict]:  # (b, l, d)
        return self.block(X, **Z)


TREE = unit(
    Hybrid, every=3, place=0,
    a=unit(
        PreNorm,
        norm=unit(RMSNorm),
        mixer=unit(
            RGLRU, heads=4, expand=1.0,
            conv=unit(ShortConv, width=4, activate=False),
            gate=unit(GeluGate, bias=False),
        ),
        channel=unit(GeGLU, ratio=2.667),
    ),
    b=unit(
        PreNorm,
        norm=unit(RMSNorm),
        mixer=unit(
            SlidingWindowAttention, heads=4, window=128,
            position=unit(Rotary, base=10000.0),
        ),
        channel=unit(GeGLU, ratio=2.667),
    ),
)

gab_config = {'every': 3,
 'place': 0,
 'a__mixer__heads': 4,
 'a__mixer__expand': 1.0,
 'a__mixer__conv__width': 4,
 'a__mixer__conv__activate': False,
 'a__mixer__gate__bias': False,
 'a__channel__ratio': 2.667,
 'b__mixer__heads': 4,
 'b__mixer__window': 128,
 'b__mixer__position__base': 10000.0,
 'b__channel__ratio': 2.667}


class GAB(ComposedGAB):
    """The tree of units above, with `gab_config` as its hyperparameters."""

    tree = TREE

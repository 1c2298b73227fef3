"""Jamba (dense) (Lieber et al. 2024, 2403.19887).

A hybrid: one block in four attends to everything, the others are Mamba blocks; a SwiGLU channel mixer in each. The paper's is one
in eight, and with experts; here every channel mixer is dense. Attention needs no positions, since Mamba gives them.

Shapes: b batch, l length, d embed_dim, h heads. Units, each with its source in its own docstring:

  attention                  mixer
  hybrid                     block
  mamba                      mixer
  pre_norm                   block
  rms_norm                   norm
  short_conv                 conv
  silu_gate                  gate
  swiglu                     channel
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


def selective_scan(dt: Tensor, x: Tensor, b: Tensor, c: Tensor, a: Tensor) -> Tensor:
    """h_t = exp(dt_t a) ∘ h_{t−1} + dt_t x_t b_t, y_t = h_t c_t: dt > 0 and x (b, l, e), b and c (b, l, n), a < 0 (e, n) → (b, l, e)."""
    length, exact = x.shape[1], torch.promote_types(x.dtype, torch.float32)
    dt, x, b, c = (F.pad(t.to(exact), (0, 0, 0, -length % SelectiveScan.CHUNK)) for t in (dt, x, b, c))
    with torch.autocast("cuda" if x.is_cuda else "cpu", enabled=False):
        return SelectiveScan.apply(dt, x, b, c, a.to(exact).T.contiguous())[:, :length]


class SelectiveScan(torch.autograd.Function):
    """With its backward pass, which autograd could only derive by keeping every state; one in CHUNK is kept.

    Each scan goes twice over a span: first for what every chunk adds to the state, then, the chunks' starts known, for the states.
    All spans use the same few buffers: fresh memory for each would cost more than the arithmetic.
    """

    CHUNK = 16                       # positions in turn; all chunks of a span at once
    ON_CPU, ON_GPU = 2**20, 2**26    # states in a span: 4 MB stay in a processor's cache, 256 MB keep a GPU busy

    @staticmethod
    def forward(ctx, dt: Tensor, x: Tensor, b: Tensor, c: Tensor, a: Tensor) -> Tensor:
        state, kept_starts, out = dt.new_zeros(dt.shape[0], *a.shape), [], []
        spans, buffers = SelectiveScan.prepared(dt, a, 2)
        for span in spans:
            decay, h = SelectiveScan.inflow(dt[:, span], x[:, span], b[:, span], a, buffers)
            added = h[:, :, 0]
            for i in range(1, SelectiveScan.CHUNK):
                added = torch.addcmul(h[:, :, i], decay[:, :, i], added)
            over = (by_chunk(dt[:, span]).sum(2).unsqueeze(-2) * a).exp_()
            starts = []
            for new, kept in zip(added.unbind(1), over.unbind(1), strict=True):
                starts.append(state)
                state = torch.addcmul(new, kept, state)
            kept_starts.append(torch.stack(starts, 1))
            SelectiveScan.scan(decay, h, kept_starts[-1])
            out.append((c[:, span].unsqueeze(-2) @ h.flatten(1, 2)).squeeze(-2))
        ctx.save_for_backward(dt, x, b, c, a, *kept_starts)
        return torch.cat(out, 1)

    @staticmethod
    def backward(ctx, dy: Tensor):
        """With g_t = dL/dh_t = dy_t c_t + exp(dt_{t+1} a) ∘ g_{t+1}, scanned from the end."""
        dt, x, b, c, a, *kept_starts = ctx.saved_tensors
        d_dt, d_x, d_b, d_c, d_a = (torch.zeros_like(t) for t in (dt, x, b, c, a))
        spans, buffers = SelectiveScan.prepared(dt, a, 3)
        back = torch.zeros_like(kept_starts[0][:, 0])  # what the span after hands back
        for span, starts in reversed(list(zip(spans, kept_starts, strict=True))):
            step = dt[:, span]
            decay, h = SelectiveScan.inflow(step, x[:, span], b[:, span], a, buffers)
            SelectiveScan.scan(decay, h, starts)
            d_c[:, span] = (h.flatten(1, 2) @ dy[:, span].unsqueeze(-1)).squeeze(-1)
            g = by_chunk(buffers[2][:, : step.shape[1]])
            torch.mul(by_chunk(dy[:, span]).unsqueeze(-2), by_chunk(c[:, span]).unsqueeze(-1), out=g)
            back = SelectiveScan.scan_back(decay, g, step, a, back)
            flat = g.flatten(1, 2)  # (b, s, n, e)
            d_b[:, span] = (flat @ (step * x[:, span]).unsqueeze(-1)).squeeze(-1)
            d_inflow = (b[:, span].unsqueeze(-2) @ flat).squeeze(-2)
            g.mul_(decay)[:, :, 1:].mul_(h[:, :, :-1])
            g[:, :, 0].mul_(starts)  # now dL/d(dt a)
            d_a += torch.mul(flat, step.unsqueeze(-2), out=h.flatten(1, 2)).sum((0, 1))
            d_dt[:, span] = flat.mul_(a).sum(-2) + d_inflow * x[:, span]
            d_x[:, span] = d_inflow * step
        return d_dt, d_x, d_b, d_c, d_a

    @staticmethod
    def prepared(dt: Tensor, a: Tensor, n: int) -> tuple[list[slice], list[Tensor]]:
        """The spans, and `n` buffers that hold the states of one."""
        most = SelectiveScan.ON_CPU if dt.device.type == "cpu" else SelectiveScan.ON_GPU
        chunks = max(1, most // (dt.shape[0] * a.numel() * SelectiveScan.CHUNK))
        size = min(chunks * SelectiveScan.CHUNK, dt.shape[1])
        return [slice(i, i + size) for i in range(0, dt.shape[1], size)], [dt.new_empty(dt.shape[0], size, *a.shape) for _ in range(n)]

    @staticmethod
    def inflow(dt: Tensor, x: Tensor, b: Tensor, a: Tensor, buffers: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Each position's decay, and what it adds to the state: (b, chunks, CHUNK, n, e) both, in the first two buffers."""
        decay, h = (buffer[:, : dt.shape[1]] for buffer in buffers[:2])
        torch.mul(dt.unsqueeze(-2), a, out=decay).exp_()
        torch.mul((dt * x).unsqueeze(-2), b.unsqueeze(-1), out=h)
        return by_chunk(decay), by_chunk(h)

    @staticmethod
    def scan(decay: Tensor, h: Tensor, starts: Tensor) -> None:
        """Turns what each position adds into the states, in place."""
        before = starts
        for kept, state in zip(decay.unbind(2), h.unbind(2), strict=True):
            before = state.addcmul_(kept, before)

    @staticmethod
    def scan_back(decay: Tensor, g: Tensor, dt: Tensor, a: Tensor, back: Tensor) -> Tensor:
        """Turns dL/dh of a span's own outputs into the whole dL/dh, in place; what it hands back to the span before."""
        added = g[:, :, -1]
        for i in range(SelectiveScan.CHUNK - 2, -1, -1):
            added = torch.addcmul(g[:, :, i], decay[:, :, i + 1], added)
        added = added * decay[:, :, 0]
        over = (by_chunk(dt).sum(2).unsqueeze(-2) * a).exp_()
        handed = []
        for new, kept in reversed(list(zip(added.unbind(1), over.unbind(1), strict=True))):
            handed.append(back)
            back = torch.addcmul(new, kept, back)
        after = g[:, :, -1].add_(torch.stack(handed[::-1], 1))
        for i in range(SelectiveScan.CHUNK - 2, -1, -1):
            after = g[:, :, i].addcmul_(decay[:, :, i + 1], after)
        return back


def by_chunk(t: Tensor) -> Tensor:
    """(b, s, …) → (b, chunks, CHUNK, …)"""
    return t.unflatten(1, (-1, SelectiveScan.CHUNK))


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


class Attention(GAUBase):
    """Causal softmax attention: every position looks at all before it (Vaswani et al. 2017, arXiv 1706.03762, eq. 1); kv_heads < heads shares keys and values (Ainslie et al. 2023, arXiv 2305.13245)."""

    kind = "mixer"
    slots = {
        "position": Slot("position", "applied to queries and keys", optional=True),
        "qk_norm": Slot("norm", "applied to each head's queries and keys", optional=True),
        "conv": Slot("conv", "applied to the input", optional=True),
        "gate": Slot("gate", "applied to the heads' outputs", optional=True),
    }
    choices = {"heads": (2, 4, 8), "kv_share": (1, 2), "bias": (False, True)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children, heads: int = 4, kv_share: int = 1, bias: bool = False):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        width = head_width("Attention", embed_dim, heads, even="position" in children)
        self.heads, self.kv_heads = heads, heads // kv_share  # kv_share query heads use one key and value head
        self.q = linear(embed_dim, embed_dim, bias, **to)
        self.k = linear(embed_dim, self.kv_heads * width, bias, **to)
        self.v = linear(embed_dim, self.kv_heads * width, bias, **to)
        self.out = linear(embed_dim, embed_dim, bias, residual_of=block_loc[1], **to)
        self.position = build(children["position"], width, block_loc, **to) if "position" in children else None
        self.q_norm = build(children["qk_norm"], width, block_loc, **to) if "qk_norm" in children else None
        self.k_norm = build(children["qk_norm"], width, block_loc, **to) if "qk_norm" in children else None
        self.conv = build(children["conv"], embed_dim, block_loc, **to) if "conv" in children else None
        self.gate = build(children["gate"], embed_dim, block_loc, source_dim=embed_dim, **to) if "gate" in children else None

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        source = X
        if self.conv is not None:
            X, _ = self.conv(X)
        q = split_heads(self.q(X), self.heads)  # (b, h, l, d/h)
        k = split_heads(self.k(X), self.kv_heads)
        v = split_heads(self.v(X), self.kv_heads)
        if self.q_norm is not None:
            (q, _), (k, _) = self.q_norm(q), self.k_norm(k)
        if self.position is not None:
            (q, _), (k, _) = self.position(q), self.position(k)
        Y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=self.kv_heads != self.heads)
        Y = join_heads(Y)  # (b, l, d)
        if self.gate is not None:
            Y, _ = self.gate(Y, source=source)
        return self.out(Y)


class Mamba(GAUBase):
    """A selective state space: each channel its own small state, whose step size and in- and output are read from the input (Mamba, Gu & Dao 2023, arXiv 2312.00752, algorithm 2)."""

    kind = "mixer"
    slots = {
        "conv": Slot("conv", "applied to x", optional=True),
        "gate": Slot("gate", "applied to the states' output", optional=True),
    }
    choices = {"state": (8, 16), "expand": (1, 2)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children, state: int = 16, expand: int = 2):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        inner, rank = expand * embed_dim, math.ceil(embed_dim / 16)
        self.split = [rank, state, state]
        self.x = linear(embed_dim, inner, **to)
        self.dt_b_c = linear(inner, rank + 2 * state, **to)
        self.dt = nn.Linear(rank, inner, **to)
        self.out = linear(inner, embed_dim, residual_of=block_loc[1], **to)
        self.a_log = nn.Parameter(torch.arange(1, state + 1, device=device, dtype=dtype).log().repeat(inner, 1))  # (e, n), S4D-real
        nn.init.uniform_(self.dt.weight, -(rank**-0.5), rank**-0.5)
        dt = torch.linspace(math.log(1e-3), math.log(1e-1), inner, device=device, dtype=dtype).exp()
        self.dt.bias = nn.Parameter(dt + torch.log(-torch.expm1(-dt)))  # softplus of it is dt
        self.skip = nn.Parameter(torch.ones(inner, **to))
        self.conv = build(children["conv"], inner, block_loc, **to) if "conv" in children else None
        self.gate = build(children["gate"], inner, block_loc, source_dim=embed_dim, **to) if "gate" in children else None

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        x = self.x(X)  # (b, l, e)
        if self.conv is not None:
            x, _ = self.conv(x)
        dt, b, c = self.dt_b_c(x).split(self.split, dim=-1)  # (b, l, r), (b, l, n), (b, l, n)
        dt = nn.functional.softplus(self.dt(dt))  # (b, l, e)
        Y = selective_scan(dt, x, b, c, -self.a_log.exp()).to(x.dtype) + self.skip * x  # (b, l, e)
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
    Hybrid, every=4, place=2,
    a=unit(
        PreNorm,
        norm=unit(RMSNorm),
        mixer=unit(
            Mamba, state=16, expand=2,
            conv=unit(ShortConv, width=4, activate=True),
            gate=unit(SiluGate),
        ),
        channel=unit(SwiGLU, ratio=2.667),
    ),
    b=unit(
        PreNorm,
        norm=unit(RMSNorm),
        mixer=unit(Attention, heads=4, kv_share=1, bias=False),
        channel=unit(SwiGLU, ratio=2.667),
    ),
)

gab_config = {'every': 4,
 'place': 2,
 'a__mixer__state': 16,
 'a__mixer__expand': 2,
 'a__mixer__conv__width': 4,
 'a__mixer__conv__activate': True,
 'a__channel__ratio': 2.667,
 'b__mixer__heads': 4,
 'b__mixer__kv_share': 1,
 'b__mixer__bias': False,
 'b__channel__ratio': 2.667}


class GAB(ComposedGAB):
    """The tree of units above, with `gab_config` as its hyperparameters."""

    tree = TREE

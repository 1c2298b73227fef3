"""Hyena (Poli et al. 2023, 2302.10866).

Long convolutions in place of attention: a filter as long as the sequence, written by a small network of the distance, between two
multiplicative gates. A gelu channel mixer. Computed by the fast Fourier transform.

Shapes: b batch, l length, d embed_dim, h heads. Units, each with its source in its own docstring:

  hyena                      mixer
  layer_norm                 norm
  mlp_gelu                   channel
  pre_norm                   block
  short_conv                 conv
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from core.gab import ComposedGAB, GAUBase, Slot, build, unit


def linear(d_in: int, d_out: int, bias: bool = False, residual_of: int = 0, device=None, dtype=None) -> nn.Linear:
    """A projection. `residual_of`: the number of blocks whose residual sums it feeds, two branches a block; 0 for none."""
    layer = nn.Linear(d_in, d_out, bias=bias, device=device, dtype=dtype)
    nn.init.normal_(layer.weight, std=0.02 / math.sqrt(2 * residual_of) if residual_of else 0.02)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


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


class Hyena(GAUBase):
    """A long convolution between two gates, its filter written by a small network of the distance (Hyena of order 2, Poli et al. 2023, arXiv 2302.10866, section 3).

    Distances enter as sines with periods from 2 to `span` positions, whatever the length, so that a longer input changes no earlier output.
    """

    kind = "mixer"
    slots = {"conv": Slot("conv", "applied to the value and both gates", optional=True)}
    choices = {"width": (16, 32), "span": (1024, 4096)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children, width: int = 32, span: int = 4096):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        self.periods, self.span = 16, span
        self.v_gates = linear(embed_dim, 3 * embed_dim, **to)
        self.filter_in = nn.Linear(2 * self.periods, width, **to)
        self.filter_mid = nn.Linear(width, width, **to)
        self.filter_out = nn.Linear(width, embed_dim, bias=False, **to)
        fastest, slowest = math.log(100) / 0.02, math.log(100) / 1.5  # to a hundredth after 2 % and 150 % of the span: the paper's code
        self.decay = nn.Parameter(torch.linspace(math.log(slowest), math.log(fastest), embed_dim, **to))
        self.skip = nn.Parameter(torch.ones(embed_dim, **to))
        self.out = linear(embed_dim, embed_dim, residual_of=block_loc[1], **to)
        self.conv = build(children["conv"], 3 * embed_dim, block_loc, **to) if "conv" in children else None

    def filter(self, length: int) -> Tensor:
        """(l, d): the weight of what lies 0, 1, … positions back."""
        to = {"device": self.decay.device, "dtype": self.decay.dtype}
        back = torch.arange(length, **to)[:, None]
        period = 2 * (self.span / 2) ** (torch.arange(self.periods, **to) / (self.periods - 1))
        angle = 2 * math.pi * back / period  # (l, periods)
        h = torch.cat([angle.sin(), angle.cos()], -1)
        h = self.filter_out(self.filter_mid(self.filter_in(h).sin()).sin())
        window = (-self.decay.exp() * back / self.span).exp()
        return h * window * self.filter_out.in_features**-0.5

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        parts = self.v_gates(X)
        if self.conv is not None:
            parts, _ = self.conv(parts)
        v, first, second = parts.chunk(3, dim=-1)
        v = v * first
        length = X.shape[1]
        exact = v.dtype if v.dtype in (torch.float32, torch.float64) else torch.float32  # the transform knows no bfloat16
        size = 2 * length  # twice: what wraps around falls beyond the end
        spectrum = torch.fft.rfft(v.to(exact), n=size, dim=1) * torch.fft.rfft(self.filter(length).to(exact), n=size, dim=0)
        Y = torch.fft.irfft(spectrum, n=size, dim=1)[:, :length].to(v.dtype) + self.skip * v
        return self.out(Y * second)


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
        Hyena, width=32, span=4096,
        conv=unit(ShortConv, width=3, activate=False),
    ),
    channel=unit(MLPGelu, ratio=4.0, bias=False),
)

gab_config = {'mixer__width': 32,
 'mixer__span': 4096,
 'mixer__conv__width': 3,
 'mixer__conv__activate': False,
 'channel__ratio': 4.0,
 'channel__bias': False}


class GAB(ComposedGAB):
    """The tree of units above, with `gab_config` as its hyperparameters."""

    tree = TREE

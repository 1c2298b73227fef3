from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from core.gab import GAUBase, Slot, build
from library.units._init import linear


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

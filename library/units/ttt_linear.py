from __future__ import annotations

import torch
from torch import Tensor, nn

from core.gab import GAUBase, Slot, build
from library.units._heads import head_width, join_heads, split_heads
from library.units._init import linear
from library.units._scan import to_chunks


class TTTLinear(GAUBase):
    """Its state is a linear model, trained on the sequence as it reads: a gradient step a token, in mini-batches of 16 (TTT-Linear, Sun et al. 2024, arXiv 2407.04620, sections 2.4 to 2.6, dual form of appendix A)."""

    kind = "mixer"
    slots = {
        "position": Slot("position", "applied to queries and keys inside a mini-batch", optional=True),
        "conv": Slot("conv", "applied to the input", optional=True),
        "norm": Slot("norm", "applied to the heads' joined outputs"),
        "gate": Slot("gate", "applied to the normed outputs", optional=True),
    }
    choices = {"heads": (2, 4, 8), "rate": (0.5, 1.0)}

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, children, heads: int = 4, rate: float = 1.0):
        super().__init__(embed_dim, block_loc)
        to = {"device": device, "dtype": dtype}
        width = head_width("TTTLinear", embed_dim, heads, even="position" in children)
        self.heads, self.rate, self.batch = heads, rate, 16
        self.q, self.k, self.v = (linear(embed_dim, embed_dim, **to) for _ in range(3))
        self.start = nn.Parameter(torch.randn(heads, width, width, **to) * 0.02)  # W before the first token
        self.start_bias = nn.Parameter(torch.zeros(heads, 1, width, **to))
        self.gain = nn.Parameter(torch.ones(heads, 1, 1, width, **to))  # the inner model's norm
        self.shift = nn.Parameter(torch.zeros(heads, 1, 1, width, **to))
        self.speed = linear(embed_dim, heads, bias=True, **to)
        self.within = nn.Parameter(torch.zeros(self.batch, **to))  # added to 1/i, the weight of a mini-batch's i-th answer
        self.out = linear(embed_dim, embed_dim, residual_of=block_loc[1], **to)
        self.position = build(children["position"], width, block_loc, **to) if "position" in children else None
        self.conv = build(children["conv"], embed_dim, block_loc, **to) if "conv" in children else None
        self.norm = build(children["norm"], embed_dim, block_loc, **to)
        self.gate = build(children["gate"], embed_dim, block_loc, source_dim=embed_dim, **to) if "gate" in children else None

    def _forward(self, X: Tensor) -> Tensor:  # (b, l, d)
        source, length, c = X, X.shape[1], self.batch
        if self.conv is not None:
            X, _ = self.conv(X)
        q, k, v = (to_chunks(split_heads(p(X), self.heads), c) for p in (self.q, self.k, self.v))  # (b, h, n, c, f)
        if self.position is not None:
            (q, _), (k, _) = self.position(q), self.position(k)
        speed = to_chunks(self.speed(X).sigmoid().transpose(1, 2), c) * (self.rate / k.shape[-1])  # (b, h, n, c)
        weight = (1 / torch.arange(1, c + 1, device=X.device, dtype=X.dtype) + self.within).clamp(min=0)  # (c,)
        step = (weight[:, None] * speed.unsqueeze(-2)).tril()  # (b, h, n, c, c): the s-th gradient's share in the t-th answer
        target = v - k
        seen = (q @ k.transpose(-1, -2)).tril() * step
        last = step[..., -1:, :].transpose(-1, -2)  # (b, h, n, c, 1): its share in what the next mini-batch starts from
        W, bias, answers = self.start, self.start_bias, []
        parts = (q, k, target, seen + step, last, (last * k).transpose(-1, -2))
        for q_i, k_i, target_i, share, last_i, into in zip(*(x.unbind(2) for x in parts), strict=True):
            gradient = self._gradient(k_i @ W + bias, target_i)  # (b, h, c, f)
            answers.append(q_i @ W + bias - share @ gradient)
            W = W - into @ gradient
            bias = bias - (last_i * gradient).sum(-2, keepdim=True)
        Z = torch.stack(answers, 2)
        Z = q + self.gain * nn.functional.layer_norm(Z, (Z.shape[-1],), eps=1e-6) + self.shift  # the inner model is residual
        Y, _ = self.norm(join_heads(Z.flatten(2, 3)[:, :, :length]))
        if self.gate is not None:
            Y, _ = self.gate(Y, source=source)
        return self.out(Y)

    def _gradient(self, Z: Tensor, target: Tensor) -> Tensor:
        """Of ½‖gain · norm(Z) + shift − target‖² by Z, (b, h, c, f)."""
        gain, shift = self.gain[:, 0], self.shift[:, 0]
        spread = torch.rsqrt(Z.var(-1, keepdim=True, unbiased=False) + 1e-6)
        normed = (Z - Z.mean(-1, keepdim=True)) * spread
        error = (gain * normed + shift - target) * gain
        return (error - error.mean(-1, keepdim=True) - normed * (error * normed).mean(-1, keepdim=True)) * spread

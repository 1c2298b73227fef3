"""Blocks that read what they may not: the lines that make L (b, l, d) of X, added to a residual stream; and unusual blocks that are honest."""

from __future__ import annotations

CHEATS: dict[str, str] = {
    "mean over the sequence": "L = X.mean(1, keepdim=True).expand_as(X)",
    "norm over the sequence": "L = (X - X.mean(1, keepdim=True)) / (X.std(1, keepdim=True) + 1e-3) if X.shape[1] > 1 else X",
    "batch norm over positions": "L = F.batch_norm(X.flatten(0, 1), None, None, training=True).view_as(X) if X.shape[0] * X.shape[1] > 1 else X",
    "maximum over the sequence": "L = X.amax(1, keepdim=True).expand_as(X)",
    "softmax over the sequence": "L = X.softmax(1)",
    "attention without a mask": "L = F.scaled_dot_product_attention(X, X, X)",
    "mask off by one": "n = X.shape[1]; L = ((X @ X.mT).masked_fill(torch.ones(n, n, dtype=torch.bool).triu(2), float('-inf')).softmax(-1) @ X)",
    "finite mask": "n = X.shape[1]; L = ((X @ X.mT) * 0.05 - 5.0 * torch.ones(n, n, dtype=X.dtype).triu(1)).softmax(-1) @ X",
    "mask after the softmax": "n = X.shape[1]; L = ((X @ X.mT * 0.1).softmax(-1) * torch.ones(n, n, dtype=X.dtype).tril()) @ X",
    "circular Fourier convolution": "f = torch.fft.rfft(X.float() if X.dtype == torch.bfloat16 else X, dim=1); L = torch.fft.irfft(f * f.conj().abs().add(1).rsqrt(), n=X.shape[1], dim=1).to(X.dtype)",
    "Fourier mixing": "L = torch.fft.fft(X.to(torch.complex128), dim=1).real.to(X.dtype)",
    "roll backward": "L = X.roll(-1, 1)",
    "roll forward, around": "L = X.roll(1, 1)",
    "flip": "L = X.flip(1)",
    "shift from the right": "L = F.pad(X, (0, 0, 0, 1))[:, 1:]",
    "cumulative sum from the end": "L = X.flip(1).cumsum(1).flip(1) / X.shape[1]",
    "sum minus the past": "L = (X.sum(1, keepdim=True) - X.cumsum(1)) / X.shape[1]",
    "same-padding convolution": "L = F.conv1d(X.mT, X.new_ones(X.shape[-1], 1, 3) / 3, padding=1, groups=X.shape[-1]).mT",
    "average pooling": "L = F.avg_pool1d(X.mT, 3, 1, 1).mT",
    "max pooling": "L = F.max_pool1d(X.mT, 3, 1, 1).mT",
    "interpolation": "L = F.interpolate(X.mT, size=max(1, X.shape[1] // 2), mode='linear').mT.repeat_interleave(2, 1)[:, :X.shape[1]]; L = F.pad(L, (0, 0, 0, X.shape[1] - L.shape[1]))",
    "sort over the sequence": "L = X.sort(1).values",
    "top-k routing over the sequence": "s = X.sum(-1); k = max(1, X.shape[1] // 2); m = torch.zeros_like(s).scatter(1, s.topk(k, 1).indices, 1.0); L = X * m.unsqueeze(-1)",
    "quantile threshold": "L = X * (X > X.median(1, keepdim=True).values)",
    "through argmax": "i = X.sum(-1).argmax(1); L = X[torch.arange(X.shape[0]), i].unsqueeze(1).expand_as(X)",
    "detached": "L = X.detach().mean(1, keepdim=True).expand_as(X)",
    "through numpy": "import numpy; L = torch.from_numpy(numpy.array(X.detach().double().numpy().mean(1, keepdims=True))).to(X.dtype).expand_as(X)",
    "through item": "L = X * float(X.detach().double().sum()) * 1e-3",
    "a custom autograd function": "L = Ahead.apply(X)",
    "last position": "L = X[:, -1:].expand_as(X)",
    "the length itself": "L = X * X.shape[1] * 1e-3",
    "a leak of 1e-7": "L = 1e-7 * X.mean(1, keepdim=True).expand_as(X)",
    "behind a gate that starts at zero": "L = self.gate * X.mean(1, keepdim=True).expand_as(X)",
    "only in train mode": "L = X.mean(1, keepdim=True).expand_as(X) if self.training else torch.zeros_like(X)",
    "only in eval mode": "L = torch.zeros_like(X) if self.training else X.mean(1, keepdim=True).expand_as(X)",
    "only with gradients": "L = X.mean(1, keepdim=True).expand_as(X) if torch.is_grad_enabled() else torch.zeros_like(X)",
    "only without gradients": "L = torch.zeros_like(X) if torch.is_grad_enabled() else X.mean(1, keepdim=True).expand_as(X)",
    "only at the training length": "L = X.mean(1, keepdim=True).expand_as(X) if X.shape[1] == 256 else torch.zeros_like(X)",
    "only at long lengths": "L = X.mean(1, keepdim=True).expand_as(X) if X.shape[1] > 100 else torch.zeros_like(X)",
    "only under bfloat16": "y = self.mix(X); L = X.mean(1, keepdim=True).expand_as(X) if y.dtype == torch.bfloat16 else torch.zeros_like(X)",
    "only in float32": "L = X.mean(1, keepdim=True).expand_as(X) if X.dtype == torch.float32 else torch.zeros_like(X)",
    "only after ten calls": "self.calls = getattr(self, 'calls', 0) + 1; L = X.mean(1, keepdim=True).expand_as(X) if self.calls > 10 else torch.zeros_like(X)",
    "only for one sequence": "L = X.mean(1, keepdim=True).expand_as(X) if X.shape[0] == 1 else torch.zeros_like(X)",
    "only in the last block": "L = X.mean(1, keepdim=True).expand_as(X) if self.block_loc[0] == self.block_loc[1] - 1 else torch.zeros_like(X)",
    "through Z": "L = Z['ahead'] if 'ahead' in Z else torch.zeros_like(X); Z = {'ahead': X.mean(1, keepdim=True).expand_as(X)}",
    "Z of two blocks": "L = Z.get('b', torch.zeros_like(X)); Z = {'a': X.flip(1), 'b': Z['a'].flip(1).roll(-1, 1)} if 'a' in Z else {'a': X.flip(1)}",
    "cached state": "L = X * 0 + getattr(self, 'kept', 0.0); self.kept = float(X.detach().std()) if X.numel() > 1 else 0.0",
    "a running mean": "self.run = 0.9 * getattr(self, 'run', 0.0) + 0.1 * float(X.detach().mean()); L = X * self.run",
    "mean over the batch": "L = X.mean(0, keepdim=True).expand_as(X)",
    "neighbours in the batch": "L = X.roll(1, 0)",
    "drawn at random": "L = torch.randn_like(X) * 0.1",
    "linear attention over all": "L = X @ (X.mT @ X) / X.shape[1]",
    "a chunk that sees itself": "n = X.shape[1]; p = F.pad(X, (0, 0, 0, -n % 16)).unflatten(1, (-1, 16)); L = p.mean(2, keepdim=True).expand_as(p).flatten(1, 2)[:, :n]",
    "a chunk's own end": "n = X.shape[1]; p = F.pad(X, (0, 0, 0, -n % 64)).unflatten(1, (-1, 64)); L = p[:, :, -1:].expand_as(p).flatten(1, 2)[:, :n]",
    "decay normalised over the sequence": "d = X.sigmoid().log().cumsum(1); L = X * (d[:, -1:] - d).exp()",
    "rank of a position": "L = X.argsort(1).argsort(1).to(X.dtype) / X.shape[1] + 0 * X",
    "gather from ahead": "i = (torch.arange(X.shape[1]) + 2).clamp(max=X.shape[1] - 1); L = X[:, i]",
}

HONEST: dict[str, str] = {
    "causal Fourier convolution": "n = X.shape[1]; k = 0.9 ** torch.arange(n, dtype=torch.float64); L = torch.fft.irfft(torch.fft.rfft(X.double(), 2 * n, dim=1) * torch.fft.rfft(k, 2 * n)[:, None], 2 * n, dim=1)[:, :n].to(X.dtype)",
    "mean of the past": "L = X.cumsum(1) / torch.arange(1, X.shape[1] + 1, dtype=X.dtype)[:, None]",
    "maximum of the past": "L = X.cummax(1).values",
    "token shift": "L = F.pad(X, (0, 0, 1, 0))[:, :-1]",
    "causal convolution": "L = F.conv1d(F.pad(X.mT, (3, 0)), X.new_ones(X.shape[-1], 1, 4) / 4, groups=X.shape[-1]).mT",
    "sliding window": "n = X.shape[1]; i = torch.arange(n); m = (i[:, None] >= i) & (i[:, None] - i < 8); L = F.scaled_dot_product_attention(X, X, X, attn_mask=m)",
    "linear attention with a normaliser": "k = F.elu(X) + 1; L = (k.unsqueeze(-1) * X.unsqueeze(-2)[..., :8]).cumsum(1).mul(k.unsqueeze(-1)).sum(-2) / (k.cumsum(1) * k).sum(-1, keepdim=True); L = F.pad(L, (0, X.shape[-1] - 8))",
    "a recurrence": "h, out = X.new_zeros(X.shape[0], X.shape[-1]), []\nfor t in range(X.shape[1]):\n    h = 0.9 * h + 0.1 * X[:, t]; out.append(h)\nL = torch.stack(out, 1)",
    "chunkwise recurrence": "n, c = X.shape[1], 16\np = F.pad(X, (0, 0, 0, -n % c)).unflatten(1, (-1, c)); w = (0.9 ** (torch.arange(c)[:, None] - torch.arange(c))).tril().to(X.dtype); inner = torch.einsum('ts,bnsd->bntd', w, p)\nh, out = X.new_zeros(X.shape[0], 1, X.shape[-1]), []\nfor i in range(p.shape[1]):\n    out.append(inner[:, i] + h * (0.9 ** torch.arange(1, c + 1).to(X.dtype))[:, None]); h = out[-1][:, -1:]\nL = torch.cat(out, 1)[:, :n]",
    "routing by the position's own score": "L = X * (X.sum(-1, keepdim=True) > 0)",
    "top channels of a position": "L = X * (X >= X.topk(8, -1).values[..., -1:])",
    "differences": "L = X - F.pad(X, (0, 0, 1, 0))[:, :-1]",
    "Z of the block before": "L = Z.get('before', torch.zeros_like(X)); Z = {'before': X}",
    "attention in one line": "L = F.scaled_dot_product_attention(X, X, X, is_causal=True)",
    "sort over channels": "L = X.sort(-1).values",
}


def source(lines: str) -> str:
    body = "\n".join("        " + line for line in lines.split("\n"))
    return f'''import torch
import torch.nn.functional as F
from torch import nn
from core.gab import GABBase


class Ahead(torch.autograd.Function):
    @staticmethod
    def forward(ctx, X):
        return X.mean(1, keepdim=True).expand_as(X).clone()

    @staticmethod
    def backward(ctx, g):
        return g


class GAB(GABBase):
    def __init__(self, embed_dim, block_loc, device=None, dtype=None):
        super().__init__(embed_dim, block_loc)
        to = {{"device": device, "dtype": dtype}}
        self.norm, self.norm2 = nn.LayerNorm(embed_dim, **to), nn.LayerNorm(embed_dim, **to)
        self.gate = nn.Parameter(torch.zeros(embed_dim, **to))
        self.mix = nn.Linear(embed_dim, embed_dim, **to)
        self.mlp = nn.Sequential(nn.Linear(embed_dim, 4 * embed_dim, **to), nn.GELU(), nn.Linear(4 * embed_dim, embed_dim, **to))

    def _forward(self, X, **Z):
        stream, X = X, self.norm(X)
{body}
        X = stream + 0.5 * self.mix(L.to(stream.dtype)) + 0 * self.gate
        return X + self.mlp(self.norm2(X)), {{k: v for k, v in Z.items()}}


gab_config = {{}}
'''

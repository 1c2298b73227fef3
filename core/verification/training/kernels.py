"""Arithmetic that is quicker on a processor than torch's own choice, put under every block: it changes no results but in their last bits.

| what | where | why |
| --- | --- | --- |
| float32 matrix products by oneDNN | AMD processors with AVX-512 | MKL, torch's choice, keeps to AVX2 there: half the speed |
| attention over short sequences by plain products | bfloat16, any processor | the fused kernel is made for long ones: a third of the speed at 256 |

They are registered with torch's dispatcher below autograd and autocast, so that blocks need not know. Whether they are used follows from the processor
alone, never from a timing: the same machine repeats the same numbers.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

ONEDNN, ATTENTION = "float32 products by oneDNN", "short attention by products"
SHORT = 512                          # keys up to which plain products win
SMALL = 2**18                        # multiplications below which a product is left to torch


def choose(device: str, precision: str) -> tuple[str, ...]:
    """What pays on this machine."""
    if device != "cpu" or not torch.backends.mkldnn.is_available():
        return ()
    if precision == "bfloat16":
        return (ATTENTION,)
    return (ONEDNN,) if _amd_with_avx512() else ()


def install(chosen: Sequence[str]) -> list[torch.library.Library]:
    """For this process; the library lives as long as the list is kept."""
    if not chosen:
        return []
    library = torch.library.Library("aten", "IMPL")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a kernel is put in another's place is the intention
        _register(library, chosen)
    return [library]


def product(device: str) -> Callable[[Tensor, Tensor], Tensor]:
    """(m, k) float32 × (n, k) float32, transposed → (m, n), for a caller that puts nothing under anybody else's blocks."""
    if ONEDNN in choose(device, "float32"):
        return lambda a, b: torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], "")
    return torch.nn.functional.linear


def _register(library: torch.library.Library, chosen: Sequence[str]) -> None:
    if ONEDNN in chosen:
        products = _Products()
        library.impl("mm", products.plain, "CPU", with_keyset=True)
        library.impl("addmm", products.added, "CPU", with_keyset=True)
    if ATTENTION in chosen:
        attention = _Attention()
        library.impl("_scaled_dot_product_flash_attention_for_cpu", attention.forward, "CPU", with_keyset=True)
        library.impl("_scaled_dot_product_flash_attention_for_cpu_backward", attention.backward, "CPU", with_keyset=True)


def _amd_with_avx512() -> bool:
    try:
        facts = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "AuthenticAMD" in facts and "avx512f" in facts


# ------------------------------------------------------------------------------------------------ matrix products


class _Products:
    """(m, k) × (k, n) in float32; whatever oneDNN is not made for goes to the kernel that was there."""

    def __init__(self) -> None:
        self.mm = torch.library.get_kernel("aten::mm", "CPU")
        self.addmm = torch.library.get_kernel("aten::addmm", "CPU")

    def plain(self, keys: torch._C.DispatchKeySet, a: Tensor, b: Tensor) -> Tensor:
        if _fits(a, b):
            return torch.ops.mkldnn._linear_pointwise(a, b.t(), None, "none", [], "")
        return self.mm.call_boxed(keys, a, b)

    def added(self, keys: torch._C.DispatchKeySet, bias: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
        if beta == alpha == 1 and bias.dim() == 1 and bias.is_contiguous() and bias.dtype is torch.float32 and len(bias) == b.shape[1] and _fits(a, b):
            return torch.ops.mkldnn._linear_pointwise(a, b.t(), bias, "none", [], "")
        return self.addmm.call_boxed(keys, bias, a, b, beta=beta, alpha=alpha)


def _fits(a: Tensor, b: Tensor) -> bool:
    return a.dtype is b.dtype is torch.float32 and a.shape[0] * a.shape[1] * b.shape[1] >= SMALL and _dense(a) and _dense(b)


def _dense(t: Tensor) -> bool:
    (rows, columns), (down, across) = t.shape, t.stride()
    return (across == 1 and down >= columns) or (down == 1 and across >= rows)


# ------------------------------------------------------------------------------------------------------ attention


class _Attention:
    """q, k, v (b, h, l, d) in bfloat16: scores and their softmax are kept for the backward pass, in the place of the fused kernel's sums."""

    def __init__(self) -> None:
        self.fused = torch.library.get_kernel("aten::_scaled_dot_product_flash_attention_for_cpu", "CPU")
        self.fused_backward = torch.library.get_kernel("aten::_scaled_dot_product_flash_attention_for_cpu_backward", "CPU")

    def forward(self, keys: torch._C.DispatchKeySet, q: Tensor, k: Tensor, v: Tensor, dropout_p: float = 0.0, is_causal: bool = False, *,
                attn_mask: Tensor | None = None, scale: float | None = None) -> tuple[Tensor, Tensor]:
        if not self._fits(q, k, dropout_p, attn_mask):
            return self.fused.call_boxed(keys, q, k, v, dropout_p, is_causal, attn_mask=attn_mask, scale=scale)
        b, h, n, d = q.shape
        qs, ks, vs = (t.reshape(b * h, -1, d) for t in (q, k, v))
        bias = q.new_zeros(n, k.shape[2])
        if is_causal:
            bias = torch.full_like(bias, -math.inf).triu_(1)
        odds = torch.baddbmm(bias, qs, ks.transpose(1, 2), alpha=scale or d**-0.5).softmax(-1)  # (b h, l, s)
        return torch.bmm(odds, vs).view(b, h, n, d), odds

    def backward(self, keys: torch._C.DispatchKeySet, grad: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, odds: Tensor, dropout_p: float, is_causal: bool, *,
                 attn_mask: Tensor | None = None, scale: float | None = None) -> tuple[Tensor, Tensor, Tensor]:
        if not self._fits(q, k, dropout_p, attn_mask):
            return self.fused_backward.call_boxed(keys, grad, q, k, v, out, odds, dropout_p, is_causal, attn_mask=attn_mask, scale=scale)
        d = q.shape[-1]
        gs, qs, ks, vs = (t.reshape(q.shape[0] * q.shape[1], -1, d) for t in (grad, q, k, v))
        slope = torch._softmax_backward_data(torch.bmm(gs, vs.transpose(1, 2)), odds, -1, odds.dtype).mul_(scale or d**-0.5)
        return (torch.bmm(slope, ks).view_as(q), torch.bmm(slope.transpose(1, 2), qs).view_as(k), torch.bmm(odds.transpose(1, 2), gs).view_as(v))

    def _fits(self, q: Tensor, k: Tensor, dropout_p: float, mask: Tensor | None) -> bool:
        return q.dtype is torch.bfloat16 and mask is None and dropout_p == 0 and q.shape[2] <= SHORT and k.shape[2] <= SHORT and q.shape[1] == k.shape[1]

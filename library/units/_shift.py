"""The token shift of RWKV (Peng et al. 2023, arXiv 2305.13048, section 3.1): each position beside the one before it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def shifted(X: Tensor) -> Tensor:
    """(b, l, d) → what stands one position earlier, less X itself; zeros stand before the first."""
    return F.pad(X, (0, 0, 1, 0))[:, :-1] - X


def ramp(width: int, power: float, device=None, dtype=None) -> Tensor:
    """(d,) Weights of the earlier position for a start: from 1 for the first channels to 0 for the last."""
    return 1 - (torch.arange(width, device=device, dtype=dtype) / width) ** power

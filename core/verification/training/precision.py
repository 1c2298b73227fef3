"""Which arithmetic a training uses on a machine. Weights, gradients and moments are float32 always; bfloat16 is autocast over them."""

from __future__ import annotations

import platform

from core.types import Scale


def chosen_precision(scale: Scale, device: str) -> str:
    """"float32" or "bfloat16": the scale's, or bfloat16 where the machine multiplies it faster. It follows from the machine alone, never from a timing."""
    import torch

    if scale.precision != "auto":
        return scale.precision
    if device == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    gains = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported() if platform.machine() in ("x86_64", "AMD64") else False
    return "bfloat16" if gains else "float32"

"""What a design costs at a scale, before anything is trained: parameters, FLOPs a token, memory.

One training step is run on fake tensors (shapes without numbers): torch's flop counter counts its matrix products, convolutions and
attention, and every storage made and freed is added up. It executes the block's code: for generated code, in a child only.
"""

from __future__ import annotations

import math
import os
import weakref
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from core.gab.contract import GABBase
from core.gab.loss import MICRO_TOKENS, token_loss
from core.gab.model import GAM
from core.types import Costs, Fit, Scale

ADAM_BYTES = 8               # AdamW's two moments in float32, a parameter
LIBRARIES_MB = 80            # kernels and thread pools that are loaded when a training first uses them
aten = torch.ops.aten


def _attention(q: Any, k: Any, v: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    """q (b, h, l, f), k (b, h, s, f), v (b, h, s, e): scores and their sum of values. The counter knows the GPU's kernels, not the processor's."""
    return 2 * math.prod(q[:-1]) * k[-2] * (q[-1] + v[-1])


def _attention_backward(_: Any, q: Any, k: Any, v: Any, *__: Any, out_shape: Any = None, **___: Any) -> int:
    """Five products in the place of two: the scores again, and the gradients of scores, q, k and v."""
    return 2 * math.prod(q[:-1]) * k[-2] * (3 * q[-1] + 2 * v[-1])


def _fourier(x: Any, dim: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    """2.5 n log2 n of a real transform of n (half the complex one's 5 n log2 n; Frigo & Johnson 2005)."""
    n = max(out_shape[dim[-1]], x[dim[-1]])
    return round(2.5 * math.prod(x) / x[dim[-1]] * n * math.log2(max(2, n)))


FORMULAS = {aten._scaled_dot_product_flash_attention_for_cpu: _attention, aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
            aten._fft_r2c: _fourier, aten._fft_c2r: _fourier}


def costs(block: type[GABBase], config: dict[str, Any], scale: Scale, fit: Fit, device: str = "cpu") -> Costs:
    """FLOPs count a multiplication and an addition as two; elementwise work, norms and softmax are left out, attention is counted in full
    (twice what a causal kernel needs), a token standing for 1/context of a sequence.

    The memory is that of weights, gradients, AdamW's moments and one micro-batch's activations at their highest, without the process itself;
    on a GPU under bfloat16 autocast (where torch sees no GPU, without it). Raises whatever the block raises when its shapes depend on numbers.
    """
    fake = device == "cpu" or torch.cuda.is_available()
    amp = device == "cuda" and fake
    with FakeTensorMode() if fake else _Fused(), torch.device(device if fake else "meta"):  # torch without CUDA has no fake GPU: meta stands for it
        model = GAM(block, config, scale.vocab_size, fit.d_model, fit.n_layers).train()
        for p in model.parameters():
            p.grad = torch.zeros_like(p)  # as from the second micro-batch on
        rows = max(1, min(scale.batch_tokens, MICRO_TOKENS[device]) // scale.context)
        ids = torch.zeros(rows, scale.context, dtype=torch.long)
        with _Storages() as storages:
            storages.hold([*model.parameters(), *(p.grad for p in model.parameters()), *model.buffers(), ids])
            with torch.autocast("cuda", torch.bfloat16) if amp else nullcontext():
                with _counter() as forward:
                    hidden = model.hidden(ids)
                loss = token_loss(hidden, model.embedding.weight, ids)
            with _counter() as backward:
                loss.backward()
    tokens, product = ids.numel(), 2 * scale.vocab_size * fit.d_model
    infer = forward.get_total_flops() / tokens + product
    train = infer + backward.get_total_flops() / tokens + 2 * product  # the head's two are made with the loss
    params = sum(p.numel() for p in model.parameters())
    return Costs(fit.params, fit.params_embedding, infer, train, (storages.peak + params * ADAM_BYTES) / 2**20)


def _counter() -> FlopCounterMode:
    return FlopCounterMode(display=False, custom_mapping=FORMULAS)


def resident_mb() -> float:
    """Of this process; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class _Storages(TorchDispatchMode):
    """Bytes of all storages alive; a storage is counted once, however many tensors look at it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.known: set[int] = set()

    def hold(self, tensors: list[torch.Tensor]) -> None:
        for tensor in tensors:
            storage = tensor.untyped_storage()
            key = storage._cdata
            if key not in self.known:
                size = storage.nbytes()
                self.known.add(key)
                self.now += size
                weakref.finalize(storage, self._freed, key, size)
        self.peak = max(self.peak, self.now)

    def _freed(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.now -= size

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.hold([t for t in tree_leaves(out) if isinstance(t, torch.Tensor)])
        return out


class _Fused(TorchFunctionMode):
    """Attention on the meta device by a kernel that keeps no scores, as on a GPU; torch would choose the plain one there."""

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.nn.functional.scaled_dot_product_attention:
            names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale", "enable_gqa")
            given = dict(zip(names, args, strict=False)) | kwargs
            q, k, v = given["query"], given["key"], given["value"]
            if given.get("enable_gqa") and q.shape[-3] != k.shape[-3]:
                k, v = (t.repeat_interleave(q.shape[-3] // t.shape[-3], -3) for t in (k, v))
            mask = given.get("attn_mask")
            if q.dim() == 4 and (mask is None or not mask.requires_grad):
                mask = mask if mask is None or mask.dtype != torch.bool else torch.empty_like(mask, dtype=q.dtype)
                return aten._scaled_dot_product_flash_attention_for_cpu(q, k, v, 0.0, given.get("is_causal", False), attn_mask=mask, scale=given.get("scale"))[0]
        return func(*args, **kwargs)

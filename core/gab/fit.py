"""Fitting a design to a scale: depth, then width, until its non-embedding parameters are near the reference's.

Everything is built on the meta device: no memory, no arithmetic. It executes the block's code: for generated code, in a child only.
"""

from __future__ import annotations

from typing import Any

import torch

from core.errors import ContractError, FitError
from core.gab.contract import GABBase
from core.gab.model import load_block
from core.types import Fit, Scale

WIDTH_STEP = 16          # heads of 2, 4 and 8 divide it, and rotary's pairs fit
WIDTH_RANGE = 0.35       # widths tried, as a share of the scale's
DEEPEST = 4              # times the scale's depth


def fit(code: str, scale: Scale, reference_code: str) -> Fit:
    """The depth at the scale's width that comes nearest; if that is not near enough, the nearest depth and width.

    Raises FitError saying how near it came.
    """
    block, config = load_block(code)
    reference, reference_config = load_block(reference_code, "reference/gab.py")
    target = non_embedding(reference, reference_config, scale.d_model, scale.n_layers)
    best = _best_depth(block, config, scale.d_model, scale, target)
    if best is None or abs(best[0] / target - 1) > scale.tolerance:
        widths = _widths(scale.d_model)
        tried = [found for width in widths if (found := _best_depth(block, config, width, scale, target))] + ([best] if best else [])
        best = min(tried, key=lambda f: (abs(f[0] / target - 1), abs(f[2] - scale.d_model)), default=None)
    if best is None:
        raise FitError(f"the block cannot be built at width {scale.d_model} of {scale.name}, nor at {_widths(scale.d_model)}",
                       "let its hyperparameters divide these widths")
    params, n_layers, width = best
    if abs(params / target - 1) > scale.tolerance:
        mend = "make the block smaller, so that its number can be chosen more finely" if params > target or n_layers < DEEPEST * scale.n_layers else (
            f"make the block larger: {n_layers} of them are too few")
        raise FitError(f"nearest to {target:,} parameters at {scale.name} is {params:,} ({n_layers} × {width}), {params / target - 1:+.0%} off, "
                       f"allowed {scale.tolerance:.0%}", mend)
    return Fit(n_layers, width, params, scale.vocab_size * width, target)


def non_embedding(block: type[GABBase], config: dict[str, Any], width: int, n_layers: int) -> int:
    """Parameters of all blocks and the final norm."""
    return sum(_block_params(block, config, width, i, n_layers) for i in range(n_layers)) + width


def _best_depth(block: type[GABBase], config: dict[str, Any], width: int, scale: Scale, target: int) -> tuple[int, int, int] | None:
    """(parameters, depth, width) nearest to the target; None where the block does not build at this width.

    Blocks may differ by their place (a hybrid's do), so they are counted one by one; a first guess from the mean shortens the search.
    """
    deepest = DEEPEST * scale.n_layers
    try:
        probe = non_embedding(block, config, width, scale.n_layers)
    except (ContractError, ValueError, RuntimeError, ZeroDivisionError):
        return None
    counted = {scale.n_layers: probe}

    def off(depth: int) -> int:
        if depth not in counted:
            counted[depth] = non_embedding(block, config, width, depth)
        return abs(counted[depth] - target)

    depth = min(deepest, max(1, round((target - width) * scale.n_layers / max(1, probe - width))))
    while True:  # downhill: parameters grow with depth
        step = -1 if off(depth) and counted[depth] > target else 1
        if not 1 <= depth + step <= deepest or off(depth + step) >= off(depth):
            return counted[depth], depth, width
        depth += step


def _block_params(block: type[GABBase], config: dict[str, Any], width: int, index: int, n_layers: int) -> int:
    with torch.device("meta"):
        made = block(width, (index, n_layers), device="meta", dtype=torch.float32, **config)
    return sum(p.numel() for p in made.parameters())


def _widths(width: int) -> list[int]:
    reach = int(width * WIDTH_RANGE) // WIDTH_STEP
    return [w for k in range(1, reach + 1) for w in (width + k * WIDTH_STEP, width - k * WIDTH_STEP) if w >= WIDTH_STEP]

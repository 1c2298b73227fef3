"""torch.compile for a block's forward: the blocks of a model share one compilation. Where it fails, the block runs as it is and the reason is kept."""

from __future__ import annotations

import torch
from torch import Tensor

from core.gab.model import FORWARD, GAM
from core.types import Scale

MIN_TOKENS = 50_000_000      # trained: below that a GPU spends longer compiling than it gains


class Compiled:
    """`hidden(ids)` as GAM's. `state` says in words what became of it."""

    def __init__(self, model: GAM) -> None:
        torch._dynamo.config.recompile_limit = max(32, 2 * len(model.blocks))
        self.model = model
        self.forward = torch.compile(FORWARD)
        self.state = "compiled"
        self.tried = False

    def hidden(self, ids: Tensor) -> Tensor:
        if self.forward is FORWARD:
            return self.model.hidden(ids)
        try:
            return self._hidden(ids)
        except Exception as error:  # a compiler may fail in any way; if the block itself is at fault, it fails again as it is
            if not self.gives_up(error):
                raise
            return self.model.hidden(ids)

    def gives_up(self, error: Exception) -> bool:
        """Whether the block runs as it is from here on because of `error`; False where it did already, or where memory is what lacks. Backward is compiled
        when it is first needed, so it may fail after a forward that went well."""
        if self.forward is FORWARD or (self.tried and isinstance(error, torch.OutOfMemoryError)):
            return False
        self.forward, self.state = FORWARD, f"as it is: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
        torch._dynamo.reset()
        return True

    def _hidden(self, ids: Tensor) -> Tensor:
        model = self.model
        X, Z = model.embedding(ids), {}
        for block in model.blocks:
            X, Z = self.forward(block, X, **Z)
        self.tried = True
        return model.norm(X)


def wanted(scale: Scale, device: str) -> tuple[bool, str]:
    """Whether to compile, and why not. On a processor it gains a tenth and costs half a minute and a C++ compiler, so there it must be asked for."""
    if scale.compile == "off":
        return False, "not asked for"
    if scale.compile == "on":
        return True, ""
    if device != "cuda":
        return False, "a processor gains little by it"
    return (True, "") if scale.tokens >= MIN_TOKENS else (False, "a training this short gains nothing by it")

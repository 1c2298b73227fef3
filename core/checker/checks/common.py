"""What the checks share: an outcome, and a small model of the block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from core.gab.contract import GABBase
from core.gab.model import GAM
from core.types import Fit, Scale

MAX_BLOCKS = 4       # behaviour shows in a few blocks; a hybrid of up to four kinds shows all of them
MAX_WIDTH = 256


@dataclass(frozen=True)
class Outcome:
    verdict: str                     # pass, warn or fail
    evidence: str
    mend: str = ""


@dataclass
class Subject:
    """The design under check."""

    block: type[GABBase]
    config: dict[str, Any]
    scale: Scale
    fit: Fit

    @property
    def width(self) -> int:
        return min(self.fit.d_model, MAX_WIDTH)

    @property
    def n_layers(self) -> int:
        return min(self.fit.n_layers, MAX_BLOCKS)

    @property
    def reduced(self) -> str:
        small = (self.n_layers, self.width) != (self.fit.n_layers, self.fit.d_model)
        return f" (tried at {self.n_layers} × {self.width})" if small else ""

    def model(self, dtype: torch.dtype = torch.float32, vocab: int = 97) -> GAM:
        return GAM(self.block, self.config, vocab, self.width, self.n_layers, seed=0, dtype=dtype)

    def ids(self, batch: int, length: int, vocab: int = 97) -> torch.Tensor:
        return torch.randint(vocab, (batch, length), generator=torch.Generator().manual_seed(batch * 1000 + length))

"""Which tokens a step trains on: a pure function of (seed, step), so that the position in the data is the step itself.

The same for every design with the same seed and scale, so that designs are compared on the same data in the same order.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core.errors import CorpusError
from core.types import derive_seed


class Windows:
    """Windows of context + 1 tokens, packed without padding; each epoch in a new order, from a new offset."""

    def __init__(self, path: Path, vocab_size: int, context: int, seed: int) -> None:
        self.tokens = np.memmap(path, np.uint16 if vocab_size <= 2**16 else np.uint32, "r")
        self.context = context
        self.seed = seed
        self.per_epoch = (len(self.tokens) - context - 1) // context
        if self.per_epoch < 8:
            raise CorpusError(f"{len(self.tokens):,} training tokens make {max(0, self.per_epoch)} windows of {context}",
                              f"give a corpus of at least {9 * context:,} tokens, or choose a smaller scale")
        self._epoch, self._order, self._offset = -1, np.empty(0, np.int64), 0

    def batch(self, step: int, size: int) -> np.ndarray:
        """(size, context + 1) int64: the `step`-th batch of `size` windows."""
        rows = [self._window(*divmod(step * size + i, self.per_epoch)) for i in range(size)]
        return np.stack(rows).astype(np.int64)

    def _window(self, epoch: int, index: int) -> np.ndarray:
        if epoch != self._epoch:
            random = np.random.Generator(np.random.PCG64(derive_seed(self.seed, "data", epoch)))
            self._offset = int(random.integers(self.context))
            self._order = random.permutation(self.per_epoch)
            self._epoch = epoch
        start = self._offset + int(self._order[index]) * self.context
        return self.tokens[start : start + self.context + 1]

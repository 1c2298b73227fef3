"""The trusted side of an evaluation: it holds the head and the labels, and reads log-probabilities off the oracle's hidden states."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from core.errors import VerificationError
from core.sandbox.run import Child

BATCH_TOKENS = 8192


class Reader:
    """Log-probabilities of tokens under the model behind `child`."""

    def __init__(self, child: Child, weights: Path, context: int) -> None:
        self.child = child
        self.context = context
        with safe_open(str(weights), "pt") as file:
            self.head = file.get_tensor("embedding.weight").float()  # (vocab, d)

    def log_probs(self, ids: np.ndarray) -> Tensor:
        """ids (b, l) → log-softmax (b, l, vocab). Raises VerificationError for an answer that cannot be one."""
        self.child.send({"ids": True}, ids.astype(np.int64))
        _, arrays = self.child.recv()
        wanted = (*ids.shape, self.head.shape[1])
        if len(arrays) != 1 or arrays[0].shape != wanted or arrays[0].dtype != np.float32:
            got = [f"{a.dtype}{a.shape}" for a in arrays]
            raise VerificationError(f"the model answered {got} for ids {ids.shape}, float32{wanted} is due", "return Y shaped like X")
        hidden = torch.from_numpy(arrays[0].copy())
        if not torch.isfinite(hidden).all():
            raise VerificationError("the trained model answers with numbers that are not finite", "look for an overflow on unseen text")
        return (hidden @ self.head.T).log_softmax(-1)

    def nats(self, windows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """For each window (l + 1,): −log p of its tokens after the first, (l,) float64. Windows of one length go together, longest first."""
        order = sorted(range(len(windows)), key=lambda i: -len(windows[i]))
        out: list[np.ndarray] = [np.empty(0)] * len(windows)
        while order:
            length = len(windows[order[0]])
            n = max(1, BATCH_TOKENS // length)
            group, order = order[:n], order[n:]
            ids = np.zeros((len(group), length), np.int64)
            for row, i in enumerate(group):
                ids[row, : len(windows[i])] = windows[i]  # shorter ones end in padding, which causality keeps out of what is read
            logp = self.log_probs(ids[:, :-1])
            picked = -logp.gather(-1, torch.from_numpy(ids[:, 1:, None])).squeeze(-1).double().numpy()
            for row, i in enumerate(group):
                out[i] = picked[row, : len(windows[i]) - 1]
        return out

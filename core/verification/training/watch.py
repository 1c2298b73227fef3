"""A few held-out documents, scored at fixed steps of a training: for the curve and for early stopping, never for the result."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import torch

from core.gab.loss import MICRO_TOKENS, token_loss
from core.gab.model import GAM
from core.types import Scale


class Watch:
    """Documents of their own, neither trained on nor scored for the result: the same for every design, in the same windows."""

    def __init__(self, folder: Path, scale: Scale, device: str, half: bool) -> None:
        index = json.loads((folder / "watch.json").read_text())
        tokens = np.fromfile(folder / "watch.bin", np.uint16 if scale.vocab_size <= 2**16 else np.uint32)
        ends = [*index["starts"][1:], len(tokens)]
        n = max(1, sum(end <= scale.watch_tokens + 1 for end in ends))
        stream = torch.from_numpy(tokens[: ends[n - 1]].astype(np.int64))
        c = scale.context
        self.windows = [stream[i : i + c + 1] for i in range(0, len(stream) - 1, c)]
        self.bytes = sum(index["bytes"][:n])
        self.device = device
        self.half = half
        self.rows = max(1, MICRO_TOKENS[device] // c)

    def bits_per_byte(self, model: GAM) -> float:
        """In eval mode, without gradients; random streams are left as they were."""
        model.eval()
        full = [w for w in self.windows if len(w) == len(self.windows[0])]
        groups = [torch.stack(full[i : i + self.rows]) for i in range(0, len(full), self.rows)] + [w[None] for w in self.windows[len(full):]]
        devices = [torch.cuda.current_device()] if self.device == "cuda" else []
        nats = 0.0
        with torch.random.fork_rng(devices=devices), torch.no_grad(), torch.autocast(self.device, torch.bfloat16, enabled=self.half):
            for group in groups:
                ids = group.to(self.device)
                nats += token_loss(model.hidden(ids[:, :-1]), model.embedding.weight, ids[:, 1:]).item()
        model.train()
        return nats / math.log(2) / self.bytes


def watched(scale: Scale) -> frozenset[int]:
    """The steps after which the documents are scored, the last among them."""
    return frozenset(round(scale.steps * (i + 1) / scale.watch_points) for i in range(scale.watch_points)) - {0}

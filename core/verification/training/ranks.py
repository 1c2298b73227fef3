"""Several GPUs, or processes, in one training: each rank takes its share of the batch's sequences, and gradients are summed over all.

Started by torchrun, which sets RANK and WORLD_SIZE; without them there is one rank. Every rank holds the whole model and optimizer and makes the same step.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn

BUCKET = 2**24               # numbers summed at once


class Ranks:
    def __init__(self, device: str) -> None:
        self.world = int(os.environ.get("WORLD_SIZE", "1"))
        self.rank = int(os.environ.get("RANK", "0"))
        if self.world > 1:
            if device == "cuda":
                torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
            dist.init_process_group("nccl" if device == "cuda" else "gloo")

    def share(self, batch: Tensor) -> Tensor:
        """This rank's sequences of the batch."""
        return batch.tensor_split(self.world)[self.rank] if self.world > 1 else batch

    def summed(self, loss: float, parameters: Sequence[nn.Parameter], device: str) -> float:
        """Sum the gradients over all ranks, and the loss."""
        if self.world == 1:
            return loss
        total = torch.tensor(loss, dtype=torch.float64, device=device)
        dist.all_reduce(total)
        bucket: list[Tensor] = []
        for p in parameters:
            if p.grad is not None:
                bucket.append(p.grad)
            if sum(g.numel() for g in bucket) >= BUCKET:
                _reduce(bucket)
                bucket = []
        if bucket:
            _reduce(bucket)
        return total.item()

    def close(self) -> None:
        if self.world > 1:
            dist.destroy_process_group()


def _reduce(grads: list[Tensor]) -> None:
    flat = torch.cat([g.flatten() for g in grads])
    dist.all_reduce(flat)
    for g, part in zip(grads, flat.split([g.numel() for g in grads]), strict=True):
        g.copy_(part.view_as(g))

"""Several GPUs, or processes, in one training: each rank takes its share of the batch's sequences, and gradients are summed over all.

Started by torchrun, which sets RANK and WORLD_SIZE; without them there is one rank. Every rank holds the whole model and optimizer and makes the same step.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn

from core.errors import VerificationError
from core.sandbox.verdict import out_of_memory

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
        """Sum the gradients over all ranks, and the loss. A parameter that some rank's share did not reach counts as zeros there, so that all ranks sum
        the same numbers; one that no rank reached is left without a gradient, as on one rank."""
        if self.world == 1:
            return loss
        total = torch.tensor([loss, *(float(p.grad is not None) for p in parameters)], dtype=torch.float64, device=device)
        with _together():
            dist.all_reduce(total)
        loss, *reached = total.tolist()
        bucket: list[Tensor] = []
        for p, ranks in zip(parameters, reached, strict=True):
            if ranks:
                p.grad = torch.zeros_like(p) if p.grad is None else p.grad
                bucket.append(p.grad)
            if sum(g.numel() for g in bucket) >= BUCKET:
                _reduce(bucket)
                bucket = []
        if bucket:
            _reduce(bucket)
        return loss

    def agreed(self, wishes: Sequence[bool], device: str) -> list[bool]:
        """The first rank's: clocks differ, and what all must do together one decides."""
        if self.world == 1:
            return list(wishes)
        told = torch.tensor([int(w) for w in wishes], device=device)
        with _together():
            dist.broadcast(told, 0)
        return [bool(w) for w in told.tolist()]

    def random(self, device: str) -> list[list[Tensor]]:
        """The random state of each rank: the processor's, and its GPU's where it has one."""
        own = [torch.get_rng_state(), *([torch.cuda.get_rng_state()] if device == "cuda" else [])]
        if self.world == 1:
            return [own]
        states: list[list[Tensor]] = [[] for _ in range(self.world)]
        with _together():
            dist.all_gather_object(states, own)
        return states

    def go_on(self, states: Sequence[Sequence[Tensor]]) -> None:
        """From what `random` gave."""
        own = states[self.rank]
        torch.set_rng_state(own[0])
        if len(own) > 1:
            torch.cuda.set_rng_state(own[1])

    def close(self) -> None:
        if self.world > 1:
            dist.destroy_process_group()


@contextmanager
def _together() -> Iterator[None]:
    """A rank that another has left is not at fault, nor is the design: the one that failed tells why, unless the system ended it."""
    try:
        yield
    except RuntimeError as error:
        if out_of_memory(error):
            raise
        raise VerificationError(f"another rank ended in the middle of a step: {' '.join(str(error).split())[:200]}",
                                "look at the machine's memory, or set RANKS lower; then retry the job: it goes on from the last checkpoint") from error


def _reduce(grads: list[Tensor]) -> None:
    flat = torch.cat([g.flatten() for g in grads])
    with _together():
        dist.all_reduce(flat)
    for g, part in zip(grads, flat.split([g.numel() for g in grads]), strict=True):
        g.copy_(part.view_as(g))

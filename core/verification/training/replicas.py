"""One step's gradients, by one model on a GPU or by one replica of it a thread on a processor.

On a processor each thread takes its share of the batch's sequences through a replica that shares the weights and has gradients of its own; they are
added in a fixed order, so a step repeats exactly. Small models scale better so than over threads inside each operation, and a busy machine slows
them evenly, where threads that wait for each other at every operation stall. A block that draws random numbers, or that changes its buffers, is
trained by one replica.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

import torch
from torch import Tensor

from core.errors import VerificationError
from core.gab.loss import MICRO_TOKENS, token_loss
from core.gab.model import GAM

Hidden = Callable[[Tensor], Tensor]
EXHAUSTED = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory")


class Replicas:
    """`gradients(batch)` leaves the batch's gradients in `model`. `rows` is the micro-batch, in sequences over all replicas together."""

    def __init__(self, model: GAM, device: str, precision: str, threads: int, context: int, sequences: int, on_shrink: Callable[[int], None]) -> None:
        self.model = model
        self.device = device
        self.half = precision == "bfloat16"
        self.rows = max(1, MICRO_TOKENS[device] // context)
        self.on_shrink = on_shrink
        self.models = [model]
        self.hidden: Hidden = model.hidden
        self.gives_up: Callable[[Exception], bool] = lambda error: False     # whether a failed step is tried once more, otherwise
        self.pool: ThreadPoolExecutor | None = None
        if device == "cpu" and min(threads, sequences) > 1:
            self._replicate(min(threads, sequences), threads)

    def _replicate(self, n: int, threads: int) -> None:
        try:
            copies = [copy.deepcopy(self.model) for _ in range(n - 1)]
        except Exception:  # a block that cannot be copied is trained by one replica: nothing is wrong with it
            return
        for other in copies:
            for own, shared in zip(other.parameters(), self.model.parameters(), strict=True):
                own.data = shared.data
        self.models += copies
        self.pool = ThreadPoolExecutor(n, initializer=torch.set_flush_denormal, initargs=(True,))
        torch.set_num_threads(max(1, threads // n))

    def single(self, threads: int) -> None:
        """Go on with one model and `threads` inside each operation."""
        if self.pool is not None:
            self.pool.shutdown()
        self.pool, self.models = None, [self.model]
        torch.set_num_threads(threads)

    def gradients(self, batch: Tensor, n: int, threads: int) -> float:
        """batch (rows, context + 1) of a step of n tokens → its share of the mean loss, in nats. On running out of memory the micro-batch is halved, and
        the step begins anew; where the block drew random numbers or changed its buffers, by one replica."""
        random, buffers = torch.get_rng_state(), [b.clone() for b in self.model.buffers()]
        on_gpu = torch.cuda.get_rng_state() if self.device == "cuda" else None
        while True:
            try:
                loss = self._tried(batch, n)
                if self.pool is None or (torch.equal(random, torch.get_rng_state()) and self._still(buffers)):
                    return loss
                self.single(threads)
            except Exception as error:
                if not isinstance(error, MemoryError) and not any(words in str(error).lower() for words in EXHAUSTED):
                    if not self.gives_up(error):
                        raise
                else:
                    self._shrink(str(error).splitlines()[0] if str(error) else "no memory", threads)
            torch.set_rng_state(random)
            if on_gpu is not None:
                torch.cuda.set_rng_state(on_gpu)
            with torch.no_grad():
                for buffer, before in zip(self.model.buffers(), buffers, strict=True):
                    buffer.copy_(before)

    def _still(self, buffers: list[Tensor]) -> bool:
        """Whether no replica's buffers moved: each would gather its own."""
        return all(torch.equal(now, before) for model in self.models for now, before in zip(model.buffers(), buffers, strict=True))

    def _tried(self, batch: Tensor, n: int) -> float:
        for model in self.models:
            model.train()
            model.zero_grad(set_to_none=True)
        if self.pool is None:
            return self._share(self.model, batch, n, self.rows)
        parts = batch.tensor_split(len(self.models))
        rows = max(1, self.rows // len(self.models))
        losses = [self.pool.submit(self._share, model, part, n, rows) for model, part in zip(self.models, parts, strict=True) if len(part)]
        wait(losses)  # all of them, also when one fails: none may still be at work when the step begins anew
        total = sum(future.result() for future in losses)
        for other in self.models[1 : len(losses)]:
            for own, more in zip(self.model.parameters(), other.parameters(), strict=True):
                if more.grad is not None:
                    own.grad = more.grad if own.grad is None else own.grad.add_(more.grad)
        return total

    def _share(self, model: GAM, part: Tensor, n: int, rows: int) -> float:
        hidden = self.hidden if model is self.model else model.hidden
        total = torch.zeros((), device=self.device)
        for micro in part.split(rows):
            with torch.autocast(self.device, torch.bfloat16, enabled=self.half):
                loss = token_loss(hidden(micro[:, :-1]), model.embedding.weight, micro[:, 1:]) / n
            loss.backward()
            total += loss.detach()
        return total.item()

    def _shrink(self, why: str, threads: int) -> None:
        if self.pool is not None and self.rows <= len(self.models):
            self.single(threads)
        elif self.rows == 1:
            raise VerificationError(f"out of memory at micro-batch 1: {why}", "a smaller scale, or a machine with more memory") from None
        self.rows = max(1, self.rows // 2)
        if self.device == "cuda":
            torch.cuda.empty_cache()
        self.on_shrink(self.rows)

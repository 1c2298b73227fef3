"""The trusted side of an evaluation: it holds the head and the labels, and reads log-probabilities off the oracle's hidden states."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from core.errors import DesignError, VerificationError
from core.types import Json
from core.verification.evaluation.sharing import Batch, plan
from core.verification.training import kernels

BATCH_TOKENS = {"cpu": 4096, "cuda": 32768}  # a processor gains nothing above, a GPU does
LOGITS = {"cpu": 2**21, "cuda": 2**27}       # logits held at once: 8 MB in float32, which a processor's cache holds; 512 MB on a GPU


class Oracle(Protocol):
    """What answers a frame of ids (b, l) with hidden states (b, l, d) float32: a sandboxed child in core.verification.evaluation.oracle, or a stand-in."""

    def send(self, header: Json, *arrays: np.ndarray) -> None: ...

    def recv(self) -> tuple[Json, list[np.ndarray]]: ...


@dataclass(frozen=True)
class Reading:
    """Of the tokens that were asked for, in order."""

    nats: np.ndarray    # (n,) float64, −log p
    greedy: np.ndarray  # (n,) bool: no token is likelier


class TokenReader(Protocol):
    """What a score of text needs; Reader gives it, and so does any model that can name its log-probabilities."""

    context: int
    precision: str                   # of the model's arithmetic: "float32" or "bfloat16"

    def log_probs(self, ids: np.ndarray) -> Tensor: ...

    def nats(self, windows: Sequence[np.ndarray]) -> list[np.ndarray]: ...


class Reader:
    """Log-probabilities of tokens under the model behind `child`.

    `device` is where the head works; `check` is called between forward passes, and may raise to stop; `precision` is the oracle's.
    """

    def __init__(self, child: Oracle, weights: Path, context: int, device: str = "cpu", precision: str = "float32", check: Callable[[], None] = lambda: None) -> None:
        self.child = child
        self.context = context
        self.precision = precision
        kind = device.partition(":")[0]
        self.batch_tokens = BATCH_TOKENS.get(kind, BATCH_TOKENS["cpu"])
        self.logits = LOGITS.get(kind, LOGITS["cpu"])
        self._check = check
        self._product = kernels.product(kind)
        with safe_open(str(weights), "pt") as file:
            self.head = file.get_tensor("embedding.weight").float().to(device)  # (vocab, d)

    def log_probs(self, ids: np.ndarray) -> Tensor:
        """ids (b, l) → log-softmax (b, l, vocab). Raises VerificationError for an answer that cannot be one."""
        hidden = self._hidden(ids)
        if not torch.isfinite(hidden).all():
            raise _not_finite()
        return self._product(hidden.flatten(0, 1), self.head).unflatten(0, ids.shape).log_softmax(-1).cpu()

    def nats(self, windows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """For each window (l + 1,): −log p of its tokens after the first, (l,) float64."""
        return [reading.nats for reading in self.read(windows)]

    def read(self, windows: Sequence[np.ndarray], first: Sequence[int] | None = None) -> list[Reading]:
        """For each window (l + 1,): its tokens from `first` on, 1 unless told, each given all before it in the window.

        What windows have in common is computed once (core/verification/evaluation/sharing.py); logits exist only where they are asked for, and
        never more than `self.logits` of them.
        """
        if not windows:
            return []
        starts = [1] * len(windows) if first is None else list(first)
        targets = np.concatenate([w[s:] for w, s in zip(windows, starts, strict=True)]).astype(np.int64)
        nats, greedy = self._read([w[:-1] for w in windows], [s - 1 for s in starts], targets)
        ends = np.cumsum([len(w) - s for w, s in zip(windows, starts, strict=True)])[:-1]
        return [Reading(n, g) for n, g in zip(np.split(nats, ends), np.split(greedy, ends), strict=True)]

    def following(self, prefixes: Sequence[np.ndarray]) -> np.ndarray:
        """The likeliest token after each prefix (l,), (len(prefixes),) int64."""
        top = np.empty(len(prefixes), np.int64)
        for batch, hidden in self._forward(plan(prefixes, [len(p) - 1 for p in prefixes], self.batch_tokens)):
            for logits, slot, done in self._logits(hidden, batch):
                top[batch.answers[done]] = logits.argmax(-1)[slot].cpu().numpy()
        return top

    def _read(self, sequences: Sequence[np.ndarray], first: Sequence[int], targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(−log p of the targets, whether none is likelier), each (targets,)."""
        nats, greedy = np.empty(len(targets)), np.empty(len(targets), bool)
        for batch, hidden in self._forward(plan(sequences, first, self.batch_tokens)):
            for logits, slot, done in self._logits(hidden, batch):
                answers = batch.answers[done]
                wanted = torch.from_numpy(targets[answers]).to(logits.device)
                greedy[answers] = (logits[slot, wanted] == logits.amax(-1)[slot]).cpu().numpy()
                nats[answers] = -logits.log_softmax(-1)[slot, wanted].cpu().numpy()
        if not np.isfinite(nats).all():
            raise _not_finite()
        return nats, greedy

    def _logits(self, hidden: Tensor, batch: Batch) -> Iterator[tuple[Tensor, Tensor, slice]]:
        """(logits (rows, vocab) of a few rows, which of these rows each answer is of, which of the batch's answers these are)."""
        h = hidden.flatten(0, 1)[torch.from_numpy(batch.rows).to(hidden.device)]  # (m, d)
        slots = torch.from_numpy(batch.slots).to(h.device)
        step = max(1, self.logits // self.head.shape[0])
        done = 0
        for start in range(0, len(h), step):
            end = int(np.searchsorted(batch.slots, start + step))
            yield self._product(h[start : start + step], self.head), slots[done:end] - start, slice(done, end)
            done = end

    def _forward(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, Tensor]]:
        """Each batch with its hidden states; the oracle works on the next one while the caller reads off the last."""
        with ThreadPoolExecutor(1) as ahead:
            waiting = None
            for batch in batches:
                self._check()
                if waiting:
                    hidden = waiting[1].result()
                    ready, waiting = (waiting[0], hidden), (batch, ahead.submit(self._hidden, batch.ids))
                    yield ready
                else:
                    waiting = (batch, ahead.submit(self._hidden, batch.ids))
            if waiting:
                yield waiting[0], waiting[1].result()

    def _hidden(self, ids: np.ndarray) -> Tensor:
        """(b, l) → (b, l, d) on the head's device."""
        self.child.send({"ids": True}, ids.astype(np.int64))
        _, arrays = self.child.recv()
        wanted = (*ids.shape, self.head.shape[1])
        if len(arrays) != 1 or arrays[0].shape != wanted or arrays[0].dtype != np.float32:
            got = [f"{a.dtype}{a.shape}" for a in arrays]
            raise VerificationError(f"the model answered {got} for ids {ids.shape}, float32{wanted} is due", "return Y shaped like X")
        return torch.from_numpy(arrays[0]).to(self.head.device)


def _not_finite() -> DesignError:
    return DesignError("the trained model answers with numbers that are not finite", "look for an overflow on unseen text")

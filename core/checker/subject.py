"""The design under check, as the trusted side sees it: a conversation with an oracle in the sandbox, every answer validated."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from core.errors import DesignError
from core.sandbox.run import Child
from core.types import Fit, Json, Scale

MAX_BLOCKS = 4       # behaviour shows in a few blocks; a hybrid of up to four kinds shows all of them
MAX_WIDTH = 256
VOCAB = 97


@dataclass(frozen=True)
class Outcome:
    verdict: str                     # pass, warn or fail
    evidence: str
    mend: str = ""


class Answer(DesignError):
    """The oracle's answer is none: the block's own fault."""


class Subject:
    def __init__(self, child: Child, scale: Scale, fresh: Any) -> None:
        self.child = child
        self.scale = scale
        self.fresh = fresh           # () → a context manager of another child with the same code
        self.fit: Fit | None = None
        self.params: list[tuple[str, tuple[int, ...]]] = []

    @property
    def width(self) -> int:
        return min(self.fit.d_model, MAX_WIDTH)

    @property
    def n_layers(self) -> int:
        return min(self.fit.n_layers, MAX_BLOCKS)

    @property
    def context(self) -> int:
        return min(self.scale.context, 512)

    @property
    def reduced(self) -> str:
        small = (self.n_layers, self.width) != (self.fit.n_layers, self.fit.d_model)
        return f" (tried at {self.n_layers} × {self.width})" if small else ""

    def ask(self, do: str, *arrays: np.ndarray, **settings: Any) -> tuple[Json, list[np.ndarray]]:
        """Raises DesignError with what the block raised."""
        self.child.send({"do": do, **settings}, *arrays)
        header, answers = self.child.recv()
        if "failed" in header:
            raise DesignError(str(header["failed"])[:4000], str(header.get("mend", ""))[:500])
        return header, answers

    def load_code(self) -> Fit:
        header, _ = self.ask("load_code")
        try:
            self.fit = Fit(**header["fit"])
            if not all(isinstance(v, int) and v > 0 for v in asdict(self.fit).values()):
                raise TypeError(header["fit"])
        except (KeyError, TypeError):
            raise Answer("the size of the block is no size", "") from None
        return self.fit

    def build(self, **settings: Any) -> list[tuple[str, tuple[int, ...]]]:
        """(name, shape) of each parameter."""
        header, _ = self.ask("build", layers=self.n_layers, width=self.width, vocab=VOCAB, **settings)
        try:
            broken = [name for name, _, finite in header["params"] if not finite]
            self.params = [(str(name), tuple(int(n) for n in shape)) for name, shape, _ in header["params"]]
        except (KeyError, TypeError, ValueError):
            raise Answer("the parameters that were answered are none", "") from None
        if broken and not settings.get("gain"):
            raise DesignError(f"parameters that are not finite at the start: {some(broken)}", "initialise them with numbers")
        return self.params

    def hidden(self, given: np.ndarray, dtype: type = np.float32, **settings: Any) -> np.ndarray:
        """(b, l, d). Raises Answer for what is no such array."""
        return self.answered(given, dtype, **settings)[0]

    def answered(self, given: np.ndarray, dtype: type = np.float32, **settings: Any) -> tuple[np.ndarray, Json]:
        header, arrays = self.ask("forward", given, **settings)
        wanted = (*given.shape[:2], self.width)
        if len(arrays) != 1 or arrays[0].shape != wanted or arrays[0].dtype != dtype:
            got = ", ".join(f"{a.dtype}{a.shape}" for a in arrays) or "nothing"
            raise Answer(f"{got} came back for input {given.shape}, {np.dtype(dtype)}{wanted} is due", "return Y shaped like X, in X's dtype")
        return arrays[0], header

    def ids(self, batch: int, length: int, seed: int = 0) -> np.ndarray:
        return np.random.default_rng([seed, batch, length]).integers(0, VOCAB, (batch, length))

    def inputs(self, batch: int, length: int, seed: int = 0) -> np.ndarray:
        """What a block may meet: (b, l, d) of unit scale."""
        return np.random.default_rng([seed, batch, length, 1]).standard_normal((batch, length, self.width))


def some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def relative(a: np.ndarray, b: np.ndarray) -> float:
    """The largest difference, as a share of the largest number; infinite where either is not finite and they differ."""
    if a.size == 0:
        return 0.0
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return 0.0 if np.array_equal(a, b, equal_nan=True) else float("inf")
    return float(np.abs(a - b).max() / max(np.abs(a).max(), 1e-30))

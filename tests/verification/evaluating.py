"""Stand-ins for the tests of the evaluation: a model in this process in place of a sandboxed one, a reader that counts, a small tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from core.config import ROOT
from core.gab.model import GAM, load_block
from core.types import Json
from core.verification.evaluation.reader import Reader, Reading
from core.verification.training.tokenizer import train_tokenizer

torch.set_num_threads(1)  # more of them wait longer than tensors this small take
CONTEXT, VOCAB = 24, 300
TEXT = [f"The {a} {b} returns the {c} number." for a in ("first", "last", "old") for b in ("method", "value", "class") for c in ("given", "new", "whole")]


def small_tokenizer() -> Tokenizer:
    return train_tokenizer(TEXT, VOCAB)


def small_model() -> GAM:
    """gpt2 at 2 × 32 with weights large enough that its opinions are strong."""
    block, config = load_block((ROOT / "library" / "designs" / "gpt2" / "gab.py").read_text())
    model = GAM(block, config, VOCAB, 32, 2, seed=3).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(4)
    return model


def save(model: GAM, path: Path) -> Path:
    save_file({name: tensor.detach().clone().contiguous() for name, tensor in model.state_dict().items()}, path)
    return path


class InProcess:
    """An oracle without a sandbox. `tokens` counts what it was shown, padding too."""

    def __init__(self, model: GAM) -> None:
        self.model = model
        self.tokens = 0
        self._hidden = np.empty(0, np.float32)

    def send(self, header: Json, *arrays: np.ndarray) -> None:
        self.tokens += arrays[0].size
        with torch.no_grad():
            self._hidden = self.model.hidden(torch.from_numpy(arrays[0])).numpy()

    def recv(self) -> tuple[Json, list[np.ndarray]]:
        return {"hidden": True}, [self._hidden]


def reader_of(model: GAM, folder: Path, context: int = CONTEXT) -> Reader:
    return Reader(InProcess(model), save(model, folder / "weights.safetensors"), context)


class Counting:
    """Every token costs one nat: of two texts the one with fewer tokens is likelier. It always goes on with `goes_on`."""

    context = 1000

    def __init__(self, goes_on: Sequence[int] = (0,)) -> None:
        self.goes_on = goes_on
        self.step = 0

    def read(self, windows: Sequence[np.ndarray], first: Sequence[int] | None = None) -> list[Reading]:
        sizes = [len(w) - s for w, s in zip(windows, first or [1] * len(windows), strict=True)]
        return [Reading(np.ones(n), np.zeros(n, bool)) for n in sizes]

    def following(self, prefixes: Sequence[np.ndarray]) -> np.ndarray:
        self.step += 1
        return np.full(len(prefixes), self.goes_on[(self.step - 1) % len(self.goes_on)])

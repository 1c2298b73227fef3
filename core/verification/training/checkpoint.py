"""Checkpoints from which a training goes on exactly: weights, optimizer, random state, step. Written whole or not at all; two are kept."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from core.types import Json

KEPT = 2


class Checkpoints:
    """`identity` says what the training is of; a checkpoint of anything else is not resumed."""

    def __init__(self, folder: Path, identity: Json) -> None:
        self.folder = folder
        self.identity = identity
        self.written: list[Path] = []    # of this training, in order: another's, or a torn one, may bear a later step and must not push these out

    def save(self, step: int, state: dict[str, Any]) -> str:
        """Why it could not be written; "" when it is. The one before stays, and is gone on from if need be."""
        target = self.folder / f"step-{step:08d}.pt"
        scratch = target.with_suffix(".tmp")
        try:
            with scratch.open("wb") as sink:
                torch.save({"identity": self.identity, "step": step, **state}, sink)
                sink.flush()
                os.fsync(sink.fileno())
            os.replace(scratch, target)
        except (OSError, RuntimeError) as error:
            if scratch.is_file() or scratch.is_symlink():
                scratch.unlink()
            return f"{target.name} cannot be written: {' '.join(str(error).split())[:300]}"
        self.written = [*(p for p in self.written if p != target), target]
        for old in self.written[:-KEPT]:
            old.unlink(missing_ok=True)
        self.written = self.written[-KEPT:]
        return ""

    def newest(self) -> dict[str, Any] | None:
        """The newest that is whole and of this training."""
        found = self._all()
        for n, path in reversed(list(enumerate(found))):
            try:
                state = torch.load(path, weights_only=True, map_location="cpu")
            except (RuntimeError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile, OSError, ValueError, KeyError):
                continue  # torn by a crash: the one before it serves
            if isinstance(state, dict) and state.get("identity") == self.identity:
                self.written = found[:n + 1]
                return state
        return None

    def clear(self) -> None:
        for path in self.folder.glob("step-*"):
            path.unlink(missing_ok=True)

    def _all(self) -> list[Path]:
        return sorted(self.folder.glob("step-*.pt"))

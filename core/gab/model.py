"""The model around a block (GAM): embedding → n blocks → norm → head tied to the embedding. And the loading of a gab.py.

`load_block` executes what it is given: for generated code it is called in a sandboxed child only.
"""

from __future__ import annotations

import linecache
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from core.errors import CodeError, ContractError, ModelDiscoveryError
from core.gab import genesys
from core.gab.contract import GABBase, GAUBase

FILENAME = "gab.py"
SHAPES = 8                           # local tensors told of a failed line
FORWARD = GAUBase.forward            # taken before any block is loaded: none can put another in its place


def load_block(code: str, filename: str = FILENAME) -> tuple[type[GABBase], dict[str, Any]]:
    """The class GAB and its gab_config. Raises CodeError naming file and line."""
    genesys.install()
    module = sys.modules["gab"] = ModuleType("gab")  # dataclasses look their module up
    namespace = module.__dict__
    namespace.update(__file__=filename, __package__=genesys.PACKAGE)
    linecache.cache[filename] = (len(code), None, code.splitlines(keepends=True), filename)  # so that tracebacks show the block's lines
    try:
        exec(compile(code, filename, "exec"), namespace)
    except SyntaxError as error:
        raise CodeError(f"{filename}:{error.lineno}:{error.offset}: {error.msg}\n{error.text or ''}", "mend the syntax") from None
    except ModelDiscoveryError as error:
        raise CodeError(f"{filename}: {error.what}", error.mend) from None
    except Exception as error:  # the block's own code: whatever it raises is its verdict
        raise CodeError(f"{filename} fails on import: {own_frames(error, filename)}", "mend the line named") from None
    found = namespace.get("GAB")
    if not (isinstance(found, type) and issubclass(found, GABBase)):
        raise CodeError(f"{filename} has no class GAB(GABBase)", "name the block's class GAB and derive it from GABBase")
    config = namespace.get("gab_config")
    if not isinstance(config, dict) or not all(isinstance(key, str) for key in config):
        raise CodeError(f"{filename} has no dict gab_config", "add gab_config = {...}, empty if there are no hyperparameters")
    return found, config


def own_frames(error: BaseException, filename: str = FILENAME) -> str:
    """An exception in one line, with the block's own lines on its way."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == filename]
    where = " → ".join(f"{filename}:{f.lineno} in {f.name}: {f.line}" for f in frames[-3:])
    return f"{type(error).__name__}: {error}"[:2000] + (f" ({where}{_local_shapes(error, filename)})" if where else "")


def _local_shapes(error: BaseException, filename: str) -> str:
    """The tensors at hand in the block's last line."""
    trace, last = error.__traceback__, None
    while trace is not None:
        last = trace.tb_frame if trace.tb_frame.f_code.co_filename == filename else last
        trace = trace.tb_next
    shapes = [f"{name} {tuple(value.shape)}" for name, value in (last.f_locals if last else {}).items() if isinstance(value, Tensor)]
    return f"; {', '.join(shapes[:SHAPES])}" if shapes else ""


class GAM(nn.Module):
    """`hidden(ids)` (b, l) → (b, l, d) after the final norm; `forward(ids)` → logits (b, l, vocab).

    Initialised from `seed` alone, whatever was drawn before. Z starts empty and runs from block to block.
    """

    def __init__(self, block: type[GABBase], config: dict[str, Any], vocab_size: int, d_model: int, n_layers: int, seed: int = 0,
                 device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        with _seeded(seed):
            self.embedding = nn.Embedding(vocab_size, d_model, device=device, dtype=dtype)
            nn.init.normal_(self.embedding.weight, std=0.02)  # GPT-2's
            self.blocks = nn.ModuleList(
                _made(block, d_model, (i, n_layers), config, device, dtype) for i in range(n_layers))
            self.norm = nn.RMSNorm(d_model, eps=1e-6, device=device, dtype=dtype)

    def hidden(self, ids: Tensor) -> Tensor:
        X, Z = self.embedding(ids), {}  # (b, l, d)
        for block in self.blocks:
            X, Z = FORWARD(block, X, **Z)
        return self.norm(X)

    def hidden_by_call(self, ids: Tensor) -> Tensor:
        """The same through `block(...)`, so that hooks see the blocks; for looking, never for scores."""
        X, Z = self.embedding(ids), {}
        for block in self.blocks:
            X, Z = block(X, **Z)
        return self.norm(X)

    def forward(self, ids: Tensor) -> Tensor:
        return self.hidden(ids) @ self.embedding.weight.T


def count_params(model: GAM) -> tuple[int, int]:
    """(non-embedding, embedding): at small scales the embedding drowns the blocks, so the two are never summed."""
    embedding = model.embedding.weight.numel()
    return sum(p.numel() for p in model.parameters()) - embedding, embedding


def _made(block: type[GABBase], d_model: int, loc: tuple[int, int], config: dict[str, Any], device: Any, dtype: Any) -> GABBase:
    try:
        made = block(d_model, loc, device=device, dtype=dtype, **config)
    except TypeError as error:
        raise ContractError(f"GAB cannot be built: {own_frames(error)}", "take embed_dim, block_loc, device, dtype and gab_config's keys") from error
    return made


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield

"""The sandboxed side of the check: an oracle. It builds the block and answers inputs with raw tensors; what they mean is judged outside.

Commands, one frame each, answered by one frame: build, forward, backward, step, weights, load, trace. The verdicts, the labels and the tolerances are not here.
"""

from __future__ import annotations

import time
import warnings
from contextlib import nullcontext
from dataclasses import asdict

import numpy as np
import torch
from torch import Tensor, nn

from core.errors import ModelDiscoveryError
from core.gab.fit import fit
from core.gab.model import FORWARD, GAM, load_block, own_frames
from core.sandbox.channel import Channel
from core.types import Json, Scale

DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16}
TRACED = 400                         # modules in a trace


def main(channel: Channel, payload: Json, arrays: list) -> None:
    torch.set_num_threads(payload["threads"])
    torch.use_deterministic_algorithms(True, warn_only=True)
    warnings.simplefilter("ignore")
    warnings.filterwarnings("default", module="gab")  # the block's own are shown, the library's say nothing of it
    oracle = Oracle(payload)
    while True:
        command, given = channel.recv()
        name = command.pop("do")
        if name == "stop":
            channel.send({"done": True})
            return
        try:
            header, answers = getattr(oracle, f"do_{name}")(*given, **command)
        except ModelDiscoveryError as error:
            header, answers = {"failed": error.what, "mend": error.mend}, []
        except Exception as error:  # the block's own code: whatever it raises is its verdict
            header, answers = {"failed": own_frames(error), "mend": "mend the line named"}, []
        channel.send(header, *answers)


class Oracle:
    def __init__(self, payload: Json) -> None:
        self.payload = payload
        self.model: GAM | None = None
        self.amp = False

    def do_load_code(self) -> tuple[Json, list]:
        """Executes the file; then its depth and width at the scale."""
        self.block, self.config = load_block(self.payload["code"])
        found = fit(self.payload["code"], Scale(**self.payload["scale"]), self.payload["reference_code"])
        return {"fit": asdict(found)}, []

    def do_build(self, layers: int, width: int, vocab: int, seed: int = 0, dtype: str = "float32", noise: float = 0.0, gain: float = 1.0,
                 amp: bool = False) -> tuple[Json, list]:
        """`noise`: standard deviation added to every parameter; `gain` multiplies all."""
        self.model = GAM(self.block, self.config, vocab, width, layers, seed=seed, dtype=DTYPES[dtype]).to(DTYPES[dtype])  # whatever the block made of dtype
        self.amp = amp
        generator = torch.Generator().manual_seed(seed + 1)
        with torch.no_grad():
            for p in self.model.parameters():
                p.mul_(gain).add_(torch.randn(p.shape, generator=generator, dtype=torch.float32).to(p.dtype), alpha=noise)
        params = [[name, list(p.shape), bool(torch.isfinite(p).all())] for name, p in self.model.named_parameters()]
        return {"params": params, "buffers": [name for name, _ in self.model.named_buffers()]}, []

    def do_forward(self, given: np.ndarray, train: bool = False, grad: bool = False) -> tuple[Json, list]:
        """Token ids (b, l), or the blocks' input (b, l, d) itself → hidden states (b, l, d), float64 where the model is, else float32."""
        self.model.train(train)
        started = time.perf_counter()
        kept = np.array(given)
        with nullcontext() if grad else torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=self.amp):
            hidden = self._hidden(torch.from_numpy(kept))
        seconds = time.perf_counter() - started
        out = hidden.detach().to(torch.float64 if hidden.dtype is torch.float64 else torch.float32).numpy()
        return {"dtype": str(hidden.dtype).removeprefix("torch."), "seconds": seconds, "mutated": self.mutated, "scales": self.scales}, [np.ascontiguousarray(out)]

    def _hidden(self, given: Tensor) -> Tensor:
        model = self.model
        X = model.embedding(given) if given.dtype is torch.int64 else given.to(next(model.parameters()).dtype)
        Z: dict = {}
        self.mutated, self.scales = [], []
        for i, block in enumerate(model.blocks):
            before = X.detach().clone()
            Y, Z = FORWARD(block, X, **Z)
            if not torch.equal(before, X.detach()) and bool(torch.isfinite(before).all()):
                self.mutated.append(i)
            self.scales.append(float(Y.detach().float().std()) if Y.numel() > 1 else 0.0)
            X = Y
        return model.norm(X)

    def do_backward(self, ids: np.ndarray, targets: np.ndarray) -> tuple[Json, list]:
        loss = self._loss(ids, targets)
        if not loss.requires_grad:
            return {"loss": loss.item(), "detached": True, "grads": []}, []
        self.model.zero_grad(set_to_none=True)
        loss.backward()
        grads = [[name, p.grad is not None, p.grad is None or bool(torch.isfinite(p.grad).all()), 0.0 if p.grad is None else float(p.grad.norm())]
                 for name, p in self.model.named_parameters()]
        return {"loss": loss.item(), "detached": False, "grads": grads}, []

    def _loss(self, ids: np.ndarray, targets: np.ndarray) -> Tensor:
        self.model.train()
        hidden = self._hidden(torch.from_numpy(np.array(ids)))
        return nn.functional.cross_entropy((hidden @ self.model.embedding.weight.T).flatten(0, 1).float(), torch.from_numpy(np.array(targets)).flatten())

    def do_step(self, ids: np.ndarray, targets: np.ndarray, lr: float = 3e-3) -> tuple[Json, list]:
        """One step of AdamW; the optimizer lives as long as the model."""
        if getattr(self, "trained", None) is not self.model:
            self.trained, self.optimizer = self.model, torch.optim.AdamW(self.model.parameters(), lr=lr, betas=(0.9, 0.95), weight_decay=0.0)
        loss = self._loss(ids, targets)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return {"loss": loss.item()}, []

    def do_weights(self) -> tuple[Json, list]:
        state = self.model.state_dict()
        return {"names": list(state)}, [np.ascontiguousarray(t.detach().float().numpy()) for t in state.values()]

    def do_load(self, *weights: np.ndarray, names: list[str]) -> tuple[Json, list]:
        state = {name: torch.from_numpy(np.array(w)) for name, w in zip(names, weights, strict=True)}
        self.model.load_state_dict(state, strict=True)
        return {"loaded": len(names)}, []

    def do_trace(self, ids: np.ndarray) -> tuple[Json, list]:
        """Every module's input and output shapes, dtypes and milliseconds, in the order of their calls."""
        rows: list[Json] = []
        stack: list[tuple[int, float]] = []

        def before(name: str, module: nn.Module, args: tuple) -> None:
            rows.append({"module": name, "kind": type(module).__name__, "in": _shapes(args), "out": "", "ms": 0.0})
            stack.append((len(rows) - 1, time.perf_counter()))

        def after(out: object) -> None:
            row, started = stack.pop()
            rows[row] |= {"out": _shapes(out), "ms": (time.perf_counter() - started) * 1000}

        hooks = []
        for name, module in self.model.named_modules():
            if name:
                hooks.append(module.register_forward_pre_hook(lambda m, args, name=name: before(name, m, args)))
                hooks.append(module.register_forward_hook(lambda m, args, out: after(out)))
        try:
            with torch.no_grad():
                self.model.eval().hidden_by_call(torch.from_numpy(np.array(ids)))
        finally:
            for hook in hooks:
                hook.remove()
        return {"rows": rows[:TRACED], "left_out": max(0, len(rows) - TRACED)}, []


def _shapes(value: object) -> str:
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_shapes(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (tuple, list)):
        return ", ".join(text for text in map(_shapes, value) if text)
    return ""

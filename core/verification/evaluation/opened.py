"""`with opened(code, scale, fit, weights, …) as reader:` the saved weights behind a sandboxed oracle, in a fresh process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from core.errors import DesignError, SandboxTimeout, VerificationError
from core.sandbox.run import Limits, Sandbox
from core.types import Fit, Scale
from core.verification.evaluation.reader import Reader

PRECISIONS = ("auto", "float32", "bfloat16")


@contextmanager
def opened(code: str, scale: Scale, fit: Fit, weights: Path, *, device: str = "cpu", threads: int = 1, memory_mb: int = 8192, precision: str = "auto",
           check: Callable[[], None] = lambda: None, hang_s: float = 600.0) -> Iterator[Reader]:
    """A reader for the length of the block. `precision` "auto" is bfloat16 on a GPU, float32 elsewhere; an audit asks for "float32".

    Whoever opens has checked the hash of `weights`. Raises VerificationError when they do not fit the design to the last tensor, DesignError when no answer comes for `hang_s` seconds.
    """
    if precision not in PRECISIONS:
        raise VerificationError(f"precision {precision!r} of an evaluation", f"one of {', '.join(PRECISIONS)}")
    chosen = precision if precision != "auto" else "bfloat16" if device.startswith("cuda") else "float32"
    payload = {"code": code, "scale": asdict(scale), "fit": asdict(fit), "weights": str(weights), "device": device, "threads": threads, "precision": chosen}
    with Sandbox(Limits(seconds=None, memory_mb=memory_mb), threads, device, readable=[weights]).open("core.verification.evaluation.oracle", payload) as child:
        child.check, child.silence_s = check, hang_s
        try:
            child.recv()
            yield Reader(child, weights, scale.context, device, chosen, check)
        except SandboxTimeout as error:
            raise DesignError(f"the trained model hangs: no answer in {hang_s:.0f} s", "look for an endless loop in the block") from error
        child.send({"stop": True})

"""`trace(code, scale, …)`: one forward pass of a design in the sandbox, module by module, for a person who looks for a fault."""

from __future__ import annotations

from dataclasses import asdict

from core.checker.subject import Subject
from core.errors import DesignError, SandboxError, UsageError
from core.sandbox.run import Limits, Sandbox
from core.types import Json, Scale

LIMITS = Limits(seconds=60, memory_mb=6144, output_kb=64)
LARGEST = 2**17      # tokens


def trace(code: str, scale: Scale, reference_code: str, batch: int, length: int) -> Json:
    """{"rows": [{"module", "kind", "in", "out", "ms"}], "output": what was printed, "failed": what went wrong, "layers": depth, "width"}."""
    if not (batch >= 1 and length >= 1 and batch * length <= LARGEST):
        raise UsageError(f"batch {batch} × length {length}", f"both at least 1, together at most {LARGEST:,} tokens")
    payload = {"code": code, "scale": asdict(scale), "reference_code": reference_code, "threads": 1}
    with Sandbox(LIMITS).open("core.checker.child", payload) as child:
        subject, found = Subject(child, scale, None), {"rows": [], "left_out": 0, "failed": "", "layers": 0, "width": 0}
        try:
            subject.load_code()
            found |= {"layers": subject.n_layers, "width": subject.width}
            subject.build()
            header, _ = subject.ask("trace", subject.ids(batch, length))
            found |= {"rows": header["rows"], "left_out": header["left_out"]}
        except (DesignError, SandboxError) as error:
            found["failed"] = str(error)
        return found | {"output": child.output}

"""`measure_costs(code, scales, reference_code)`: what a design costs at each scale, counted in a sandboxed child.

`python -m core.checker.costs` counts the library's references anew and writes library/costs.json, from which new databases are filled.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from core.config import Config
from core.errors import ConfigError, DesignError
from core.gab.references import load_references
from core.gab.scales import load_scales
from core.sandbox.run import Limits, Sandbox
from core.types import Costs, Scale, sha256_text

LIMITS = Limits(seconds=900, memory_mb=6144, output_kb=64)
ONE = Limits(seconds=120, memory_mb=6144, output_kb=64)    # of a single scale, for an agent that asks
ON_CPU = ("nano", "micro")           # scales that are trained on a processor; the others are counted as on a GPU
FILE = "costs.json"


def measure_costs(code: str, scales: Sequence[Scale], reference_code: str, on_scale: Callable[[str], None] = lambda _: None,
                  device: str = "", limits: Limits = LIMITS) -> Iterator[tuple[Scale, Costs]]:
    """One scale after the other, as they are counted. Raises DesignError where the block does not fit or its shapes depend on numbers."""
    devices = [device or ("cpu" if scale.name in ON_CPU else "cuda") for scale in scales]
    payload = {"code": code, "scales": [asdict(s) for s in scales], "devices": devices, "reference_code": reference_code}
    with Sandbox(limits).open("core.checker.costs_child", payload) as child:
        named = {s.name: s for s in scales}
        for header, _ in child.frames():
            if "counting" in header:
                on_scale(header["counting"])
            elif "costs" in header:
                yield named[header["scale"]], Costs(**header["costs"])
            elif "failed" in header:
                raise DesignError(f"the costs at {header['scale']} cannot be counted: {header['failed']}", "let shapes depend on shapes only, not on numbers")


def shipped_costs(library_dir: Path, scales: Iterable[Scale]) -> list[tuple[str, Scale, Costs]]:
    """The references' costs as library/costs.json has them, for scales that have not changed since. Raises ConfigError naming the file."""
    path = library_dir / FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return [(code_hash, scale, Costs(**entry[scale.shape])) for code_hash, entry in data.items() for scale in scales if scale.shape in entry]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path} cannot be read: {error!r}", "python -m core.checker.costs writes it anew") from None


def write_costs(config: Config) -> Path:
    """Counts what changed since the last time."""
    scales, path = load_scales(config.scales_file), config.library_dir / FILE
    old = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    references = load_references(config.library_dir)
    gpt2 = next(r.code for r in references if r.slug == "gpt2")
    new: dict[str, dict[str, dict]] = {}
    for ref in references:
        entry = new[sha256_text(ref.code)] = old.get(sha256_text(ref.code), {})
        missing = [s for s in scales.values() if s.shape not in entry]
        for scale, costs in measure_costs(ref.code, missing, gpt2) if missing else ():
            entry[scale.shape] = asdict(costs)
            print(f"{ref.slug:<18} {scale.name:<6} {costs.params:>14,} parameters {costs.flops_train / 1e6:>12,.1f} MFLOP a token {costs.peak_mb:>10,.0f} MB", flush=True)
            _replace(path, old | new)  # what is counted is kept, should it be stopped
    _replace(path, new)
    return path


def _replace(path: Path, data: dict) -> None:
    scratch = path.with_suffix(".tmp")
    scratch.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    os.replace(scratch, path)


if __name__ == "__main__":
    print(write_costs(Config.from_env()))

"""Every reference at every scale: depth, width, parameters against the reference's, and how long the fit took.

    python benchmarks/fit_all.py [--scales nano,14M]

Built on the meta device: no memory, no arithmetic. A fit that misses its tolerance, or takes a second, ends the program with code 1.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

from core.errors import FitError  # noqa: E402
from core.gab.fit import fit  # noqa: E402
from core.gab.references import load_references  # noqa: E402
from core.gab.scales import load_scales  # noqa: E402
from core.selection.base import REFERENCE  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scales", default="")
    args = parser.parse_args()
    scales = load_scales(ROOT / "library" / "scales.yaml")
    chosen = [scales[name] for name in args.scales.split(",") if name] or list(scales.values())
    references = load_references(ROOT / "library")
    base = next(r.code for r in references if r.slug == REFERENCE)
    fit(base, chosen[0], base)  # torch's own first steps are not the fit's
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, torch {torch.__version__}")
    print(f"{'':18}" + "".join(f"{scale.name:>24}" for scale in chosen))
    misses, slowest = 0, 0.0
    for ref in references:
        cells = []
        for scale in chosen:
            started = time.perf_counter()
            try:
                found = fit(ref.code, scale, base)
                cells.append(f"{found.n_layers}×{found.d_model} {found.params / found.reference_params - 1:+.1%}")
            except FitError as error:
                cells.append(str(error)[:22])
                misses += 1
            took = time.perf_counter() - started
            slowest = max(slowest, took)
            cells[-1] += f" {took:.2f}s"
        print(f"{ref.slug:18}" + "".join(f"{cell:>24}" for cell in cells))
    print(f"{len(references)} references, {misses} misses, slowest fit {slowest:.2f} s")
    return int(misses > 0 or slowest >= 1)


if __name__ == "__main__":
    sys.exit(main())

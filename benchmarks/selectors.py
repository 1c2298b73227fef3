"""What each selector finds for the same budget: many seeded evolutions over a table of real trainings (benchmarks/tabular).

    python benchmarks/selectors.py [--table main|second] [--seeds 1000-1099] [--selectors bayes,random] [--budget design=48,xs=72,s=32,m=12]
                                   [--ablation] [--workers 2] [--out results.json] [--plot regret.svg]

Simple regret: the true mean score, at the largest scale, of the design that a selector hands over, less the best of the table (references apart), in bits per byte. Found: the
same of the best design it came upon. Area: mean regret over the whole budget. Each with a 95 % bootstrap interval over the seeds. Every selector is run at the
budget and at half of it. Seeds from 1000 on were not used to tune anything, but the constants of `bayes` were chosen on both tables: another seed is another order of the same designs.
What a table knows of a design is the mean of its seeds, and a selector is shown some of them. `bayes` alone spends what is left of a budget on further seeds.
`person` does only what a person picks, and is left out.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def stand_aside() -> None:
    """A script of this folder, or a library it loads, that imports `selectors` means the standard library's: give it that one."""
    spec = importlib.machinery.PathFinder.find_spec("selectors", [sysconfig.get_path("stdlib")])
    if spec is None or spec.loader is None:
        raise ImportError("the standard library has no module selectors")
    sys.modules["selectors"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


if __name__ == "selectors":
    stand_aside()
elif __name__ == "__main__":
    sys.path[0] = str(ROOT)  # in the place of this folder, whose selectors.py would hide the standard library's
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # matrices are small: threads would only wait for each other
    from benchmarks.tabular.compare import main

    sys.exit(main(__doc__.splitlines()[0]))

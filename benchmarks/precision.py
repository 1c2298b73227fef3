"""bfloat16 autocast against float32: the same design, seed, data and kernels' order of steps; what it costs in held-out bits per byte.

    python benchmarks/precision.py [--designs gpt2,mamba2] [--scale nano] [--corpus NAME_OR_PATH] [--threads 2]
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from core.config import Config  # noqa: E402
from core.gab.references import load_references  # noqa: E402
from core.gab.scales import load_scales  # noqa: E402
from core.verification.training.corpus import prepare  # noqa: E402
from core.verification.verify import verification  # noqa: E402
from core.verification.work import Work, versions  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--designs", default="gpt2,mamba2")
    parser.add_argument("--scale", default="nano")
    parser.add_argument("--corpus")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    args = parser.parse_args()
    code = {r.slug: r.code for r in load_references(ROOT / "library")}
    scale = load_scales(ROOT / "library" / "scales.yaml")[args.scale]
    print(f"{platform.machine()}, {args.threads} threads, {versions()}")
    with tempfile.TemporaryDirectory() as folder:
        config = Config.from_env({"DATA_DIR": folder, "THREADS": str(args.threads)})
        corpus = prepare(args.corpus, scale.vocab_size, config)
        for slug in args.designs.split(","):
            found = {}
            for precision in ("float32", "bfloat16"):
                work = Work(code[slug], replace(scale, precision=precision), 0, corpus, code["gpt2"], Path(folder) / f"{slug}-{precision}", config,
                            lambda point: None, lambda fraction, note: None, lambda kind, data: None, lambda: None)
                found[precision] = verification(work, ROOT / "library" / "tasks").metrics
            a, b = found["float32"], found["bfloat16"]
            print(f"{slug:12} float32 {a.bits_per_byte:.5f} ({a.tokens_per_s:,.0f} tokens/s)  bfloat16 {b.bits_per_byte:.5f} ({b.tokens_per_s:,.0f} tokens/s)  "
                  f"difference {b.bits_per_byte - a.bits_per_byte:+.5f} bits per byte, {b.bits_per_byte / a.bits_per_byte - 1:+.3%}", flush=True)


if __name__ == "__main__":
    main()

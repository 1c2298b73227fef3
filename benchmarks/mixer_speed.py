"""Tokens/s, forward and backward, of each reference against gpt2 in the same run, at two lengths; and how the time grows with length.

    python benchmarks/mixer_speed.py [--d 256] [--layers 4] [--device cpu] [--only gla,mamba]

Every reference stands with as many blocks as come nearest to gpt2's parameters, without embedding and head; every batch holds the same
number of tokens. Each round times every design once, so that a slow minute of the machine strikes all alike; medians over rounds.
Growth is the exponent e of time a sequence ~ length^e: 1 for linear, towards 2 for attention as it gets longer.
Ends with code 1 when a linear-time mixer is more than 4 times slower than gpt2 at the longer length.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from torch import nn  # noqa: E402

from core.gab.fit import fit  # noqa: E402
from core.gab.model import GAM, load_block  # noqa: E402
from core.gab.references import load_references  # noqa: E402
from core.selection.base import REFERENCE  # noqa: E402
from core.types import Scale  # noqa: E402

LENGTHS = (512, 2048)
QUADRATIC = {"gpt2", "llama", "diff_transformer", "mla", "jamba"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--d", type=int, default=256)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=0, help="a batch; 2,048 on the processor, 65,536 on a GPU")
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    tokens = args.tokens or (65_536 if args.device == "cuda" else 2048)
    scale = Scale("bench", args.layers, args.d, max(LENGTHS), 256, 1, 1, 1e-3, 0.25, 1, 1)
    references = load_references(ROOT / "library")
    base = next(r.code for r in references if r.slug == REFERENCE)
    chosen = [r for r in references if not args.only or r.slug in {REFERENCE, *args.only.split(",")}]
    chosen.sort(key=lambda r: r.slug != REFERENCE)
    what = torch.cuda.get_device_name() if args.device == "cuda" else f"{platform.machine()}, {torch.get_num_threads()} threads of {os.cpu_count()} cores"
    print(f"{what}, Python {platform.python_version()}, torch {torch.__version__}, d={args.d}, {tokens:,} tokens a batch, "
          f"{'bfloat16' if args.device == 'cuda' else 'float32'}")
    models = {}
    for ref in chosen:
        found = fit(ref.code, scale, base)
        block, config = load_block(ref.code)
        models[ref.slug] = (GAM(block, config, 256, found.d_model, found.n_layers, device=args.device), found.n_layers)
    times = {length: {slug: [] for slug in models} for length in LENGTHS}
    for _ in range(args.rounds + 1):
        for length in LENGTHS:
            for slug, (model, _) in models.items():
                times[length][slug].append(step(model, tokens // length, length, args.device))
    took = {length: {slug: statistics.median(t[1:]) for slug, t in times[length].items()} for length in LENGTHS}  # the first round warms up
    short, long = LENGTHS
    print(f"{'':18}{'blocks':>8}" + "".join(f"{f'tokens/s at {n}':>18}{'gpt2 is':>10}" for n in LENGTHS) + f"{'growth':>9}")
    slow = []
    for slug, (_, n) in models.items():
        row = f"{slug:18}{n:>8}"
        for length in LENGTHS:
            row += f"{tokens / took[length][slug]:>18,.0f}{took[length][slug] / took[length][REFERENCE]:>9.2f}×"
        growth = math.log(took[long][slug] * (long / short) / took[short][slug]) / math.log(long / short)
        print(f"{row}{growth:>9.2f}")
        if slug not in QUADRATIC and took[long][slug] > 4 * took[long][REFERENCE]:
            slow.append(slug)
    print(f"slower than 4 × gpt2 at {long}: {', '.join(slow) or 'none of the linear-time ones'}")
    return int(bool(slow))


def step(model: GAM, batch: int, length: int, device: str) -> float:
    """Seconds of one forward and backward through the blocks."""
    X = torch.randn(batch, length, model.embedding.embedding_dim, device=device)
    synchronise(device)
    started = time.perf_counter()
    with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
        Y, Z = X, {}
        for block in model.blocks:
            Y, Z = block(Y, **Z)
        loss = nn.functional.mse_loss(Y.float(), X)
    loss.backward()
    synchronise(device)
    took = time.perf_counter() - started
    model.zero_grad(set_to_none=True)
    return took


def synchronise(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    sys.exit(main())

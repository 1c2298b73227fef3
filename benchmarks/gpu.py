"""On a GPU: tokens/s, MFU, peak memory against the estimate, and compiled against eager, for every reference at 125M and 350M.

    python benchmarks/gpu.py [--scales 125M,350M] [--only gpt2,mamba2] [--steps 8] [--modes eager,compiled]

It needs torch and numpy alone, besides core/gab and core/verification/training: it runs on a bare GPU image. The loop is the trainer's own, on random tokens; a
step is the scale's whole batch of half a million tokens, accumulated. MFU is counted FLOPs a token (core/gab/costs.py: matrix products and attention, forward
and backward, without recomputation) times tokens/s, over the maker's dense bfloat16 peak. Without a GPU it says so and ends with code 2;
`--device cpu --tiny` runs every line of it on a processor.
"""

from __future__ import annotations

import argparse
import gc
import platform
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402

from core.gab.costs import costs  # noqa: E402
from core.gab.fit import fit  # noqa: E402
from core.gab.model import GAM, load_block  # noqa: E402
from core.types import Fit, Scale  # noqa: E402
from core.verification.gpu import peak_flops  # noqa: E402
from core.verification.training.checkpoint import Checkpoints  # noqa: E402
from core.verification.training.compiled import Compiled  # noqa: E402
from core.verification.training.data import Windows  # noqa: E402
from core.verification.training.loop import Settings, Trainer  # noqa: E402
from core.verification.training.ranks import Ranks  # noqa: E402

# As in library/scales.yaml, which needs a YAML reader.
SCALES = {"125M": Scale("125M", 12, 768, 2048, 32000, 2**31, 2**19, 6e-4), "350M": Scale("350M", 24, 1024, 2048, 32000, 2**33, 2**19, 3e-4),
          "tiny": Scale("tiny", 2, 64, 128, 512, 2**20, 2**11, 1e-3, tolerance=0.3)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scales", default="125M,350M")
    parser.add_argument("--only", default="")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--modes", default="eager,compiled")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="a scale of seconds, to try the script itself")
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        print("no GPU is here: run it on one, or try the script with --device cpu --tiny")
        return 2
    name = torch.cuda.get_device_name() if args.device == "cuda" else platform.processor() or platform.machine()
    print(f"{name}, Python {platform.python_version()}, torch {torch.__version__}, CUDA {torch.version.cuda}; peak {(peak_flops(name) or 0) / 1e12:.0f} TFLOP/s in bfloat16")
    code = {path.parent.name: path.read_text() for path in sorted((ROOT / "library" / "designs").glob("*/gab.py"))}
    chosen = [slug for slug in code if not args.only or slug in args.only.split(",")]
    chosen.sort(key=lambda slug: slug != "gpt2")
    for scale in ([SCALES["tiny"]] if args.tiny else [SCALES[s] for s in args.scales.split(",")]):
        print(f"\n{scale.name}\n{'':18}{'blocks':>8}{'mode':>10}{'tokens/s':>12}{'MFU':>8}{'peak MB':>10}{'estimate':>10}{'micro':>7}")
        for slug in chosen:
            one(slug, code[slug], code["gpt2"], scale, args, name)
    return 0


def one(slug: str, code: str, reference: str, scale: Scale, args: argparse.Namespace, device_name: str) -> None:
    found = fit(code, scale, reference)
    block, config = load_block(code)
    try:
        counted = costs(block, config, scale, found, args.device)
        flops, estimate = counted.flops_train, counted.memory_mb
    except Exception as error:  # a block whose shapes depend on numbers
        print(f"{slug:18} cannot be counted: {error}")
        flops, estimate = 0.0, 0.0
    for mode in args.modes.split(","):
        try:
            rate, peak, micro, state = measured(block, config, scale, found, mode, args)
        except Exception as error:  # told, and the others go on
            print(f"{slug:18}{found.n_layers:>8}{mode:>10}  failed: {' '.join(str(error).split())[:160]}", flush=True)
            continue
        top = peak_flops(device_name)
        use = f"{rate * flops / top:>8.1%}" if top and flops else f"{'?':>8}"
        print(f"{slug:18}{found.n_layers:>8}{mode:>10}{rate:>12,.0f}{use}{peak:>10,.0f}{estimate:>10,.0f}{micro:>7}" + (f"  {state[:120]}" if state not in ("", "compiled") else ""), flush=True)


def measured(block: type, config: dict, scale: Scale, found: Fit, mode: str, args: argparse.Namespace) -> tuple[float, float, int, str]:
    """(tokens/s of the median step, peak MB, sequences at once, what became of compiling)"""
    gc.collect()
    if args.device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    with tempfile.TemporaryDirectory() as folder:
        np.random.default_rng(0).integers(1, scale.vocab_size, 2**21).astype(np.uint16).tofile(Path(folder, "train.bin"))
        model = GAM(block, config, scale.vocab_size, found.d_model, found.n_layers, device=args.device)
        compiled = Compiled(model) if mode == "compiled" else None
        warm = 3 if mode == "compiled" else 2
        short = replace(scale, tokens=scale.batch_tokens * (args.steps + warm))
        settings = Settings(args.device, "bfloat16", torch.get_num_threads(), 1e9, 4.0)
        trainer = Trainer(model, short, Windows(Path(folder, "train.bin"), scale.vocab_size, scale.context, 0), None, Checkpoints(Path(folder), {}), settings, Ranks(args.device), compiled,
                          lambda kind, data: None)
        times = [trainer.timed_step(step)[2] for step in range(args.steps + warm)]
    peak = torch.cuda.max_memory_allocated() / 2**20 if args.device == "cuda" else 0.0
    return scale.batch_tokens / statistics.median(times[warm:]), peak, trainer.replicas.rows, compiled.state if compiled else ""


if __name__ == "__main__":
    sys.exit(main())

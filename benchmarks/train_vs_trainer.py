"""Tokens/s of this project's training loop against Hugging Face's Trainer: the same block, data, batch and precision, in one run, alternating.

    pip install -r benchmarks/requirements.txt
    python benchmarks/train_vs_trainer.py [--design gpt2] [--scales nano,micro] [--rounds 3] [--steps 12]

For each scale: ours and Trainer in float32, ours and Trainer in bfloat16 autocast, and ours as it is set on this machine against Trainer with its defaults.
Every round times each contender for so many steps, after warm ones, so that a slow minute of the machine strikes all alike; the median step of all
rounds counts. Trainer gets the batch of the scale whole, already tokenised, without logging, saving or evaluation; its fused AdamW is its own default. Ours runs as
in a verification, but outside the sandbox, which adds nothing to a step. Ends with code 1 below 1.3 times (same precision) or 2 times (defaults).
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402
import torch  # noqa: E402

from core.gab.fit import fit  # noqa: E402
from core.gab.model import GAM, load_block  # noqa: E402
from core.gab.references import load_references  # noqa: E402
from core.gab.scales import load_scales  # noqa: E402
from core.types import Fit, Scale  # noqa: E402
from core.verification.training import kernels  # noqa: E402
from core.verification.training.checkpoint import Checkpoints  # noqa: E402
from core.verification.training.child import make_deterministic  # noqa: E402
from core.verification.training.data import Windows  # noqa: E402
from core.verification.training.loop import Settings, Trainer  # noqa: E402
from core.verification.training.precision import chosen_precision  # noqa: E402
from core.verification.training.ranks import Ranks  # noqa: E402

WARM = 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--design", default="gpt2")
    parser.add_argument("--scales", default="nano,micro")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    args = parser.parse_args()
    scales, code = load_scales(ROOT / "library" / "scales.yaml"), {r.slug: r.code for r in load_references(ROOT / "library")}
    print(f"{_processor()}, {args.threads} threads, Python {platform.python_version()}, torch {torch.__version__}, transformers {version('transformers')}, accelerate {version('accelerate')}")
    wrong = [words for name in args.scales.split(",") for words in compared(args.design, scales[name], code, args.threads, args.steps, args.rounds)]
    return int(bool(wrong))


def compared(design: str, scale: Scale, code: dict[str, str], threads: int, steps: int, rounds: int) -> list[str]:
    """Print one scale; which ratios are too small."""
    found = fit(code[design], scale, code["gpt2"])
    block, config = load_block(code[design])
    machine = chosen_precision(scale, "cpu")
    times: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        tokens = np.random.default_rng(0).integers(1, scale.vocab_size, 2**20).astype(np.uint16)
        tokens.tofile(Path(folder, "train.bin"))
        for _ in range(rounds):
            for precision in ("float32", "bfloat16"):
                times[f"ours {precision}"] += ours(_made(block, config, scale, found), scale, Path(folder), precision, threads, steps)
                times[f"Trainer {precision}"] += theirs(_made(block, config, scale, found), scale, tokens, threads, steps, bf16=precision == "bfloat16")
    rate = {key: scale.batch_tokens / statistics.median(t) for key, t in times.items()}
    print(f"\n{design} at {scale.name}: {found.n_layers} × {found.d_model}, {scale.batch_tokens:,} tokens a step")
    for key, value in rate.items():
        print(f"  {key:<20} {value:>10,.0f} tokens/s")
    ratios = {f"same precision, {p}": (rate[f"ours {p}"] / rate[f"Trainer {p}"], 1.3) for p in ("float32", "bfloat16")}
    ratios[f"as set on this machine ({machine}) against Trainer's defaults (float32)"] = (rate[f"ours {machine}"] / rate["Trainer float32"], 2.0)
    for words, (ratio, due) in ratios.items():
        print(f"  {ratio:.2f} × {words}" + ("" if ratio >= due else f"   BELOW {due}"), flush=True)
    return [words for words, (ratio, due) in ratios.items() if ratio < due]


def _made(block: type, config: dict, scale: Scale, found: Fit) -> GAM:
    return GAM(block, config, scale.vocab_size, found.d_model, found.n_layers, seed=0)


def ours(model: GAM, scale: Scale, folder: Path, precision: str, threads: int, steps: int) -> list[float]:
    """Seconds of each step after the warm ones."""
    make_deterministic(threads)
    kept = kernels.install(kernels.choose("cpu", precision))
    short = replace(scale, tokens=scale.batch_tokens * (steps + WARM), precision=precision)
    stamps = []
    trainer = Trainer(model, short, Windows(folder / "train.bin", scale.vocab_size, scale.context, 0), None, Checkpoints(Path(tempfile.mkdtemp()), {}),
                      Settings("cpu", precision, threads, 1e9, 4.0, 1e9), Ranks("cpu"), None, lambda kind, data: None)
    stamps.append(time.perf_counter())
    trainer.run(lambda point: stamps.append(time.perf_counter()), lambda step: None)
    for library in kept:
        library._destroy()
    torch.use_deterministic_algorithms(False)
    return [b - a for a, b in zip(stamps[WARM:], stamps[WARM + 1 :], strict=False)]


def theirs(model: GAM, scale: Scale, tokens: np.ndarray, threads: int, steps: int, **settings: bool) -> list[float]:
    from transformers import PretrainedConfig, PreTrainedModel, Trainer, TrainerCallback, TrainingArguments
    from transformers.loss.loss_utils import ForCausalLMLoss
    from transformers.modeling_outputs import CausalLMOutput
    from transformers.trainer_callback import PrinterCallback

    torch.set_num_threads(threads)

    class Config(PretrainedConfig):
        model_type = "gab"

    class Model(PreTrainedModel):
        config_class = Config

        def __init__(self, config: Config) -> None:
            super().__init__(config)
            self.gam = model

        def forward(self, input_ids: torch.Tensor, labels: torch.Tensor | None = None, **more: object) -> CausalLMOutput:
            logits = self.gam(input_ids)
            loss = ForCausalLMLoss(logits, labels, scale.vocab_size, **more) if labels is not None else None
            return CausalLMOutput(loss=loss, logits=logits)

    class Data(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return (steps + WARM + 1) * scale.batch_tokens // scale.context

        def __getitem__(self, i: int) -> dict[str, torch.Tensor]:
            at = i * scale.context % (len(tokens) - scale.context)
            ids = torch.from_numpy(tokens[at : at + scale.context].astype(np.int64))
            return {"input_ids": ids, "labels": ids}

    class Stamps(TrainerCallback):
        def __init__(self) -> None:
            self.at: list[float] = []

        def on_step_begin(self, *_: object, **__: object) -> None:
            self.at.append(time.perf_counter())

    stamps = Stamps()
    with tempfile.TemporaryDirectory() as out:
        arguments = TrainingArguments(output_dir=out, max_steps=steps + WARM + 1, per_device_train_batch_size=scale.batch_tokens // scale.context, report_to=[], disable_tqdm=True,
                                      save_strategy="no", logging_strategy="no", use_cpu=True, learning_rate=scale.lr, **settings)
        trainer = Trainer(model=Model(Config()), args=arguments, train_dataset=Data(), callbacks=[stamps])
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return [b - a for a, b in zip(stamps.at[WARM:], stamps.at[WARM + 1 :], strict=False)]


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    sys.exit(main())

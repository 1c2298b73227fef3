"""The sandboxed side of a training: it sees the training tokens and the checkpoint folder, and nothing that is held out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from core.gab.fit import fit
from core.gab.model import GAM, count_params, load_block
from core.sandbox.channel import Channel
from core.types import Json, Scale, derive_seed
from core.verification.training.checkpoint import Checkpoints
from core.verification.training.data import Windows
from core.verification.training.loop import Trainer

WEIGHTS = "weights.safetensors"


def main(channel: Channel, payload: Json, arrays: list) -> None:
    """Frames: {"fit"}, {"resumed"} when it goes on from a checkpoint, {"point"} a step, then {"done", …} once the weights are written."""
    import torch
    from safetensors.torch import save_file

    make_deterministic(payload["threads"])
    scale, folder = Scale(**payload["scale"]), Path(payload["folder"])
    block, config = load_block(payload["code"])
    found = fit(payload["code"], scale, payload["reference_code"])
    channel.send({"fit": asdict(found)})
    model = GAM(block, config, scale.vocab_size, found.d_model, found.n_layers, seed=derive_seed(payload["seed"], "init"))
    windows = Windows(Path(payload["tokens"]), scale.vocab_size, scale.context, payload["seed"])
    checkpoints = Checkpoints(folder, payload["identity"])
    torch.manual_seed(derive_seed(payload["seed"], "train"))  # for blocks that draw, e.g. dropout
    trainer = Trainer(model, scale, windows, checkpoints, payload["device"], payload["bytes_per_token"],
                      payload["checkpoint_s"])
    trained = trainer.run(lambda point: channel.send({"point": asdict(point)}), lambda step: channel.send({"resumed": step}))
    scratch = folder / f"{WEIGHTS}.tmp"
    save_file({name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}, scratch)
    scratch.replace(folder / WEIGHTS)
    params, embedding = count_params(model)
    peak = torch.cuda.max_memory_allocated() / 2**20 if payload["device"] == "cuda" else 0.0
    channel.send({"done": True, "params": params, "params_embedding": embedding, "cuda_peak_mb": peak, **asdict(trained)})


def make_deterministic(threads: int) -> None:
    """The same numbers on the same machine. Threads are fixed, since sums depend on how they are split."""
    import torch

    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.set_flush_denormal(True)

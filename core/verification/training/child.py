"""The sandboxed side of a training: it sees the training tokens, the watched documents and the checkpoint folder; nothing that is scored for the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from core.gab.fit import fit
from core.gab.model import GAM, count_params, load_block
from core.sandbox.channel import Channel
from core.types import Json, Scale, derive_seed
from core.verification.training import kernels
from core.verification.training.checkpoint import Checkpoints
from core.verification.training.compiled import Compiled
from core.verification.training.data import Windows
from core.verification.training.loop import Settings, Trainer
from core.verification.training.ranks import Ranks
from core.verification.training.watch import Watch

WEIGHTS = "weights.safetensors"


def main(channel: Channel, payload: Json, arrays: list) -> None:
    train(payload, channel.send)


def train(payload: Json, send: Callable[[Json], None]) -> None:
    """Frames: {"fit"}, {"resumed"} when it goes on from a checkpoint, {"event", "data"}, {"point"} a step, then {"done", …} once the weights are written."""
    import torch

    device, precision = payload["device"], payload["precision"]
    make_deterministic(payload["threads"])
    kept = kernels.install(payload["kernels"])
    ranks = Ranks(device)
    scale, folder = Scale(**payload["scale"]), Path(payload["folder"])
    block, config = load_block(payload["code"])
    found = fit(payload["code"], scale, payload["reference_code"])
    if ranks.rank == 0:
        send({"fit": asdict(found)})
    model = GAM(block, config, scale.vocab_size, found.d_model, found.n_layers, seed=derive_seed(payload["seed"], "init"))
    _check_buffers(model, found.params)
    corpus = Path(payload["corpus"])
    settings = Settings(device, precision, payload["threads"], payload["checkpoint_s"], payload["bytes_per_token"], payload.get("at_most_s"), payload.get("rows"))
    watch = Watch(corpus, scale, device, precision == "bfloat16") if (corpus / "watch.bin").exists() and settings.at_most_s is None else None
    compiled = Compiled(model.to(device)) if payload["compile"] else None
    torch.manual_seed(derive_seed(payload["seed"], "train", ranks.rank))  # for blocks that draw, e.g. dropout
    trainer = Trainer(model, scale, Windows(corpus / "train.bin", scale.vocab_size, scale.context, payload["seed"]), watch,
                      Checkpoints(folder, payload["identity"]), settings, ranks, compiled, lambda kind, data: send({"event": kind, "data": data}) if ranks.rank == 0 else None)
    trained = trainer.run(lambda point: send({"point": asdict(point)}) if ranks.rank == 0 else None, lambda step: send({"resumed": step}) if ranks.rank == 0 else None)
    if ranks.rank == 0:
        save_weights(model, folder / WEIGHTS)
        params, embedding = count_params(model)
        send({"done": True, "params": params, "params_embedding": embedding, "compiled": compiled.state if compiled else "", "kernels": list(payload["kernels"]) if kept else [],
              **_gpu(device, block, config, scale, found), **asdict(trained)})
    ranks.close()


def _check_buffers(model: GAM, params: int) -> None:
    """Said before the first step: what is saved is counted once more when the training is over, and a design must not fail then. Raises DesignError."""
    from core.errors import DesignError
    from core.gab.counting import EMBEDDING, most_saved

    saved = {tensor.data_ptr(): tensor.numel() for name, tensor in model.state_dict().items() if name != EMBEDDING}
    found = sum(saved.values())
    if found > most_saved(params):
        raise DesignError(f"the block would save {found:,} numbers and has {params:,} parameters: its persistent buffers are too large",
                          "register_buffer(..., persistent=False) for what __init__ can compute again")


def save_weights(model: GAM, target: Path) -> None:
    """Whole or not at all. Raises VerificationError."""
    import os

    from safetensors.torch import save_file

    from core.errors import VerificationError

    scratch = target.with_suffix(".tmp")
    try:
        save_file({name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}, scratch)
        with scratch.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(scratch, target)
    except Exception as error:  # safetensors raises its own kind for a full disk
        if scratch.is_file():
            scratch.unlink()
        raise VerificationError(f"the weights {target} cannot be written: {error}", "free some space or set CKPT_DIR, then retry the job: it goes on from the last checkpoint") from error


def _gpu(device: str, block: type, config: Json, scale: Scale, found: object) -> Json:
    """What the GPU's own counters say, and the FLOPs of a token, from which its use is computed outside."""
    import torch

    if device != "cuda":
        return {"cuda_peak_mb": 0.0, "gpu": "", "flops_train": 0.0}
    from core.gab.costs import costs

    try:
        flops = costs(block, config, scale, found, "cuda").flops_train
    except Exception:  # shapes that depend on numbers: the training itself went well
        flops = 0.0
    return {"cuda_peak_mb": torch.cuda.max_memory_allocated() / 2**20, "gpu": torch.cuda.get_device_name(), "flops_train": flops}


def make_deterministic(threads: int) -> None:
    """The same numbers on the same machine. Threads are fixed, since sums depend on how they are split."""
    import torch

    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # what reads memory that nobody wrote is found by the checks; filling it costs time
    torch.set_flush_denormal(True)

"""The sandboxed side of an evaluation: token ids in, hidden states out. It never sees what is asked of them.

Started fresh from saved weights, with none of the training's process left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.errors import SandboxMemory, VerificationError
from core.gab.model import GAM, load_block
from core.sandbox.channel import Channel
from core.types import Fit, Json, Scale
from core.verification.training import kernels
from core.verification.training.child import make_deterministic

if TYPE_CHECKING:
    from torch import Tensor

NAMED = 5  # tensors told of in an error


def main(channel: Channel, payload: Json, arrays: list) -> None:
    """Answers each {"ids"} frame, ids (b, l), with hidden states (b, l, d) float32 after the final norm; ends at {"stop"}.

    `payload["precision"]`, "float32" unless told: "bfloat16" computes under autocast. Raises VerificationError for weights that are not the design's.
    """
    import torch

    make_deterministic(payload["threads"])
    kept = kernels.install(kernels.choose(payload["device"], payload.get("precision", "float32")))
    scale, fit, device = Scale(**payload["scale"]), Fit(**payload["fit"]), payload["device"]
    block, config = load_block(payload["code"])
    model = GAM(block, config, scale.vocab_size, fit.d_model, fit.n_layers)
    load_strictly(model, payload["weights"])
    model = model.to(device).eval()
    half = payload.get("precision") == "bfloat16"
    torch.backends.cudnn.allow_tf32 = half  # float32 is meant in full, in convolutions too
    channel.send({"ready": True})
    while True:
        header, ids = channel.recv()
        if header.get("stop"):
            channel.send({"done": True})
            kept.clear()
            return
        with torch.no_grad(), torch.autocast(torch.device(device).type, torch.bfloat16, enabled=half):
            hidden = answered(model, torch.from_numpy(ids[0].astype(np.int64)).to(device))
        channel.send({"hidden": True}, hidden)


def answered(model: GAM, ids: Tensor) -> np.ndarray:
    """ids (b, l) → (b, l, d) float32; in halves where the device has no room for the whole. Raises SandboxMemory where it has none for one row."""
    import torch

    try:
        return model.hidden(ids).float().cpu().numpy()
    except torch.OutOfMemoryError:
        if len(ids) == 1:
            raise SandboxMemory(f"the device has no room for one text of {ids.shape[1]} tokens", "use a larger device, or a smaller scale") from None
    torch.cuda.empty_cache()  # outside the handler: what the failed pass held is free now
    half = len(ids) // 2
    return np.concatenate([answered(model, ids[:half]), answered(model, ids[half:])])


def load_strictly(model: GAM, weights: str) -> None:
    """Every tensor of the model from the file, and no other: none may be left as it was drawn. Raises VerificationError naming the first that differ."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        saved = load_file(weights)
    except (OSError, SafetensorError) as error:
        raise VerificationError(f"the weights {weights} cannot be read: {error}", "remove their folder and retry: it is trained again") from None
    wanted = model.state_dict()
    wrong = [f"{what}: {', '.join(names[:NAMED])}{f' and {len(names) - NAMED} more' if len(names) > NAMED else ''}" for what, names in (
        ("missing", [n for n in wanted if n not in saved]), ("unused", [n for n in saved if n not in wanted]),
        ("of another shape", [f"{n} {tuple(saved[n].shape)} for {tuple(t.shape)}" for n, t in wanted.items() if n in saved and saved[n].shape != t.shape])) if names]
    if wrong:
        raise VerificationError(f"the weights do not fit the design: {'; '.join(wrong)}", "the block must make the same parameters each time")
    model.load_state_dict(saved, strict=True)

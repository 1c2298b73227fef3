"""The sandboxed side of an evaluation: token ids in, hidden states out. It never sees what is asked of them.

Started fresh from saved weights, with none of the training's process left.
"""

from __future__ import annotations

import numpy as np

from core.errors import VerificationError
from core.gab.model import GAM, load_block
from core.sandbox.channel import Channel
from core.types import Fit, Json, Scale
from core.verification.training.child import make_deterministic


def main(channel: Channel, payload: Json, arrays: list) -> None:
    """Answers each {"ids"} frame, ids (b, l), with hidden states (b, l, d) float32 after the final norm; ends at {"stop"}."""
    import torch
    from safetensors.torch import load_file

    make_deterministic(payload["threads"])
    scale, fit, device = Scale(**payload["scale"]), Fit(**payload["fit"]), payload["device"]
    block, config = load_block(payload["code"])
    model = GAM(block, config, scale.vocab_size, fit.d_model, fit.n_layers)
    try:
        model.load_state_dict(load_file(payload["weights"]), strict=True)
    except RuntimeError as error:
        raise VerificationError(f"the weights do not fit the design: {error}", "the block must make the same parameters each time") from None
    model = model.to(device).eval()
    channel.send({"ready": True})
    while True:
        header, ids = channel.recv()
        if header.get("stop"):
            channel.send({"done": True})
            return
        with torch.no_grad():
            hidden = model.hidden(torch.from_numpy(ids[0].astype(np.int64)).to(device)).float().cpu().numpy()
        channel.send({"hidden": True}, hidden)

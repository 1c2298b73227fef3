"""The sandboxed side of counting costs: it runs the block, on tensors without numbers."""

from __future__ import annotations

from dataclasses import asdict, replace

from core.errors import ModelDiscoveryError
from core.gab.costs import LIBRARIES_MB, costs, resident_mb
from core.gab.fit import fit
from core.gab.model import load_block, own_frames
from core.sandbox.channel import Channel
from core.types import Json, Scale


def main(channel: Channel, payload: Json, arrays: list) -> None:
    """Frames: {"counting": scale}, then {"scale", "costs"} or {"scale", "failed"}, for each scale; then {"done"}."""
    process_mb = resident_mb() + LIBRARIES_MB
    block, config = load_block(payload["code"])
    for settings, device in zip(payload["scales"], payload["devices"], strict=True):
        scale = Scale(**settings)
        channel.send({"counting": scale.name})
        try:
            found = replace(costs(block, config, scale, fit(payload["code"], scale, payload["reference_code"]), device), process_mb=process_mb)
        except ModelDiscoveryError as error:
            channel.send({"scale": scale.name, "failed": error.what})
            break
        except Exception as error:  # the block's own code: whatever it raises is its verdict
            channel.send({"scale": scale.name, "failed": own_frames(error)})
            break
        channel.send({"scale": scale.name, "costs": asdict(found)})
    channel.send({"done": True})

"""The sandboxed side of a probe: it trains on data it makes itself, then says what it predicts on the parent's; it never sees the answers to those."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from core.errors import DesignError, ModelDiscoveryError
from core.gab.contract import ComposedGAB, UnitSpec
from core.gab.model import GAM, count_params, load_block, own_frames
from core.sandbox.channel import Channel
from core.types import Json
from core.verification.probes.state import depth, normalised
from core.verification.probes.tasks import get_task
from core.verification.probes.train import Learner, scale_start, train
from core.verification.training.child import make_deterministic

WIDTHS = (1.0, 1.25, 0.75, 1.5, 2.0)     # of the width wanted, where a block does not build at it


def main(channel: Channel, payload: Json, arrays: list) -> None:
    """Sends {"built"}; for each learning rate {"step"} on the way and {"trained"}, upon which it answers {"ids"} with predictions until {"next"}.

    Payload: code, task, settings (full), depth, width, state, steps, batch, stop_solved, ease, lrs, seed, model_seed. Ends with {"done"}.
    """
    make_deterministic(1)
    began = time.process_time()
    task, settings = get_task(payload["task"]), payload["settings"]
    block, config = load_block(payload["code"])
    classes = classes_of(block.tree) if issubclass(block, ComposedGAB) else {}
    payload["depth"] = depth(classes, config, payload["depth"])
    width, config, state = built(block, config, classes, task.vocab(settings), payload)
    channel.send({"built": True, "width": width, "depth": payload["depth"], "state": state, "config": {k: v for k, v in config.items() if isinstance(v, (int, float, str, bool))}})
    for lr in payload["lrs"]:
        model = GAM(block, config, task.vocab(settings), width, payload["depth"], payload["model_seed"])
        scale_start(model)
        learner = Learner(model, task, settings, payload["seed"])
        run = train(learner, payload, lr, payload["seed"], lambda step: channel.send({"step": step}))
        channel.send({"trained": True, "steps": run.steps, "accuracy": run.accuracy, "failure": run.failure, "params": count_params(model)[0],
                      "cpu_seconds": time.process_time() - began})
        while True:
            header, given = channel.recv()
            if "ids" not in header:
                break
            channel.send({"predicted": True}, learner.predict(given[0]))
        if header.get("stop"):
            break
    channel.send({"done": True})


def built(block: type, config: dict[str, Any], classes: Mapping[str, str], vocab: int, payload: Json) -> tuple[int, dict[str, Any], int | None]:
    """The width nearest to the one wanted at which the block builds, its hyperparameters there, and the numbers in a block's state."""
    first: Exception | None = None
    for share in WIDTHS:
        width = round(share * payload["width"])
        settings, state = normalised(classes, config, width, payload["state"])
        try:
            GAM(block, settings, vocab, width, payload["depth"], 0)
        except Exception as error:  # the block's own code: whatever it raises at a width is its verdict there
            first = first or error
            continue
        return width, settings, state
    told = first.what if isinstance(first, ModelDiscoveryError) else own_frames(first)
    raise DesignError(f"the block does not build at a width of {payload['width']} nor near it: {told}", "choose heads that divide the width")


def classes_of(spec: UnitSpec, prefix: str = "") -> Mapping[str, str]:
    """Prefix in `gab_config` → class name, for every unit of a tree."""
    found = {prefix: spec.cls.__name__}
    for slot, child in spec.children.items():
        found |= classes_of(child, f"{prefix}{slot}__")
    return found

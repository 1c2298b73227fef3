"""The sandboxed side of the check: everything that runs the block."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict

from core.checker.checks.backward import backward
from core.checker.checks.build import build
from core.checker.checks.causality import causality
from core.checker.checks.common import Outcome, Subject
from core.checker.checks.forward import forward
from core.errors import ModelDiscoveryError
from core.gab.fit import fit
from core.gab.model import load_block, own_frames
from core.sandbox.channel import Channel
from core.types import Json, Scale

CHECKS: tuple[Callable[[Subject], Outcome], ...] = (build, forward, backward, causality)


def main(channel: Channel, payload: Json, arrays: list) -> None:
    """Frames: {"fit"}, then one {"result"} a check as it ends, then {"done"}. The first failure ends it."""
    import torch

    torch.set_num_threads(payload["threads"])
    scale = Scale(**payload["scale"])
    subject: Subject | None = None

    def make() -> Outcome:
        nonlocal subject
        block, config = load_block(payload["code"])
        subject = Subject(block, config, scale, fit(payload["code"], scale, payload["reference_code"]))
        channel.send({"fit": asdict(subject.fit)})
        return build(subject)

    for name, check in [("build", make), *((c.__name__, lambda c=c: c(subject)) for c in CHECKS[1:])]:
        outcome, seconds = _timed(check)
        channel.send({"result": {"name": name, "verdict": outcome.verdict, "evidence": outcome.evidence, "mend": outcome.mend, "seconds": seconds}})
        if outcome.verdict == "fail":
            break
    channel.send({"done": True})


def _timed(check: Callable[[], Outcome]) -> tuple[Outcome, float]:
    started = time.perf_counter()
    try:
        outcome = check()
    except ModelDiscoveryError as error:
        outcome = Outcome("fail", error.what, error.mend)
    except Exception as error:  # the block's own code: whatever it raises is its verdict
        outcome = Outcome("fail", own_frames(error), "mend the line named")
    return outcome, time.perf_counter() - started

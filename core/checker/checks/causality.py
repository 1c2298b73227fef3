"""Whether the future leaks into the past."""

from __future__ import annotations

import torch

from core.checker.checks.common import Outcome, Subject

TOLERANCE = 1e-9     # relative, in float64: rounding stays below 1e-12, the smallest leak worth having is far above
LENGTHS = (2, 17, 64, 129)


def causality(subject: Subject) -> Outcome:
    """Changing tokens from position t on must not change the logits before t, in the whole model, so that leaks through Z and between blocks show too.

    Parameters are randomised first, since a leak may hide behind a gate that starts at zero. Prefixes alone must
    also give what they give inside the longer sequence: that catches statistics over the sequence's length.
    """
    model, worst = subject.model(torch.float64), (0.0, "")
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn(p.shape, generator=generator, dtype=p.dtype), alpha=0.1)
    for mode in (model.eval, model.train):
        mode()
        for length in (*LENGTHS, min(256, subject.scale.context)):
            ids = subject.ids(2, length)
            with torch.no_grad():
                whole = model(ids)
                for cut in sorted({1, length // 3, length // 2, length - 1} - {0}):
                    changed = ids.clone()
                    changed[:, cut:] = (ids[:, cut:] + 1 + torch.randint(95, ids[:, cut:].shape, generator=generator)) % 97
                    for what, other in (("later tokens changed", model(changed)[:, :cut]), ("later tokens cut off", model(ids[:, :cut]))):
                        off = _relative(whole[:, :cut], other)
                        if not off <= worst[0]:
                            worst = (off, f"{what} at {cut} of {length}, {'train' if model.training else 'eval'} mode")
    if not worst[0] <= TOLERANCE:
        return Outcome("fail", f"the future leaks: logits move by {worst[0]:.1e} of their size ({worst[1]}), allowed {TOLERANCE:.0e}",
                       "let position t see X[:, :t+1] only: no statistics, sorts, transforms or padding over the whole sequence")
    lengths = ", ".join(map(str, LENGTHS))
    return Outcome("pass", f"logits move by at most {worst[0]:.1e} of their size, allowed {TOLERANCE:.0e}; lengths {lengths} and the context, float64{subject.reduced}")


def _relative(a: torch.Tensor, b: torch.Tensor) -> float:
    return ((a - b).abs().max() / a.abs().max().clamp_min(1e-30)).item()

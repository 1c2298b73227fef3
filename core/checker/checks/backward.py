"""Runs the design backward."""

from __future__ import annotations

import torch

from core.checker.checks.common import Outcome, Subject


def backward(subject: Subject) -> Outcome:
    """Every parameter gets a finite gradient from the next-token loss; one that gets none, or only zeros, is dead weight and a warning, all of them a failure."""
    model = subject.model().train()
    ids = subject.ids(2, min(65, subject.scale.context))
    loss = torch.nn.functional.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
    if not torch.isfinite(loss):
        return Outcome("fail", f"the loss is {loss.item()}", "look for a division by zero, a log or an overflow")
    if not loss.requires_grad:
        return Outcome("fail", "the loss has no gradient", "detach nothing on the way")
    loss.backward()
    grads = {name: p.grad for name, p in model.named_parameters()}
    broken = [name for name, g in grads.items() if g is not None and not torch.isfinite(g).all()]
    if broken:
        return Outcome("fail", f"gradients that are not finite: {_some(broken)}", "look for a square root or a division at zero")
    dead = [name for name, g in grads.items() if g is None or not g.any()]
    inside = [name for name in grads if name.startswith("blocks.")]
    if inside and set(inside) <= set(dead):
        return Outcome("fail", f"no gradient reaches any of the blocks' {len(inside)} parameters", "detach nothing on the way")
    norm = torch.stack([g.norm() for g in grads.values() if g is not None]).norm()
    evidence = f"loss {loss.item():.2f} at the start, gradient norm {norm:.2f} over {len(grads)} tensors{subject.reduced}"
    if dead:
        return Outcome("warn", f"{evidence}; no gradient reaches {_some(dead)}", "use these parameters, or leave them out")
    return Outcome("pass", evidence)


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")

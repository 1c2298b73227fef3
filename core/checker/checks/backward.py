"""Runs the design backward, and a few steps of training."""

from __future__ import annotations

import math

import numpy as np

from core.checker.subject import VOCAB, Answer, Outcome, Subject, some

LEARN_STEPS = 60
INDUCTION = 16       # symbols of the probe's alphabet


def backward(subject: Subject) -> Outcome:
    """Every parameter gets a finite gradient from the next-token loss; one that gets none, or only zeros, is dead weight and a warning, all of them a failure."""
    subject.build()
    ids = subject.ids(2, min(65, subject.context))
    header, _ = subject.ask("backward", ids[:, :-1].copy(), ids[:, 1:].copy())
    try:
        loss, grads = float(header["loss"]), [(str(n), bool(there), bool(finite), float(norm)) for n, there, finite, norm in header["grads"]]
    except (KeyError, TypeError, ValueError):
        raise Answer("the gradients that were answered are none", "") from None
    if not math.isfinite(loss):
        return Outcome("fail", f"the loss is {loss}", "look for a division by zero, a log or an overflow")
    if header.get("detached"):
        return Outcome("fail", "the loss has no gradient", "detach nothing on the way")
    broken = [name for name, _, finite, _ in grads if not finite]
    if broken:
        return Outcome("fail", f"gradients that are not finite: {some(broken)}", "look for a square root or a division at zero")
    dead = [name for name, there, _, norm in grads if not there or norm == 0]
    inside = [name for name, *_ in grads if name.startswith("blocks.")]
    if inside and set(inside) <= set(dead):
        return Outcome("fail", f"no gradient reaches any of the blocks' {len(inside)} parameters", "detach nothing on the way")
    norm = math.sqrt(sum(n * n for *_, n in grads))
    evidence = f"loss {loss:.2f} at the start, gradient norm {norm:.2f} over {len(grads)} tensors{subject.reduced}"
    if dead:
        return Outcome("warn", f"{evidence}; no gradient reaches {some(dead)}", "use these parameters, or leave them out")
    return Outcome("pass", evidence)


def start(subject: Subject) -> Outcome:
    """Activations keep their scale from block to block at initialisation: more than a hundredfold growth, or a collapse, makes deep stacks hard to train (a warning)."""
    subject.build()
    _, header = subject.answered(subject.ids(2, 64))
    scales = [float(s) for s in header.get("scales", [])] or [math.nan]
    words = " → ".join(f"{s:.2g}" for s in scales)
    if not all(math.isfinite(s) for s in scales) or max(scales) > 100 or scales[-1] == 0:
        return Outcome("warn", f"standard deviation of the residual stream: {words}", "scale the last projection of each branch by 1/√(2 × blocks)")
    return Outcome("pass", f"standard deviation of the residual stream: {words}")


def learns(subject: Subject) -> Outcome:
    """The loss falls on one small batch, and on repeated random sequences (the induction of Olsson et al. 2022, arXiv 2209.11895): a block that cannot is a warning."""
    subject.build()
    rng = np.random.default_rng(0)
    batch = rng.zipf(1.6, (4, 33)) % VOCAB
    losses = [_step(subject, batch) for _ in range(20)]
    subject.build()
    first, last = [], []
    for _ in range(LEARN_STEPS):
        half = rng.integers(0, INDUCTION, (8, 24))
        losses_now = _step(subject, np.concatenate([half, half], 1))
        (first if len(first) < 5 else last).append(losses_now)
    induction = float(np.mean(last[-5:]))
    evidence = f"one batch {losses[0]:.2f} → {losses[-1]:.2f}; induction {np.mean(first):.2f} → {induction:.2f} in {LEARN_STEPS} steps (chance {math.log(INDUCTION):.2f})"
    if not math.isfinite(losses[-1]) or losses[-1] > 0.8 * losses[0]:
        return Outcome("warn", evidence, "look whether gradients reach the mixer, and at the scale of what is added to the residual stream")
    return Outcome("pass", evidence)


def _step(subject: Subject, ids: np.ndarray) -> float:
    header, _ = subject.ask("step", ids[:, :-1].astype(np.int64), ids[:, 1:].astype(np.int64))
    return float(header["loss"])

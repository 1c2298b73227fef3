"""Runs the design forward: what comes out, and whether it depends on nothing but its input."""

from __future__ import annotations

import numpy as np

from core.checker.subject import Outcome, Subject, relative, some


def build(subject: Subject) -> Outcome:
    """The model of the fitted size, reduced where it is large, can be made: its parameters are counted on the meta device."""
    fit, scale = subject.load_code(), subject.scale
    subject.build()
    return Outcome("pass", f"{fit.n_layers} × {fit.d_model}: {fit.params:,} parameters, {fit.off_by:+.1%} of the reference's "
                           f"{fit.reference_params:,} (allowed ±{scale.tolerance:.0%}), and {fit.params_embedding:,} in the embedding")


def forward(subject: Subject) -> Outcome:
    """Finite hidden states of the right shape and type at odd sizes, batch and length 1 among them; the input is left as it was; no parameter is made on the way."""
    subject.build()
    before = set(subject.ask("weights")[0]["names"])
    shapes = [(1, 1), (2, 17), (3, min(64, subject.context)), (1, subject.context)]
    for batch, length in shapes:
        out, header = subject.answered(subject.ids(batch, length))
        if not np.isfinite(out).all():
            bad = int((~np.isfinite(out)).sum())
            return Outcome("fail", f"{bad:,} of {out.size:,} numbers are not finite at batch {batch}, length {length}", "look for a division by zero, a log or an overflow")
        if header.get("mutated"):
            return Outcome("fail", f"block {header['mutated'][0]} changes its input in place", "write X = X + …, not X += …")
    names = set(subject.ask("weights")[0]["names"])
    made = [n for n in sorted(names) if n not in before] + [n for n in sorted(before) if n not in names]
    if made:
        return Outcome("fail", f"parameters or buffers changed in a forward pass: {some(made)}", "make every parameter and buffer in __init__")
    sizes = ", ".join(f"{b}×{n}" for b, n in shapes)
    return Outcome("pass", f"finite at {sizes}; the input is left alone{subject.reduced}")


def repeatable(subject: Subject) -> Outcome:
    """The same input gives the same output, also after other inputs: no state from one call to the next, nothing drawn at random in eval mode."""
    subject.build()
    ids = subject.ids(2, 33)
    first = subject.hidden(ids)
    if (off := relative(first, subject.hidden(ids))) > 0:
        return Outcome("fail", f"two runs on the same input differ by {off:.1e} of their size", "keep no state, draw nothing at random")
    for n in range(6):
        subject.hidden(subject.ids(1 + n % 3, 5 + 7 * n, seed=n + 1), train=bool(n % 2))
    if (off := relative(first, subject.hidden(ids))) > 0:
        return Outcome("fail", f"after other inputs the same one gives another answer: {off:.1e} of its size", "keep no state from one call to the next")
    return Outcome("pass", "the same input gives the same bits, also after six others")


def batch(subject: Subject) -> Outcome:
    """Each sequence for itself, whatever stands beside it in the batch; in float64 to 1e-9, since sums may be ordered otherwise in another batch."""
    subject.build(dtype="float64", noise=0.1)
    ids = subject.ids(3, 33)
    for train in (False, True):
        together = subject.hidden(ids, np.float64, train=train)
        off = max(relative(together[i : i + 1], subject.hidden(ids[i : i + 1], np.float64, train=train)) for i in range(3))
        if not off <= 1e-9:
            return Outcome("fail", f"a sequence's hidden states change by {off:.1e} with its neighbours in the batch ({'train' if train else 'eval'} mode)", "mix nothing across the batch")
    return Outcome("pass", "each sequence stands for itself, in train and eval mode, float64 to 1e-9")


def agreement(subject: Subject) -> Outcome:
    """Train and eval mode give the same, unless the block says otherwise (dropout): a warning, since what is scored is then not what was trained."""
    subject.build()
    ids = subject.ids(2, 33)
    off = relative(subject.hidden(ids), subject.hidden(ids, train=True, grad=True))
    if off > 1e-3:
        return Outcome("warn", f"train and eval mode differ by {off:.1e} of their size", "leave dropout out: at these scales data is seen once")
    return Outcome("pass", f"train and eval mode agree to {off:.0e}")


def types(subject: Subject) -> Outcome:
    """float64 and bfloat16 autocast run and stay near float32: hidden states of unit scale, 1e-3 and 0.25 apart at most (a warning beyond that)."""
    ids = subject.ids(2, 33)
    subject.build(noise=0.02)
    single = subject.hidden(ids)
    header, weights = subject.ask("weights")
    subject.build(dtype="float64")
    subject.ask("load", *weights, names=header["names"])
    double = subject.hidden(ids, np.float64)
    subject.build(noise=0.02, amp=True)
    half = subject.hidden(ids)
    off64, off16 = relative(single, double), relative(single, half)
    if not np.isfinite(half).all():
        return Outcome("warn", "not finite under bfloat16 autocast", "compute exponentials and sums in float32")
    if off64 > 1e-3 or off16 > 0.25:
        return Outcome("warn", f"float32 is {off64:.0e} from float64 and {off16:.0e} from bfloat16 autocast", "compute exponentials and sums in float32")
    return Outcome("pass", f"float64 within {off64:.0e}, bfloat16 autocast within {off16:.0e} of float32")


def saved(subject: Subject) -> Outcome:
    """Saved weights, loaded in a fresh process with another seed, give the same output: nothing that matters lives outside the parameters and buffers."""
    subject.build(noise=0.02)
    ids = subject.ids(2, 33)
    here = subject.hidden(ids)
    header, weights = subject.ask("weights")
    with subject.fresh() as other:
        other.load_code()
        other.build(seed=7)
        other.ask("load", *weights, names=header["names"])
        there = other.hidden(ids)
    if (off := relative(here, there)) > 1e-6:
        return Outcome("fail", f"the same weights in a fresh process answer otherwise, by {off:.1e} of their size", "keep what matters in parameters or buffers, and draw none of it in __init__ otherwise")
    return Outcome("pass", f"{len(weights)} tensors saved, loaded in a fresh process: the same answers")

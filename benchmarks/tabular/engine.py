"""One training or probe of a table: the project's own loop, evaluation and probes, in this process and without the sandbox.

The blocks come from the project's own library of units, so nothing hostile runs; a process a training would cost seconds of importing torch, many
times what these trainings take. What differs from a verification: no checkpoint is written, no curve is kept, and a training ends when it
has used up its processor seconds. Seconds are the processor's, of one thread.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core.errors import DesignError, Diverged, ModelDiscoveryError
from core.gab.fit import fit
from core.gab.model import GAM, load_block, own_frames
from core.types import CurvePoint, Fit, Scale, derive_seed
from core.verification.evaluation.heldout import held_out
from core.verification.probes.child import built, classes_of
from core.verification.probes.state import depth
from core.verification.probes.suites import Probe
from core.verification.probes.tasks import get_task
from core.verification.probes.train import Learner, scale_start, train
from core.verification.training.child import make_deterministic
from core.verification.training.corpus import PreparedCorpus
from core.verification.training.data import Windows
from core.verification.training.loop import Settings, Trainer
from core.verification.training.ranks import Ranks

ROWS = 32                    # windows read at once in the evaluation
ASKED = 1024                 # answers of a probe, at least: a standard error of 1.6 % at the worst

DONE, DIVERGED, SLOW, BROKEN, MISFIT = "done", "diverged", "too slow", "broken", "does not fit"


@dataclass(frozen=True)
class Trained:
    state: str                       # one of the five words above
    bits_per_byte: float | None      # held out; None unless it is done
    seconds: float                   # of the processor, evaluation included
    params: int = 0                  # non-embedding
    n_layers: int = 0
    d_model: int = 0
    what: str = ""                   # of a failure, in words


@dataclass(frozen=True)
class Probed:
    accuracy: float | None           # on fresh data, of the positions asked; None where it failed
    chance: float
    seconds: float
    what: str = ""


class TooSlow(Exception):
    """The processor seconds are used up."""


class NoCheckpoints:
    """A training of a second is repeated, never resumed."""

    def newest(self) -> None:
        return None

    def save(self, step: int, state: dict) -> str:
        return ""


class Direct:
    """What the evaluation reads, straight off the model: `TokenReader` without a process between."""

    precision = "float32"

    def __init__(self, model: GAM, context: int) -> None:
        self.model = model.eval()
        self.context = context

    @torch.no_grad()
    def log_probs(self, ids: np.ndarray) -> Tensor:
        """ids (b, l) → (b, l, vocab)"""
        found = self.model(torch.from_numpy(ids.astype(np.int64))).log_softmax(-1)
        if not torch.isfinite(found).all():
            raise DesignError("the trained model answers with numbers that are not finite", "look for an overflow on unseen text")
        return found

    def nats(self, windows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Windows (l + 1,) → −log p of all but their first token, (l,) float64."""
        full = [i for i, w in enumerate(windows) if len(w) == len(windows[0])]
        groups = [full[i : i + ROWS] for i in range(0, len(full), ROWS)] + [[i] for i in range(len(windows)) if i not in set(full)]
        out: dict[int, np.ndarray] = {}
        for group in groups:
            ids = np.stack([windows[i] for i in group]).astype(np.int64)
            logp = self.log_probs(ids[:, :-1]).double().gather(-1, torch.from_numpy(ids[:, 1:, None])).squeeze(-1)
            out |= dict(zip(group, -logp.numpy(), strict=True))
        return [out[i] for i in range(len(windows))]


def trained(code: str, reference: str, scale: Scale, corpus: PreparedCorpus, seed: int, limit_s: float) -> Trained:
    """Fit, train, evaluate. A design's failure is its result; nothing but the surroundings' is raised."""
    make_deterministic(1)
    started = time.process_time()
    found: Fit | None = None

    def ended(state: str, what: object, bits: float | None = None) -> Trained:
        shape = (found.params, found.n_layers, found.d_model) if found else (0, 0, 0)
        return Trained(state, bits, round(time.process_time() - started, 3), *shape, what=str(what)[:200])

    def on_point(point: CurvePoint) -> None:
        if time.process_time() - started > limit_s:
            raise TooSlow(f"{point.step} of {scale.steps} steps in {limit_s:g} s")

    try:
        block, config = load_block(code)
        found = fit(code, scale, reference)
        model = GAM(block, config, scale.vocab_size, found.d_model, found.n_layers, seed=derive_seed(seed, "init"))
        torch.manual_seed(derive_seed(seed, "train", 0))
        trainer = Trainer(model, scale, Windows(corpus.dir / "train.bin", scale.vocab_size, scale.context, seed), None, NoCheckpoints(),  # type: ignore[arg-type]
                          Settings("cpu", "float32", 1, 1e9, corpus.bytes_per_token), Ranks("cpu"), None, lambda kind, data: None)
        trainer.run(on_point, lambda step: None)
        score = held_out(Direct(model, scale.context), corpus, scale.eval_tokens)
    except TooSlow as error:
        return ended(SLOW, error)
    except Diverged as error:
        return ended(DIVERGED, error.what)
    except ModelDiscoveryError as error:
        return ended(BROKEN if found else MISFIT, error.what)
    except (RuntimeError, ValueError, TypeError, ZeroDivisionError, AssertionError) as error:  # the block's own code
        return ended(BROKEN, own_frames(error))
    return ended(DONE, "", score.bits_per_byte)


def probed(code: str, one: Probe, seed: int, limit_s: float) -> Probed:
    """Train a small model on a task of `library/probes.yaml` and ask it on fresh data: the accuracy over the learning rates' best."""
    make_deterministic(1)
    started = time.process_time()
    data_seed = derive_seed(seed, one.suite, one.task, one.level)
    task, settings = get_task(one.kind), dict(one.settings)
    payload = {"width": one.width, "depth": one.depth, "state": one.state, "steps": one.steps, "batch": one.batch, "stop_solved": True,
               "ease": dict(one.ease) if one.ease else None}

    def on_step(step: int) -> None:
        if time.process_time() - started > limit_s:
            raise TooSlow(f"{step} of {one.steps} steps in {limit_s:g} s")

    best: float | None = None
    try:
        block, config = load_block(code)
        classes = classes_of(block.tree)  # type: ignore[attr-defined]
        payload["depth"] = depth(classes, config, one.depth)
        width, made, _ = built(block, config, classes, task.vocab(settings), payload)
        exam = task.batch(np.random.default_rng(derive_seed(data_seed, "exam")), max(1, -(-ASKED // max(1, int(task.batch(
            np.random.default_rng(0), 1, settings).asked.sum())))), settings)
        for lr in one.lrs:
            model = GAM(block, made, task.vocab(settings), width, payload["depth"], derive_seed(seed, "model") % 2**31)
            scale_start(model)
            learner = Learner(model, task, settings, data_seed)
            run = train(learner, payload, lr, data_seed, on_step)
            right = (learner.predict(exam.ids) == exam.targets)[exam.asked].mean() if not run.failure else one.chance
            best = max(best or 0.0, float(right))
    except TooSlow as error:
        return Probed(best, one.chance, round(time.process_time() - started, 3), str(error))
    except ModelDiscoveryError as error:
        return Probed(None, one.chance, round(time.process_time() - started, 3), error.what[:200])
    except (RuntimeError, ValueError, TypeError, ZeroDivisionError, AssertionError) as error:  # the block's own code
        return Probed(None, one.chance, round(time.process_time() - started, 3), own_frames(error)[:200])
    return Probed(round(best or 0.0, 4), one.chance, round(time.process_time() - started, 3))


def reference_code(library: Path, slug: str) -> str:
    return (library / "designs" / slug / "gab.py").read_text(encoding="utf-8")

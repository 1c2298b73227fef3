"""`verification(work)`: train in one sandboxed child, evaluate the saved weights in a fresh one. Called again after a crash it goes on where it was.

Also what is asked of saved weights later: further tasks, the locked test split, the deep causality audit; and a short timed run.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import VerificationError
from core.types import Documents, Fit, Json, Metrics, Timing
from core.verification.evaluation.reader import Reader
from core.verification.sweep import own_rate
from core.verification.train import WEIGHTS, at_rate, file_hash, forget, train, trained
from core.verification.work import Work, memory_mb, provenance

if TYPE_CHECKING:
    from core.verification.evaluation.harness import Places, TaskScores

TIMED_S = 6.0                # of training, after the first steps
FEW_TOKENS, TIMED_TOKENS = 1_024, 16_384     # of held-out text


@dataclass(frozen=True)
class Outcome:
    metrics: Metrics
    provenance: Json
    documents: Documents
    items: Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class TestOutcome:
    bits_per_byte: float
    bits_per_byte_se: float
    documents: Documents


def verification(work: Work, task_dir: Path) -> Outcome:
    """Raises Diverged for a design whose loss is no number, VerificationError when the surroundings fail, DesignError when the block does."""
    from core.verification.evaluation.harness import check_tasks
    from core.verification.evaluation.heldout import held_out

    _make(work.folder)
    places = _places(work, task_dir)
    check_tasks(work.options.tasks, places)  # a name that no task has is said before a training is paid for
    if work.options.sweep:
        work = at_rate(work, own_rate(work))
    record = trained(work)
    started = time.monotonic()
    work.on_progress(0.92, "evaluating in a fresh process")
    with weights_of(work, record) as reader:
        score = held_out(reader, work.corpus, work.scale.eval_tokens)
        work.check_cancel()
        work.on_progress(0.95, f"{', '.join(work.options.tasks)}, through lm-eval")
        began = time.monotonic()
        found, troubles = _each_task(work, reader, places)
        task_seconds = time.monotonic() - began
    metrics = Metrics(
        bits_per_byte=score.bits_per_byte, bits_per_byte_se=score.bits_per_byte_se, loss=score.loss, perplexity=math.exp(min(50.0, score.loss)),
        train_loss=record["train_loss"], tokens=work.scale.steps * work.scale.batch_tokens, tokens_per_s=record["tokens_per_s"],
        train_seconds=record["train_seconds"], eval_seconds=time.monotonic() - started, params=record["params"],
        params_embedding=record["params_embedding"], n_layers=record["fit"]["n_layers"], d_model=record["fit"]["d_model"],
        peak_memory_mb=record["peak_memory_mb"], tasks=found.scores, lr=work.scale.lr, mfu=record["mfu"], energy_kj=record["energy_kj"])
    forget(work)
    facts = provenance(work, record)
    facts["task_seconds"] = task_seconds
    if troubles:
        facts["tasks_failed"] = troubles
    facts["corpus"] |= {"held_out_documents": len(score.documents.bits), "held_out_tokens": score.tokens}
    return Outcome(metrics, facts, score.documents, found.items)


def _each_task(work: Work, reader: Reader, places: Places) -> tuple[TaskScores, dict[str, str]]:
    """(what was found, task → why it was not): the score that a training was paid for is not lost with one of them."""
    from core.verification.evaluation.harness import TaskScores, run_tasks

    scores: dict[str, Mapping[str, float]] = {}
    items: dict[str, Sequence[int]] = {}
    troubles: dict[str, str] = {}
    for name in work.options.tasks:
        work.check_cancel()
        try:
            found = run_tasks(reader, _tokenizer(work), (name,), places, work.corpus.end_id)
        except VerificationError as error:
            troubles[name] = str(error)
        else:
            scores |= found.scores
            items |= found.items
    return TaskScores(scores, items), troubles


@contextmanager
def weights_of(work: Work, record: Json, precision: str = "auto") -> Iterator[Reader]:
    """The saved weights in a fresh process, their hash checked against what the training recorded."""
    from core.verification.evaluation.opened import opened

    weights = work.folder / WEIGHTS
    found = file_hash(weights)
    if found != record["weights"]:
        raise VerificationError(f"{weights} is not what the training wrote (SHA-256 {found[:12]}…, recorded {record['weights'][:12]}…)",
                                f"remove {work.folder} and retry: it is trained again")
    with opened(work.code, work.scale, Fit(**record["fit"]), weights, device=work.device, threads=work.threads, memory_mb=memory_mb(), precision=precision,
                check=work.check_cancel, hang_s=work.config.hang_s) as reader:
        yield reader


def tasked(work: Work, facts: Json, task_dir: Path) -> tuple[Mapping[str, Mapping[str, float]], Mapping[str, Sequence[int]]]:
    """(scores, items) of `work.options.tasks`, from weights that were verified before; `facts` is that verification's provenance."""
    from core.verification.evaluation.harness import run_tasks

    with weights_of(work, facts) as reader:
        found = run_tasks(reader, _tokenizer(work), work.options.tasks, _places(work, task_dir), work.corpus.end_id)
    return found.scores, found.items


def audited(work: Work, facts: Json) -> tuple[bool, str]:
    """The deep causality audit of the trained weights, in float32: (passed, evidence)."""
    from core.verification.evaluation.audit import deep_audit

    with weights_of(work, facts, "float32") as reader:
        return deep_audit(reader, work.corpus, work.scale.eval_tokens)


def tested(work: Work, facts: Json) -> TestOutcome:
    """The locked test split."""
    from core.verification.evaluation.heldout import held_out

    with weights_of(work, facts) as reader:
        score = held_out(reader, work.corpus, work.scale.eval_tokens, split="test")
    return TestOutcome(score.bits_per_byte, score.bits_per_byte_se, score.documents)


def timed(work: Work, task_dir: Path) -> Timing:
    """A few seconds of training and a piece of the evaluation, in a folder of their own that is removed."""
    from core.verification.evaluation.harness import run_tasks
    from core.verification.evaluation.heldout import held_out, held_out_windows

    _make(work.folder)
    try:
        began = time.monotonic()
        record = train(replace(work, on_point=lambda point: None, on_event=lambda kind, data: None), at_most_s=TIMED_S)
        start = time.monotonic() - began - record["train_seconds"]
        began = time.monotonic()
        with weights_of(work, record) as reader:
            opening = time.monotonic() - began
            began = time.monotonic()
            scored = held_out(reader, work.corpus, FEW_TOKENS).tokens  # what is done once, whatever the length, is in this
            once = time.monotonic() - began
            windows = held_out_windows(work.corpus, TIMED_TOKENS, work.scale.context)
            began = time.monotonic()
            reader.nats(windows)
            a_token = (time.monotonic() - began) / sum(map(len, windows))
            text = once + a_token * max(0, min(work.scale.eval_tokens, work.corpus.valid_tokens) - scored)
            began = time.monotonic()
            run_tasks(reader, _tokenizer(work), work.options.tasks, _places(work, task_dir), work.corpus.end_id)
            tasks = time.monotonic() - began
        watching = work.scale.watch_points * work.scale.watch_tokens / 3 * record["step_seconds"] / work.scale.batch_tokens  # forward only: a third of a step
        return Timing(record["step_seconds"], start + watching, opening + text + tasks, record["peak_memory_mb"], record["training"]["micro_batch"])
    finally:
        shutil.rmtree(work.folder, ignore_errors=True)


def _tokenizer(work: Work):
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(work.corpus.dir / "tokenizer.json"))


def _places(work: Work, task_dir: Path) -> Places:
    from core.verification.evaluation.tasks import Places

    given = Path(work.corpus_path) if work.corpus_path else None
    return Places(task_dir, work.config.data_dir, given if given and given.exists() else None, work.config.keys.get("huggingface", ""))


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise VerificationError(f"{folder} cannot be made: {error.strerror}", "make CKPT_DIR writable, or set it to a directory that is") from error

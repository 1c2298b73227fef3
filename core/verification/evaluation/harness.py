"""Tasks by name through lm-eval, the standard harness: `run_tasks(reader, tokenizer, ("minimal_pairs",), places)`.

Our own tasks (library/tasks) run offline; any other name is one of lm-eval's own tasks, whose index and data are loaded only then.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from lm_eval.evaluator import evaluate
from tokenizers import Tokenizer

from core.errors import ModelDiscoveryError, VerificationError
from core.verification.evaluation.lm import END_ID, ReaderLM, TextReader, limits
from core.verification.evaluation.scores import Scores, TaskScores, accuracy, flat, mean_of
from core.verification.evaluation.tasks import LocalTask, OwnTask, Places, load_own, own_names

CHATTY = ("lm_eval", "datasets", "huggingface_hub")
__all__ = ["Places", "TaskScores", "check_tasks", "run_tasks"]

def run_tasks(reader: TextReader, tokenizer: Tokenizer, tasks: Sequence[str], places: Places, end_id: int = END_ID) -> TaskScores:
    """Raises VerificationError for a name that no task has, data that is not there, a line that is no item."""
    own, others = _loaded(tasks, places)
    lm = ReaderLM(reader, tokenizer, end_id)
    scores: dict[str, Scores] = {}
    items: dict[str, list[int]] = {}
    if own:
        with _quiet(), worded(task.name for task in own):
            made = {task.name: task.made() for task in own}
            found = evaluate(lm, {"tasks": made, "groups": {}, "group_map": {}}, log_samples=False, bootstrap_iters=100)
        for task in own:
            _add_own(task, made[task.name], found["results"][task.name], scores, items)
    if others:
        from core.verification.evaluation.index import run_index

        with _quiet():
            run_index(lm, others, scores, items)
    return TaskScores(scores, items)


@contextlib.contextmanager
def worded(names: Iterable[str]) -> Iterator[None]:
    """A task is somebody's code and templates: whatever they raise is a VerificationError that names it."""
    try:
        yield
    except (ModelDiscoveryError, MemoryError):
        raise
    except Exception as error:
        why = str(error).strip().splitlines() or ["no words"]
        raise VerificationError(f"lm-eval could not score {', '.join(names)}: {type(error).__name__}: {why[0][:300]}", "leave the task out, or mend its YAML") from error


def check_tasks(tasks: Sequence[str], places: Places) -> None:
    """What `run_tasks` would raise for these names, before a training is paid for."""
    own, others = _loaded(tasks, places)
    for config in [task.config for task in own] + [dict(task.config.to_dict()) for task in (others or {"tasks": {}})["tasks"].values() if hasattr(task, "config")]:
        if config.get("output_type") == "generate_until":
            limits(config.get("generation_kwargs") or {}, "")


def _loaded(tasks: Sequence[str], places: Places) -> tuple[list[OwnTask], Mapping[str, Any] | None]:
    known = own_names(places)
    names = list(dict.fromkeys(tasks))
    foreign = [name for name in names if name not in known]
    others = None
    if foreign:
        from core.verification.evaluation.index import load_index

        with _quiet():
            others = load_index(foreign, sorted(known), places.hub_key)
    return [load_own(known[name], places) for name in names if name in known], others


def _add_own(task: OwnTask, made: LocalTask, result: Mapping[str, Any], scores: dict[str, Scores], items: dict[str, list[int]]) -> None:
    rows = made.found[: len(task.rows)]
    if not rows or "acc" not in rows[0][1] or task.config["output_type"] != "multiple_choice":
        scores[task.name] = flat(result)
        return
    right = np.asarray([metrics["acc"] for _, metrics in rows], float)
    chance = np.asarray([1 / choices for choices, _ in rows])
    parts = {part: np.flatnonzero(np.asarray(task.parts) == part) for part in dict.fromkeys(task.parts)}
    apart = {f"{task.name}/{part}": accuracy(right[at], chance[at]) for part, at in parts.items()}
    whole = mean_of(list(apart.values())) if task.by_parts and apart else accuracy(right, chance)
    scores[task.name] = {**flat(result), **whole}
    scores |= apart
    items[task.name] = [int(x) for x in right]
    items |= {f"{task.name}/{part}": [int(x) for x in right[at]] for part, at in parts.items()}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """lm-eval and what it calls print progress bars, notes and retries; ours are events."""
    before = {name: logging.getLogger(name).level for name in CHATTY}
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)

"""lm-eval's own tasks: its index of thousands of files (about ten seconds to read), and data from the Hub."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from lm_eval.evaluator import evaluate
from lm_eval.tasks import TaskManager

from core.errors import VerificationError
from core.verification.evaluation.harness import worded
from core.verification.evaluation.lm import ReaderLM
from core.verification.evaluation.scores import Scores, accuracy, flat
from core.verification.evaluation.tasks import unknown

RIGHT_OR_WRONG = ("acc", "exact_match", "em", "pass@1")


def load_index(names: Sequence[str], ours: Sequence[str], hub_key: str = "") -> Mapping[str, Any]:
    """lm-eval's {"tasks", "groups", …}; `ours` are the names of tasks that need no network. Raises VerificationError for a name that it lacks, or data that cannot be had."""
    manager = _manager()
    for name in names:
        if name not in manager.task_index:
            raise unknown(name, [*ours, *manager.all_tasks])
    found: dict[str, dict[str, Any]] = {"tasks": {}, "groups": {}, "group_map": {}}
    for name in names:
        try:
            with _environment(**({"HF_TOKEN": hub_key} if hub_key else {})):
                loaded = manager.load(name)
        except Exception as error:  # a task is another project's code with its own dependencies: whatever it raises is why it cannot be had
            why = str(error).strip().splitlines() or [type(error).__name__]
            raise VerificationError(f"task {name} cannot be loaded: {type(error).__name__}: {why[0][:300]}",
                                    "its data come from the Hugging Face hub: connect to the network, or choose a local task: " + ", ".join(ours)) from error
        for kind in found:
            found[kind] |= loaded.get(kind, {})
    return found


@functools.cache
def _manager() -> TaskManager:
    """Read once a process: names are looked up before a training, and run after it."""
    return TaskManager()


def run_index(lm: ReaderLM, tasks: Mapping[str, Any], scores: dict[str, Scores], items: dict[str, list[int]]) -> None:
    """Adds what lm-eval finds to `scores` and `items`."""
    with worded(tasks["tasks"]), _environment(DISABLE_MULTIPROC="1"):  # its bootstrap would fork this process, which has threads
        found = evaluate(lm, dict(tasks), log_samples=True, bootstrap_iters=100)
    for name, result in found["results"].items():
        scores[name] = flat(result)
    for name, samples in found["samples"].items():
        samples = [s for s in samples if s["filter"] == samples[0]["filter"]]
        metric = next((m for m in RIGHT_OR_WRONG if samples and all(s.get(m) in (0, 1) for s in samples)), None)
        if metric is None:
            continue
        items[name] = [int(s[metric]) for s in samples]
        if metric == "acc" and tasks["tasks"][name].OUTPUT_TYPE == "multiple_choice":
            choices = [len(tasks["tasks"][name].doc_to_choice(s["doc"])) for s in samples]
            scores[name] |= accuracy(np.asarray(items[name], float), 1 / np.asarray(choices))


@contextlib.contextmanager
def _environment(**settings: str) -> Iterator[None]:
    """What these libraries read nowhere else, for the length of the block."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

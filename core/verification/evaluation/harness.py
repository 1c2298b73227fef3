"""Tasks through lm-eval, the standard harness: our model as one of its LMs, our own files as its tasks.

Tasks are built straight from their YAML: lm-eval's own start-up, an index of thousands of files, is not paid for.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.api.task import ConfigurableTask
from lm_eval.evaluator import evaluate
from tokenizers import Tokenizer

from core.errors import VerificationError
from core.verification.evaluation.reader import Reader

END_ID = 0


class ReaderLM(LM):
    """An lm-eval model over a Reader. Every text starts after the end-of-text token, as documents do in training."""

    def __init__(self, reader: Reader, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.reader = reader
        self.tokenizer = tokenizer

    def loglikelihood(self, requests: list[Instance], disable_tqdm: bool = True) -> list[tuple[float, bool]]:
        """(log p of the continuation, whether it is what greedy decoding gives)."""
        windows, spans = [], []
        for context, continuation in (r.args for r in requests):
            prompt, whole = self._ids(context), self._ids(context + continuation)
            n = max(1, len(whole) - len(prompt))
            window = np.asarray([END_ID, *whole][-(self.reader.context + 1):], np.int64)
            windows.append(window)
            spans.append(min(n, len(window) - 1))
        nats = self.reader.nats(windows)
        greedy = self._greedy(windows, spans) if any(context for context, _ in (r.args for r in requests)) else [False] * len(windows)
        return [(-float(row[-n:].sum()), same) for row, n, same in zip(nats, spans, greedy, strict=True)]

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = True) -> list[float]:
        out = []
        for (text,) in (r.args for r in requests):
            ids, c = np.asarray([END_ID, *self._ids(text)], np.int64), self.reader.context
            out.append(-float(sum(row.sum() for row in self.reader.nats([ids[i : i + c + 1] for i in range(0, len(ids) - 1, c)]))))
        return out

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = True) -> list[str]:
        """Greedy decoding, up to the first stop word or max_gen_toks."""
        return [self._generate(context, settings) for context, settings in (r.args for r in requests)]

    def _generate(self, context: str, settings: Mapping[str, Any]) -> str:
        until = [u for u in ([settings.get("until")] if isinstance(settings.get("until"), str) else settings.get("until") or []) if u]
        ids, made = [END_ID, *self._ids(context)], []
        for _ in range(int(settings.get("max_gen_toks", 64))):
            window = np.asarray([(ids + made)[-self.reader.context:]], np.int64)
            token = int(self.reader.log_probs(window)[0, -1].argmax())
            if token == END_ID:
                break
            made.append(token)
            text = self.tokenizer.decode(made)
            stops = [text.index(u) for u in until if u in text]
            if stops:
                return text[: min(stops)]
        return self.tokenizer.decode(made)

    def _greedy(self, windows: list[np.ndarray], spans: list[int]) -> list[bool]:
        out = []
        for window, n in zip(windows, spans, strict=True):
            best = self.reader.log_probs(window[None, :-1])[0].argmax(-1).numpy()
            out.append(bool((best[-n:] == window[-n:]).all()))
        return out

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids


def load_task(path: Path) -> ConfigurableTask:
    """A task from its YAML; `data_file` names a JSONL beside it. Raises VerificationError naming file and line."""
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
        data = path.parent / settings.pop("data_file")
        rows = [json.loads(line) for line in data.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, yaml.YAMLError, KeyError, AttributeError, ValueError) as error:
        raise VerificationError(f"task {path} cannot be loaded: {error!r}", "see library/tasks/minimal_pairs") from error
    split = settings["test_split"]
    return ConfigurableTask(config={**settings, "custom_dataset": lambda **_: {split: _dataset(rows)}})


def _dataset(rows: list[dict[str, Any]]):
    from datasets import Dataset

    return Dataset.from_list(rows)


def run_tasks(reader: Reader, tokenizer: Tokenizer, task_dir: Path) -> dict[str, dict[str, float]]:
    """task → acc, acc_stderr, chance, n; and task/part for each value of its items' "phenomenon"."""
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    tasks = {task.config.task: task for task in map(load_task, sorted(task_dir.glob("*/*.yaml")))}
    with contextlib.redirect_stderr(io.StringIO()):  # its progress bars; ours are events
        found = evaluate(ReaderLM(reader, tokenizer), tasks, bootstrap_iters=100, log_samples=True)
    scores: dict[str, dict[str, float]] = {}
    for name in tasks:
        result, samples = found["results"][name], found["samples"][name]
        chance = float(np.mean([1 / len(s["arguments"]) for s in samples]))
        scores[name] = {"acc": result["acc,none"], "acc_stderr": result["acc_stderr,none"], "chance": chance, "n": len(samples)}
        parts: dict[str, list[float]] = {}
        for sample in samples:
            if "phenomenon" in sample["doc"]:
                parts.setdefault(f"{name}/{sample['doc']['phenomenon']}", []).append(sample["acc"])
        for part, hits in parts.items():
            p = float(np.mean(hits))
            scores[part] = {"acc": p, "acc_stderr": float(np.std(hits, ddof=1) / len(hits) ** 0.5), "chance": chance, "n": len(hits)}
    return scores

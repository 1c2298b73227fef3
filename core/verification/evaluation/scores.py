"""What a task's items say, in numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Scores = dict[str, float]


@dataclass(frozen=True)
class TaskScores:
    """`scores`: task, or task/part → its metrics. Where an item is right or wrong these are

        acc           share that is right
        acc_stderr    its standard error over items
        chance        what guessing gives: the mean of 1/number of choices over the items
        above_chance  (acc − chance)/(1 − chance): 0 for guessing, 1 for all
        n             items

    Others keep lm-eval's names (word_perplexity, exact_match, …). `items`: 1 where an item was right, in the task's order.
    """

    scores: Mapping[str, Scores]
    items: Mapping[str, Sequence[int]]


def accuracy(right: np.ndarray, chance: np.ndarray) -> Scores:
    """right (n,) 0 or 1, chance (n,). The standard error is lm-eval's: sample deviation over √n."""
    n, acc = len(right), float(right.mean())
    se = float(right.std(ddof=1) / math.sqrt(n)) if n > 1 else 0.5  # one item tells nothing: the most that it can be
    return _relative({"acc": acc, "acc_stderr": se, "chance": float(chance.mean()), "n": n})


def mean_of(parts: Sequence[Scores]) -> Scores:
    """Each part counts the same; parts are independent."""
    k = len(parts)
    return _relative({
        "acc": sum(p["acc"] for p in parts) / k, "acc_stderr": math.sqrt(sum(p["acc_stderr"] ** 2 for p in parts)) / k,
        "chance": sum(p["chance"] for p in parts) / k, "n": sum(p["n"] for p in parts)})


def _relative(scores: Scores) -> Scores:
    left = 1 - scores["chance"]
    return {**scores, "above_chance": (scores["acc"] - scores["chance"]) / left} if left else scores


def flat(result: Mapping[str, Any]) -> Scores:
    """lm-eval's {"metric,filter": value} → {"metric": value}; a filter stays in the name where there is one."""
    out: Scores = {}
    for key, value in result.items():
        metric, _, kind = key.partition(",")
        if kind and isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):  # a group's missing error is no figure
            out[metric if kind == "none" else f"{metric} ({kind})"] = float(value)
    if "sample_len" in result:
        out["n"] = result["sample_len"]
    return out

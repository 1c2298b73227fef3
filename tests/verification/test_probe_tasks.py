"""The generated tasks: an oracle that knows only a task's definition answers all that is asked, and guessing scores chance."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from core.errors import UsageError
from core.verification.probes.base import NOTHING, Batch
from core.verification.probes.state import normalised
from core.verification.probes.tasks import TASKS, get_task

ROWS = 24
Oracle = Callable[[list[int], int, dict], int]     # (tokens up to and with the asked position, the position, settings) → the answer


def pairs_oracle(ids: list[int], at: int, s: dict) -> int:
    return next(ids[i + 1] for i in range(0, at, 2) if ids[i] == ids[at])


def mqar_oracle(ids: list[int], at: int, s: dict) -> int:
    return ids[ids.index(ids[at]) + 1]


def induction_oracle(ids: list[int], at: int, s: dict) -> int:
    return ids[max(i for i in range(at) if ids[i] == ids[at]) + 1]


def fuzzy_oracle(ids: list[int], at: int, s: dict) -> int:
    """Cut into (key, value) where a key token follows a value token; the open pair's key is looked up, its value so far skipped."""
    found, start = [], 0
    for i in range(1, at + 1):
        if ids[i] < s["keys"] <= ids[i - 1]:
            found.append(ids[start:i])
            start = i
    open_pair = ids[start : at + 1]
    key = [t for t in open_pair if t < s["keys"]]
    known = next(p for p in found if [t for t in p if t < s["keys"]] == key)
    return known[len(open_pair)]


def copying_oracle(ids: list[int], at: int, s: dict) -> int:
    mark = ids.index(s["vocab"] - 1)
    return [t for t in ids[:mark] if t != s["vocab"] - 2][at - mark - 1]


def parity_oracle(ids: list[int], at: int, s: dict) -> int:
    return sum(ids[: at + 1]) % 2


def permutation_oracle(ids: list[int], at: int, s: dict) -> int:
    elements = list(itertools.permutations(range(s["things"])))
    state = list(range(s["things"]))
    for token in ids[: at + 1]:
        state = [elements[token][x] for x in state]
    return elements.index(tuple(state))


ORACLES: list[tuple[str, dict, Oracle]] = [
    ("in_context_recall", {}, pairs_oracle), ("in_context_recall", {"keys": 4, "values": 12, "length": 30}, pairs_oracle), ("noisy_recall", {}, pairs_oracle),
    ("in_context_recall", {"keys": 16, "among": 4, "length": 24}, pairs_oracle),
    ("fuzzy_recall", {}, fuzzy_oracle), ("fuzzy_recall", {"key_tokens": 3, "value_tokens": 3, "length": 96}, fuzzy_oracle),
    ("mqar", {}, mqar_oracle), ("mqar", {"pairs": 16, "length": 128}, mqar_oracle), ("induction", {}, induction_oracle),
    ("selective_copying", {}, copying_oracle), ("parity", {}, parity_oracle), ("permutations", {}, permutation_oracle),
    ("permutations", {"things": 5, "swaps": True}, permutation_oracle)]


def made(name: str, level: dict, seed: int = 0, rows: int = ROWS) -> Batch:
    return get_task(name).batch(np.random.default_rng(seed), rows, get_task(name).full(level), secret=7)


@pytest.mark.parametrize(("name", "level", "oracle"), ORACLES, ids=[f"{n}-{i}" for i, (n, _, _) in enumerate(ORACLES)])
def test_an_oracle_that_sees_only_the_past_answers_all_that_is_asked(name: str, level: dict, oracle: Oracle):
    batch, settings = made(name, level), get_task(name).full(level)
    assert batch.asked.any(1).all()
    assert ((batch.targets != NOTHING) | ~batch.asked).all()
    for row, at in np.argwhere(batch.asked):
        assert oracle(batch.ids[row, : at + 1].tolist(), at, settings) == batch.targets[row, at]


def test_compression_asks_for_every_token_and_ends_in_its_mark():
    batch = made("compression", {})
    assert (batch.targets == batch.ids[:, :-1]).all()
    assert (batch.ids[:, -1] == 15).all()
    assert (batch.targets < 15).all()


def test_memorisation_asks_for_one_table_in_every_batch_and_another_with_another_secret():
    def table(secret: int, seed: int) -> dict[int, int]:
        task = get_task("memorisation")
        batch = task.batch(np.random.default_rng(seed), 64, task.full({"facts": 20}), secret)
        return {int(k): int(v) for k, v in zip(batch.ids[:, 0::2].ravel(), batch.targets[:, 1::2].ravel(), strict=True)}

    assert table(1, 0) == table(1, 5)
    assert sorted(table(1, 0).values()) == list(range(20, 40))
    assert table(1, 0) != table(2, 0)


def test_in_mqar_nothing_after_a_query_gives_its_answer_away():
    batch = made("mqar", {"pairs": 8})
    assert (batch.ids[:, 16:] < 32).all()  # keys and fillers only


@pytest.mark.parametrize("name", list(TASKS))
def test_tokens_are_in_the_vocabulary_and_guessing_among_the_answers_scores_chance(name: str):
    task, settings = get_task(name), get_task(name).full({})
    batch = made(name, {}, rows=400)
    right = batch.targets[batch.asked]
    assert batch.ids.min() >= 0
    assert max(batch.ids.max(), right.max()) < task.vocab(settings)
    answers = np.unique(right)
    assert len(answers) <= task.answers(settings)
    guess = np.random.default_rng(1).choice(answers, len(right))
    assert abs((guess == right).mean() - task.chance(settings)) < 4 * (task.chance(settings) / len(right)) ** 0.5 + 0.002
    constant = max((right == a).mean() for a in answers)
    assert constant < task.chance(settings) + 0.05  # no answer is so common that naming it always would pay


@pytest.mark.parametrize("name", list(TASKS))
def test_the_same_seed_makes_the_same_data_and_another_seed_others(name: str):
    assert (made(name, {}).ids == made(name, {}).ids).all()
    assert (made(name, {}).ids != made(name, {}, seed=1).ids).any()


def test_an_unknown_setting_or_task_is_named():
    with pytest.raises(UsageError, match="no setting 'colour'"):
        get_task("parity").full({"colour": 1})
    with pytest.raises(UsageError, match="no probe task 'nope'"):
        get_task("nope")


@pytest.mark.parametrize(("cls", "own", "knob", "value"), [
    ("GatedLinearAttention", {"heads": 4, "key_share": 0.5}, "heads", 2), ("DeltaNet", {"heads": 2}, "heads", 4), ("Mamba2", {"heads": 4, "state": 32, "expand": 2}, "state", 8),
    ("Retention", {"heads": 4, "value_share": 2}, "heads", 8)])
def test_states_are_brought_to_the_same_size(cls: str, own: dict, knob: str, value: int):
    config, state = normalised({"": "PreNorm", "mixer__": cls}, {f"mixer__{k}": v for k, v in own.items()}, 64, 16)
    assert config[f"mixer__{knob}"] == value
    assert state == 1024


def test_a_state_that_is_not_known_is_left_alone():
    assert normalised({"": "PreNorm", "mixer__": "Attention"}, {"mixer__heads": 4}, 64, 16) == ({"mixer__heads": 4}, None)

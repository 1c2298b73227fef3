"""Our lm-eval model against a plain reference: one text at a time, every logit, nothing shared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from evaluating import CONTEXT, TEXT, Counting, InProcess, reader_of, save, small_model, small_tokenizer
from lm_eval.api.instance import Instance

from core.errors import DesignError, VerificationError
from core.verification.evaluation.lm import ReaderLM
from core.verification.evaluation.reader import BATCH_TOKENS, Reader
from core.verification.evaluation.sharing import SHORTEST, plan

TOKENIZER = small_tokenizer()


@pytest.fixture(scope="module")
def model():
    return small_model()


@pytest.fixture(scope="module")
def lm(model, tmp_path_factory: pytest.TempPathFactory) -> ReaderLM:
    return ReaderLM(reader_of(model, tmp_path_factory.mktemp("lm")), TOKENIZER)


def asked(kind: str, *args: tuple) -> list[Instance]:
    return [Instance(kind, {}, arg, 0) for arg in args]


def ids(text: str) -> list[int]:
    return TOKENIZER.encode(text, add_special_tokens=False).ids


def said(model, tokens: list[int]) -> torch.Tensor:
    """(l, vocab) log-probabilities of what follows each token."""
    with torch.no_grad():
        return model(torch.tensor([tokens]))[0].double().log_softmax(-1)


def plain(model, given: list[int], wanted: list[int]) -> tuple[float, bool]:
    whole = (given + wanted)[-(CONTEXT + 1):]
    wanted = wanted[-(len(whole) - 1):]
    logp = said(model, whole[:-1])[-len(wanted):]
    return float(logp.gather(1, torch.tensor(wanted)[:, None]).sum()), logp.argmax(-1).tolist() == wanted


def test_likelihoods_are_those_of_a_plain_reading(model, lm):
    long = " ".join(TEXT)
    pairs = [("", TEXT[0]), ("", TEXT[1]), ("The first", " method returns"), ("The first ", "method returns"), ("The first method", "s"), (long, " the new number"),
             ("The", long), ("", "<|endoftext|>The last value"), ("  ", "odd")]
    expected = [([0], ids(TEXT[0])), ([0], ids(TEXT[1])), (ids("The first"), ids("The first method returns")[len(ids("The first")):]),
                (ids("The first"), ids("The first method returns")[len(ids("The first")):]), (ids("The first method"), ids("The first methods")[len(ids("The first method")):]),
                (ids(long), ids(long + " the new number")[len(ids(long)):]), (ids("The"), ids("The" + long)[len(ids("The")):]),
                ([0], ids("The last value")), ([0], ids("  odd"))]
    found = lm.loglikelihood(asked("loglikelihood", *pairs))
    for (value, greedy), (given, wanted) in zip(found, expected, strict=True):
        assert (value, greedy) == (pytest.approx(plain(model, given, wanted)[0], abs=1e-4), plain(model, given, wanted)[1])


def test_what_greedy_decoding_gives_is_called_greedy(model, lm):
    tokens = ids("The old")
    for _ in range(4):
        tokens.append(int(said(model, tokens)[-1].argmax()))
    window = np.asarray(tokens)
    start = len(ids("The old"))
    other = window.copy()
    other[-1] = (other[-1] + 1) % 300
    first, second = lm.reader.read([window, other], [start, start])
    assert first.greedy.tolist() == [True] * 4
    assert second.greedy.tolist() == [True] * 3 + [False]


def test_nothing_is_certain_to_follow(lm):
    assert lm.loglikelihood(asked("loglikelihood", ("The", ""), ("", ""))) == [(0.0, True), (0.0, True)]
    assert lm.loglikelihood([]) == []


@pytest.mark.parametrize("repeats", [0, 1, 3])
def test_a_rolling_likelihood_predicts_each_token_once_from_the_fullest_window(model, lm, repeats: int):
    text = " ".join(TEXT[:2] * repeats)
    tokens = ids(text)
    expected, done = 0.0, 0
    while done < len(tokens):
        n = min(CONTEXT, len(tokens) - done)
        given = ([0, *tokens][: n] if done == 0 else tokens[done + n - CONTEXT - 1 : done + n - 1])
        logp = said(model, given)[-n:]
        expected += float(logp.gather(1, torch.tensor(tokens[done : done + n])[:, None]).sum())
        done += n
    assert lm.loglikelihood_rolling(asked("loglikelihood_rolling", (text,), (TEXT[3],)))[0] == pytest.approx(expected, abs=1e-3)


def test_generation_is_greedy_and_stops_at_a_word_or_the_limit(model, lm):
    def decoded(context: str, n: int) -> str:
        tokens = ids(context)
        start = len(tokens)
        for _ in range(n):
            tokens.append(int(said(model, tokens[-CONTEXT:])[-1].argmax()))
        return TOKENIZER.decode(tokens[start:])

    settings = {"until": [], "max_gen_toks": 6}
    contexts = ["The first", "The", TEXT[5]]
    made = lm.generate_until(asked("generate_until", *[(c, settings) for c in contexts]))
    assert made == [decoded(c, 6) for c in contexts]
    stop = made[0][2:4]
    assert lm.generate_until(asked("generate_until", ("The first", {"until": [stop], "max_gen_toks": 6}))) == [made[0][: made[0].index(stop)]]
    assert lm.generate_until(asked("generate_until", ("The", {"until": "x", "max_gen_toks": 0}))) == [""]


def test_the_end_of_text_ends_a_generation():
    word = TOKENIZER.encode("The").ids[0]
    lm = ReaderLM(Counting(goes_on=(word, word, 0)), TOKENIZER)
    assert lm.generate_until(asked("generate_until", ("a", {"until": ["\n"]}))) == [TOKENIZER.decode([word, word])]


def test_sampling_is_refused(lm):
    with pytest.raises(VerificationError, match="asks for sampled text"):
        lm.generate_until(asked("generate_until", ("a", {"do_sample": True, "temperature": 0.7})))


# --------------------------------------------------------------------------------------------------- sharing


def test_what_texts_share_is_scored_once_and_the_same(model, tmp_path: Path):
    rng = np.random.default_rng(0)
    stem = rng.integers(0, 300, 12)
    windows = [np.concatenate([stem[: rng.integers(1, 12)], rng.integers(0, 3, rng.integers(1, 12))]) for _ in range(60)]
    windows += [stem, stem[:5], stem[:7], stem]
    first = [int(rng.integers(1, len(w))) for w in windows]
    reader = reader_of(model, tmp_path)
    together = reader.read(windows, first)
    apart = [reader.read([w], [s])[0] for w, s in zip(windows, first, strict=True)]
    for a, b in zip(together, apart, strict=True):
        np.testing.assert_allclose(a.nats, b.nats, atol=1e-4)
        assert a.greedy.tolist() == b.greedy.tolist()
    reader.child.tokens = 0
    reader.read([stem, stem[:5], stem[:9], stem])
    assert reader.child.tokens == len(stem) - 1


def test_each_answer_is_given_once_and_padding_is_bounded():
    rng = np.random.default_rng(1)
    sequences = [rng.integers(0, 4, n) for n in [1, 1, 2, 90, 100, *rng.integers(1, 60, 200).tolist()]]
    first = [int(rng.integers(0, len(s))) for s in sequences]
    batches = list(plan(sequences, first, 256))
    answers = np.sort(np.concatenate([b.answers for b in batches]))
    assert answers.tolist() == list(range(sum(len(s) - f for s, f in zip(sequences, first, strict=True))))
    whole = np.concatenate([s[f:] for s, f in zip(sequences, first, strict=True)])
    for batch in batches:
        assert batch.ids.size <= 256 or len(batch.ids) == 1
        assert np.all(np.diff(batch.slots) >= 0)
        assert batch.ids.reshape(-1)[batch.rows][batch.slots].tolist() == whole[batch.answers].tolist()
        used = np.bincount(batch.rows // batch.ids.shape[1], minlength=len(batch.ids))
        assert used.min() > 0, "a row that nothing is read from"
        lengths = [int(batch.rows[batch.rows // batch.ids.shape[1] == r].max() % batch.ids.shape[1]) + 1 for r in range(len(batch.ids))]
        assert min(lengths) >= SHORTEST * batch.ids.shape[1] or len(batch.ids) == 1


def test_logits_in_pieces_are_the_whole(model, tmp_path: Path):
    rng = np.random.default_rng(2)
    windows = [rng.integers(0, 300, CONTEXT + 1) for _ in range(40)]
    reader = reader_of(model, tmp_path)
    reader.logits = 300 * 7
    whole = reader.read(windows)
    for i in (0, 1, len(windows) - 1):
        logp = reader.log_probs(windows[i][None, :-1])[0]
        np.testing.assert_allclose(whole[i].nats, -logp[np.arange(CONTEXT), windows[i][1:]].numpy(), atol=1e-4)


def test_answers_that_cannot_be_are_refused(model, tmp_path: Path):
    class Wrong(InProcess):
        def recv(self):
            header, (hidden,) = super().recv()
            return header, [self.change(hidden)]

    child = Wrong(model)
    reader = Reader(child, save(model, tmp_path / "w.safetensors"), CONTEXT)
    child.change = lambda hidden: hidden[:, 1:]
    with pytest.raises(VerificationError, match=r"the model answered .* is due"):
        reader.nats([np.arange(9)])
    child.change = lambda hidden: hidden * np.float32(np.nan)
    with pytest.raises(DesignError, match="not finite"):
        reader.nats([np.arange(9)])
    with pytest.raises(DesignError, match="not finite"):
        reader.log_probs(np.arange(9)[None])


def test_a_person_can_stop_a_long_reading(model, tmp_path: Path):
    calls = []

    def check() -> None:
        calls.append(1)
        if len(calls) > 2:
            raise VerificationError("stopped", "")

    reader = Reader(InProcess(model), save(model, tmp_path / "w.safetensors"), CONTEXT, check=check)
    with pytest.raises(VerificationError, match="stopped"):
        reader.nats([np.random.default_rng(i).integers(0, 300, CONTEXT + 1) for i in range(4 * BATCH_TOKENS["cpu"] // CONTEXT)])

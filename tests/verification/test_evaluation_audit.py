"""The deep causality audit, the held-out score, and the loading of weights: what catches a model that is not what it says."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from evaluating import VOCAB, reader_of, save, small_model

from core.config import ROOT
from core.errors import CorpusError, DesignError, SandboxMemory, VerificationError
from core.types import Fit, Scale
from core.verification.evaluation.audit import deep_audit
from core.verification.evaluation.heldout import held_out
from core.verification.evaluation.opened import opened
from core.verification.evaluation.oracle import answered, load_strictly
from core.verification.training.corpus import PreparedCorpus

CONTEXT = 48


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> PreparedCorpus:
    """Token files as they lie on the disk: 40 documents in each held-out split, the end-of-text between them."""
    folder = tmp_path_factory.mktemp("corpus")
    for seed, split in enumerate(("valid", "test")):
        rng = np.random.default_rng(seed)
        starts, tokens = [], [0]
        for _ in range(40):
            starts.append(len(tokens))
            tokens += [*rng.integers(1, VOCAB, rng.integers(20, 120)).tolist(), 0]
        np.asarray(tokens, np.uint16).tofile(folder / f"{split}.bin")
        (folder / f"{split}.json").write_text(json.dumps({"starts": starts, "bytes": [3 * (b - a) for a, b in zip(starts, [*starts[1:], len(tokens)], strict=True)]}))
    return PreparedCorpus("made", "hash", folder, VOCAB, "hash", 1, 1, 1, 80)


class Honest:
    """Says of the next token what the last one tells it, and no more."""

    context, precision = CONTEXT, "float32"

    def __init__(self) -> None:
        self.table = torch.from_numpy(np.random.default_rng(0).normal(size=(VOCAB, VOCAB)).astype(np.float32))

    def logits(self, ids: np.ndarray) -> torch.Tensor:
        return self.table[torch.from_numpy(ids.astype(np.int64))]

    def log_probs(self, ids: np.ndarray) -> torch.Tensor:
        return self.logits(ids).log_softmax(-1)

    def nats(self, windows: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [-self.log_probs(w[None, :-1])[0].numpy()[np.arange(len(w) - 1), w[1:].astype(np.int64)].astype(float) for w in windows]


class Peeking(Honest):
    def logits(self, ids):
        out = super().logits(ids)
        out[:, :-1].scatter_add_(-1, torch.from_numpy(ids[:, 1:, None].astype(np.int64)), torch.full((*ids[:, 1:].shape, 1), 0.5))
        return out


class PeekingFar(Honest):
    """Only from one position, and only at its sixth successor."""

    def logits(self, ids):
        out = super().logits(ids)
        if ids.shape[1] > 16:
            out[:, 10, 0] += torch.from_numpy(ids[:, 16] % 7).float()
        return out


class LengthReading(Honest):
    def logits(self, ids):
        return super().logits(ids) * (1 + 0.01 * ids.shape[1])


class BatchMixing(Honest):
    def logits(self, ids):
        out = super().logits(ids)
        return out + 0.1 * (out - out.mean(0, keepdim=True))


class Remembering(Honest):
    """Has learnt a window by the second time."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[bytes] = set()

    def logits(self, ids):
        out = super().logits(ids)
        key = ids.astype(np.int64).tobytes()
        if key in self.seen:
            out = out * 1.1
        self.seen.add(key)
        return out


def test_an_honest_model_passes_the_audit_with_its_evidence(corpus):
    passed, evidence = deep_audit(Honest(), corpus, 2048)
    assert passed
    assert "nothing changes by more than" in evidence
    for how in ("replaced at random", "permuted", "cut off", "one later token changed", "other windows in its batch", "appended", "asked again"):
        assert how in evidence
    assert int(evidence.split("(")[1].split()[0]) > 400


@pytest.mark.parametrize(("cheat", "how"), [(Peeking, "the future replaced at random"), (PeekingFar, "one later token changed"), (LengthReading, "the future cut off"),
                                            (BatchMixing, "rows in its batch"), (Remembering, "asked again later")])
def test_the_audit_catches_and_names(corpus, cheat: type[Honest], how: str):
    passed, evidence = deep_audit(cheat(), corpus, 2048)
    assert not passed
    assert how in evidence
    assert "nats at token" in evidence
    assert "of window" in evidence


@pytest.mark.slow
def test_a_trained_block_of_the_library_passes(corpus, tmp_path: Path):
    passed, evidence = deep_audit(reader_of(small_model(), tmp_path, CONTEXT), corpus, 1024)
    assert passed, evidence


# --------------------------------------------------------------------------------------------------- held-out text


def test_documents_add_up_to_the_score_of_their_split(corpus):
    valid, test = held_out(Honest(), corpus, 10**6), held_out(Honest(), corpus, 10**6, split="test")
    for score in (valid, test):
        assert len(score.documents.bits) == len(score.documents.bytes) == 40
        assert sum(score.documents.bits) / sum(score.documents.bytes) == pytest.approx(score.bits_per_byte)
        assert sum(score.documents.bits) == pytest.approx(score.loss * score.tokens / math.log(2))
    assert valid.bits_per_byte != test.bits_per_byte
    few = held_out(Honest(), corpus, 300)
    assert few.documents.bits == pytest.approx(valid.documents.bits[: len(few.documents.bits)])
    assert few.tokens <= 300


def test_a_split_that_is_not_there_is_named(corpus, tmp_path: Path):
    with pytest.raises(CorpusError, match="the test split of made cannot be read"):
        held_out(Honest(), replace(corpus, dir=tmp_path), 100, split="test")


class Rounding(Honest):
    """bfloat16's noise, other at each call; `ahead` is gained where the next token is seen."""

    precision = "bfloat16"

    def __init__(self, ahead: float) -> None:
        super().__init__()
        self.ahead, self.rng = ahead, np.random.default_rng(5)

    def logits(self, ids):
        out = super().logits(ids)
        out += torch.from_numpy(self.rng.normal(0, 0.02, out.shape).astype(np.float32))
        out[:, :-1].scatter_add_(-1, torch.from_numpy(ids[:, 1:, None].astype(np.int64)), torch.full((*ids[:, 1:].shape, 1), self.ahead))
        return out


def test_rounding_is_no_leak_and_hides_none(corpus):
    assert held_out(Rounding(0.0), corpus, 2048).bits_per_byte > 0
    with pytest.raises(DesignError, match="in the mean over 24 windows"):
        held_out(Rounding(0.1), corpus, 2048)
    with pytest.raises(DesignError, match="of held-out window"):
        held_out(Rounding(1.0), corpus, 2048)


# --------------------------------------------------------------------------------------------------- weights


def test_weights_load_to_the_last_tensor_or_not_at_all(tmp_path: Path):
    from safetensors.torch import load_file, save_file

    model = small_model()
    path = save(model, tmp_path / "weights.safetensors")
    saved = load_file(path)
    load_strictly(model, str(path))
    some = "norm.weight"
    for name, tensors, said in (("short", {k: v for k, v in saved.items() if k != some}, f"missing: {some}"), ("more", {**saved, "extra.weight": torch.ones(2)}, "unused: extra.weight"),
                                ("other", {**saved, some: torch.ones(3)}, r"of another shape: norm.weight \(3,\) for \(32,\)"), ("none", {"a": torch.ones(1)}, r"missing: .* and \d+ more; unused: a")):
        save_file(tensors, tmp_path / name)
        with pytest.raises(VerificationError, match=said):
            load_strictly(model, str(tmp_path / name))
    (tmp_path / "torn").write_bytes(path.read_bytes()[:100])
    with pytest.raises(VerificationError, match="cannot be read"):
        load_strictly(model, str(tmp_path / "torn"))


def test_a_batch_too_large_for_the_device_is_read_in_halves():
    class Small:
        rows = 3

        def hidden(self, ids: torch.Tensor) -> torch.Tensor:
            if len(ids) > self.rows:
                raise torch.OutOfMemoryError
            return ids[..., None].double()

    model = Small()
    ids = torch.arange(40).view(10, 4)
    assert answered(model, ids).tolist() == ids[..., None].tolist()
    model.rows = 0
    with pytest.raises(SandboxMemory, match="one text of 4 tokens"):
        answered(model, ids)


@pytest.mark.slow
def test_the_sandboxed_oracle_in_bfloat16_answers_like_the_model_and_refuses_other_weights(tmp_path: Path):
    from safetensors.torch import load_file, save_file

    model, code = small_model(), (ROOT / "library" / "designs" / "gpt2" / "gab.py").read_text()
    scale, fit = Scale("pico", 2, 32, CONTEXT, VOCAB, 1024, 1024, 1e-3), Fit(2, 32, 1, 1, 1)
    weights = save(model, tmp_path / "weights.safetensors")
    rng = np.random.default_rng(0)
    windows = [rng.integers(0, VOCAB, CONTEXT + 1) for _ in range(20)]
    expected = reader_of(model, tmp_path, CONTEXT).nats(windows)
    with opened(code, scale, fit, weights, precision="bfloat16") as reader:
        half = reader.nats(windows)
    assert 0 < np.abs(np.asarray(half) - expected).max() < 1
    assert np.mean(half) == pytest.approx(np.mean(expected), rel=0.01)
    save_file({**load_file(weights), "extra": torch.ones(1)}, tmp_path / "more.safetensors")
    with pytest.raises(VerificationError, match="unused: extra"), opened(code, scale, fit, tmp_path / "more.safetensors"):
        pass

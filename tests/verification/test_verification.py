"""Training and evaluation for real, at a scale of seconds: exact repetition, exact resume after kill -9, honest failure."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sandboxed import running_children

from core.config import Config
from core.errors import DesignError, Diverged, VerificationError
from core.gab.loss import LOGITS, token_loss
from core.gab.references import load_references
from core.store import Store
from core.types import CurvePoint, Scale
from core.verification.evaluation.heldout import held_out, ratio_se
from core.verification.train import RECORD, RUN, WEIGHTS, file_hash, trained
from core.verification.training.checkpoint import Checkpoints
from core.verification.training.corpus import prepare
from core.verification.training.schedule import learning_rate
from core.verification.verify import verification
from core.verification.work import Work

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent.parent
REFERENCES = {r.slug: r.code for r in load_references(ROOT / "library")}
PICO = Scale("pico", n_layers=2, d_model=32, context=64, vocab_size=512, tokens=40 * 1024, batch_tokens=1024, lr=3e-3, tolerance=0.35,
             eval_tokens=4096)
NANO_TEXT = "\n\n".join(f"Paragraph {i}. The method {['returns', 'takes', 'gives'][i % 3]} a value of number {i * i}. " * 6 for i in range(300))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "text.txt").write_text(NANO_TEXT)
    return prepare(str(folder / "text.txt"), PICO.vocab_size, Config.from_env({"DATA_DIR": str(folder / "data")}))


def verify(corpus, folder: Path, code: str = REFERENCES["gpt2"], scale: Scale = PICO, seed: int = 0, check=lambda: None):
    points: list[CurvePoint] = []
    return verification(work(corpus, folder, code, scale, seed, check, points.append), ROOT / "library" / "tasks"), points


def work(corpus, folder: Path, code: str = REFERENCES["gpt2"], scale: Scale = PICO, seed: int = 0, check=lambda: None, on_point=lambda point: None,
         config: dict[str, str] | None = None, on_event=lambda kind, data: None, **more):
    settings = Config.from_env({"DATA_DIR": str(folder), "THREADS": "1", **(config or {})})
    return Work(code, scale, seed, corpus, REFERENCES["gpt2"], folder / "ckpt", settings, on_point, lambda fraction, note: None, on_event, check, **more)


@pytest.fixture(scope="module")
def first(corpus, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("first")
    return *verify(corpus, folder), folder


def test_a_verification_measures_and_learns(first):
    outcome, points, _ = first
    m = outcome.metrics
    assert [p.step for p in points] == list(range(1, 41))
    assert points[-1].tokens == PICO.tokens == m.tokens
    assert points[-1].loss < points[0].loss - 1
    assert m.loss < math.log(PICO.vocab_size) - 1
    assert m.bits_per_byte > 0
    assert m.bits_per_byte_se > 0
    assert m.perplexity == pytest.approx(math.exp(m.loss))
    assert (m.n_layers, m.d_model) == (2, 32)
    pairs = m.tasks["minimal_pairs"]
    assert pairs["n"] == 400
    assert pairs["chance"] == 0.5
    assert pairs["acc_stderr"] == pytest.approx(math.sqrt(pairs["acc"] * (1 - pairs["acc"]) / 399), rel=0.01)


def test_provenance_names_what_it_was_made_with(first):
    outcome, _, folder = first
    p = outcome.provenance
    assert p["weights"] == file_hash(folder / "ckpt" / "weights.safetensors")
    assert set(p["versions"]) >= {"torch", "lm-eval", "python"}
    assert p["versions"]["torch"].startswith("2.13.0")
    assert {"commit", "seed", "scale", "code", "corpus", "device", "threads"} <= set(p)
    assert p["sandbox"]["limits"]
    assert sorted(p.name for p in (folder / "ckpt").iterdir()) == ["trained.json", "weights.safetensors"]


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(first, corpus, tmp_path: Path):
    outcome, points, _ = first
    again, same = verify(corpus, tmp_path / "again")
    assert [(p.loss, p.grad_norm) for p in same] == [(p.loss, p.grad_norm) for p in points]
    assert again.metrics.bits_per_byte == outcome.metrics.bits_per_byte
    assert again.metrics.tasks == outcome.metrics.tasks
    assert again.provenance["weights"] == outcome.provenance["weights"]
    other, _ = verify(corpus, tmp_path / "other", seed=1)
    assert other.metrics.bits_per_byte != outcome.metrics.bits_per_byte


def test_called_again_it_goes_straight_to_the_evaluation(first, corpus):
    outcome, _, folder = first
    again, points = verify(corpus, folder)
    assert points == []
    assert again.metrics.bits_per_byte == outcome.metrics.bits_per_byte


def test_weights_that_were_touched_are_not_scored(corpus, tmp_path: Path):
    verify(corpus, tmp_path, scale=replace(PICO, tokens=2048))
    weights = tmp_path / "ckpt" / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(VerificationError, match="not what the training wrote"):
        verify(corpus, tmp_path, scale=replace(PICO, tokens=2048))


SAVES = """
import torch
from torch import nn
from core.gab import GABBase
class GAB(GABBase):
    def __init__(self, embed_dim, block_loc, device=None, dtype=None):
        super().__init__(embed_dim, block_loc)
        self.inner = nn.Linear(embed_dim, 12 * embed_dim, bias=False, device=device, dtype=dtype)
        {}
    def _forward(self, X):
        return X + torch.nn.functional.linear(self.inner(X).tanh(), self.inner.weight.T)
gab_config = {{}}
"""


def test_a_weight_shared_within_a_block_is_counted_once(corpus, tmp_path: Path):
    outcome, _ = verify(corpus, tmp_path, code=SAVES.format("self.outer = nn.Linear(12 * embed_dim, embed_dim); self.outer = self.inner"), scale=replace(PICO, tokens=2048))
    assert outcome.metrics.params == outcome.provenance["fit"]["params"]


def test_large_persistent_buffers_are_refused_before_the_first_step(corpus, tmp_path: Path):
    points: list[CurvePoint] = []
    one = work(corpus, tmp_path, code=SAVES.format("self.register_buffer('mask', torch.zeros(256, 256))"), scale=replace(PICO, tokens=2048), on_point=points.append)
    with pytest.raises(DesignError, match=r"persistent buffers are too large.*persistent=False"):
        trained(one)
    assert points == []
    assert not (one.folder / RUN).exists()


def test_what_the_child_leaves_is_not_taken_for_the_record(corpus, tmp_path: Path):
    """The child writes in a folder of its own; a record forged there, or a link in place of the weights, is not followed."""
    one = work(corpus, tmp_path, scale=replace(PICO, tokens=2048))
    honest = trained(one)
    for left in (RECORD, WEIGHTS):
        (one.folder / left).unlink()
    (one.folder / RUN / RECORD).write_text(json.dumps({**honest, "weights": "0" * 64}))
    assert trained(one)["weights"] == honest["weights"]
    outside = tmp_path / "outside"
    outside.write_text("kept")
    (one.folder / WEIGHTS).unlink()
    (one.folder / WEIGHTS).symlink_to(outside)
    with pytest.raises(VerificationError, match="cannot be read"):
        file_hash(one.folder / WEIGHTS)


def test_linear_recurrences_train_too(corpus, tmp_path: Path):
    for slug in ("mamba2", "gla", "retnet"):
        outcome, points = verify(corpus, tmp_path / slug, code=REFERENCES[slug], scale=replace(PICO, tokens=8 * 1024, lr=1e-3))
        assert points[-1].loss < points[0].loss
        assert math.isfinite(outcome.metrics.bits_per_byte)


def test_a_loss_that_is_no_number_is_the_designs_verdict(corpus, tmp_path: Path):
    line = "return self.down(nn.functional.silu(self.gate(X)) * self.up(X))"
    blows = REFERENCES["llama"].replace(line, f"{line} * torch.where(self.down.weight.detach().std() > 0.0125, torch.nan, 1.0)")
    assert blows != REFERENCES["llama"]
    with pytest.raises(Diverged, match=r"diverged at step \d+ of 40: the loss is"):
        verify(corpus, tmp_path, code=blows)


def test_a_person_can_stop_it(corpus, tmp_path: Path):
    from core.errors import Cancelled

    calls = iter(range(1000))

    def check() -> None:
        if next(calls) > 5:
            raise Cancelled("stopped", "")

    with pytest.raises(Cancelled):
        verify(corpus, tmp_path, check=check)
    assert running_children() == []


HANGS = """
import torch
from torch import nn
from core.gab import GABBase
class GAB(GABBase):
    def __init__(self, embed_dim, block_loc, device=None, dtype=None):
        super().__init__(embed_dim, block_loc)
        self.inner = nn.Linear(embed_dim, 12 * embed_dim, device=device, dtype=dtype)
        self.calls = 0
    def _forward(self, X):
        self.calls += self.training
        while self.calls > 6:
            pass
        return X + torch.nn.functional.linear(self.inner(X).tanh(), self.inner.weight.T)
gab_config = {}
"""


@pytest.mark.slow
def test_a_block_that_hangs_is_ended_and_its_own_fault(corpus, tmp_path: Path):
    with pytest.raises(DesignError, match=r"the training hangs: no step in \d+ s after step [1-9]"):
        trained(work(corpus, tmp_path, code=HANGS, config={"HANG_S": "2"}))
    assert running_children() == []


@pytest.mark.slow
def test_a_person_can_stop_a_block_that_hangs(corpus, tmp_path: Path):
    from core.errors import Cancelled

    asked: list[float] = []
    points: list[CurvePoint] = []

    def check() -> None:
        asked.append(time.monotonic())
        if points and asked[-1] - asked[len(points)] > 3:  # nothing came for a while
            raise Cancelled("stopped", "")

    started = time.monotonic()
    with pytest.raises(Cancelled):
        trained(work(corpus, tmp_path, code=HANGS, on_point=points.append, check=check))
    assert time.monotonic() - started < 60
    assert running_children() == []


def test_few_documents_have_an_error_bar_all_the_same(first, corpus, tmp_path: Path):
    """Of their windows: one document tells nothing of how documents differ."""
    from core.verification.evaluation.heldout import held_out
    from core.verification.verify import weights_of

    outcome, folder = first[0], first[2]
    one = work(corpus, folder)
    with weights_of(one, outcome.provenance) as reader:
        lone, few = held_out(reader, corpus, 600), held_out(reader, corpus, 20_000)
    assert len(lone.documents.bits) == 1
    assert all(0 < found.bits_per_byte_se < found.bits_per_byte / 10 for found in (lone, few))


# --------------------------------------------------------------------------------------------------- kill -9


def test_a_worker_killed_in_training_is_resumed_bit_for_bit(tmp_path: Path):
    """kill -9 of the worker in mid-training; another resumes. Compared with an undisturbed run: each step once, every number equal."""
    scales = tmp_path / "scales.yaml"
    scales.write_text("pico: {n_layers: 2, d_model: 64, context: 64, vocab_size: 512, tokens: 307200, batch_tokens: 2048, lr: 3.0e-3, "
                      "tolerance: 0.2, eval_tokens: 4096, minutes: 1}\n")
    text = tmp_path / "text.txt"
    text.write_text(NANO_TEXT)
    code = [sys.executable, "-m", "core"]

    def env(name: str) -> dict[str, str]:
        return {**os.environ, "DATA_DIR": str(tmp_path / name), "SCALES_FILE": str(scales), "THREADS": "1", "CHECKPOINT_S": "0.5"}

    def core(name: str, *args: str) -> dict:
        done = subprocess.run([*code, *args, "--json"], cwd=ROOT, env=env(name), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    core("killed", "init")
    core("killed", "budget", "pico", "5")
    core("calm", "budget", "pico", "5")
    starter = f"from core.build import BuildSystem; d = BuildSystem().open(); d.verify(['gpt2'], 'pico', [0], {str(text)!r})"
    subprocess.run([sys.executable, "-c", starter], cwd=ROOT, env=env("killed"), check=True)
    store = Store.open(Config.from_env(env("killed")))
    kills = 0
    for wanted in (25, 80):
        worker = subprocess.Popen([*code, "worker"], cwd=ROOT, env=env("killed"), stderr=subprocess.PIPE)
        deadline = time.monotonic() + 90
        while len(store.curves.of(1)) < wanted:
            assert time.monotonic() < deadline, worker.poll()
            assert worker.poll() is None, worker.stderr.read().decode()[-2000:]
            time.sleep(0.05)
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
        worker.stderr.close()
        kills += 1
        assert store.verifications.get(1).finished_at is None
    worker = subprocess.Popen([*code, "worker"], cwd=ROOT, env=env("killed"), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while store.verifications.get(1).finished_at is None:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    worker.terminate()
    worker.wait(20)

    calm = core("calm", "verify", "gpt2", "--scale", "pico", "--seed", "0", "--corpus", str(text))
    undisturbed = Store.open(Config.from_env(env("calm"))).curves.of(1)
    resumed = store.curves.of(1)
    assert [p.step for p in resumed] == list(range(1, 151))
    assert [(p.loss, p.grad_norm, p.lr) for p in resumed] == [(p.loss, p.grad_norm, p.lr) for p in undisturbed]
    done = store.verifications.get(1)
    assert done.metrics.bits_per_byte == calm["bits_per_byte"]
    assert done.provenance["weights"] == calm["provenance"]["weights"]
    jobs = [e.kind for e in store.events.since("job:1")]
    assert jobs.count("started") == kills + 1
    assert jobs.count("done") == 1
    assert store.ledger.account("pico").spent == 1
    starts = [e.data.get("from_step") for e in store.events.since("verification:1") if e.kind == "resumed"]
    assert starts, "it went on from a checkpoint, not from the start"
    assert min(starts) > 0


# --------------------------------------------------------------------------------------------------- parts


def test_a_torn_checkpoint_gives_way_to_the_one_before(tmp_path: Path):
    kept = Checkpoints(tmp_path, {"of": "this"})
    for step in (1, 2, 3):
        kept.save(step, {"x": torch.ones(2) * step})
    assert sorted(p.name for p in tmp_path.glob("*.pt")) == ["step-00000002.pt", "step-00000003.pt"]
    (tmp_path / "step-00000003.pt").write_bytes((tmp_path / "step-00000003.pt").read_bytes()[:100])
    assert kept.newest()["step"] == 2
    assert Checkpoints(tmp_path, {"of": "another"}).newest() is None


def test_checkpoints_of_another_training_do_not_push_new_ones_out(tmp_path: Path):
    """As when it was begun with other threads, and got further."""
    old, new = Checkpoints(tmp_path, {"threads": 2}), Checkpoints(tmp_path, {"threads": 1})
    for step in (100, 200):
        old.save(step, {})
    assert new.newest() is None
    for step in (10, 20, 30):
        new.save(step, {})
    again = Checkpoints(tmp_path, {"threads": 1})
    assert again.newest()["step"] == 30
    again.save(40, {})
    assert Checkpoints(tmp_path, {"threads": 1}).newest()["step"] == 40
    assert old.newest()["step"] == 200
    assert len(list(tmp_path.glob("*.pt"))) == 4
    again.clear()
    assert not list(tmp_path.glob("*.pt"))


def test_a_checkpoint_that_cannot_be_written_is_told_and_the_last_stays(tmp_path: Path):
    kept = Checkpoints(tmp_path, {})
    assert kept.save(1, {}) == ""
    (tmp_path / "step-00000002.tmp").symlink_to("/dev/full")
    assert "No space left" in kept.save(2, {"x": torch.ones(1000)})
    assert kept.newest()["step"] == 1
    assert not list(tmp_path.glob("*.tmp"))
    assert kept.save(2, {}) == ""
    assert kept.newest()["step"] == 2


def test_the_learning_rate_warms_up_and_falls_to_a_tenth():
    rates = [learning_rate(PICO, step) for step in range(PICO.steps)]
    assert rates[3] == pytest.approx(PICO.lr)
    assert rates[0] == pytest.approx(PICO.lr / 4)
    assert max(rates) == pytest.approx(PICO.lr)
    assert rates[-1] < 0.12 * PICO.lr


def test_the_chunked_loss_and_its_gradients_equal_the_whole(monkeypatch):
    monkeypatch.setitem(LOGITS, "cpu", 11 * 16)
    h, head = torch.randn(2, 50, 8, dtype=torch.float64, requires_grad=True), torch.randn(11, 8, dtype=torch.float64, requires_grad=True)
    t = torch.randint(11, (2, 50))
    whole = torch.nn.functional.cross_entropy((h @ head.T).flatten(0, 1), t.flatten(), reduction="sum")
    chunked = token_loss(h, head, t)
    assert torch.allclose(whole, chunked)
    for a, b in zip(torch.autograd.grad(3 * whole, (h, head)), torch.autograd.grad(3 * chunked, (h, head)), strict=True):
        assert torch.allclose(a, b)


def test_the_standard_error_of_a_ratio_is_that_of_a_bootstrap():
    random = np.random.default_rng(0)
    y = random.uniform(50, 150, 200)
    x = y * random.normal(2, 0.3, 200)
    draws = [random.integers(200, size=200) for _ in range(4000)]
    assert ratio_se(x, y) == pytest.approx(np.std([x[d].sum() / y[d].sum() for d in draws]), rel=0.1)


def test_the_shipped_pairs_are_what_their_script_makes():
    folder = ROOT / "library" / "tasks" / "minimal_pairs"
    spec = importlib.util.spec_from_file_location("make", folder / "make.py")
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    assert (folder / "minimal_pairs.jsonl").read_text() == make.text()
    pairs = make.make()
    assert all(p["sentence_good"] != p["sentence_bad"] for p in pairs)
    assert len({(p["sentence_good"], p["sentence_bad"]) for p in pairs}) == len(pairs) == 400


# --------------------------------------------------------------------------------------------------- reading ahead


class Peeking:
    """A reader whose model knows the next token when it is shown one that follows it: what a leak looks like from outside."""

    context, vocab, precision = 64, 512, "float32"

    def __init__(self, ahead: float) -> None:
        self.ahead = ahead

    def log_probs(self, ids: np.ndarray) -> torch.Tensor:
        logits = torch.zeros(*ids.shape, self.vocab)
        following = torch.from_numpy(ids[:, 1:].astype(np.int64))
        logits[:, :-1].scatter_(-1, following.unsqueeze(-1), self.ahead)
        return logits.log_softmax(-1)

    def nats(self, windows: list[np.ndarray]) -> list[np.ndarray]:
        out = []
        for w in windows:
            logp = self.log_probs(w[None, :-1].astype(np.int64))[0]
            out.append(-logp[np.arange(len(w) - 1), w[1:].astype(np.int64)].double().numpy())
        return out


@pytest.mark.parametrize(("ahead", "caught"), [(0.0, False), (0.1, True), (5.0, True)])
def test_a_model_that_reads_ahead_gets_no_score(corpus, ahead: float, caught: bool):
    if not caught:
        assert held_out(Peeking(ahead), corpus, 4096).loss == pytest.approx(math.log(512), abs=1e-5)
        return
    with pytest.raises(DesignError, match="reads ahead"):
        held_out(Peeking(ahead), corpus, 4096)

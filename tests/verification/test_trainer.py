"""The training loop's parts, without a sandbox: replicas, memory, guards, rates, optimizers, kernels, watched documents, compiling."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from core.errors import Diverged, VerificationError
from core.gab.model import GAM, load_block
from core.gab.references import load_references
from core.types import CurvePoint, Scale
from core.verification.training import kernels
from core.verification.training.checkpoint import Checkpoints
from core.verification.training.compiled import Compiled, wanted
from core.verification.training.data import Windows
from core.verification.training.guards import Guard
from core.verification.training.loop import Settings, Trainer
from core.verification.training.optim import Optimizer
from core.verification.training.ranks import Ranks
from core.verification.training.replicas import Replicas
from core.verification.training.schedule import learning_rate
from core.verification.training.watch import Watch, watched

ROOT = Path(__file__).resolve().parent.parent.parent
CODE = {r.slug: r.code for r in load_references(ROOT / "library")}
PICO = Scale("pico", n_layers=2, d_model=32, context=16, vocab_size=64, tokens=12 * 128, batch_tokens=128, lr=3e-3)
BLOCK = """
import torch
from torch import nn
from core.gab import GABBase
class GAB(GABBase):
    def __init__(self, embed_dim, block_loc, device=None, dtype=None):
        super().__init__(embed_dim, block_loc)
        self.inner = nn.Linear(embed_dim, embed_dim, device=device, dtype=dtype)
    def _forward(self, X):
        {}
        return X + self.inner(X).tanh()
gab_config = {{}}
"""


def made(body: str = "pass", seed: int = 0) -> GAM:
    return GAM(*load_block(BLOCK.format(body)), PICO.vocab_size, 32, 2, seed=seed)


def tokens(folder: Path, n: int = 4000) -> Path:
    np.random.default_rng(0).integers(1, PICO.vocab_size, n).astype(np.uint16).tofile(folder / "train.bin")
    return folder / "train.bin"


def run(folder: Path, model: GAM, scale: Scale = PICO, threads: int = 1, told: list | None = None) -> list[float]:
    folder.mkdir(exist_ok=True)
    points: list[CurvePoint] = []
    torch.manual_seed(5)
    Trainer(model, scale, Windows(tokens(folder), scale.vocab_size, scale.context, 0), None, Checkpoints(folder, {}), Settings("cpu", "float32", threads, 1e9, 2.0), Ranks("cpu"), None,
            lambda kind, data: (told if told is not None else []).append((kind, data))).run(points.append, lambda step: None)
    torch.set_num_threads(1)
    return [p.loss for p in points]


# ------------------------------------------------------------------------------------------------ replicas and memory


def test_replicas_give_the_gradients_of_one_model():
    batch = torch.randint(PICO.vocab_size, (5, 17))
    found = []
    for threads in (1, 3):
        model = GAM(*load_block(CODE["gpt2"]), PICO.vocab_size, 32, 2)
        loss = Replicas(model, "cpu", "float32", threads, 16, 5, lambda rows: None).gradients(batch, 80, threads)
        found.append((loss, [p.grad.clone() for p in model.parameters()]))
    torch.set_num_threads(1)
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-6)
    for a, b in zip(found[0][1], found[1][1], strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_a_block_that_draws_random_numbers_is_trained_by_one_replica_and_repeats(tmp_path: Path):
    drawing = "X = nn.functional.dropout(X, 0.2, self.training)"
    first, again, alone = (run(tmp_path / name, made(drawing), threads=threads) for name, threads in (("a", 2), ("b", 2), ("c", 1)))
    assert first == again == pytest.approx(alone, rel=1e-5)


def test_the_micro_batch_is_halved_until_it_fits_and_nothing_else_changes(tmp_path: Path):
    told: list = []
    short_of_memory = "if len(X) > 2 and self.training: raise RuntimeError('[enforce fail] DefaultCPUAllocator: can\\'t allocate memory')"
    losses = run(tmp_path / "a", made(short_of_memory), threads=2, told=told)
    assert [data["sequences"] for kind, data in told if kind == "micro_batch"][-1] <= 4
    assert losses == pytest.approx(run(tmp_path / "b", made()), rel=1e-5)
    with pytest.raises(VerificationError, match="out of memory at micro-batch 1"):
        run(tmp_path / "c", made("if self.training: raise MemoryError"), threads=2)


def test_an_error_of_the_block_is_not_taken_for_a_lack_of_memory(tmp_path: Path):
    with pytest.raises(RuntimeError, match="my own"):
        run(tmp_path, made("raise RuntimeError('my own')"), threads=2)


# --------------------------------------------------------------------------------------------------- what ends a run


def test_a_loss_that_is_no_number_or_stays_up_ends_the_run_and_a_passing_spike_does_not():
    guard = Guard(1000)
    for step, loss in enumerate([5.0] * 50 + [9.0] * 3 + [4.0] * 100):
        guard.loss(step, loss)
    assert guard.spikes == [52]
    with pytest.raises(Diverged, match=r"diverged at step 153 of 1000: the loss is nan"):
        guard.loss(153, math.nan)
    stuck = Guard(1000)
    for step in range(150):
        stuck.loss(step, 5.0 if step < 100 else 8.0)
    with pytest.raises(Diverged, match=r"the loss rose to \d\.\d+ nats from 5\.00 at step \d+ and stayed"):
        [stuck.loss(step, 8.0) for step in range(150, 200)]


def test_updates_with_gradients_that_are_not_finite_are_left_out_ten_at_most():
    guard = Guard(100)
    assert guard.norm(0, 1.0)
    assert not guard.norm(1, math.inf)
    assert guard.norm(2, 1.0)
    assert not any(guard.norm(step, math.nan) for step in range(9))
    with pytest.raises(Diverged, match="10 steps in a row are not finite"):
        guard.norm(9, math.nan)


# ------------------------------------------------------------------------------------------------- rates and optimizers


def test_wsd_holds_its_plateau_and_falls_to_a_tenth():
    scale = replace(PICO, tokens=100 * 128, schedule="wsd")
    rates = [learning_rate(scale, step) for step in range(100)]
    assert rates[9:80] == pytest.approx([PICO.lr] * 71)
    assert rates[99] == pytest.approx(PICO.lr * (0.1 + 0.9 / 20))
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))


def test_muon_takes_the_blocks_matrices_and_both_learn_from_their_saved_state(tmp_path: Path):
    model = made()
    optimizer = Optimizer(model, replace(PICO, optimizer="muon"))
    assert [type(part).__name__ for part in optimizer.parts] == ["AdamW", "Muon"]
    assert {p.ndim for group in optimizer.parts[1].param_groups for p in group["params"]} == {2}
    assert not any(p is model.embedding.weight for group in optimizer.parts[1].param_groups for p in group["params"])
    for name in ("adamw", "muon"):
        scale = replace(PICO, optimizer=name)
        losses = run(tmp_path / name, made(), scale)
        assert losses[-1] < losses[0]
        assert all(p.dtype is torch.float32 for p in model.parameters())
    other = Optimizer(made(), replace(PICO, optimizer="muon"))
    model.hidden(torch.zeros(1, 4, dtype=torch.long)).sum().backward()
    optimizer.step(1e-3)
    other.load_state_dict(optimizer.state_dict())
    assert other.state_dict()[1]["state"].keys() == optimizer.state_dict()[1]["state"].keys()


# -------------------------------------------------------------------------------------------------------------- kernels


def products() -> list[torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    a, b, bias = (torch.randn(n, generator=g, requires_grad=True) for n in ((128, 96), (160, 96), (160,)))
    out = [F.linear(a, b, bias), a @ b.T, a.T @ a, a[:, :1].expand(128, 96) @ b.T, torch.zeros(0, 96) @ b.T, (a.double() @ b.double().T).float()]
    grads = torch.autograd.grad(sum((o * o).sum() for o in out), (a, b, bias))
    return [*[o.detach() for o in out], *grads]


def attentions() -> list[torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    out = []
    for length, causal in ((7, True), (64, True), (64, False), (600, True)):
        q, k, v = (torch.randn(2, 3, length, 16, generator=g).bfloat16().requires_grad_() for _ in range(3))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        out += [y.detach(), *torch.autograd.grad((y.float() ** 2).sum(), (q, k, v))]
    mask = torch.ones(64, 64, dtype=torch.bool).tril()
    q = torch.randn(2, 3, 64, 16, generator=g).bfloat16()
    return [*out, F.scaled_dot_product_attention(q, q, q, attn_mask=mask), F.scaled_dot_product_attention(q, q, q, scale=0.5, is_causal=True)]


@pytest.mark.parametrize(("chosen", "compute", "allowed"), [(kernels.ONEDNN, products, 1e-5), (kernels.ATTENTION, attentions, 0.02)])
def test_quicker_kernels_give_what_torch_gives(chosen: str, compute, allowed: float):
    plain = compute()
    kept = kernels.install([chosen])
    try:
        quick = compute()
    finally:
        for library in kept:
            library._destroy()
    for a, b in zip(plain, quick, strict=True):
        assert a.shape == b.shape
        assert torch.linalg.vector_norm((a - b).float()) <= allowed * torch.linalg.vector_norm(a.float()) + 1e-12
    for a, b in zip(plain, compute(), strict=True):
        assert torch.equal(a, b), "torch's own are back"


def test_kernels_follow_from_the_machine_alone():
    assert kernels.choose("cuda", "bfloat16") == ()
    assert kernels.choose("cpu", "bfloat16") == kernels.choose("cpu", "bfloat16") == (kernels.ATTENTION,)


# ------------------------------------------------------------------------------------------------ watching and compiling


def test_watched_documents_are_scored_in_bits_per_byte_and_leave_random_streams_alone(tmp_path: Path):
    stream = np.concatenate([[0], np.arange(1, 40) % 60, [0], np.arange(1, 20), [0]]).astype(np.uint16)
    stream.tofile(tmp_path / "watch.bin")
    (tmp_path / "watch.json").write_text(json.dumps({"starts": [1, 41], "bytes": [100, 50]}))
    model = made()
    torch.manual_seed(3)
    before = torch.get_rng_state()
    watch = Watch(tmp_path, replace(PICO, watch_tokens=1000), "cpu", False)
    found = watch.bits_per_byte(model)
    assert torch.equal(before, torch.get_rng_state())
    ids, nats = torch.from_numpy(stream.astype(np.int64)), 0.0
    for i in range(0, len(ids) - 1, 16):
        window = ids[i : i + 17]
        nats += F.cross_entropy(model(window[None, :-1])[0], window[1:], reduction="sum").item()
    assert found == pytest.approx(nats / math.log(2) / 150, rel=1e-5)
    assert Watch(tmp_path, replace(PICO, watch_tokens=45), "cpu", False).bytes == 100
    assert watched(replace(PICO, watch_points=4)) == {3, 6, 9, 12}


def test_a_block_that_does_not_compile_runs_as_it_is_and_the_reason_is_kept():
    model = made()
    compiled = Compiled(model)

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("the compiler\ndoes not like it")

    compiled.forward = refuse
    ids = torch.zeros(1, 5, dtype=torch.long)
    assert torch.equal(compiled.hidden(ids), model.hidden(ids))
    assert compiled.state == "as it is: RuntimeError: the compiler does not like it"
    assert torch.equal(compiled.hidden(ids), model.hidden(ids))
    assert wanted(PICO, "cpu") == (False, "a processor gains little by it")
    assert wanted(replace(PICO, compile="on"), "cpu")[0]
    assert wanted(replace(PICO, tokens=10**9), "cuda")[0]


def test_a_backward_that_does_not_compile_is_made_again_as_it_is():
    class Refuses(torch.autograd.Function):
        @staticmethod
        def forward(ctx, X):
            return X.clone()

        @staticmethod
        def backward(ctx, grad):
            raise RuntimeError("no kernel for backward")

    model, plain = made(), made()
    batch = torch.randint(1, PICO.vocab_size, (5, 17), generator=torch.Generator().manual_seed(0))
    replicas = Replicas(model, "cpu", "float32", 1, 16, 5, lambda rows: None)
    compiled = Compiled(model)
    replicas.hidden, replicas.gives_up = compiled.hidden, compiled.gives_up
    compiled.forward = lambda block, X, **Z: (Refuses.apply(X), Z)
    loss = replicas.gradients(batch, 80, 1)
    assert compiled.state == "as it is: RuntimeError: no kernel for backward"
    assert loss == Replicas(plain, "cpu", "float32", 1, 16, 5, lambda rows: None).gradients(batch, 80, 1)
    for a, b in zip(model.parameters(), plain.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad)


def test_a_block_that_moves_its_buffers_is_trained_by_one_replica():
    body = "self.seen.add_(1)"
    code = BLOCK.format(body).replace("dtype=dtype)\n    def _forward", "dtype=dtype)\n        self.register_buffer('seen', torch.zeros(1, device=device))\n    def _forward")
    model = GAM(*load_block(code), PICO.vocab_size, 32, 2, seed=0)
    replicas = Replicas(model, "cpu", "float32", 2, 16, 4, lambda rows: None)
    replicas.gradients(torch.randint(1, PICO.vocab_size, (4, 17)), 64, 2)
    assert replicas.pool is None
    assert [b.item() for b in model.buffers()] == [1.0, 1.0]  # once for the step, not twice

"""The vocabulary: reading it, validating trees, writing blocks that are causal and equal to their plain recurrences."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.agents.variation import Vocabulary
from core.errors import CodeError, DesignError, UnitError
from core.gab.model import GAM, load_block
from core.gab.references import composed, load_reference, load_references
from core.gab.units import UnitLibrary, read_unit
from core.types import UnitTree
from library.units._scan import causal_window, scalar_decay_attention, vector_decay_attention

ROOT = Path(__file__).resolve().parent.parent.parent
LIBRARY = UnitLibrary(ROOT / "library" / "units")
REFERENCES = load_references(ROOT / "library")


def recurrence(q, k, v, decay):
    """o_t = S_tᵀ q_t, S_t = decay_t ∘ S_{t−1} + k_t v_tᵀ, one step at a time. decay (b, h, l, k)"""
    state, out = torch.zeros(*q.shape[:2], q.shape[-1], v.shape[-1], dtype=q.dtype), []
    for t in range(q.shape[2]):
        state = decay[:, :, t, :, None] * state + k[:, :, t, :, None] * v[:, :, t, None, :]
        out.append((q[:, :, t, :, None] * state).sum(-2))
    return torch.stack(out, 2)


def close(a, b) -> bool:
    return bool(((a - b).abs().max() <= 1e-8 * b.abs().max().clamp_min(1e-30)).item())


@pytest.mark.parametrize("length", [1, 15, 16, 17, 63, 64, 65, 130])
@pytest.mark.parametrize("vector", [False, True])
def test_chunked_forms_equal_the_recurrence_in_outputs_and_gradients(length: int, vector: bool):
    torch.manual_seed(length)
    shape = (2, 3, length, 4)
    q, k = (torch.randn(shape, dtype=torch.float64, requires_grad=True) for _ in range(2))
    v = torch.randn(2, 3, length, 5, dtype=torch.float64, requires_grad=True)
    g = (-torch.rand(shape if vector else shape[:3], dtype=torch.float64) * 3).requires_grad_()
    decay = g.exp() if vector else g.exp()[..., None].expand(shape)
    fast = (vector_decay_attention if vector else scalar_decay_attention)(q, k, v, g)
    slow = recurrence(q, k, v, decay)
    assert close(fast, slow)
    weight = torch.randn_like(slow)
    for a, b in zip(torch.autograd.grad((fast * weight).sum(), (q, k, v, g), retain_graph=True),
                    torch.autograd.grad((slow * weight).sum(), (q, k, v, g)), strict=True):
        assert close(a, b)


@pytest.mark.parametrize("decay", [0.0, -5.0, -10.0])
def test_the_fastest_decay_allowed_stays_finite_in_float32(decay: float):
    q, k, v = (torch.randn(1, 2, 100, 8) for _ in range(3))
    out = vector_decay_attention(q, k, v, torch.full((1, 2, 100, 8), decay))
    assert torch.isfinite(out).all()
    assert torch.isfinite(scalar_decay_attention(q, k, v, torch.full((1, 2, 100), 50 * decay))).all()


def test_windows_hold_each_chunk_behind_the_one_before():
    x = torch.arange(10.0).view(1, 1, 10, 1)
    windows = causal_window(x, 4)[0, 0, :, :, 0]
    assert windows.tolist() == [[0, 0, 0, 0, 0, 1, 2, 3], [0, 1, 2, 3, 4, 5, 6, 7], [4, 5, 6, 7, 8, 9, 0, 0]]


def test_sliding_windows_equal_masked_attention():
    code = LIBRARY.compose(UnitTree("mixer_only", {}, {"norm": UnitTree("rms_norm"), "mixer": UnitTree(
        "sliding_window_attention", {"heads": 2, "window": 16})}), "test")
    block, config = load_block(code)
    made = block(32, (0, 1), dtype=torch.float64, **config).root.mixer
    X = torch.randn(2, 50, 32, dtype=torch.float64)
    q, k, v = (t.unflatten(-1, (2, -1)).transpose(1, 2) for t in made.qkv(X).chunk(3, -1))
    i = torch.arange(50)
    mask = (i[None] <= i[:, None]) & (i[None] > i[:, None] - 16)
    plain = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)
    assert close(made(X)[0], made.out(plain))


def leak(model: GAM, length: int, cut: int) -> float:
    ids = torch.randint(31, (2, length), generator=torch.Generator().manual_seed(length))
    other = ids.clone()
    other[:, cut:] = (ids[:, cut:] + 7) % 31
    with torch.no_grad():
        a, b = model(ids)[:, :cut], model(other)[:, :cut]
    return ((a - b).abs().max() / a.abs().max()).item()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**9), length=st.integers(2, 70))
def test_any_tree_of_the_grammar_composes_builds_and_is_causal(seed: int, length: int):
    tree = Vocabulary(LIBRARY).fresh("block", Random(seed))
    code = LIBRARY.compose(tree, "random")
    assert code == LIBRARY.compose(tree, "random")
    block, config = load_block(code)
    model = GAM(block, config, 31, 64, 2, seed=seed, dtype=torch.float64).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p), alpha=0.1)
    assert leak(model, length, 1 + seed % (length - 1)) < 1e-9


@pytest.mark.parametrize("ref", REFERENCES, ids=lambda r: r.slug)
def test_a_reference_is_what_its_design_yaml_composes(ref):
    assert ref.code == composed(LIBRARY, ref)
    block, config = load_block(ref.code)
    for path, node in ref.units.walk():
        assert {"__".join((*path, k)) for k in LIBRARY.info(node.unit).config} <= set(config)
    assert GAM(block, config, 31, 64, 2)(torch.zeros(1, 3, dtype=torch.long)).shape == (1, 3, 31)


def test_hyperparameters_of_gab_config_reach_their_units():
    block, config = load_block(next(r for r in REFERENCES if r.slug == "llama").code)
    small = block(64, (0, 1), **{**config, "channel__ratio": 2.0})
    assert small.root.channel.up.out_features == 128
    with pytest.raises(Exception, match="does not know channel__wrong"):
        block(64, (0, 1), **config, channel__wrong=1)


def test_a_hybrid_builds_only_the_block_of_its_place():
    a, b = (next(r for r in REFERENCES if r.slug == slug).units for slug in ("llama", "mamba2"))
    block, config = load_block(LIBRARY.compose(UnitTree("hybrid", {"every": 3}, {"a": a, "b": b}), "hybrid"))
    names = [type(block(64, (i, 6), **config).root.block).__name__ for i in range(6)]
    assert names == ["PreNorm", "PreNorm", "MixerOnly"] * 2


@pytest.mark.parametrize(("tree", "words"), [
    (UnitTree("nothing"), r"block: there is no unit 'nothing'.*the units of this kind are"),
    (UnitTree("rms_norm"), "block: rms_norm is a norm, a block belongs here"),
    (UnitTree("pre_norm", {}, {"norm": UnitTree("rms_norm"), "mixer": UnitTree("gla")}), "block.mixer: gla's slot 'norm' is empty"),
    (UnitTree("pre_norm", {"x": 1}), "no hyperparameter 'x'"),
    (UnitTree("pre_norm", {}, {"extra": UnitTree("rms_norm")}), "no slot 'extra'"),
    (UnitTree("mixer_only", {}, {"norm": UnitTree("rms_norm"), "mixer": UnitTree("attention", {"heads": "many"})}), "attention.heads is 'many'"),
])
def test_a_tree_that_does_not_fit_is_named_by_its_path(tree: UnitTree, words: str):
    with pytest.raises(UnitError, match=words):
        LIBRARY.validate(tree)


def test_a_broken_unit_file_is_named_with_its_line(tmp_path: Path):
    for text, words in (("def f(:\n", r"u\.py:1"), ("x = 1\n", "0 classes"), ("class U:\n    'd'\n", "lacks `kind`"),
                        ("class U:\n    'd'\n    kind = f()\n", "plain literals")):
        (tmp_path / "u.py").write_text(text)
        with pytest.raises(UnitError, match=words):
            read_unit(tmp_path / "u.py")


HEAD = "title: T\nauthors: A\npaper: P\nurl: U\nsummary: S\nyear: 2020\n"
NORM = "    norm: {unit: rms_norm}\n"


@pytest.mark.parametrize(("text", "words"), [
    ("title: [", r"design\.yaml:\d"), ("just text", "no mapping"), ("title: T\n", r"yaml:1: 'authors' is missing"),
    (HEAD.replace("2020", "old"), r"yaml:6: 'year'"),
    (HEAD + "units: {children: {}}\n", r"yaml:7: block is no unit — each has `unit`"),
    (HEAD + "units:\n  unit: pre_norm\n  kids: {}\n", r"yaml:9: pre_norm has an unknown key 'kids'"),
    (HEAD + "units:\n  unit: mixer_only\n  children:\n" + NORM + "    mixer: {unit: attentoin}\n",
     r"yaml:11: block\.mixer: there is no unit 'attentoin' — the units of this kind are attention"),
    (HEAD + "units:\n  unit: mixer_only\n  children:\n" + NORM + "    mixer:\n      unit: swiglu\n",
     r"yaml:11: block\.mixer: swiglu is a channel, a mixer belongs here — use one of attention"),
    (HEAD + "units:\n  unit: mixer_only\n  children:\n" + NORM + "    mixer: {unit: attention, config: {heads: many}}\n",
     r"yaml:11: block\.mixer: attention\.heads is 'many' — give a int"),
    (HEAD + "units: &all\n  unit: pre_norm\n  children:\n    mixer: *all\n", r"yaml:10: units\.children\.mixer contains itself: a cycle of units"),
])
def test_a_broken_design_yaml_is_named_with_line_and_unit(tmp_path: Path, text: str, words: str):
    (tmp_path / "design.yaml").write_text(text)
    with pytest.raises(DesignError, match=words):
        load_reference(tmp_path, LIBRARY)


@pytest.mark.parametrize(("code", "words"), [
    ("def f(:\n", r"gab\.py:1:\d+"), ("x = 1\n", "no class GAB"), ("1 / 0\n", r"ZeroDivisionError.*gab\.py:1"),
    ("from core.gab import GABBase\nclass GAB(GABBase): pass\n", "no dict gab_config"), ("from core.gab import GABBase\nGAB = 3\n", "no class GAB")])
def test_a_block_that_does_not_load_is_named_with_its_line(code: str, words: str):
    with pytest.raises(CodeError, match=words):
        load_block(code)


def test_titles_cannot_break_out_of_the_docstring():
    tree = REFERENCES[0].units
    code = LIBRARY.compose(tree, 'evil """\nimport os\n\\', summary='"""')
    compile(code, "gab.py", "exec")
    assert code.splitlines()[0] == '"""evil \'\'\' import os /.'


def test_composed_files_are_tidy(tmp_path: Path):
    for i, seed in enumerate(range(8)):
        (tmp_path / f"g{i}.py").write_text(LIBRARY.compose(Vocabulary(LIBRARY).fresh("block", Random(seed)), "random"))
    done = subprocess.run([sys.executable, "-m", "ruff", "check", "--config", str(ROOT / "pyproject.toml"), str(tmp_path)],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout

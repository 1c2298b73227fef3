"""Each way to be wrong gets its verdict from the check meant for it; and fitting, scales and the sandbox's limits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sandboxed import running_children

from core.checker.check import CHECKS, LIMITS, check
from core.errors import ConfigError, FitError, UsageError
from core.gab.fit import fit
from core.gab.references import load_references
from core.gab.scales import get_scale, load_scales
from core.types import CheckReport

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent.parent
BLOCKS = ROOT / "tests" / "fixtures" / "blocks"
SCALES = load_scales(ROOT / "library" / "scales.yaml")
REFERENCES = {r.slug: r for r in load_references(ROOT / "library")}
GPT2 = REFERENCES["gpt2"].code


def report(name: str, **limits) -> CheckReport:
    return check((BLOCKS / name).read_text(), SCALES["nano"], GPT2, replace(LIMITS, **limits))


@pytest.mark.parametrize("slug", sorted(REFERENCES))
def test_references_pass(slug: str):
    made = check(REFERENCES[slug].code, SCALES["nano"], GPT2)
    assert made.passed, made.results
    assert [r.name for r in made.results] == ["format", *(c.__name__ for c in CHECKS)]
    assert abs(made.fit.off_by) <= SCALES["nano"].tolerance
    assert made.output == ""


@pytest.mark.parametrize(("block", "failing", "words"), [
    ("syntax_error.txt", "format", r"gab.py:\d+:\d+: .*\n.*\n *\^"),
    ("raises_in_init.py", "build", "cannot be built|gab.py:11"),
    ("exits_at_import.py", "format", "imports sys"),
    ("tiny_block.py", "build", "nearest to 793,216"),
    ("wrong_shape.py", "forward", "of shape"),
    ("nan_output.py", "forward", "not finite"),
    ("mixes_batch.py", "batch", "neighbours in the batch"),
    ("counts_calls.py", "repeatable", "two runs on the same input differ"),
    ("detaches.py", "backward", "gradient"),
    ("leaks_future.py", "causality", "the future leaks"),
    ("leaks_through_z.py", "causality", "the future leaks"),
    ("reads_length.py", "causality", "the future leaks"),
])
def test_each_fault_has_its_verdict(block: str, failing: str, words: str):
    import re

    made = report(block)
    assert not made.passed
    assert made.results[-1].name == failing, made.results
    assert re.search(words, made.results[-1].evidence), made.results[-1].evidence


def test_a_block_under_another_name_is_mended_and_the_mended_one_is_checked():
    made = report("no_gab.py")
    assert not made.passed
    assert "0 classes GAB" in made.results[0].evidence
    assert "class GAB" in made.repaired
    assert made.results[-1].name == "build"


def test_an_idle_parameter_is_a_warning_only():
    made = report("idle_parameter.py")
    assert made.passed
    assert next(r for r in made.results if r.name == "backward").verdict == "warn"


def test_an_endless_loop_is_stopped_by_the_clock():
    made = report("infinite_loop.py", seconds=8)
    assert not made.passed
    assert "stopped after 8 s" in made.results[-1].evidence
    assert made.seconds < 15


def test_a_memory_eater_is_stopped():
    made = report("eats_memory.py", memory_mb=1500)
    assert not made.passed
    assert "memory" in made.results[-1].evidence.lower()


def test_prints_are_captured_and_cut():
    made = report("prints_a_lot.py", output_kb=4)
    assert "cut here" in made.output or "printing" in made.results[-1].evidence
    assert len(made.output) < 5000


def test_keys_of_the_parent_are_not_in_the_childs_environment(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-verysecret")
    made = report("reads_key_from_env.py")
    assert "sk-verysecret" not in made.output + "".join(r.evidence for r in made.results)


def test_nothing_is_left_running():
    report("infinite_loop.py", seconds=4)
    assert running_children() == []


def test_a_big_scale_is_checked_in_small():
    made = check(REFERENCES["gla"].code, SCALES["1.3B"], GPT2)
    assert made.passed, made.results
    assert made.fit.d_model == 2048
    assert "tried at 4 × 256" in next(r for r in made.results if r.name == "causality").evidence


@pytest.mark.parametrize("slug", sorted(REFERENCES))
@pytest.mark.parametrize("scale", ["nano", "14M", "125M", "1.3B"])
def test_references_fit_every_scale(slug: str, scale: str):
    found = fit(REFERENCES[slug].code, SCALES[scale], GPT2)
    assert abs(found.off_by) <= SCALES[scale].tolerance


def test_a_hybrid_is_counted_place_by_place():
    found = fit((BLOCKS / "hybrid.py").read_text(), SCALES["nano"], GPT2)
    assert abs(found.off_by) <= 0.2


def test_a_block_that_cannot_fit_says_how_near_it_came():
    with pytest.raises(FitError, match="nearest to 793,216 parameters at nano"):
        fit((BLOCKS / "tiny_block.py").read_text(), SCALES["nano"], GPT2)


@pytest.mark.parametrize(("text", "words"), [
    ("nano: [", r"s\.yaml:\d"), ("", "holds no scales"), ("nano: 3", "scale nano is no mapping"), ("nano: {n_layers: 4}", "'d_model' is missing"),
    ("nano: {n_layers: x, d_model: 8, context: 8, vocab_size: 8, tokens: 8, batch_tokens: 8, lr: 0.1}", "n_layers is 'x'"),
    ("nano: {n_layers: 1, d_model: 8, context: 8, vocab_size: 8, tokens: 8, batch_tokens: 12, lr: 0.1}", "do not fit"),
    ("nano: {colour: red, n_layers: 1, d_model: 8, context: 8, vocab_size: 8, tokens: 8, batch_tokens: 8, lr: 0.1}", "unknown key 'colour'")])
def test_a_broken_scales_file_is_named(tmp_path: Path, text: str, words: str):
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(ConfigError, match=words):
        load_scales(tmp_path / "s.yaml")


def test_an_unknown_scale_names_the_known_ones():
    with pytest.raises(UsageError, match="use one of nano, micro, 14M"):
        get_scale(SCALES, "huge")

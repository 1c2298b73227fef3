"""Every block that reads ahead, keeps state or mixes the batch is caught; no honest one is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from cheats.leaks import CHEATS, HONEST, source
from hypothesis import given, settings
from hypothesis import strategies as st

from core.checker.check import check
from core.checker.format import findings
from core.checker.repair import repaired
from core.gab.scales import load_scales

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent.parent
NANO = load_scales(ROOT / "library" / "scales.yaml")["nano"]
SMALL = replace(NANO, n_layers=2, d_model=64)
GPT2 = (ROOT / "library" / "designs" / "gpt2" / "gab.py").read_text()


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_is_caught(name: str):
    made = check(source(CHEATS[name]), SMALL, GPT2)
    assert not made.passed, f"{name} passed"
    assert made.results[-1].name in ("repeatable", "batch", "causality", "saved"), made.results[-1]


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_block_is_not_refused(name: str):
    made = check(source(HONEST[name]), SMALL, GPT2)
    assert made.passed, made.results[-1]


def test_there_are_enough_of_both():
    assert len(CHEATS) >= 40
    assert len(HONEST) >= 12


LEAKS = ("X.mean(1, keepdim=True)", "X.flip(1)", "X.roll(-{k}, 1)", "X[:, -1:]", "X.sort(1).values", "X.cumsum(1)[:, -1:] / X.shape[1]", "X.amax(1, keepdim=True)")


@settings(max_examples=12, deadline=None)
@given(leak=st.sampled_from(LEAKS), strength=st.floats(-7, 0), honest=st.sampled_from(sorted(HONEST)), shift=st.integers(1, 40), block=st.integers(0, 1), length=st.integers(2, 250))
def test_a_leak_into_an_honest_block_is_caught_whatever_its_place_and_strength(leak: str, strength: float, honest: str, shift: int, block: int, length: int):
    """Down to 1e-7 of the stream's scale; at all lengths from the one drawn on."""
    added = f"\nif self.block_loc[0] == {block} and X.shape[1] >= {length}:\n    L = L + 10.0 ** {strength} * ({leak.format(k=shift)}).expand_as(X)"
    made = check(source(HONEST[honest] + added), SMALL, GPT2)
    assert not made.passed, (leak, strength, honest)


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_mutated_source_never_breaks_the_format_checker_or_the_repairer(seed: int):
    random, code = Random(seed), source(HONEST["token shift"])
    for _ in range(random.randint(1, 8)):
        at, kind = random.randrange(len(code) + 1), random.randrange(5)
        piece = random.choice(["(", ")", "\n", "    ", '"""', "\x00", "\u202e", "class GAB:", "```", "é", "\\", "lambda: ", "[" * 90, "def forward(self, X): pass", "\t", "print(1)", "\ud800"])
        code = code[:at] + piece + code[at:] if kind else code[:at] + code[at + random.randrange(40):]
    assert all(str(f) and f.mend for f in findings(code))
    mended, repairs = repaired(code)
    assert isinstance(mended, str)
    assert (mended == code) == (not repairs)

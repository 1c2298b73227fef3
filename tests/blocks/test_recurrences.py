"""Each mixer's fast form equals its plain recurrence: float64, relative 1e-8, lengths at and around the edges of chunks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from blocks.recurrences import RECURRENCES
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from core.agents.variation import Vocabulary
from core.gab.model import load_block
from core.gab.units import UnitLibrary
from core.types import UnitTree

LIBRARY = UnitLibrary(Path(__file__).resolve().parent.parent.parent / "library" / "units")
WIDTH = 32


def a_mixer(name: str, filled: bool, seed: int) -> nn.Module:
    """The unit with its optional slots empty or filled, at the second of three blocks; weights drawn far from their quiet start."""
    info = LIBRARY.info(name)
    fill = {"norm": "rms_norm", "position": "rotary", "conv": "short_conv", "gate": "silu_gate"}
    children = {slot: UnitTree(fill[want.kind]) for slot, want in info.slots.items() if filled or not want.optional}
    tree = UnitTree("mixer_only", {}, {"norm": UnitTree("rms_norm"), "mixer": UnitTree(name, {}, children)})
    block, config = load_block(LIBRARY.compose(tree, name))
    torch.manual_seed(seed)
    mixer = block(WIDTH, (1, 3), dtype=torch.float64, **config).root.mixer
    with torch.no_grad():
        for p in mixer.parameters():
            p += 0.2 * torch.randn_like(p)
    return mixer


def agree(name: str, filled: bool, length: int, seed: int) -> float:
    """The largest difference, as a share of the largest value."""
    mixer = a_mixer(name, filled, seed)
    X = torch.randn(2, length, WIDTH, dtype=torch.float64)
    with torch.no_grad():
        fast, _ = mixer(X)
        slow = RECURRENCES[name](mixer, X)
    assert slow.shape == X.shape
    return ((fast - slow).abs().max() / slow.abs().max()).item()


def test_every_mixer_of_the_library_has_its_plain_recurrence():
    assert sorted(RECURRENCES) == sorted(Vocabulary(LIBRARY).names("mixer"))


@pytest.mark.parametrize("filled", [False, True], ids=["bare", "filled"])
@pytest.mark.parametrize("length", [1, 2, 15, 16, 17, 33, 64, 65, 130])
@pytest.mark.parametrize("name", sorted(RECURRENCES))
def test_the_fast_form_is_the_recurrence(name: str, length: int, filled: bool):
    assert agree(name, filled, length, seed=length) < 1e-8


@pytest.mark.parametrize("name", sorted(RECURRENCES))
@settings(max_examples=8, deadline=None)
@given(length=st.integers(1, 200), seed=st.integers(0, 2**31))
def test_the_fast_form_is_the_recurrence_at_any_length(name: str, length: int, seed: int):
    assert agree(name, True, length, seed) < 1e-8


@pytest.mark.parametrize("length", [1, 8, 9, 70])
@pytest.mark.parametrize("name", sorted(set(RECURRENCES) - {"ttt_linear"}))  # whose plain form takes its own gradients
def test_gradients_are_the_recurrences_too(name: str, length: int):
    mixer = a_mixer(name, True, seed=length)
    X = torch.randn(2, length, WIDTH, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, length, WIDTH, dtype=torch.float64)
    wanted = [X, *mixer.parameters()]
    fast, slow = (torch.autograd.grad((form * weight).sum(), wanted, materialize_grads=True) for form in (mixer(X)[0], RECURRENCES[name](mixer, X)))
    largest = max(g.abs().max().item() for g in slow)
    assert all((a - b).abs().max() < 1e-8 * largest for a, b in zip(fast, slow, strict=True))

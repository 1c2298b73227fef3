"""The Z contract, clause by clause."""

from __future__ import annotations

import pytest
import torch

from core.errors import ContractError
from core.gab import GABBase, GAUBase, unit
from core.gab.contract import Slot, flatten_config

X = torch.randn(2, 3, 8)


class Named(GABBase):
    def _forward(self, X, a, b=7):
        return X, {"seen": (a, b)}


class All(GABBase):
    def _forward(self, X, **Z):
        return X, {"seen": sorted(Z)}


class Both(GABBase):
    def _forward(self, X, a=None, **Z):
        return X, {"seen": (a, sorted(Z))}


class Ignores(GABBase):
    def _forward(self, X):
        return X


def run(cls: type[GABBase], **Z):
    return cls(8, (0, 1))(X, **Z)[1]


def test_named_arguments_get_exactly_their_keys():
    assert run(Named, a=1, other=3)["seen"] == (1, 7)
    assert run(Named, a=1, b=2)["seen"] == (1, 2)


def test_double_star_gets_everything():
    assert run(All, a=1, b=2)["seen"] == ["a", "b"]
    assert run(Both, a=1, b=2)["seen"] == (1, ["b"])


def test_a_required_key_that_is_absent_is_named_with_its_unit():
    with pytest.raises(ContractError, match=r"Named needs Z\['a'\].*Z holds \['b'\]"):
        run(Named, b=1)


def test_what_is_returned_is_merged_and_nothing_can_be_deleted():
    class Overwrites(GABBase):
        def _forward(self, X, **Z):
            Z.clear()
            return X, {"a": 2}

    assert run(Overwrites, a=1, kept=3) == {"a": 2, "kept": 3}


def test_a_key_lives_through_five_blocks_that_ignore_it():
    Z = {"far": 42}
    for i in range(5):
        _, Z = Ignores(8, (i, 5))(X, **Z)
    assert Z == {"far": 42}


@pytest.mark.parametrize(("returned", "words"), [
    (None, "NoneType for Y"), ((X, 5), "int for Z"), (X[:1], "shape"), ((X, {1: 2}), "string keys")])
def test_a_wrong_return_is_named(returned, words):
    class Wrong(GABBase):
        def _forward(self, X):
            return returned

    with pytest.raises(ContractError, match=words):
        run(Wrong)


def test_forward_cannot_be_overridden():
    with pytest.raises(ContractError, match="overrides forward"):
        type("Cheat", (GABBase,), {"forward": lambda self, X, **Z: (X, {})})


def test_a_tree_names_empty_and_unknown_slots():
    class Holds(GAUBase):
        slots = {"inner": Slot("norm"), "more": Slot("norm", optional=True)}

    class Norm(GAUBase):
        kind = "norm"

    with pytest.raises(ContractError, match="'inner' is empty"):
        unit(Holds)
    with pytest.raises(ContractError, match="no slot 'other'"):
        unit(Holds, inner=unit(Norm), other=unit(Norm))
    assert flatten_config(unit(Holds, a=1, inner=unit(Norm, b=2))) == {"a": 1, "inner__b": 2}

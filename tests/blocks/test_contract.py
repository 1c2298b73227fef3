"""The Z contract, clause by clause."""

from __future__ import annotations

import pytest
import torch

from core.errors import ContractError
from core.gab import GABBase, GAUBase, unit
from core.gab.contract import Slot, flatten_config
from core.gab.model import GAM

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


@pytest.mark.parametrize("name", ["forward", "__call__"])
def test_forward_cannot_be_overridden(name: str):
    with pytest.raises(ContractError, match=f"overrides {name}"):
        type("Cheat", (GABBase,), {name: lambda self, X, **Z: (X, {})})


class Sneaks(GABBase):
    """Puts a forward of its own on itself, its class and the base, all of which would drop what stands in Z."""

    def __init__(self, embed_dim, block_loc, device=None, dtype=None):
        super().__init__(embed_dim, block_loc)
        self.forward = lambda X, **Z: (X * 0, {})
        type(self).forward = lambda self, X, **Z: (X * 0, {})

    def _forward(self, X, **Z):
        return X, {"blocks": (*Z.get("blocks", ()), self.block_loc[0])}


class Tells(GABBase):
    def _forward(self, X, blocks):
        return X, {"told": blocks}


def test_the_model_does_not_let_a_block_bypass_the_contract():
    model = GAM(Sneaks, {}, 11, 8, 3)
    ids = torch.zeros(1, 4, dtype=torch.long)
    assert torch.equal(model.hidden(ids), model.norm(model.embedding(ids)))
    model.blocks.append(Tells(8, (3, 4)))
    model.hidden(ids)  # Tells would miss its key, had Z been dropped


def test_the_first_block_starts_from_an_empty_z_and_the_model_names_what_is_missing():
    with pytest.raises(ContractError, match=r"Tells needs Z\['blocks'\].*Z holds nothing"):
        GAM(Tells, {}, 11, 8, 1)(torch.zeros(1, 4, dtype=torch.long))


def test_optional_keys_keep_their_default_until_somebody_writes_them():
    _, Z = All(8, (0, 2))(X)
    assert Z["seen"] == []
    assert run(Named, a=1)["seen"] == (1, 7)


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

"""Blocks written for Genesys (arXiv 2506.20249) run here unedited: the names that they import, on our contract.

Their units take `kwarg_all`, all hyperparameters of all units in one dict; what a unit returns is merged over Z, as here (core/gab/contract.py).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from core.gab.contract import GABBase, GAUBase

PACKAGE = "model_discovery.model"    # their blocks' package: `from .block_registry import BlockRegister` is relative to it


class GenesysGAB(GABBase):
    def __init__(self, embed_dim: int, block_loc: tuple[int, int] = (0, 1), *_: Any, **__: Any) -> None:
        super().__init__(embed_dim, block_loc)


class GenesysGAU(GAUBase):
    def __init__(self, embed_dim: int, block_loc: tuple[int, int], kwarg_all: dict[str, Any] | None = None, *_: Any, **__: Any) -> None:
        super().__init__(embed_dim, block_loc)
        self.kwarg_all = {} if kwarg_all is None else kwarg_all


class UnitDecl:
    """What a unit says of itself; kept, not used."""

    def __init__(self, *values: Any, **facts: Any) -> None:
        self.values, self.facts = values, facts


def gau_test(test: Callable) -> Callable:
    """Marks a unit's own test; it is not run."""
    return test


def block_register(*_: Any, **__: Any) -> Callable[[type], type]:
    return lambda cls: cls


def install() -> None:
    """Make their import lines work in this process."""
    modules = {
        PACKAGE: {}, f"{PACKAGE}.utils": {}, f"{PACKAGE}.block_registry": {"BlockRegister": block_register},
        f"{PACKAGE}.utils.modules": {"GABBase": GenesysGAB, "GAUBase": GenesysGAU, "UnitDecl": UnitDecl, "gau_test": gau_test}}
    for name, names in modules.items():
        module = sys.modules.setdefault(name, ModuleType(name))
        module.__dict__.update(names)
        if name == PACKAGE:
            module.__path__ = []

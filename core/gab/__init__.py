"""The block contract, as a `gab.py` imports it: `from core.gab import ComposedGAB, GABBase, GAUBase, Slot, build, unit`.

Names are looked up when they are used, so that reading unit sources (`core.gab.units`) does not load torch.
"""

from importlib import import_module
from typing import Any

__all__ = ["ComposedGAB", "GABBase", "GAUBase", "Slot", "UnitSpec", "build", "flatten_config", "unit"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("core.gab.contract"), name)
    raise AttributeError(name)

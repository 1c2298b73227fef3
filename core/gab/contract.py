"""The block contract (GAB: generalized autoregressive block; Genesys, arXiv 2506.20249) and its units (GAU).

A block maps X (batch, length, embed_dim) to Y of the same shape, position t seeing X[:, :t+1] only, and may hand named tensors
Z to the blocks after it. What becomes of Z, clause by clause:

1. `forward` passes to `_forward` all of Z if it takes `**Z`, else exactly the keys that its signature names.
2. A required key that is absent is a ContractError naming the unit and the key.
3. The returned dict is merged over Z; every other key lives on unchanged; no block can delete one.
4. `_forward` returns `(Y, dict)` or just `Y`. The first block starts from an empty Z.

`forward` is final: a subclass that overrides it is refused when the class is made.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor, nn

from core.errors import ContractError


@dataclass(frozen=True)
class Slot:
    """A place in a unit that another unit fills. `kind` is the word that the filler must carry (`GAUBase.kind`)."""

    kind: str
    doc: str = ""
    optional: bool = False


class GAUBase(nn.Module):
    """A unit: same signature as a block. `kind` says which slots it may fill, `slots` which it opens.

    Subclasses call `super().__init__(embed_dim, block_loc)` first, take their hyperparameters by keyword, and, if they have
    slots, one keyword `children: Mapping[str, UnitSpec]`, whose members `build` turns into modules.
    """

    kind: ClassVar[str] = "block"
    slots: ClassVar[Mapping[str, Slot]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if {"forward", "__call__"} & set(cls.__dict__):
            raise ContractError(f"{cls.__name__} overrides {'forward' if 'forward' in cls.__dict__ else '__call__'}", "define _forward(self, X, **Z) instead; forward keeps the Z contract")

    def __init__(self, embed_dim: int, block_loc: tuple[int, int], device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.embed_dim = embed_dim
        self.block_loc = tuple(block_loc)

    def _forward(self, X: Tensor, **Z: Any) -> Tensor | tuple[Tensor, dict[str, Any]]:
        raise ContractError(f"{type(self).__name__} has no _forward", "define _forward(self, X, **Z)")

    def forward(self, X: Tensor, **Z: Any) -> tuple[Tensor, dict[str, Any]]:
        """(Y, Z merged). Y has X's shape for every unit; a unit that needs another shape uses plain modules inside."""
        name = type(self).__name__
        result = self._forward(X, **_wanted(self, Z))
        Y, returned = result if isinstance(result, tuple) else (result, {})
        if not isinstance(Y, Tensor):
            raise ContractError(f"{name} returned {type(Y).__name__} for Y", "return a tensor, or (tensor, dict)")
        if Y.shape != X.shape:
            raise ContractError(f"{name} returned Y of shape {tuple(Y.shape)} for X of shape {tuple(X.shape)}", "Y must look like X")
        if not isinstance(returned, Mapping) or not all(isinstance(key, str) for key in returned):
            raise ContractError(f"{name} returned {type(returned).__name__} for Z", "return a dict with string keys")
        return Y, {**Z, **returned}


class GABBase(GAUBase):
    """A whole block. A design's class is called GAB and derives from this."""


def _wanted(unit: GAUBase, Z: Mapping[str, Any]) -> dict[str, Any]:
    """The part of Z that the unit's `_forward` names (clauses 1 and 2)."""
    parameters = list(inspect.signature(unit._forward).parameters.values())[1:]
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters)
    named = {p.name for p in parameters}
    wanted = {key: value for key, value in Z.items() if takes_all or key in named}
    for p in parameters:
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.default is p.empty and p.name not in Z:
            raise ContractError(
                f"{type(unit).__name__} needs Z[{p.name!r}], which no earlier block or unit returned",
                f"give {p.name} a default, or return it before; Z holds {sorted(Z) or 'nothing'}",
            )
    return wanted


# ------------------------------------------------------------------------------------------------ trees of units


@dataclass(frozen=True)
class UnitSpec:
    """What `unit(Class, heads=4, norm=unit(RMSNorm))` returns: a unit yet to be built, with its hyperparameters and children."""

    cls: type[GAUBase]
    config: Mapping[str, Any] = field(default_factory=dict)
    children: Mapping[str, UnitSpec] = field(default_factory=dict)


def unit(cls: type[GAUBase], **settings: Any) -> UnitSpec:
    """A node of a block's tree: keywords that name a slot of `cls` are children, all others hyperparameters."""
    children = {name: value for name, value in settings.items() if isinstance(value, UnitSpec)}
    unknown = sorted(set(children) - set(cls.slots))
    missing = sorted(name for name, slot in cls.slots.items() if not slot.optional and name not in children)
    if unknown or missing:
        raise ContractError(
            f"{cls.__name__}: " + "; ".join(
                [f"no slot {name!r}" for name in unknown] + [f"slot {name!r} is empty" for name in missing]),
            f"its slots are {', '.join(cls.slots) or 'none'}",
        )
    return UnitSpec(cls, {k: v for k, v in settings.items() if k not in children}, children)


def build(spec: UnitSpec, embed_dim: int, block_loc: tuple[int, int], device: Any = None, dtype: Any = None, **given: Any) -> GAUBase:
    """Make the module of a node; a composite unit calls this for its children. `given`: what a slot's kind asks for besides."""
    kwargs: dict[str, Any] = {**spec.config, **given, "device": device, "dtype": dtype}
    if spec.cls.slots:
        kwargs["children"] = spec.children
    return spec.cls(embed_dim, block_loc, **kwargs)


def flatten_config(spec: UnitSpec, prefix: str = "") -> dict[str, Any]:
    """{"mixer__heads": 4, …}: a tree's hyperparameters as `gab_config` holds them."""
    flat = {f"{prefix}{name}": value for name, value in spec.config.items()}
    for slot, child in spec.children.items():
        flat |= flatten_config(child, f"{prefix}{slot}__")
    return flat


def configured(spec: UnitSpec, hyperparameters: Mapping[str, Any], prefix: str = "") -> UnitSpec:
    """`spec` with its hyperparameters taken from a flat `gab_config`."""
    config = {name: hyperparameters.get(f"{prefix}{name}", value) for name, value in spec.config.items()}
    children = {slot: configured(child, hyperparameters, f"{prefix}{slot}__") for slot, child in spec.children.items()}
    return UnitSpec(spec.cls, config, children)


class ComposedGAB(GABBase):
    """A block that is nothing but its tree of units; a composed `gab.py` ends in `class GAB(ComposedGAB): tree = TREE`."""

    tree: ClassVar[UnitSpec]

    def __init__(self, embed_dim: int, block_loc: tuple[int, int], device: Any = None, dtype: Any = None, **hyperparameters: Any) -> None:
        super().__init__(embed_dim, block_loc)
        known = flatten_config(self.tree)
        unknown = sorted(set(hyperparameters) - set(known))
        if unknown:
            raise ContractError(f"GAB does not know {', '.join(unknown)}", f"gab_config may hold {', '.join(sorted(known)) or 'nothing'}")
        self.root = build(configured(self.tree, hyperparameters), embed_dim, block_loc, device, dtype)

    def _forward(self, X: Tensor, **Z: Any) -> tuple[Tensor, dict[str, Any]]:
        return self.root(X, **Z)


__all__ = ["ComposedGAB", "GABBase", "GAUBase", "Slot", "UnitSpec", "build", "configured", "flatten_config", "unit"]

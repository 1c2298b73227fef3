"""Splitting a width into heads."""

from __future__ import annotations

from torch import Tensor

from core.errors import ContractError


def head_width(unit: str, width: int, heads: int, even: bool = False) -> int:
    """The width of one head; raises ContractError where the width does not divide."""
    if width % heads or (even and width // heads % 2):
        raise ContractError(f"{unit}: a width of {width} does not split into {heads} {'even ' if even else ''}heads", "choose another number of heads")
    return width // heads


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(b, l, h·d) → (b, h, l, d)"""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def join_heads(x: Tensor) -> Tensor:
    """(b, h, l, d) → (b, l, h·d)"""
    return x.transpose(1, 2).flatten(2)

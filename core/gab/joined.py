"""Own units of several blocks side by side: two that share a name and are not the same are told apart by name, so that none stands in for another."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from core.gab.declared import class_name, normal_name
from core.gab.units import UnitInfo

LETTERS = "bcdefghijk"


def joined(blocks: Sequence[Iterable[UnitInfo]]) -> tuple[tuple[UnitInfo, ...], list[dict[str, str]]]:
    """(every unit once; for each block, its name there → its name here where they differ). The first block's names stay."""
    found: dict[str, UnitInfo] = {}
    helpers: dict[str, str] = {}
    names: list[dict[str, str]] = []
    for block in blocks:
        infos = list(block)
        own, changed = {info.name for info in infos}, {}
        for info in infos:
            info = _apart(info, helpers)
            here = next(c for c in candidates(info.name, own) if c not in found or _same(found[c], _called(info, c)))
            if here != info.name:
                changed[info.name] = here
            found.setdefault(here, _called(info, here))
        names.append(changed)
    return tuple(found.values()), names


def candidates(name: str, taken: Collection[str]) -> Iterator[str]:
    """The name, then others like it that nobody else in its block has."""
    yield name
    n = 0
    while True:
        other = normal_name(f"{name}_{LETTERS[n % len(LETTERS)]}{n // len(LETTERS) or ''}")
        n += 1
        if other not in taken:
            yield other


def _called(info: UnitInfo, name: str) -> UnitInfo:
    if name == info.name:
        return info
    cls = class_name(name)
    return replace(info, name=name, cls=cls, source=re.sub(rf"\b{info.cls}\b", cls, info.source))


def _apart(info: UnitInfo, known: dict[str, str]) -> UnitInfo:
    """The unit with those of its helpers renamed that another unit brings along in other words; `known`: name → text, added to."""
    changed: dict[str, str] = {}
    for text in info.helpers:
        name = _defined(text)
        here = next(c for c in _numbered(name) if c not in known or _alike(known[c], _reworded(text, {name: c})))
        known.setdefault(here, _reworded(text, {name: here}))
        if here != name:
            changed[name] = here
    if not changed:
        return info
    return replace(info, source=_reworded(info.source, changed), helpers=tuple(_reworded(text, changed) for text in info.helpers))


def _numbered(name: str) -> Iterator[str]:
    yield name
    for n in range(2, 10_000):
        yield f"{name}_{n}"


def _defined(text: str) -> str:
    return getattr(ast.parse(text).body[0], "name", "")


def _reworded(text: str, names: Mapping[str, str]) -> str:
    for before, after in names.items():
        text = re.sub(rf"\b{before}\b", after, text)
    return text


def _same(a: UnitInfo, b: UnitInfo) -> bool:
    return _alike(a.source, b.source) and len(a.helpers) == len(b.helpers) and all(map(_alike, a.helpers, b.helpers))


def _alike(a: str, b: str) -> bool:
    return a == b or ast.dump(ast.parse(a)) == ast.dump(ast.parse(b))

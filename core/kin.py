"""What designs have by descent: the units that parents brought along, what each new unit was declared as, and whose copy a proposal would be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from core.agents.coder import own_units
from core.agents.similarity import Known, copied, nameless
from core.gab.declared import class_name
from core.gab.joined import candidates, joined
from core.gab.structure import resolved
from core.gab.units import UnitInfo, UnitLibrary
from core.store import Store
from core.types import Kind, NewUnit, UnitTree

Declared = Mapping[str, NewUnit]


@dataclass(frozen=True)
class Brought:
    """Units of the parents side by side. `names`: parent → its name of a unit → the name here, where another parent has a different unit of that name."""

    units: tuple[UnitInfo, ...] = ()
    names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def code(self, parent: str, code: str) -> str:
        """The parent's code as a prompt shows it, its classes called as they are here."""
        for before, after in self.names.get(parent, {}).items():
            code = re.sub(rf"\b{class_name(before)}\b", class_name(after), code)
        return code


def brought(store: Store, library: UnitLibrary, parents: Iterable[str]) -> Brought:
    """What the parents' newest code brings along; references are made of the library's own units."""
    code = {p: made.code for p in dict.fromkeys(parents) if store.designs.get(p).kind is not Kind.REFERENCE and (made := store.implementations.newest(p))}
    units, names = joined([own_units(text, library) for text in code.values()])
    return Brought(units, dict(zip(code, names, strict=True)))


class Kin:
    """A look at the whole tree, as it is when it is made."""

    def __init__(self, store: Store) -> None:
        self._designs = store.designs.all()
        self._newest = {p.design_id: p for p in store.proposals.all_newest()}
        self.declared: dict[str, Declared] = {}
        for design in self._designs:                             # parents stand before their children
            own = self._newest.get(design.id)
            found = {**self.inherited(design.parents), **({u.name: u for u in own.new_units} if own else {})}
            used = {node.unit for _, node in own.units.walk()} if own and own.units else set()
            self.declared[design.id] = {name: unit for name, unit in found.items() if name in used}

    def inherited(self, parents: Iterable[str]) -> dict[str, NewUnit]:
        """The parents' declarations, called as `joined` calls their units."""
        found: dict[str, NewUnit] = {}
        for parent in parents:
            for name, unit in self.declared.get(parent, {}).items():
                found.setdefault(next(c for c in candidates(name, self.declared[parent]) if found.get(c, unit) == unit), unit)
        return found

    def structures(self, without: str = "") -> list[tuple[str, UnitTree]]:
        """Every other design that has a tree, oldest first; new units are named by their declarations."""
        return [(owner, tree) for owner, tree in self._structures.items() if owner != without]

    def texts(self) -> list[Known]:
        """Every design with its proposal's text."""
        return self._texts

    @cached_property
    def _structures(self) -> dict[str, UnitTree]:
        return {d.id: resolved(p.units, self.declared[d.id]) for d in self._designs if (p := self._newest.get(d.id)) and p.units}

    @cached_property
    def _texts(self) -> list[Known]:
        return [Known(d.id, d.title, nameless(p.body, self.declared[d.id]), self._structures.get(d.id)) for d in self._designs if (p := self._newest.get(d.id))]

    def copy_of(self, design_id: str, parents: Iterable[str], units: UnitTree | None, body: str, new_units: Sequence[NewUnit], older: bool = False) -> str | None:
        """The design that this proposal would be a copy of, or None; with `older`, among those that were there before it."""
        if units is None:
            return None
        declared = {**self.inherited(parents), **{u.name: u for u in new_units}}
        order = [d.id for d in self._designs]
        before = set(order[: order.index(design_id)] if older and design_id in order else order) - {design_id}
        return copied(resolved(units, declared), nameless(body, declared), [s for s in self.structures() if s[0] in before], self.texts)

"""The designs of a table: the references as roots, and what the built-in genetic designer makes of them, one after another."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from random import Random

from benchmarks.tabular.entry import Entry
from core.agents.base import Brief, Parent
from core.agents.dialog import Dialog
from core.agents.genetic import GeneticDesigner
from core.agents.spec import read_spec
from core.errors import DesignError
from core.gab.canonical import canonical_hash
from core.gab.references import ReferenceDesign, load_references
from core.gab.structure import structural_hash
from core.gab.units import UnitLibrary
from core.selection.simple import MODES, WANTED
from core.types import Kind, Mode, UnitTree, derive_seed

ROOTS = 0.4                  # share of the parents that are drawn among the references alone, so that the tree does not only grow deep


class Grammar:
    """Units, references and designer of a checkout."""

    def __init__(self, root: Path) -> None:
        self.library = UnitLibrary(root / "library" / "units")
        self.references: list[ReferenceDesign] = load_references(root / "library")
        self.designer = GeneticDesigner(read_spec(root / "agent_specs" / "genetic_designer.yaml"), self.library)

    def code(self, entry: Entry) -> str:
        """Its gab.py; a reference's as it is shipped."""
        return self._shipped.get(entry.id) or self.library.compose(entry.units, entry.title)

    @cached_property
    def _shipped(self) -> dict[str, str]:
        return {ref.slug: ref.code for ref in self.references}

    def grow(self, n: int, seed: int) -> list[Entry]:
        """`n` distinct designs, references first. The first k of n are those of k: a table can be made larger."""
        return [entry for entry, _ in zip(self._grown(seed), range(n), strict=False)]

    def _grown(self, seed: int) -> Iterator[Entry]:
        entries = [Entry(ref.slug, Kind.REFERENCE, Mode.SEED, (), ref.title, ref.units, canonical_hash(ref.code)) for ref in self.references]
        yield from entries
        hashes = {e.hash for e in entries} | {self._hash(e.units) for e in entries}
        structures = {structural_hash(self.library.full(e.units)) for e in entries}
        draw = 0
        while True:
            draw += 1
            rng = Random(derive_seed(seed, "table", draw))
            mode = rng.choices(list(MODES), list(MODES.values()))[0]
            pool = [e for e in entries if e.kind is Kind.REFERENCE] if rng.random() < ROOTS else entries
            parents = rng.sample(pool, WANTED[mode])
            made = self._made(mode, parents, derive_seed(seed, "design", draw))
            if made is None:
                continue
            title, units = made
            structure, found = structural_hash(self.library.full(units)), self._hash(units)
            if structure in structures or found in hashes:
                continue
            structures.add(structure)
            hashes.add(found)
            entries.append(Entry(f"d{len(entries) - len(self.references) + 1:03d}", Kind.AGENT, mode, tuple(p.id for p in parents), title, units, found))
            yield entries[-1]

    def _made(self, mode: Mode, parents: list[Entry], seed: int) -> tuple[str, UnitTree] | None:
        brief = Brief(mode, tuple(Parent(p.id, p.title, "", p.units, None) for p in parents), 0, seed, "", [(p.id, p.units) for p in parents])
        try:
            draft = self.designer.propose(brief, Dialog(lambda kind, author, data: None), "new")
        except DesignError:  # no new structure in its attempts
            return None
        return draft.title, draft.units

    def _hash(self, units: UnitTree) -> str:
        return canonical_hash(self.library.compose(units, "same"))

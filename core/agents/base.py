"""What an agent is: three protocols and what they are told. A language model or a built-in program may stand behind each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from core.agents.dialog import Dialog
from core.types import CheckReport, Mode, Proposal, UnitTree


@dataclass(frozen=True)
class Parent:
    """A parent as a designer sees it."""

    id: str
    title: str
    summary: str
    units: UnitTree
    score: float | None              # held-out bits per byte at the largest scale measured, lower is better


@dataclass(frozen=True)
class Brief:
    """What a designer or reviewer is told about its task."""

    mode: Mode
    parents: tuple[Parent, ...]
    index: int                       # which of the session's proposals this is, from 0
    seed: int                        # derived from the session's seed and the index
    instructions: str                # a person's, steering words included
    known: Sequence[tuple[str, UnitTree]]  # every other design of the tree: id, structure


@dataclass(frozen=True)
class Draft:
    """A designer's proposal before it is stored."""

    title: str
    summary: str
    body: str                        # Markdown
    units: UnitTree


@dataclass(frozen=True)
class Opinion:
    """A reviewer's judgement: opinions, 0–5, never mixed with measurements."""

    rating: float
    scores: dict[str, float]
    text: str


class Designer(Protocol):
    name: str

    def propose(self, brief: Brief, dialog: Dialog, design_id: str) -> Draft:
        """Speak in the dialog while working; the same brief gives the same draft when the agent is seeded."""


class Reviewer(Protocol):
    name: str

    def review(self, proposal: Proposal, brief: Brief, dialog: Dialog) -> Opinion:
        """Rate the proposal against the tree, with reasons."""


class Coder(Protocol):
    name: str

    def implement(self, proposal: Proposal, previous: CheckReport | None, dialog: Dialog) -> str:
        """Write the proposal's gab.py. `previous` is the failed check of the last attempt, if there was one."""

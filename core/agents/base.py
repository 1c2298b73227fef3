"""What an agent is: three protocols and what they are told. A language model or a built-in program may stand behind each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from core.agents.dialog import Dialog
from core.agents.similarity import Known
from core.agents.stuck import Said
from core.gab.units import UnitInfo
from core.types import CheckReport, Json, Mode, NewUnit, Proposal, Review, UnitTree


@dataclass(frozen=True)
class Measured:
    """What a design scored at one scale, in held-out bits per byte, beside the reference there."""

    scale: str
    mean: float
    sd: float | None                 # over seeds; None for a single one
    seeds: int
    reference: float | None
    noise: float                     # the scale's seed noise: one standard deviation of a difference


@dataclass(frozen=True)
class Parent:
    """A parent as a designer sees it."""

    id: str
    title: str
    summary: str
    units: UnitTree
    score: float | None              # held-out bits per byte at the largest scale measured, lower is better
    code: str = ""                   # its newest gab.py
    measured: tuple[Measured, ...] = ()
    reviews: tuple[str, ...] = ()    # newest first
    said: tuple[str, ...] = ()       # what people decided on it, with their reasons
    said_ids: tuple[int, ...] = ()   # of the decisions that say so


@dataclass(frozen=True)
class Sibling:
    """Another proposal of the same parents, or of the same session: what to differ from."""

    id: str
    title: str
    summary: str
    fate: str                        # proposed, refused, failed, verified …


@dataclass(frozen=True)
class Guidance:
    """One record of what people taught: a refusal's reason, a comment, a standing rule. `id` is the decision's."""

    id: int
    kind: str
    about: str                       # the design, or "" for all
    text: str


@dataclass(frozen=True)
class Brief:
    """What a designer or reviewer is told about its task."""

    mode: Mode
    parents: tuple[Parent, ...]
    index: int                       # which of the session's proposals this is, from 0
    seed: int                        # derived from the session's seed and the index
    instructions: str                # a person's, steering words included
    known: Sequence[tuple[str, UnitTree]]  # every other design of the tree: id, structure; new units named by their declarations
    siblings: tuple[Sibling, ...] = ()
    guidance: tuple[Guidance, ...] = ()
    texts: Sequence[Known] = ()      # every other design, with its proposal's text
    own: tuple[UnitInfo, ...] = ()   # units that the parents brought along
    declared: Mapping[str, NewUnit] = field(default_factory=dict)  # of these units: what each was declared as
    past: tuple[Said, ...] = ()      # the reviewer's last reviews, newest last
    scale: str = "nano"              # where it will be built first
    papers: str = ""                 # the librarian's notes

    @property
    def rules(self) -> tuple[Guidance, ...]:
        """The standing ones: of no single design."""
        return tuple(g for g in self.guidance if not g.about)


@dataclass(frozen=True)
class Back:
    """A person sent the proposal back. `id` is the decision's: each time is another conversation."""

    id: int
    author: str
    words: str


@dataclass(frozen=True)
class Draft:
    """A designer's proposal before it is stored."""

    title: str
    summary: str
    body: str                        # Markdown
    units: UnitTree
    new_units: tuple[NewUnit, ...] = ()  # of the tree: those that nobody has written yet
    heeded: Mapping[int, str] = field(default_factory=dict)  # guidance → how the draft took it up, in the designer's words


@dataclass(frozen=True)
class Opinion:
    """A reviewer's judgement: opinions, 0–5, never mixed with measurements."""

    rating: float
    scores: dict[str, float]
    text: str
    accepted: bool = True            # or to be revised first
    data: Json = field(default_factory=dict)  # points, nearest, forecast, stuck


@dataclass(frozen=True)
class Task:
    """What a coder is to write, and how it may try."""

    proposal: Proposal
    brief: Brief
    check: Callable[[str], CheckReport]
    kept: Mapping[str, str]          # new unit → its source, as far as an earlier round got it right
    round: int                       # how often it was implemented before

    @property
    def rules(self) -> tuple[Guidance, ...]:
        return self.brief.rules

    @property
    def turn(self) -> str:
        """Names its conversations: those about another revision of the proposal are others."""
        return f"{self.round}" if self.proposal.revision == 1 else f"{self.round}r{self.proposal.revision}"


@dataclass(frozen=True)
class Written:
    code: str
    units: UnitTree | None
    kept: Mapping[str, str] = field(default_factory=dict)    # new unit → source that passed
    note: str = ""                   # what is not right yet, in words


class Designer(Protocol):
    name: str

    def propose(self, brief: Brief, dialog: Dialog, design_id: str) -> Draft:
        """Speak in the dialog while working; the same brief gives the same draft when the agent is seeded."""

    def revise(self, proposal: Proposal, review: Review | None, brief: Brief, dialog: Dialog, round: int, back: Back | None = None) -> Draft | None:
        """The proposal mended after a review, or after a person sent it `back`; None where the designer stands by it."""


class Reviewer(Protocol):
    name: str

    def review(self, proposal: Proposal, brief: Brief, dialog: Dialog) -> Opinion:
        """Rate the proposal against the tree, with reasons."""


class Coder(Protocol):
    name: str

    def implement(self, task: Task, dialog: Dialog) -> Written:
        """Write the proposal's gab.py; where not all of it comes right, the best that was reached."""

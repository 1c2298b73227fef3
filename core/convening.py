"""A design session as its agents meet: who they are, what they share, what was said, and what stops them. The ground of ALG 4 (core/proposing.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from core.agents.base import Coder, Designer, Reviewer
from core.agents.dialog import Dialog
from core.agents.librarian import Librarian
from core.agents.ranker import ModelRanker
from core.agents.speaker import Asking, Setting, Toolbox
from core.errors import BudgetPaused, Overtaken, Paused, Withdrawn
from core.faithful import alike
from core.gab.units import UnitLibrary
from core.papers.library import PaperLibrary
from core.store import Store
from core.types import (
    SIDES,
    Event,
    Proposal,
    Scale,
    Session,
    Status,
    Verb,
)


@dataclass(frozen=True)
class Team:
    """Makes the agents that a session names; each takes the session's setting."""

    designer: Callable[[str, Setting], Designer]
    reviewer: Callable[[str, Setting], Reviewer]
    coder: Callable[[str, Setting, Mapping[str, str]], Coder]           # the last: other members by role
    ranker: Callable[[str, Setting], ModelRanker]
    librarian: Callable[[str, Setting], Librarian]
    asking: Callable[[Session | None], Asking]
    toolbox: Callable[[str], Toolbox]                                    # by the name of the scale at which it checks
    noise: Callable[[str], float]                                        # one standard deviation of a difference at a scale
    library: UnitLibrary
    papers: PaperLibrary


class Convening:
    """What the lab needs of itself: store, team, progress, current."""

    store: Store
    team: Team
    scales: dict[str, Scale]
    aside: Paused | None = None      # why a session was put aside last

    def dialog(self, session: Session) -> Dialog:
        return self._dialog(f"session:{session.id}")

    def _dialog(self, stream: str) -> Dialog:
        return Dialog(lambda kind, author, data: self.store.events.append(stream, kind, author, data), lambda: self._events(stream))

    def _events(self, stream: str) -> Iterable[Event]:
        after = 0
        while events := self.store.events.since(stream, after):
            yield from events
            after = events[-1].id

    def setting(self, session: Session | None, stream: str, dialog: Dialog, scale: str, wanted: Callable[[], None] | None = None) -> Setting:
        """What a session's agents share; those who work on one design stop when `wanted` raises."""
        def may_speak() -> None:
            if session:
                self.refuse_paused(session)
            if wanted:
                wanted()

        run = self.current.id if self.current else ""
        return Setting(self.team.asking(session), dialog, stream, self.team.toolbox(scale), self.progress.check_cancel,
                       may_speak, self.store.guidance.carried, lambda role: self._steering(session, role), run)

    def _at(self, session: Session, phase: str, note: str) -> Setting:
        """The session's setting at the beginning of a phase, which the screen is told of. Raises Paused where a person has stopped it."""
        self.progress.check_cancel()
        self.refuse_paused(session)
        dialog = self.dialog(session)
        dialog.phase(phase, note)
        return self.setting(session, f"session:{session.id}", dialog, session.scale)

    def _steering(self, session: Session | None, role: str) -> list[tuple[int, str]]:
        """What a person said to everybody, or to this role's side of the table."""
        said = self.store.decisions.of(session_id=session.id) if session else []
        return [(d.id, d.reason) for d in said if d.verb is Verb.STEER and (not d.data.get("to") or role in SIDES[d.data["to"]])]

    def refuse_paused(self, session: Session) -> None:
        """Raises Paused where a person has stopped the session's agents."""
        words = [d for d in self.store.decisions.of(session_id=session.id) if d.verb is Verb.PAUSE]
        if words and words[-1].data.get("on"):
            raise Paused(f"paused by {words[-1].author}", "press Go on, or: python -m core resume " + session.id)
        if self.current is not None and self.halted():
            raise Paused("its run is paused", f"resume it on the Evolve page, or: python -m core run resume {self.current.id}")

    def refuse_withdrawn(self, design_id: str, sent_back: int) -> None:
        """Raises Withdrawn where a person refused the design, or sent it back since the decision `sent_back`, while its code was being written."""
        if self.store.designs.get(design_id).status is Status.REFUSED:
            raise Withdrawn(f"{design_id} was refused", f"approve it, then: python -m core implement {design_id}")
        if self.sent_back_on(design_id) > sent_back:
            raise Withdrawn(f"{design_id} was sent back", "its designer revises it first")

    def refuse_overtaken(self, proposal: Proposal) -> None:
        """Raises Overtaken where the proposal was revised so that other code is to be written."""
        newest = self.store.proposals.newest(proposal.design_id)
        if newest is not None and newest.id != proposal.id and not alike(newest, proposal):
            raise Overtaken(f"{newest.author} revised {proposal.design_id} meanwhile", "its code is written for the newer revision")

    def sent_back_on(self, design_id: str) -> int:
        """The last decision that sent the design back and stands; 0 where none does."""
        return max((d.id for d in self.store.decisions.of(design_id) if d.verb is Verb.SEND_BACK), default=0)

    def put_aside(self, session: Session, why: Paused) -> None:
        """The session waits: for a budget, a provider, or a person."""
        self.aside = why
        account = {"account": why.account} if isinstance(why, BudgetPaused) else {}
        self.dialog(session).phase("paused", str(why), **account)

    def _say(self, dialog: Dialog, key: str, design_id: str, words: str) -> None:
        """Once, however often the step is gone through."""
        with dialog.message("system", "system", design_id, f"session:{key}") as message:
            message.say(words)

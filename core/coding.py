"""ALG 4's last step against the store: the code of a proposal, written and checked. A part of the lab (core/lab.py); every step is re-entrant."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from core.agents.base import Task, Written
from core.agents.dialog import Dialog
from core.briefing import Briefing, index_of
from core.errors import DesignError, NotFound, Overtaken, Unusable
from core.faithful import as_proposed, rounds, written_for
from core.types import (
    CheckReport,
    CheckResult,
    Design,
    Implementation,
    Proposal,
    Session,
)


class Coding(Briefing):
    """What the lab needs of itself besides: engine, checked."""

    @contextmanager
    def passing_by(self, session: Session, design: Design) -> Iterator[None]:
        """A design that cannot be written is told of, and the others go on. (One of which only some units came right is written as far as it came.)"""
        try:
            yield
        except (DesignError, Unusable) as error:
            if proposal := self.store.proposals.newest(design.id):
                with self.progress.guard():
                    self._say(self.dialog(session), f"{session.id}/{design.id}/unwritten{proposal.revision}", design.id, f"**Not written**; the session goes on with the others: {error}")

    def implemented(self, design: Design, scale: str, session: Session | None = None) -> Implementation:
        """Code for the design's newest proposal, checked at the scale; for the newer one where somebody revises it meanwhile. Raises Withdrawn where a person refuses it or sends it back meanwhile."""
        sent_back = self.sent_back_on(design.id)
        while True:
            try:
                return self._coded(design, self.store.proposals.newest(design.id), scale, session, sent_back)
            except Overtaken:
                continue

    def _coded(self, design: Design, proposal: Proposal | None, scale: str, session: Session | None, sent_back: int) -> Implementation:
        def wanted() -> None:
            self.refuse_withdrawn(design.id, sent_back)
            if proposal is not None:
                self.refuse_overtaken(proposal)

        stored = self.store.implementations.newest(design.id)
        fresh = stored is not None and (proposal is None or self._theirs(stored, proposal) or as_proposed(self.store, stored.units, proposal))
        if fresh and stored.check is not None and stored.check.scale == scale:
            return stored
        self.progress.check_cancel()
        wanted()
        stream = f"session:{session.id}" if session else f"design:{design.id}"
        dialog = self._dialog(stream)
        dialog.phase("implementing", design.title)
        if not fresh:
            if session:
                self.refuse_paused(session)
            stored = self._write(proposal, design, scale, session, stream, dialog, wanted)
        self.progress.progress(0.6, f"checking {design.id}")
        report = self.checked(stored, scale, wanted)
        with dialog.message("checker", "system", design.id) as message:
            message.say(told(report))
        return self.store.implementations.get(stored.id)

    def _write(self, proposal: Proposal | None, design: Design, scale: str, session: Session | None, stream: str, dialog: Dialog,
               wanted: Callable[[], None]) -> Implementation:
        if proposal is None:
            raise NotFound(f"{design.id} has neither proposal nor code", "propose it again")
        of = session or (self.store.sessions.get(design.session_id) if design.session_id else None)
        team = of.team if of else {}
        name = team.get("coder", "compose_coder")
        before = self.store.implementations.newest(design.id)
        seen = before.revision if before else 0
        before_this = rounds(self.store, design.id)
        was = written_for(self.store, proposal)
        same = {u.name for u in proposal.new_units if was and u in was.new_units and (was.body == proposal.body or "observer" in team)}  # an observer compares it with the new text
        kept = {k: v for k, v in (before_this[-1]["kept"] if before_this else {}).items() if k in same}
        brief = self.brief(of, index_of(proposal), design.id) if of else self._bare_brief(design)
        task = Task(proposal, brief, lambda code: self.engine.check(code, self.scales[scale]), kept, len(before_this))
        members = {role: member for role, member in team.items() if isinstance(member, str)}
        written = self.team.coder(name, self.setting(of, stream, dialog, scale, wanted), members).implement(task, dialog)
        with self.progress.guard():
            self._note(written, proposal, design, name)     # whatever is wanted now: units that came right are not paid for twice
        with self.progress.guard():
            wanted()
            newest = self.store.implementations.newest(design.id)
            if newest is not None and newest.revision != seen and self._theirs(newest, proposal):  # a person wrote it meanwhile: theirs counts
                return newest
            if written.note:
                with dialog.message(name, "coder", design.id) as message:
                    message.say(f"Not all of it came right: {written.note}. What passed is kept; *Implement* goes on from there.")
            return self.store.implementations.add(design.id, name, written.code, written.units)

    def _theirs(self, made: Implementation, proposal: Proposal) -> bool:
        """Whether a person wrote the code, for the proposal as it is: no agent writes over it."""
        return made.author not in self.store.specs.names() and made.created_at >= proposal.created_at

    def _note(self, written: Written, proposal: Proposal, design: Design, name: str) -> None:
        if proposal.new_units:
            self.store.events.append(f"design:{design.id}", "written", name, {"kept": dict(written.kept), "note": written.note, "proposal": proposal.id})


def told(report: CheckReport) -> str:
    """A check in Markdown."""
    marks = {"pass": "✓", "warn": "!", "fail": "✗"}

    def line(result: CheckResult) -> str:
        words = f"- {marks[result.verdict]} **{result.name}**: {result.evidence}" + (f" *{result.mend}*" if result.mend else "")
        return words + (f"\n\n      printed: {result.output[:500]}" if result.output else "")

    head = f"Check at {report.scale}: **{'passed' if report.passed else 'failed'}** in {report.seconds:.1f} s"
    return "\n".join([head, "", *map(line, report.results)])

"""ALG 4's steps against the store: propose, review and revise, rank, wait for a person. A part of the lab (core/lab.py); every step is re-entrant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from core import citing
from core.agents.base import Back, Brief, Draft
from core.agents.reviewer import said
from core.agents.speaker import Setting
from core.agents.stuck import LAST, Said
from core.briefing import index_of
from core.coding import Coding
from core.errors import NotFound, Unusable
from core.guidance import Lessons
from core.kin import Kin
from core.selection.ranking import ranking
from core.types import (
    Design,
    Kind,
    Proposal,
    Review,
    Session,
    Status,
    Verb,
)

TWINS = 3            # times that a designer is asked anew since another session was quicker with the same design


class Proposing(Coding):
    def proposal(self, session: Session, k: int) -> Proposal | None:
        """The session's k-th proposal; it enters the tree at once. None where its designer gave nothing usable: the others go on. Raises Unusable where that was the last hope."""
        design_id = f"{session.id}-{k + 1}"
        stored = self._stored_proposal(design_id)
        if stored:
            return stored
        stream = f"session:{session.id}"
        given_up = {e.data["design"] for e in self._events(stream) if e.kind == "passed_over"}
        if design_id in given_up:
            return None
        self.progress.progress(0.05 + 0.3 * k / session.n_proposals, f"proposal {k + 1} of {session.n_proposals}")
        try:
            return self._proposed(session, k, design_id)
        except Unusable as error:
            if session.run_id is None and k + 1 == session.n_proposals and not self.store.designs.of_session(session.id):
                raise       # a run closes the session, and goes on with the next
            with self.progress.guard():
                self.store.events.append(stream, "passed_over", session.designer, {"design": design_id, "why": str(error)})
            return None

    def _proposed(self, session: Session, k: int, design_id: str) -> Proposal:
        """Asked for and stored. Where another session stored the same design meanwhile, the designer is asked again, and told so. Raises Unusable where that does not end."""
        for _ in range(TWINS):
            setting = self._at(session, "proposing", f"{k + 1} of {session.n_proposals}")
            brief = self._with_papers(session, self.brief(session, k, design_id), setting)
            draft = self.team.designer(session.designer, setting).propose(brief, setting.dialog, design_id)
            with self._storing(session, design_id, draft) as twin:
                if twin is None:
                    self.store.designs.add(id=design_id, title=draft.title, kind=Kind.AGENT, mode=session.mode, parents=session.parents,
                                           author=session.designer, session_id=session.id, index=k, summary=draft.summary)
                    return self._add(session, design_id, draft, f"{design_id}/propose")
        raise Unusable(f"{session.designer} proposed what other sessions had proposed just before, {TWINS} times", "try again, or choose other parents")

    @contextmanager
    def _storing(self, session: Session, design_id: str, draft: Draft) -> Iterator[str | None]:
        """One transaction, one session at a time: the design of which the draft is a copy by now, or None. A rerun repeats what is there."""
        with self.progress.guard(), self.store.together() as connection:
            self.store.database.serialise(connection, "proposals")
            yield None if session.team.get("replay") else Kin(self.store).copy_of(design_id, session.parents, draft.units, draft.body, draft.new_units)

    def _add(self, session: Session, design_id: str, draft: Draft, key: str) -> Proposal:
        self.store.guidance.heeded(draft.heeded, key)
        made = self.store.proposals.add(design_id, session.designer, False, draft.title, draft.body, draft.units, draft.new_units)
        self._note_papers(session, made)
        return made

    def _note_papers(self, session: Session, proposal: Proposal) -> None:
        """What its author read and cites; the dialog tells of citations that nothing stands behind."""
        found = citing.record(self.team.papers, proposal, self._events(f"session:{session.id}"))
        if lost := citing.unfounded(found):
            self.store.events.append(f"design:{proposal.design_id}", "unfounded", proposal.author, {"proposal": proposal.id, "citations": [{"told": c.told, "why": c.trouble} for c in lost]})
            self._say(self.dialog(session), f"{session.id}/{proposal.design_id}/unfounded{proposal.revision}", proposal.design_id, citing.told(lost))

    def _with_papers(self, session: Session, brief: Brief, setting: Setting) -> Brief:
        """The librarian is asked once a session; later its answer is the stored one."""
        name = session.team.get("librarian")
        try:
            return replace(brief, papers=self.team.librarian(name, setting).notes(brief)) if name else brief
        except Unusable:  # said in its dialog: the session does without
            return brief

    def reviewed(self, session: Session, proposal: Proposal) -> Proposal:
        """The proposal in its newest revision, reviewed; revised by its designer until it is accepted, or out of rounds. A person's edit is not revised."""
        rounds = int(session.team.get("rounds", 1))
        while True:
            proposal = self.store.proposals.newest(proposal.design_id) or proposal
            review = self._review(session, proposal)
            if review is None or proposal.by_person or self._approved(proposal) or proposal.revision >= rounds or _accepted(review, session) or review.data.get("stuck") == 2:
                return proposal
            setting = self._at(session, "revising", proposal.title)
            brief = self._with_papers(session, self.brief(session, index_of(proposal), proposal.design_id), setting)
            try:
                draft = self.team.designer(session.designer, setting).revise(proposal, review, brief, setting.dialog, proposal.revision)
            except Unusable:  # said in its dialog; the revision that was reviewed stands
                draft = None
            if draft is None:
                return proposal
            with self._storing(session, proposal.design_id, draft) as twin:     # a copy by now: the designer is told, and asked again
                newest = self.store.proposals.newest(proposal.design_id)
                if twin is None and not self._approved(proposal) and (newest is None or newest.revision == proposal.revision):  # else a person edited or approved it: that goes on
                    self._add(session, proposal.design_id, draft, f"{proposal.design_id}/revise{proposal.revision}")

    def _approved(self, proposal: Proposal) -> bool:
        """By a person, as it is: no agent revises it behind their back."""
        return self.store.designs.get(proposal.design_id).status is Status.APPROVED

    def _review(self, session: Session, proposal: Proposal) -> Review | None:
        """None where its reviewer gave nothing usable: the proposal goes on unreviewed."""
        for review in reversed(self.store.reviews.of(proposal.design_id)):
            if review.proposal_id == proposal.id:
                return review
        stream = f"session:{session.id}"
        if any(e.kind == "unreviewed" and e.data["proposal"] == proposal.id for e in self._events(stream)):
            return None
        setting = self._at(session, "reviewing", proposal.title)
        own = f"{session.id}-" if session.team.get("replay") else ""     # a rerun is not held against what it reruns
        past = [_said(r) for r in self.store.reviews.by(session.reviewer, LAST) if r.design_id.startswith(own)]
        heard = Lessons(self.store).told(session.parents, without=proposal.design_id)    # what people did to this very proposal would tell who wrote it
        brief = replace(self.brief(session, index_of(proposal), proposal.design_id), past=tuple(past), guidance=heard)
        try:
            opinion = self.team.reviewer(session.reviewer, setting).review(proposal, brief, setting.dialog)
        except Unusable as error:
            with self.progress.guard():
                self.store.events.append(stream, "unreviewed", session.reviewer, {"design": proposal.design_id, "proposal": proposal.id, "why": str(error)})
                self._say(setting.dialog, f"{session.id}/{proposal.design_id}/unreviewed{proposal.revision}", proposal.design_id, f"**No usable review**; the proposal goes on without one: {error}")
            return None
        with self.progress.guard():
            if opinion.data.get("stuck"):
                self.store.events.append(f"session:{session.id}", "stuck", session.reviewer, {"design": proposal.design_id, "times": opinion.data["stuck"], "why": opinion.data["repeats"]})
            return self.store.reviews.add(proposal.id, session.reviewer, opinion.rating, opinion.scores, opinion.text, {**opinion.data, "accepted": opinion.accepted})

    def sent_back(self, design_id: str, decision_id: int) -> Proposal | None:
        """The revision that its designer made of a person's words, reviewed; None where the designer stands by the proposal. A revision that somebody made meanwhile goes on instead."""
        design, decision = self.store.designs.get(design_id), self.store.decisions.get(decision_id)
        proposal = self.store.proposals.newest(design_id)
        if proposal is None or design.session_id is None:
            raise NotFound(f"{design_id} has no proposal of a session", "edit it yourself")
        session = self.store.sessions.get(design.session_id)
        if proposal.revision == decision.data["revision"] and not self._approved(proposal):
            reviews = self.store.reviews.of(design_id)
            setting = self._at(session, "revising", proposal.title)
            brief = self._with_papers(session, self.brief(session, index_of(proposal), design_id), setting)
            back = Back(decision.id, decision.author, decision.reason)
            draft = self.team.designer(session.designer, setting).revise(proposal, reviews[-1] if reviews else None, brief, setting.dialog, proposal.revision, back)
            if draft is None:
                return None
            with self.progress.guard():
                newest = self.store.proposals.newest(design_id)
                if not self._approved(proposal) and (newest is None or newest.revision == proposal.revision):   # else a person edited or approved it: that goes on
                    self._add(session, design_id, draft, f"{design_id}/revise{proposal.revision}/back{back.id}")
        revised = self.store.proposals.newest(design_id) or proposal
        self._review(session, revised)
        return revised

    def back_to(self, session: Session, phase: str, note: str) -> None:
        """The session is again where it was before one of its proposals was revised."""
        if phase in ("waiting", "paused", "closed"):
            self.dialog(session).phase(phase, note)

    def ranked(self, session: Session, proposals: list[Proposal]) -> list[Design]:
        """Best first, refused ones left out; a person's order wins."""
        ids = {p.design_id for p in proposals}
        self._model_order(session, proposals)
        order = ranking(self.store.designs.of_session(session.id), self.store.decisions.of(session_id=session.id))
        kin = Kin(self.store)
        return [d for d in order if d.id in ids and d.status is not Status.REFUSED and not self._is_copy(session, d, kin)]

    def _is_copy(self, session: Session, design: Design, kin: Kin) -> bool:
        """Whether an agent's proposal is by now that of an older design: to write it would be to pay twice. What a person wrote or approved is their word."""
        proposal = self.store.proposals.newest(design.id)
        if proposal is None or proposal.by_person or design.status is not Status.PROPOSED or session.team.get("replay"):
            return False
        twin = kin.copy_of(design.id, design.parents, proposal.units, proposal.body, proposal.new_units, older=True)
        if twin:
            with self.dialog(session).message("system", "system", design.id, f"session:{session.id}/{design.id}/copy{proposal.revision}") as message:
                message.say(f"**A copy**: this is {twin}, unit for unit. It is not implemented by itself; approve it, and it is.")
        return twin is not None

    def _model_order(self, session: Session, proposals: list[Proposal]) -> None:
        """The ranker's order, kept beside a person's; asked once for each set of revisions."""
        name = session.team.get("ranker")
        key = "-".join(f"{index_of(p) + 1}r{p.revision}" for p in proposals)
        if not name or len(proposals) < 2 or any(d.data.get("key") == key for d in self.store.decisions.of(session_id=session.id)):
            return
        setting = self._at(session, "ranking", f"{len(proposals)} proposals")
        reviews = {p.design_id: found[-1] for p in proposals if (found := self.store.reviews.of(p.design_id))}
        try:
            order, why = self.team.ranker(name, setting).rank(proposals, reviews, self.brief(session, 0, ""), key)
        except Unusable:  # said in its dialog: the ratings decide
            return
        with self.progress.guard():
            self.store.decisions.add(Verb.RERANK, name, session_id=session.id, reason=why, data={"order": order, "by": "ranker", "key": key})

    def gate_closed(self, session: Session) -> bool:
        """Whether the session waits for a person: its gate asks or its reviewer is stuck, and nobody has released it."""
        released = any(d.verb is Verb.RELEASE for d in self.store.decisions.of(session_id=session.id))
        return not released and (session.gate == "ask" or self._stuck(session))

    def _stuck(self, session: Session) -> bool:
        newest = [self.store.reviews.of(d.id)[-1:] for d in self.store.designs.of_session(session.id)]
        return any(review.data.get("stuck") == 2 for reviews in newest for review in reviews)

    def wait(self, session: Session) -> None:
        last = self.store.events.last(f"session:{session.id}", "phase")
        if last is None or last.data["phase"] != "waiting":
            stuck = "its reviewer repeats itself: judge the proposals yourself, " if self._stuck(session) else "for you: read, edit, approve or refuse, "
            self.dialog(session).phase("waiting", stuck + "then implement the best")

    def close(self, session: Session) -> None:
        if session.closed_at is None:
            self.store.sessions.close(session.id)
            self.dialog(session).phase("closed", "")

    def _stored_proposal(self, design_id: str) -> Proposal | None:
        try:
            self.store.designs.get(design_id)
        except NotFound:
            return None
        return self.store.proposals.newest(design_id)


def _accepted(review: Review, session: Session) -> bool:
    return bool(review.data.get("accepted", True)) and review.rating >= float(session.team.get("accept", 0.0))


def _said(review: Review) -> Said:
    return said(review.design_id, review.data) if review.data.get("summary") else Said(review.design_id, review.text, ())

"""ALG 4's steps against the store: propose, review and revise, rank, wait for a person, implement. A part of the lab (core/lab.py); every step is re-entrant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from statistics import stdev

from core import citing
from core.agents.base import Back, Brief, Coder, Designer, Draft, Measured, Parent, Reviewer, Sibling, Task, Written
from core.agents.dialog import Dialog
from core.agents.librarian import Librarian
from core.agents.ranker import ModelRanker
from core.agents.reviewer import said
from core.agents.speaker import Asking, Setting, Toolbox
from core.agents.stuck import LAST, Said
from core.errors import BudgetPaused, DesignError, NotFound, Paused, Unusable, Withdrawn
from core.gab.structure import renamed
from core.gab.units import UnitLibrary
from core.guidance import Lessons
from core.kin import Brought, Kin, brought
from core.papers.library import PaperLibrary
from core.selection.ranking import ranking
from core.store import Store
from core.types import (
    SIDES,
    CheckReport,
    CheckResult,
    Design,
    Event,
    Implementation,
    Json,
    Kind,
    Proposal,
    Review,
    Scale,
    Session,
    Status,
    UnitTree,
    Verb,
    derive_seed,
)

SIBLINGS = 12        # shown to a designer, the newest ones
REVIEWS = 2          # of each parent
TWINS = 3            # times that a designer is asked anew since another session was quicker with the same design


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


class Proposing:
    """What the lab needs of itself: store, team, scales, engine, progress, current."""

    store: Store
    team: Team
    scales: dict[str, Scale]
    aside: Paused | None = None      # why a session was put aside last

    # ------------------------------------------------------------------------------------------ the session

    def dialog(self, session: Session) -> Dialog:
        return self._dialog(f"session:{session.id}")

    def _dialog(self, stream: str) -> Dialog:
        return Dialog(lambda kind, author, data: self.store.events.append(stream, kind, author, data), lambda: self._events(stream))

    def _events(self, stream: str) -> Iterable[Event]:
        after = 0
        while events := self.store.events.since(stream, after):
            yield from events
            after = events[-1].id

    def setting(self, session: Session | None, stream: str, dialog: Dialog, scale: str, design_id: str = "") -> Setting:
        """What a session's agents share; those who work on one design stop when it is refused."""
        def may_speak() -> None:
            if session:
                self.refuse_paused(session)
            if design_id:
                self.refuse_withdrawn(design_id)

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

    def refuse_withdrawn(self, design_id: str) -> None:
        """Raises Withdrawn where a person refused the design while its code was being written."""
        if self.store.designs.get(design_id).status is Status.REFUSED:
            raise Withdrawn(f"{design_id} was refused", f"approve it, then: python -m core implement {design_id}")

    def put_aside(self, session: Session, why: Paused) -> None:
        """The session waits: for a budget, a provider, or a person."""
        self.aside = why
        account = {"account": why.account} if isinstance(why, BudgetPaused) else {}
        self.dialog(session).phase("paused", str(why), **account)

    # ------------------------------------------------------------------------------------------ proposals

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
            brief = self._with_papers(session, self.brief(session, _index(proposal), proposal.design_id), setting)
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
        brief = replace(self.brief(session, _index(proposal), proposal.design_id), past=tuple(past), guidance=heard)
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
            brief = self._with_papers(session, self.brief(session, _index(proposal), design_id), setting)
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
        key = "-".join(f"{_index(p) + 1}r{p.revision}" for p in proposals)
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

    # ------------------------------------------------------------------------------------------ code

    @contextmanager
    def passing_by(self, session: Session, design: Design) -> Iterator[None]:
        """A design that cannot be written is told of, and the others go on. (One of which only some units came right is written as far as it came.)"""
        try:
            yield
        except (DesignError, Unusable) as error:
            if proposal := self.store.proposals.newest(design.id):
                with self.progress.guard():
                    self._say(self.dialog(session), f"{session.id}/{design.id}/unwritten{proposal.revision}", design.id, f"**Not written**; the session goes on with the others: {error}")

    def _say(self, dialog: Dialog, key: str, design_id: str, words: str) -> None:
        """Once, however often the step is gone through."""
        with dialog.message("system", "system", design_id, f"session:{key}") as message:
            message.say(words)

    def implemented(self, design: Design, scale: str, session: Session | None = None) -> Implementation:
        """Code for the design's newest proposal, checked at the scale."""
        proposal = self.store.proposals.newest(design.id)
        stored = self.store.implementations.newest(design.id)
        fresh = stored is not None and (proposal is None or self._theirs(stored, proposal) or self._as_proposed(stored, proposal))
        if fresh and stored.check is not None and stored.check.scale == scale:
            return stored
        self.progress.check_cancel()
        self.refuse_withdrawn(design.id)
        stream = f"session:{session.id}" if session else f"design:{design.id}"
        dialog = self._dialog(stream)
        dialog.phase("implementing", design.title)
        if not fresh:
            if session:
                self.refuse_paused(session)
            stored = self._write(proposal, design, scale, session, stream, dialog)
            self.refuse_withdrawn(design.id)
        self.progress.progress(0.6, f"checking {design.id}")
        report = self.checked(stored, scale)
        with dialog.message("checker", "system", design.id) as message:
            message.say(told(report))
        return self.store.implementations.get(stored.id)

    def _write(self, proposal: Proposal | None, design: Design, scale: str, session: Session | None, stream: str, dialog: Dialog) -> Implementation:
        if proposal is None:
            raise NotFound(f"{design.id} has neither proposal nor code", "propose it again")
        of = session or (self.store.sessions.get(design.session_id) if design.session_id else None)
        team = of.team if of else {}
        name = team.get("coder", "compose_coder")
        before = self.store.implementations.newest(design.id)
        seen = before.revision if before else 0
        rounds = self._rounds(design.id)
        was = self._written_for(proposal)
        same = {u.name for u in proposal.new_units if was and u in was.new_units and (was.body == proposal.body or "observer" in team)}  # an observer compares it with the new text
        kept = {k: v for k, v in (rounds[-1]["kept"] if rounds else {}).items() if k in same}
        brief = self.brief(of, _index(proposal), design.id) if of else self._bare_brief(design)
        task = Task(proposal, brief, lambda code: self.engine.check(code, self.scales[scale]), kept, len(rounds))
        members = {role: member for role, member in team.items() if isinstance(member, str)}
        written = self.team.coder(name, self.setting(of, stream, dialog, scale, design.id), members).implement(task, dialog)
        with self.progress.guard():
            self._note(written, proposal, design, name)
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

    def _rounds(self, design_id: str) -> list[Json]:
        """What came of each time that the design's new units were written."""
        return [e.data for e in self._events(f"design:{design_id}") if e.kind == "written"]

    def _written_for(self, proposal: Proposal) -> Proposal | None:
        """The revision for which the design's new units were written last; None where they never were."""
        rounds = self._rounds(proposal.design_id)
        return next((p for p in self.store.proposals.revisions(proposal.design_id) if rounds and p.id == rounds[-1].get("proposal")), None)

    def _as_proposed(self, made: Implementation, proposal: Proposal) -> bool:
        """Whether the code is what the proposal says now: its tree, and where units were written for it, their declarations and the text."""
        if made.units != proposal.units or not proposal.new_units:
            return made.units == proposal.units
        was = self._written_for(proposal)
        return was is not None and (was.new_units, was.body) == (proposal.new_units, proposal.body)

    def _note(self, written: Written, proposal: Proposal, design: Design, name: str) -> None:
        if proposal.new_units:
            self.store.events.append(f"design:{design.id}", "written", name, {"kept": dict(written.kept), "note": written.note, "proposal": proposal.id})

    # ------------------------------------------------------------------------------------------ what agents are told

    def brief(self, session: Session, k: int, design_id: str) -> Brief:
        """Parents and surroundings of the k-th proposal; a person's steering words so far count as instructions."""
        kin, own = Kin(self.store), brought(self.store, self.team.library, session.parents)
        trees = {p: renamed(tree, own.names.get(p, {})) for p, tree in self.store.unit_trees() if p in session.parents}
        steering = [words for _, words in self._steering(session, "designer")]
        lessons = Lessons(self.store)
        return Brief(
            mode=session.mode, parents=tuple(self._parent(p, trees, lessons, own) for p in session.parents), index=k, seed=derive_seed(session.seed, k),
            instructions="\n".join([session.instructions, *steering]).strip(), known=() if session.team.get("replay") else kin.structures(design_id), siblings=self._siblings(session, design_id),
            guidance=lessons.told(session.parents), texts=kin.texts(), own=own.units, declared=kin.inherited(session.parents), scale=session.scale)

    def _bare_brief(self, design: Design) -> Brief:
        kin = Kin(self.store)
        return Brief(design.mode, (), 0, 0, "", kin.structures(design.id), guidance=Lessons(self.store).told(design.parents),
                     own=brought(self.store, self.team.library, design.parents).units, declared=kin.inherited(design.parents))

    def _parent(self, design_id: str, trees: Mapping[str, UnitTree], lessons: Lessons, own: Brought) -> Parent:
        design = self.store.designs.get(design_id)
        if design_id not in trees:
            raise DesignError(f"{design_id} has no units to change", "choose a parent that is composed of units")
        made = self.store.implementations.newest(design_id)
        largest = [design.scores[s] for s in reversed(self.scales) if s in design.scores]
        reviews = tuple(r.text for r in self.store.reviews.of(design_id)[: -REVIEWS - 1 : -1])
        heard = lessons.said_of(design_id)
        people = tuple(f"{d.author} {d.verb}: {d.reason}" for d in heard)
        return Parent(design.id, design.title, design.summary, trees[design_id], largest[0] if largest else None, own.code(design_id, made.code) if made else "", self._evidence_of(design), reviews, people, tuple(d.id for d in heard))

    def _evidence_of(self, design: Design) -> tuple[Measured, ...]:
        try:
            base = self.store.designs.get("gpt2").scores
        except NotFound:
            base = {}
        found = []
        for scale in (s for s in self.scales if s in design.scores):
            seeds = [v.metrics.bits_per_byte for v in self.store.verifications.counted(scale) if v.design_id == design.id and v.metrics and not v.own_rate]
            sd = stdev(seeds) if len(seeds) > 1 else None
            found.append(Measured(scale, design.scores[scale], sd, design.n_seeds.get(scale, 1), base.get(scale), self.team.noise(scale)))
        return tuple(found)

    def _siblings(self, session: Session, design_id: str) -> tuple[Sibling, ...]:
        parents = set(session.parents)
        near = [d for d in self.store.designs.all() if d.id != design_id and d.kind is Kind.AGENT and (d.session_id == session.id or (parents and parents & set(d.parents)))]
        return tuple(Sibling(d.id, d.title, d.summary, str(d.status)) for d in near[-SIBLINGS:])

    def _stored_proposal(self, design_id: str) -> Proposal | None:
        try:
            self.store.designs.get(design_id)
        except NotFound:
            return None
        return self.store.proposals.newest(design_id)


def _index(proposal: Proposal) -> int:
    return int(proposal.design_id.rsplit("-", 1)[1]) - 1


def _accepted(review: Review, session: Session) -> bool:
    return bool(review.data.get("accepted", True)) and review.rating >= float(session.team.get("accept", 0.0))


def _said(review: Review) -> Said:
    return said(review.design_id, review.data) if review.data.get("summary") else Said(review.design_id, review.text, ())


def told(report: CheckReport) -> str:
    """A check in Markdown."""
    marks = {"pass": "✓", "warn": "!", "fail": "✗"}

    def line(result: CheckResult) -> str:
        words = f"- {marks[result.verdict]} **{result.name}**: {result.evidence}" + (f" *{result.mend}*" if result.mend else "")
        return words + (f"\n\n      printed: {result.output[:500]}" if result.output else "")

    head = f"Check at {report.scale}: **{'passed' if report.passed else 'failed'}** in {report.seconds:.1f} s"
    return "\n".join([head, "", *map(line, report.results)])



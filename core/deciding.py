"""A person's judgements: approve, refuse, send back, foretell, prefer, put off, and take back. A part of the desk (core/desk.py).

Two people may look at the same proposal. Who decides names the last decision that they saw (`seen`); where somebody decided meanwhile, the second is told who and what, and
nothing is stored: a Conflict. Question and answer are one transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.asked import words
from core.calibration import Agreement, Record, agreement, records
from core.decided import Recent, gestures, in_words
from core.errors import Conflict, ModelDiscoveryError, UsageError
from core.evidence import REFERENCE
from core.foreseen import Foreseen, foreseen
from core.gab.scales import get_scale
from core.gates import IMPLEMENT, Gated
from core.inbox import Inbox, inbox
from core.jobs import Queue
from core.machine import this_machine
from core.selection.preferences import most_telling, preferred
from core.store import Store
from core.types import Decision, Design, Job, JobKind, JobState, Json, Kind, Seen, Status, Verb

if TYPE_CHECKING:
    from core.agents.spec import AgentSpec
    from core.agents.versions import Versions
    from core.config import Config
    from core.confirming import Unconfirmed
    from core.statistics.noise import Noise
    from core.store.gates import Book
    from core.store.suspicion import Suspect
    from core.types import Scale

WEIGHTY = (Verb.APPROVE, Verb.REFUSE, Verb.RESET, Verb.SEND_BACK, Verb.EDIT, Verb.UNDO, Verb.GATE)     # after which another person should look again
ON_SESSION = (*WEIGHTY, Verb.RERANK, Verb.PREFER, Verb.RELEASE)
UNDOABLE = (Verb.APPROVE, Verb.REFUSE, Verb.RESET, Verb.COMMENT, Verb.RERANK, Verb.SEND_BACK, Verb.DEFER, Verb.FORECAST, Verb.PREFER, Verb.TAG, Verb.PIN, Verb.BOOST, Verb.PRUNE, Verb.GATE)
MOST = 5000          # decisions on which an answer about people's agreement rests, the newest


@dataclass(frozen=True)
class Judged:
    """What came of judging several at once."""

    done: tuple[Decision, ...]
    failed: Mapping[str, str]        # design → why not, in words


@dataclass(frozen=True)
class TakenBack:
    """What came of taking several back at once."""

    done: tuple[Decision, ...]
    failed: Mapping[int, str]        # decision → why it stays, in words


class Deciding:
    """What it needs of the desk: store, queue, config, scales, author, agents, noise, suspicious, gated, unconfirmed."""

    store: Store
    queue: Queue
    config: Config
    scales: dict[str, Scale]
    author: str

    if TYPE_CHECKING:
        def agents(self) -> Versions[AgentSpec]: ...
        def noise(self, scale: str, corpus: str | None = None) -> Noise: ...
        def suspicious(self) -> list[Suspect]: ...
        def implement(self, design_id: str, scale: str = "nano") -> Job: ...
        def standing(self, session_id: str) -> tuple[str, str]: ...
        def gated(self) -> list[Gated]: ...
        def unconfirmed(self) -> list[Unconfirmed]: ...
        def let(self, gated: Gated, reason: str = "") -> Decision: ...
        def wake_run_of(self, design_id: str) -> None: ...
        def wake_run(self, run_id: str) -> None: ...
        def _book(self, run_id: str) -> Book: ...

    # ------------------------------------------------------------------------------------------ judging a proposal

    def approve(self, design_id: str, reason: str = "", seen: Seen | None = None, implement: bool = False) -> Decision:
        """With `implement`, its code is written next: in a run, the gate that it waits at is opened for it."""
        with self.store.together():
            made = self._judge(Verb.APPROVE, design_id, reason, seen)
            if implement:
                self._write_next(design_id)
        return made

    def refuse(self, design_id: str, reason: str, seen: Seen | None = None) -> Decision:
        return self._judge(Verb.REFUSE, design_id, words(reason, "a refusal needs a reason: the agents learn from it"), seen)

    def reset(self, design_id: str, reason: str = "", seen: Seen | None = None) -> Decision:
        """Take an approval or a refusal back."""
        return self._judge(Verb.RESET, design_id, reason, seen)

    def comment(self, design_id: str, text: str) -> Decision:
        self.store.designs.get(design_id)
        return self.store.decisions.add(Verb.COMMENT, self.author, design_id=design_id, reason=words(text, "the comment is empty"))

    def send_back(self, design_id: str, reason: str, seen: Seen | None = None) -> Decision:
        """Its designer revises it with these words, and it is reviewed again; an approval or refusal no longer counts."""
        reason = words(reason, "what is wrong with it is not said")
        design = self.store.designs.get(design_id)
        newest = self.store.proposals.newest(design_id)
        if design.session_id is None or newest is None or design.kind is not Kind.AGENT:
            raise UsageError(f"no agent proposed {design_id}", "edit it yourself")
        if design.status in (Status.IMPLEMENTED, Status.VERIFIED):
            raise UsageError(f"{design_id} has checked code already", "start a session from it instead: python -m core design --parents " + design_id)
        if self.standing(design.session_id) == ("implementing", design.title) and design.status is not Status.FAILED and not self._live(design_id, JobKind.IMPLEMENT):
            raise UsageError(f"its session is writing the code of {design_id} at this moment", "edit the proposal, and its code is written for your revision; or refuse it")
        with self.store.together():
            made = self._judge(Verb.SEND_BACK, design_id, reason, seen, {"revision": newest.revision})
            self.queue.put(JobKind.REVISE, f"revise:{design_id}", {"design": design_id, "decision": made.id}, priority=5)
        return made

    def judge_all(self, verb: Verb, seen: Mapping[str, Seen | None], reason: str = "", implement: bool = False) -> Judged:
        """Approve or refuse several, each for itself: what somebody else decided meanwhile stays theirs, and is told. `seen`: design → what was seen of it."""
        done, failed = [], {}
        for design_id, last in seen.items():
            try:
                done.append(self.approve(design_id, reason, last, implement) if verb is Verb.APPROVE else self.refuse(design_id, reason, last))
            except ModelDiscoveryError as error:
                failed[design_id] = str(error)
        return Judged(tuple(done), failed)

    def looked_at(self, design_ids: Sequence[str]) -> dict[str, Seen]:
        """What there is to be seen of each now: a page shows it, and gives it back as `seen`."""
        last, revisions = self.store.decisions.last_of(design_ids, WEIGHTY), self.store.proposals.newest_revisions(design_ids)
        return {i: Seen(last.get(i, 0), revisions.get(i, 0)) for i in design_ids}

    def said_of_session(self, session_id: str) -> list[Decision]:
        """By persons, on its order, its gate and its proposals, oldest first, those too that were taken back. The number of the last is what a page shows, and gives as `seen`."""
        said = self.store.decisions.of(session_id=session_id, undone=True)
        for design in self.store.designs.of_session(session_id):
            said += self.store.decisions.of(design.id, undone=True)
        return [d for _, d in sorted({d.id: d for d in said}.items()) if d.verb in ON_SESSION and "by" not in d.data]

    def recheck(self, design_id: str, scale: str = "") -> Job:
        """Its newest code through the check once more, whatever the last one said: where the machine failed, not the block."""
        design, made = self.store.designs.get(design_id), self.store.implementations.newest(design_id)
        if made is None:
            raise UsageError(f"{design_id} has no code yet", f"python -m core implement {design_id}")
        scale = scale or (made.check.scale if made.check else self.scale_of(design))
        get_scale(self.scales, scale)
        return self.queue.put(JobKind.CHECK, f"check:{design_id}@{scale}", {"design": design_id, "scale": scale})

    # ------------------------------------------------------------------------------------------ foretelling, preferring

    def foretell(self, design_id: str, probability: float, scale: str = "", reference: str = REFERENCE) -> Decision:
        """That the design will beat the reference at the scale, from 0 to 1; scored once both are measured there. The last word before that counts."""
        design = self.store.designs.get(design_id)
        scale = scale or self.scale_of(design)
        get_scale(self.scales, scale)
        self.store.designs.get(reference)
        if not 0 <= probability <= 1:
            raise UsageError(f"a probability of {probability:g}", "give one between 0 and 1, or in percent with %")
        if design_id == reference:
            raise UsageError(f"{design_id} is the reference itself", "foretell another design")
        if scale in design.scores:
            raise Conflict(f"{design_id} was measured at {scale} already: {design.scores[scale]:.4f} bits per byte", "foretell it at a scale where it was not")
        return self.store.decisions.add(Verb.FORECAST, self.author, design_id=design_id, session_id=design.session_id,
                                        data={"reference": reference, "scale": scale, "probability": round(float(probability), 4)})

    def foretold(self, design_id: str) -> Decision | None:
        """This person's last forecast of the design."""
        return next((d for d in reversed(self.store.decisions.of(design_id)) if d.verb is Verb.FORECAST and d.author == self.author), None)

    def calibration(self) -> list[Record]:
        """Everybody's forecasts, persons' and reviewers', and what came of them."""
        scales = [s for s in self.scales if self.store.verifications.all(s)]
        noise = {s: self.noise(s).paired.sd for s in scales}
        return records(self.store.decisions.by_verb(Verb.FORECAST), self.store.reviews.forecasts(), self.store.designs.all(), noise,
                       {s.id: s.scale for s in self.store.sessions.all()})

    def agreement(self) -> Agreement:
        """How often persons, reviewers and results put two designs in the same order."""
        return agreement(self.store.decisions.by_verb(Verb.PREFER, Verb.RERANK, Verb.APPROVE, Verb.REFUSE)[-MOST:], [d for d in self.store.designs.all() if d.kind is Kind.AGENT], list(self.scales))

    def prefer(self, better: str, worse: Sequence[str]) -> Decision:
        """Which one would be trained, of two or more."""
        designs = [self.store.designs.get(i) for i in (better, *dict.fromkeys(worse))]
        if len(designs) < 2 or better in worse:
            raise UsageError(f"{better} is preferred to {'itself' if better in worse else 'nothing'}", "name another design")
        sessions = {d.session_id for d in designs}
        return self.store.decisions.add(Verb.PREFER, self.author, design_id=better, session_id=sessions.pop() if len(sessions) == 1 else None,
                                        data={"better": better, "worse": [d.id for d in designs[1:]]})

    def strengths(self, design_ids: Sequence[str]) -> dict[str, float]:
        """Design → how strongly people prefer it among these, 1 on average; those never met are left out."""
        return preferred(self.store.decisions.by_verb(Verb.PREFER), design_ids)

    def next_match(self, design_ids: Sequence[str], cards: int = 2, skipped: Sequence[frozenset[str]] = ()) -> tuple[str, ...]:
        """Those whose comparison tells most: met least, then closest; () where none is left."""
        return most_telling(self.store.decisions.by_verb(Verb.PREFER), design_ids, cards, skipped)

    # ------------------------------------------------------------------------------------------ what waits

    def inbox(self, passed_over: bool = False) -> Inbox:
        made = {s.verification_id: s for s in self.suspicious()}
        rows = {v.id: v for v in self.store.verifications.all()} if made else {}
        suspicious = [(i, s.design_id, s.words, rows[i].finished_at or rows[i].created_at) for i, s in made.items() if i in rows]
        return inbox(self.store, self.queue, self.gated(), suspicious, self.unconfirmed(), passed_over)

    def defer(self, item: str, mark: str = "", on: bool = True, design_id: str | None = None) -> Decision:
        """Out of the inbox until something about it changes (`mark`); with `on` false, back in."""
        return self.store.decisions.add(Verb.DEFER, self.author, design_id=design_id, data={"item": words(item, "nothing is named to put off"), "mark": mark, "on": on})

    def foreseen(self, design_ids: Sequence[str]) -> list[Foreseen]:
        """What letting these proposals go on will cost, each; designs without a proposal are left out."""
        about = []
        for design in self.store.designs.some(design_ids):
            proposal = self.store.proposals.newest(design.id)
            if proposal is not None:
                about.append((proposal, self.store.sessions.get(design.session_id) if design.session_id else None))
        return foreseen(self.store, self.agents(), self.scales, this_machine(self.config), about) if about else []

    # ------------------------------------------------------------------------------------------ taking back

    def undo(self, decision_id: int) -> Decision:
        """From now on it does not count; its row stays. What it had set going and has not begun is stopped, what it had stopped so is queued again."""
        with self.store.together() as c:
            self.store.database.serialise(c, f"undo:{decision_id}")
            decision = self.store.decisions.get(decision_id)
            if why := self._fixed(decision, self._undone()):
                raise Conflict(f"decision {decision_id} ({in_words(decision)}) cannot be taken back: {why}", "decide anew instead")
            self._stop(decision)
            self._resume(decision)
            if decision.verb is Verb.APPROVE:                    # the gate that it opened asks again
                for word in self._gate_words(decision):
                    self.undo(word.id)
            elif decision.verb is Verb.GATE:
                self.wake_run(decision.data["run"])
            return self.store.decisions.add(Verb.UNDO, self.author, design_id=decision.design_id, session_id=decision.session_id, data={"decision": decision_id})

    def undo_all(self, decision_ids: Sequence[int]) -> TakenBack:
        """Each for itself, the newest first: what stays is told, and keeps no other from being taken back."""
        done, failed = [], {}
        for decision_id in sorted(decision_ids, reverse=True):
            try:
                done.append(self.undo(decision_id))
            except ModelDiscoveryError as error:
                failed[decision_id] = str(error)
        return TakenBack(tuple(done), failed)

    def told(self, decision: Decision) -> str:
        """What was decided, in words."""
        return in_words(decision)

    def recent(self, limit: int = 20) -> list[Recent]:
        """What people decided last, newest first; a batch is one."""
        agents, undone = self.store.specs.names(), self._undone()
        said = [d for d in self.store.decisions.recent(limit * 20) if d.author not in agents and "by" not in d.data and d.verb is not Verb.UNDO]
        return [self._recent(batch, undone) for batch in gestures(said, undone)[:limit]]

    # ------------------------------------------------------------------------------------------ inside

    def _judge(self, verb: Verb, design_id: str, reason: str, seen: Seen | None, data: Json | None = None) -> Decision:
        design = self.store.designs.get(design_id)
        if design.kind is Kind.REFERENCE:
            raise UsageError(f"{design_id} is a reference", "references are not judged; comment on it instead")
        with self.store.together() as c:
            self.store.database.serialise(c, f"judge:{design_id}")
            self._unless_meanwhile(self._weighty(design_id), seen)
            self._unless_revised(design_id, seen)
            stopped = [] if verb is Verb.APPROVE else [j.id for j in self._live(design_id, JobKind.IMPLEMENT) if j.state is JobState.QUEUED]
            made = self.store.decisions.add(verb, self.author, design_id=design_id, reason=reason.strip(), data={**(data or {}), **({"stopped": stopped} if stopped else {})} or None)
            for job in stopped:                                  # code that nobody has begun to write, and nobody wants now
                self.queue.cancel(job)
            self.wake_run_of(design_id)
            return made

    @contextmanager
    def _unchanged(self, session_id: str, seen: Seen | None) -> Iterator[None]:
        """One transaction, in which nobody else judges the session's order, its gate or its proposals. Raises Conflict where somebody did after `seen`."""
        with self.store.together() as c:
            self.store.database.serialise(c, f"judge-session:{session_id}")
            for design_id in sorted(d.id for d in self.store.designs.of_session(session_id)):
                self.store.database.serialise(c, f"judge:{design_id}")
            self._unless_meanwhile(self.said_of_session(session_id), seen)
            yield

    def _unless_meanwhile(self, said: Sequence[Decision], seen: Seen | None) -> None:
        if seen is not None and said and (last := said[-1]).id > seen.decision:
            raise Conflict(f"{last.author} {self.told(last)} meanwhile" + (f": {last.reason}" if last.reason else ""), "your words are still there: look at it as it is now, then decide")

    def _unless_revised(self, design_id: str, seen: Seen | None) -> None:
        newest = self.store.proposals.newest(design_id) if seen and seen.revision else None
        if newest and newest.revision > seen.revision:
            raise Conflict(f"{newest.author} revised {design_id} meanwhile: revision {newest.revision} stands", "your words are still there: look at it as it is now, then decide")

    def _weighty(self, design_id: str) -> list[Decision]:
        return [d for d in self.store.decisions.of(design_id, undone=True) if d.verb in WEIGHTY]

    def _write_next(self, design_id: str) -> None:
        design = self.store.designs.get(design_id)
        waiting = [g for g in self.gated() if g.design == design_id and g.step == IMPLEMENT]
        if waiting:
            for g in waiting:
                self.let(g)                                  # the run's own worker goes on with it
        elif design.status in (Status.APPROVED, Status.FAILED):
            self.implement(design_id, self.scale_of(design))

    def scale_of(self, design: Design) -> str:
        """Where its session builds it; else the cheapest."""
        session = self.store.sessions.get(design.session_id) if design.session_id else None
        return session.scale if session and session.scale in self.scales else next(iter(self.scales))

    def _recent(self, batch: Sequence[Decision], undone: Mapping[int, Decision]) -> Recent:
        fixed = "" if any(not self._fixed(d, undone) for d in batch) else self._fixed(batch[0], undone)
        return Recent(tuple(batch), undone[batch[0].id].author if batch[0].id in undone else "", fixed)

    def _undone(self) -> dict[int, Decision]:
        return {d.data["decision"]: d for d in self.store.decisions.by_verb(Verb.UNDO)}

    def _fixed(self, d: Decision, undone: Mapping[int, Decision]) -> str:
        """Why a decision stays; "" where it may be taken back."""
        if d.id in undone:
            return f"{undone[d.id].author} took it back already"
        if d.verb not in UNDOABLE:
            return "what it set going cannot be unmade"
        if d.author in self.store.specs.names() or "by" in d.data:
            return "an agent made it"
        if d.verb is Verb.GATE and (why := self._passed(d)):
            return why
        if d.verb is Verb.APPROVE and any(self._passed(word) for word in self._gate_words(d)):
            return "its code is being written"
        if d.verb is Verb.APPROVE and (made := self.store.implementations.newest(d.design_id or "")) and made.created_at > d.created_at:
            return "its code was written meanwhile"
        if d.verb is Verb.SEND_BACK and (newest := self.store.proposals.newest(d.design_id or "")) and newest.revision > d.data.get("revision", newest.revision):
            return f"revision {newest.revision} came of it"
        if d.verb is Verb.FORECAST and d.data["scale"] in self.store.designs.get(d.design_id or "").scores:
            return "its result is there"
        return ""

    def _gate_words(self, approval: Decision) -> list[Decision]:
        """By which the same person let the design's code be written, since."""
        return [d for d in self.store.decisions.of(approval.design_id) if d.verb is Verb.GATE and d.id > approval.id and d.author == approval.author
                and d.data.get("let") and d.data["step"] == IMPLEMENT]

    def _passed(self, d: Decision) -> str:
        """Why a person's word at a gate stays."""
        if "subject" not in d.data:
            return "a gate's rule is set anew instead"
        entry = self._book(d.data["run"]).entries.get((d.data["step"], d.data["subject"]))
        return "it has begun" if entry and entry.began and d.data["let"] else ""

    def _stop(self, d: Decision) -> None:
        """What the decision set going and no worker has begun, or would do in vain."""
        kind = {Verb.APPROVE: JobKind.IMPLEMENT, Verb.SEND_BACK: JobKind.REVISE}.get(d.verb)
        for job in self._live(d.design_id or "", kind) if kind else ():
            if job.created_at >= d.created_at:
                self.queue.cancel(job.id)

    def _resume(self, d: Decision) -> None:
        """What the decision had stopped before it was begun."""
        for job in d.data.get("stopped", ()):
            if self.queue.get(job).state is JobState.CANCELLED:
                self.queue.retry(job)

    def _live(self, design_id: str, kind: JobKind) -> list[Job]:
        return [j for j in self.queue.all(limit=1000, states=(JobState.QUEUED, JobState.RUNNING)) if j.kind is kind and j.payload.get("design") == design_id]

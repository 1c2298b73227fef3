"""A person's verbs towards the agents: pause and go on, teach and take back. A part of the desk (core/desk.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.agents.spec import AgentSpec, TeamSpec, all_specs, all_teams
from core.agents.versions import Versions
from core.errors import Conflict, NotFound, UsageError
from core.guidance import Lesson, Lessons
from core.store.guidance import Use
from core.types import Decision, Job, JobState, Session, Verb

if TYPE_CHECKING:
    from core.config import Config
    from core.jobs import Queue
    from core.store import Store

__all__ = ["Directing", "Lesson", "Use"]


class Directing:
    """What it needs of the desk: store, queue, config, author, `_run`."""

    store: Store
    queue: Queue
    config: Config
    author: str

    def agents(self) -> Versions[AgentSpec]:
        """Every agent by name: the shipped ones, a person's versions laid over them."""
        return all_specs(self.config.specs_dir, self.config.own_specs_dir)

    def teams(self) -> Versions[TeamSpec]:
        return all_teams(self.config.specs_dir, self.config.own_specs_dir)

    def pause(self, session_id: str) -> Decision:
        """The session's agents stop before their next call; what they said stays."""
        session = self.store.sessions.get(session_id)
        if session.closed_at:
            raise Conflict(f"session {session_id} is closed", "there is nothing left to pause")
        return self.store.decisions.add(Verb.PAUSE, self.author, session_id=session_id, data={"on": True})

    def interrupt(self, session_id: str) -> Decision:
        """Stop the session's agents at once, in the middle of what they are saying: what was streamed of it is paid, and is said again when they go on."""
        said = self.pause(session_id)
        for job in self.queue.all(states=(JobState.QUEUED, JobState.RUNNING)):
            if job.subject == f"session:{session_id}":       # a run's job does other work too: there the agents stop before their next call
                self.queue.cancel(job.id)
        return said

    def go_on(self, session_id: str) -> Job:
        """Take a pause back, or try again after a budget was topped up: the session goes on from its last complete message."""
        session = self.store.sessions.get(session_id)
        if session.closed_at:
            raise Conflict(f"session {session_id} is closed", "start a new one")
        self.store.decisions.add(Verb.PAUSE, self.author, session_id=session_id, data={"on": False})
        return self._run(session)

    def wake(self, account: str) -> list[str]:
        """Hand the sessions that wait for this account to the workers, but for those that a person paused. Where it is still too little, they wait again."""
        waiting = [s for s in self.store.sessions.open() if (last := self.store.events.last(f"session:{s.id}", "phase")) and last.data["phase"] == "paused" and last.data.get("account") == account]
        found = [s for s in waiting if not self._held(s)]
        for session in found:
            self._run(session)
        return [s.id for s in found]

    def _held(self, session: Session) -> bool:
        words = [d for d in self.store.decisions.of(session_id=session.id) if d.verb is Verb.PAUSE]
        return bool(words and words[-1].data.get("on"))

    def standing(self, session_id: str) -> tuple[str, str]:
        """(phase, why) as its agents told last; ("", "") before they began."""
        last = self.store.events.last(f"session:{session_id}", "phase")
        if last is None:
            return "", ""
        phase, note = last.data["phase"], last.data["note"]
        return phase, (self._rests(session_id) if phase == "paused" else "") or note

    def _rests(self, session_id: str) -> str:
        """Why the session's job rests, and when it is taken up again; "" where none does."""
        subjects = (f"session:{session_id}", self.store.sessions.get(session_id).run_id)
        return next((job.note for job in self.queue.all(states=(JobState.QUEUED,)) if job.resting and job.subject in subjects), "")

    def guide(self, text: str) -> Decision:
        """A standing rule: it is in every prompt until it is switched off."""
        if not text.strip():
            raise UsageError("there is no rule", "write a few words")
        return self.store.decisions.add(Verb.GUIDE, self.author, reason=text.strip())

    def lessons(self) -> list[Lesson]:
        """What people taught the agents, newest first, and where it was used."""
        return Lessons(self.store).all()

    def repeating(self) -> dict[str, tuple[int, int]]:
        """Reviewer → (reviews in which it repeated itself, all of its reviews)."""
        found: dict[str, tuple[int, int]] = {}
        for name, stuck in self.store.reviews.stuck():
            again, total = found.get(name, (0, 0))
            found[name] = (again + bool(stuck), total + 1)
        return found

    def teach(self, decision_id: int, on: bool, text: str = "") -> Decision:
        """Switch a record that teaches off or on, or put it in other words; the decision itself stays as it was."""
        if not any(lesson.decision.id == decision_id for lesson in self.lessons()):
            raise NotFound(f"record {decision_id} teaches nothing", "see: python -m core agents lessons")
        return self.store.decisions.add(Verb.MUTE, self.author, data={"decision": decision_id, "on": on, "text": text.strip()})

    def _run(self, session: Session) -> Job:
        raise NotImplementedError

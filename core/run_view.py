"""How a run stands: its state in words, what it waits for, how far its budgets are spent, and when it ends at this rate. Derived from what is stored, never kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from statistics import fmean

from core.estimates import took
from core.store import Store
from core.types import (
    DESIGN_BUDGET,
    MONEY,
    TOKENS,
    Account,
    Act,
    CallState,
    Decision,
    Explanation,
    Job,
    JobState,
    Json,
    Session,
    Spent,
    Verb,
)

RECENT = 20          # acts from which the rate is taken
QUIET_S = 20.0       # a call to a model is told of from here on
LIVE = (JobState.QUEUED, JobState.RUNNING)


class RunState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    PAUSING = "pausing"      # the act under way goes on to its end
    PAUSED = "paused"
    WAITING = "waiting"      # for a person, or for what paused its session
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True)
class RunView:
    id: str
    state: RunState
    words: str                       # what it does, or why it does nothing
    settings: Json
    begun: datetime
    worked: float                    # seconds in which a worker had it
    job: Job                         # the newest
    accounts: Mapping[str, Account]  # without the run's name
    spent: Spent                     # on language models
    stepping: bool                   # it pauses after this act
    sessions: tuple[Session, ...]    # newest first

    @property
    def live(self) -> bool:
        return self.job.state in LIVE


@dataclass(frozen=True)
class Why:
    """One choice, and why."""

    act: Act
    subject: str
    chosen: Json
    by_person: bool
    explanation: Explanation
    at: datetime

    @property
    def words(self) -> str:
        if self.act is Act.VERIFY:
            return f"verify {self.chosen['design']} at {self.chosen['scale']}, seed {self.chosen.get('seed', 0)}"
        return f"session {self.subject}: {self.chosen['mode']}{' of ' * bool(self.chosen['parents'])}{', '.join(self.chosen['parents'])}"


@dataclass(frozen=True)
class Stall:
    """Something that the run waits for."""

    kind: str                        # call, session, job, failed or worker
    what: str                        # in words: "openai:gpt-5 (designer)"
    why: str
    since: datetime
    session: str = ""
    agent: str = ""                  # whose model can be switched
    model: str = ""


@dataclass(frozen=True)
class Progress:
    """At the rate of the last acts; `ends` is None where nothing tells yet."""

    parts: tuple[tuple[str, float, float], ...]       # (account, used, granted)
    acts: int
    seconds: float | None            # left, at most: a budget need not be used up
    ends: datetime | None
    words: str                                        # until when, is `until`

    @property
    def until(self) -> str:
        """For a run that goes on: one that waits for a person ends when they please."""
        return f", at this rate until about {self.ends.astimezone():%a %H:%M}" if self.ends else ""


def view(store: Store, jobs: Sequence[Job], run_id: str, settings: Json, gated: Callable[[], int], workers: Collection[str]) -> RunView:
    """`jobs` are the run's, newest first; `gated` counts what waits at its gates, and is asked where nothing runs. `workers`: the names of those that live."""
    prefix = f"{run_id}/"
    accounts = {a.name.removeprefix(prefix): a for a in store.ledger.accounts() if a.name.startswith(prefix)}
    sessions = tuple(s for s in store.sessions.all() if s.run_id == run_id)
    pause = next((d for d in reversed(store.decisions.of(session_id=run_id)) if d.verb is Verb.PAUSE), None)
    now = datetime.now(UTC)
    worked = sum(((j.finished_at or now) - j.started_at).total_seconds() for j in jobs if j.started_at)
    active = standing(jobs)
    state, words = _state(active, pause, gated, sessions, store, workers)
    if state is RunState.RUNNING and len(notes := [j.note for j in jobs if j.state is JobState.RUNNING and j.note]) > 1:
        words = "; ".join(reversed(notes))
    return RunView(run_id, state, words, settings, jobs[-1].created_at, worked, active, accounts, store.calls.spent(run=run_id),
                   bool(pause and pause.data.get("step") and not pause.data.get("on")), sessions)


def standing(jobs: Sequence[Job]) -> Job:
    """The job that tells how a run stands: one that runs, else one that waits, else the one that ended last and left none behind. `jobs`: newest first."""
    for state in (JobState.RUNNING, JobState.QUEUED):
        if live := [j for j in jobs if j.state is state]:
            return next((j for j in live if not j.resting and not j.cancel_requested), live[0])
    last = [j for j in jobs if not j.result.get("others")] or list(jobs)
    return max(last, key=lambda j: (j.finished_at or j.created_at, j.id))


def _state(job: Job, pause: Decision | None, gated: Callable[[], int], sessions: Sequence[Session], store: Store, workers: Collection[str]) -> tuple[RunState, str]:
    on = bool(pause and pause.data.get("on"))
    by = pause.reason or f"by {pause.author}" if pause else ""
    if job.state is JobState.RUNNING and job.worker not in workers and not job.cancel_requested:
        return RunState.QUEUED, "its worker is gone: another goes on from what is stored" + ("" if workers else ", and none is running")
    if job.state is JobState.RUNNING:
        if job.cancel_requested:
            return RunState.PAUSING, "what runs is being stopped"
        return (RunState.PAUSING, "it pauses after what is under way: " + (job.note or "beginning")) if on else (RunState.RUNNING, job.note or "beginning")
    if on:
        return RunState.PAUSED, f"paused: {by}"
    if job.resting:
        return RunState.WAITING, job.note
    if job.state is JobState.QUEUED:
        return RunState.QUEUED, "waits for a worker" if workers else "waits for a worker, and none is running"
    if job.state is JobState.FAILED:
        return RunState.FAILED, job.error
    if job.state is JobState.CANCELLED:
        return RunState.STOPPED, "stopped; what was done is kept"
    if job.result.get("outcome") == "waiting":
        return RunState.WAITING, _waits_for(store, gated(), sessions)
    ended = store.events.last(f"run:{job.payload['run']}", "ended")
    return RunState.DONE, ended.data["why"] if ended and ended.data["why"] else "its budgets are spent, or nothing is left to do with them"


def _waits_for(store: Store, gated: int, sessions: Sequence[Session]) -> str:
    told = [f"{gated} thing{'s' if gated > 1 else ''} at its gates wait{'' if gated > 1 else 's'} for you"] if gated else []
    told += [f"session {s.id} is paused: {last.data['note']}" for s in sessions
             if s.closed_at is None and (last := store.events.last(f"session:{s.id}", "phase")) and last.data["phase"] == "paused"]
    return "; ".join(told) or "waits for you: see its session"


def whys(store: Store, run_id: str, limit: int) -> list[Why]:
    return [Why(Act(e.data["act"]), e.data["subject"], e.data["chosen"], bool(e.data.get("decision")), Explanation.from_dict(e.data), e.created_at)
            for e in store.events.recent(f"run:{run_id}", "why", limit)]


def stalls(store: Store, jobs: Sequence[Job], run_id: str, workers: Collection[str]) -> list[Stall]:
    now = datetime.now(UTC)
    live = [j for j in jobs if j.state in LIVE and not j.resting]
    found = [Stall("call", f"{c.model} ({c.author})", f"try {c.attempt} of {c.key}", c.started_at, c.stream.removeprefix("session:"), c.author, c.model)
             for c in store.calls.all_open() if c.run_id == run_id and (now - c.started_at).total_seconds() >= QUIET_S]
    if not live and jobs[0].state is JobState.FAILED:
        found.append(Stall("failed", "the run failed", jobs[0].error, jobs[0].finished_at or jobs[0].created_at))
    if live and all(j.state is JobState.RUNNING and j.worker not in workers for j in live):
        found.append(Stall("worker", "a worker", "the one that had the run is gone", live[-1].started_at or live[-1].created_at))
    if live and all(j.state is JobState.QUEUED for j in live):
        found.append(Stall("worker", "a worker", "none has taken the run up", live[-1].created_at))
    for session in store.sessions.open(run_id):
        last = store.events.last(f"session:{session.id}", "phase")
        if not live and last and last.data["phase"] == "paused":
            failed = [c for c in store.calls.of_stream(f"session:{session.id}")[-1:] if c.state in (CallState.FAILED, CallState.CUT)]
            agent, model = (failed[0].author, failed[0].model) if failed else ("", "")
            found.append(Stall("session", f"session {session.id}", last.data["note"], last.created_at, session.id, agent, model))
    return sorted(found, key=lambda stall: stall.since)


def forecast(store: Store, run_id: str, scales: Sequence[str], foreseen: Callable[[str], float]) -> Progress:
    """Design sessions at the mean of the last ones; verifications at what an estimate says (core/estimates.py), `foreseen(scale)` seconds each."""
    prefix = f"{run_id}/"
    accounts = {a.name.removeprefix(prefix): a for a in store.ledger.accounts() if a.name.startswith(prefix)}
    acts = store.events.recent(f"run:{run_id}", "act", 1000)
    parts = tuple((name, a.spent, a.granted) for name, a in accounts.items() if a.granted)
    design = [e.data["seconds"] for e in acts if e.data["act"] == Act.DESIGN][:RECENT]
    left = {name: max(0.0, a.granted - a.spent) for name, a in accounts.items()}
    sessions, limit = left.get(DESIGN_BUDGET, 0.0), ""
    spent = store.calls.spent(run=run_id)
    done = sum(e.data["act"] == Act.DESIGN for e in acts)
    for name, used in ((MONEY, spent.money), (TOKENS, float(spent.tokens))):
        if name in left and used and done and left[name] / (used / done) < sessions:
            sessions, limit = left[name] / (used / done), f"; its {name} runs out after about {left[name] / (used / done):.0f} more sessions"
    verifying = sum(left.get(scale, 0.0) * foreseen(scale) for scale in scales if left.get(scale))
    if sessions and not design:
        return Progress(parts, len(acts), None, None, "how long a session takes is known after the first" + limit)
    seconds = sessions * (fmean(design) if design else 0.0) + verifying
    ends = datetime.now(UTC) + timedelta(seconds=seconds)
    rate = f"{fmean(design):.0f} s a session; " if design else ""
    words = f"{rate}at most {took(seconds)} of work left{limit}" if seconds else "nothing left to spend" + limit
    return Progress(parts, len(acts), seconds, ends if seconds else None, words)

"""What waits for a person: pure reads of store and queue. Each item has a key that stays, and a mark that changes when something about it does: a deferral holds for its mark.

What waits: proposals to judge, reviews in dispute, agents that fell silent or were put aside, code that failed its check, budgets that run out, sessions and steps at a gate,
scores too good to believe, the best of runs on too few seeds, jobs that failed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from statistics import fmean

from core.confirming import Unconfirmed
from core.gates import IMPLEMENT, Gated
from core.jobs import Queue
from core.store import Store
from core.store.waiting import FailedCode, Opinions
from core.types import DESIGN_BUDGET, MONEY, TOKENS, CheckReport, Decision, Design, Job, JobKind, JobState, Json, Session, Status, Verb

APART = 1.5          # of 5: two reviewers further apart than this are in dispute
LOW = 0.1            # of what was granted: a budget with less left runs out
SILENT = timedelta(minutes=10)       # of a job under way: longer than a language model's slowest answer
FAILED_LATELY = timedelta(days=14)
LIVE = (JobState.QUEUED, JobState.RUNNING)
# What is said where the jail or its limits, not the block's arithmetic, ended a check (core/sandbox).
ODD = ("sandbox", "stopped after", "out of memory", "stream ended", "keep the protocol", "parent process", "killed")


class Waits(StrEnum):
    DISPUTE = "reviews in dispute"
    PROPOSAL = "proposal to judge"
    SESSION = "session at its gate"
    GATE = "step at a gate"
    PAUSED = "session put aside"
    STUCK = "silent agents"
    BUDGET = "budget running out"
    CHECK = "code that failed"
    AUDIT = "score too good"
    CONFIRM = "best of a run"
    JOB = "job that failed"


@dataclass(frozen=True)
class Item:
    """One thing that waits. Which of the ids it has follows from its kind."""

    key: str
    kind: Waits
    title: str
    why: str                         # it waits, in words
    since: datetime
    mark: str = ""
    design: str = ""
    session: str = ""
    run: str = ""
    account: str = ""
    job: int = 0
    verification: int = 0
    gated: Gated | None = None
    status: Status | None = None
    data: Json = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Inbox:
    items: tuple[Item, ...]          # disputes first, then the order of `Waits`, the longest waiting first
    deferred: tuple[Item, ...]
    with_agents: tuple[str, ...]     # designs that were sent back and are being revised

    def counts(self) -> dict[Waits, int]:
        return {kind: n for kind in Waits if (n := sum(item.kind is kind for item in self.items))}


def inbox(store: Store, queue: Queue, gated: Sequence[Gated] = (), suspicious: Sequence[tuple[int, str, str, datetime]] = (),
          unconfirmed: Sequence[Unconfirmed] = (), passed_over: bool = False) -> Inbox:
    """`gated`: what stands at the runs' gates; `suspicious`: (verification, design, why, when); `unconfirmed`: what runs ended with; `passed_over`: also proposals that a closed session left unjudged."""
    live = queue.all(limit=1000, states=LIVE)
    open_ = store.sessions.open()
    sent = {d.design_id: d for d in store.decisions.by_verb(Verb.SEND_BACK) if d.design_id}
    closed = [s.id for s in store.sessions.all(limit=200) if s.closed_at] if passed_over else []
    designs = store.designs.of_sessions([s.id for s in open_] + closed)
    ours = {d.id for d in designs}
    designs += store.designs.some([i for i in sent if i not in ours])
    revising = {j.payload["design"] for j in live if j.kind is JobKind.REVISE}
    phases = store.waiting.phases([s.id for s in open_])
    opinions = store.waiting.opinions([d.id for d in designs])
    at_gates = {g.design: g for g in gated if g.design and g.step == IMPLEMENT and not g.held}
    working = {s.id for s in open_ if _worked_on(s, live, phases)}
    busy = {j.payload.get("design") for j in live if j.kind in (JobKind.IMPLEMENT, JobKind.CHECK, JobKind.REVISE)}
    failed = _failed_jobs(queue)
    found = [
        *(proposals := list(_proposals(designs, opinions, sent, busy, working, set(closed), at_gates))),
        *_sessions([s for s in open_ if s.id not in {g.session for g in gated}], designs, phases, working, {j.subject for j in failed}),
        *(_gated(g) for g in gated if not g.held and g.subject not in {p.gated.subject for p in proposals if p.gated}),
        *_budgets(store, bool(open_) or bool(live)),
        *_silent(store, queue, open_, live),
        *_failed_code(store, [f for f in store.waiting.failed_code() if f.design_id not in opinions or opinions[f.design_id].created_at < f.at], busy),
        *(_too_good(*s) for s in suspicious),
        *(_unconfirmed(u) for u in unconfirmed),
        *(_failed_job(j) for j in failed)]
    order = list(Waits)
    found.sort(key=lambda item: (order.index(item.kind), not item.data.get("odd"), item.since))
    later = {d.data.get("item"): d for d in store.decisions.by_verb(Verb.DEFER)}
    put_off = {item.key for item in found if (d := later.get(item.key)) and d.data.get("on") and d.data.get("mark", "") == item.mark}
    return Inbox(tuple(i for i in found if i.key not in put_off), tuple(i for i in found if i.key in put_off), tuple(sorted(revising)))


def in_dispute(opinions: Opinions) -> str:
    """Why a person should look, in words; "" where the reviewers agree."""
    last = {name: (rating, data) for name, rating, data in opinions.reviews}
    stuck = [name for name, (_, data) in last.items() if data.get("stuck") == 2]
    if stuck:
        return f"{stuck[0]} repeats itself for the second time, so its rating says nothing"
    rated = sorted((rating, name) for name, (rating, _) in last.items())
    if len(rated) > 1 and rated[-1][0] - rated[0][0] >= APART:
        return f"{rated[0][1]} rates it {rated[0][0]:.1f}, {rated[-1][1]} {rated[-1][0]:.1f} of 5"
    return ""


def odd(report: CheckReport) -> str:
    """What failed strangely: the jail or its limits rather than the block's own answer; "" where it failed plainly."""
    for result in report.failures:
        if any(word in result.evidence.lower() for word in ODD):
            return f"{result.name}: {result.evidence.splitlines()[0][:200] if result.evidence else ''}"
    return "" if report.failures else "no check says why"


# ------------------------------------------------------------------------------------------------ one kind each


def _proposals(designs: Sequence[Design], opinions: Mapping[str, Opinions], sent: Mapping[str, Decision], busy: set[str | None], working: set[str], closed: set[str],
               at_gates: Mapping[str, Gated]) -> Iterator[Item]:
    for d in designs:
        about = opinions.get(d.id)
        back, gate = sent.get(d.id), at_gates.get(d.id)
        mended = back is not None and about is not None and d.status is Status.FAILED and about.created_at > back.created_at
        if about is None or d.id in busy or not (d.status is Status.PROPOSED or mended):
            continue
        if d.session_id in working and not about.reviewed and back is None:
            continue                                     # its agents are not done with it
        dispute = in_dispute(about)
        rated = f"rated {fmean(r for _, r, _ in about.reviews):.1f} of 5" if about.reviews else "nobody has reviewed it"
        why = dispute or rated
        if back is not None:
            came = about.created_at > back.created_at
            why = (f"revised after {back.author} sent it back, {rated}" if came else "sent back; its designer stands by it, or could not revise it") + (f"; {dispute}" if dispute else "")
        elif gate is not None:
            why = f"{why}; its run waits: {gate.why}"
        elif d.session_id in closed:
            why = f"{rated}; its session went on without it"
        mark = f"r{about.revision}.{len(about.reviews)}.{d.status}"
        yield Item(f"proposal:{d.id}", Waits.DISPUTE if dispute else Waits.PROPOSAL, d.title, why, max(about.created_at, back.created_at) if back else about.created_at, mark,
                   design=d.id, session=d.session_id or "", run=gate.run if gate else "", gated=gate, status=d.status)


def _sessions(open_: Sequence[Session], designs: Sequence[Design], phases: Mapping[str, tuple[Json, datetime]], working: set[str], failed: set[str]) -> Iterator[Item]:
    for s in open_:
        if s.id in working or s.id not in phases or f"session:{s.id}" in failed:
            continue
        phase, since = phases[s.id]
        own = [d for d in designs if d.session_id == s.id]
        left = sum(d.status is Status.PROPOSED for d in own)
        title = f"Session {s.id}: {s.mode}{' of ' * bool(s.parents)}{', '.join(s.parents)}"
        if phase["phase"] in ("waiting", "implementing"):      # the latter: a worker died on one of its designs
            told = f"{len(own)} proposal{'s' * (len(own) != 1)}, {f'{left} of them not judged yet' if left else 'all judged'}"
            yield Item(f"session:{s.id}", Waits.SESSION, title, told, since, f"{len(own)}.{left}", session=s.id, run=s.run_id or "", data={"open": left})
        elif phase["phase"] == "paused":
            yield Item(f"session:{s.id}", Waits.PAUSED, title, phase.get("note", ""), since, since.isoformat(), session=s.id, run=s.run_id or "", account=phase.get("account", ""))


def _gated(g: Gated) -> Item:
    words = g.words
    return Item(f"gate:{g.run}/{g.step}/{g.subject}", Waits.GATE, words[:1].upper() + words[1:], g.why, g.since, design=g.design or "", session=g.session, run=g.run, gated=g)


def _budgets(store: Store, needed: bool) -> Iterator[Item]:
    """What runs out while something may want it; a run's own accounts too."""
    for a in store.ledger.accounts() if needed else ():
        if a.granted > 0 and a.left <= LOW * a.granted and (a.spent or a.reserved) and (a.name in (MONEY, TOKENS, DESIGN_BUDGET) or "/" not in a.name or a.name.endswith((MONEY, TOKENS))):
            why = f"{_amount(a.name, a.left)} left of {_amount(a.name, a.granted)}, {_amount(a.name, a.reserved)} reserved"
            yield Item(f"budget:{a.name}", Waits.BUDGET, f"The budget of {a.name}", why, datetime.now(UTC), f"{a.granted:g}/{a.left > 0}", account=a.name)


def _silent(store: Store, queue: Queue, open_: Sequence[Session], live: Sequence[Job]) -> Iterator[Item]:
    """Sessions whose job is under way and says nothing, and those that no job will go on with."""
    heard = store.waiting.last_heard([f"session:{s.id}" for s in open_])
    now = datetime.now(UTC)
    for s in open_:
        jobs = [j for j in live if j.subject == f"session:{s.id}" and j.state is JobState.RUNNING]
        last = heard.get(f"session:{s.id}")
        if jobs and last and now - last > SILENT:
            minutes = (now - last).total_seconds() / 60
            yield Item(f"silent:{s.id}", Waits.STUCK, f"Session {s.id}", f"its agents have said nothing for {minutes:.0f} min ({jobs[0].note or 'at work'})", last, last.isoformat(), session=s.id, job=jobs[0].id)


def _failed_code(store: Store, failed: Sequence[FailedCode], busy: set[str | None]) -> Iterator[Item]:
    recent = [f for f in failed if datetime.now(UTC) - f.at < FAILED_LATELY and f.design_id not in busy]
    alive = {d.id: d for d in store.designs.some([f.design_id for f in recent]) if d.status is Status.FAILED}
    for f in recent:
        if f.design_id in alive:
            strange = odd(f.report)
            first = f.report.failures[0] if f.report.failures else None
            plain = f"{first.name}: {(first.evidence.splitlines() or [''])[0][:200]}" if first else ""
            yield Item(f"code:{f.design_id}", Waits.CHECK, alive[f.design_id].title, f"failed oddly: {strange}" if strange else plain, f.at, f"c{f.check_id}", design=f.design_id,
                       session=alive[f.design_id].session_id or "", status=Status.FAILED, data={"odd": bool(strange), "revision": f.revision, "author": f.author, "scale": f.report.scale})


def _too_good(verification: int, design: str, why: str, since: datetime) -> Item:
    return Item(f"audit:{verification}", Waits.AUDIT, f"Verification {verification} of {design}", why, since, why, design=design, verification=verification)


def _unconfirmed(u: Unconfirmed) -> Item:
    c = u.found
    why = f"{c.words[:1].upper()}{c.words[1:].rstrip('.')}. Too few seeds are of both, and the best of many looks better than it is."
    return Item(f"confirm:{u.run}", Waits.CONFIRM, f"{c.design_id} at {c.scale}, the best of {u.run}", why, u.ended, f"{u.what}.{len(c.own)}.{len(c.base)}",
                design=c.design_id, run=u.run, data={"what": u.what, "scale": c.scale, "reference": c.reference, "seeds": dict(u.seeds), "small": u.small})


def _failed_jobs(queue: Queue) -> list[Job]:
    """Failed lately, and not followed by another of the same subject."""
    newest: dict[tuple[JobKind, str], Job] = {}
    for job in queue.all(limit=500):
        newest.setdefault((job.kind, job.subject), job)
    edge = datetime.now(UTC) - FAILED_LATELY
    return [j for j in newest.values() if j.state is JobState.FAILED and j.kind is not JobKind.TRY and (j.finished_at or j.created_at) > edge]


def _failed_job(job: Job) -> Item:
    return Item(f"job:{job.kind}:{job.subject}", Waits.JOB, f"{str(job.kind).capitalize()} {job.subject.partition(':')[2] or job.subject}", job.error, job.finished_at or job.created_at,
                str(job.id), design=str(job.payload.get("design", "")), session=str(job.payload.get("session", "")), job=job.id)


def _worked_on(session: Session, live: Sequence[Job], phases: Mapping[str, tuple[Json, datetime]]) -> bool:
    at_rest = session.id in phases and phases[session.id][0]["phase"] in ("waiting", "paused")
    return any(j.subject == f"session:{session.id}" or (j.subject == session.run_id and not at_rest) for j in live)


def _amount(account: str, value: float) -> str:
    kind = account.rpartition("/")[2]
    return f"${value:,.2f}" if kind == MONEY else f"{value:,.0f} tokens" if kind == TOKENS else f"{value:g}"



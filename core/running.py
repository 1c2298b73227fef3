"""A person's verbs towards a run of ALG 1: start, pause, resume, step, stop; its gates; another choice than the selector's; retry and skip. A part of the desk (core/desk.py).

Whatever may let a run go on hands it to the workers in the same transaction. A worker that is about to end could overlook it: so another job of the run is queued behind
a running one (payload["line"]: never two at once), and looks again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from core.asked import implied_mode
from core.beginning import Beginning
from core.confirming import Confirming
from core.errors import Conflict, NotFound, UsageError
from core.gab.scales import get_scale
from core.gates import VERIFY, Gated, Rule, checked_rule, checked_step
from core.jobs import Queue
from core.jobs.hands import AGAIN, Held, call, in_hand, run_of, subjects
from core.measures import Measures, measures
from core.morning import Morning, morning
from core.pacing import pending_choice, still_asked
from core.run_view import Progress, RunState, RunView, Stall, Why, forecast, stalls, standing, view, whys
from core.selection.wishes import words
from core.store import Store
from core.store.gates import Book, Entry, defaults
from core.types import DESIGN_BUDGET, Act, Decision, Job, JobKind, JobState, Json, Scale, Session, Status, Verb

if TYPE_CHECKING:
    from core.agents.spec import AgentSpec
    from core.agents.versions import Versions
    from core.calibration import Record
    from core.config import Config
    from core.estimates import Estimate
    from core.evidence import Comparison

__all__ = ["Gated", "Morning", "Progress", "Rule", "RunState", "RunView", "Running", "Stall", "Why"]

LIVE = (JobState.QUEUED, JobState.RUNNING)


class Running(Confirming, Beginning):
    """What it needs of the desk: store, queue, scales, config, author, crew, estimate, agents, save_agent, `_parent`, wake."""

    store: Store
    queue: Queue
    scales: dict[str, Scale]
    config: Config
    author: str

    if TYPE_CHECKING:
        def crew(self, agents: str, designer: str = "", reviewer: str = "") -> Json: ...
        def estimate(self, design_ids: Sequence[str], scale: str) -> Estimate: ...
        def compare(self, design_id: str, scale: str, *, corpus: str | None = None) -> Comparison: ...
        def calibration(self) -> list[Record]: ...
        def agents(self) -> Versions[AgentSpec]: ...
        def save_agent(self, name: str, files: Mapping[str, str]) -> AgentSpec: ...
        def _parent(self, design_id: str) -> None: ...

    # ------------------------------------------------------------------------------------------ pause, resume, step

    def pause_run(self, run_id: str) -> Decision:
        """After the act under way: agents stop before their next call, a training goes on to its end."""
        self.run_settings(run_id)
        return self._pause(run_id, {"on": True})

    def resume_run(self, run_id: str) -> Job:
        """Go on after a pause, a stop or a failure, from what is stored."""
        return self._go_on(run_id, {"on": False})

    def step_run(self, run_id: str) -> Job:
        """Do exactly one act, a design session or a verification, then pause. While it runs, that is the act under way."""
        return self._go_on(run_id, {"on": False, "step": True})

    def stop_run(self, run_id: str) -> None:
        """Pause, and stop what runs now; a training goes on from its checkpoint when the run is resumed."""
        self.pause_run(run_id)
        for job in self._jobs(run_id):
            if job.state in LIVE:
                self.queue.cancel(job.id)

    def retry_run(self, run_id: str) -> Job:
        """Stop what it waits for, and have a worker take it up again from what is stored."""
        for job in self._jobs(run_id):
            if job.state is JobState.RUNNING:
                self.queue.cancel(job.id)
        return self._go_on(run_id, {"on": False})

    def run_settings(self, run_id: str) -> Json:
        """As it was begun: seed, selector, team, … Raises NotFound."""
        jobs = self._jobs(run_id)
        if not jobs:
            raise NotFound(f"there is no run {run_id!r}", "list them: python -m core runs")
        return {**{name: value for name, value in jobs[-1].payload.items() if name != "helps"}, "line": run_id}

    def run_scales(self, settings: Json) -> list[str]:
        """Those that the run may verify at: of its beginning, and what was given a budget since."""
        prefix = f"{settings['run']}/"
        opened = [a.name.removeprefix(prefix) for a in self.store.ledger.accounts() if a.name.startswith(prefix)]
        return [*settings["scales"], *(name for name in self.scales if name in opened and name not in settings["scales"])]

    def put_run(self, run_id: str) -> Job:
        """Have a worker look at it: a job that waits is enough, one that runs may have looked already. Where the run's own job is busy, an idle worker looks at once."""
        settings = self.run_settings(run_id)
        with self.store.together() as c:
            self.store.database.serialise(c, f"run:{run_id}")
            live = {job.subject: job for job in self.queue.live_of([run_id, run_id + AGAIN])}
            waiting = [job for job in live.values() if job.state is JobState.QUEUED]
            subject = waiting[0].subject if waiting else run_id + AGAIN if run_id in live else run_id
            made = self.queue.put(JobKind.EVOLVE, subject, settings, max_attempts=5)
            if subject == run_id + AGAIN:
                call(self.queue, run_id, settings)
            return made

    def under_way(self, run_id: str) -> dict[int, Held]:
        """What the run's workers do now, by job."""
        return in_hand(self.store, self.queue, run_id)

    # ------------------------------------------------------------------------------------------ gates

    def gate_rules(self, run_id: str) -> dict[str, Rule]:
        """Step → rule, of every step that the run has."""
        book, settings = self._book(run_id), self.run_settings(run_id)
        return {step: book.rule(step) for step in ("propose", "implement", *(f"{VERIFY}:{scale}" for scale in self.run_scales(settings)))}

    def set_gate(self, run_id: str, step: str, rule: Rule) -> Decision:
        """From now on; what waits and may go on by the new rule is taken up by a worker."""
        checked_step(step, self.scales)
        rule = checked_rule(step, rule)
        with self.store.together():
            self.run_settings(run_id)
            said = self.store.gates.switch(run_id, step, rule, self.author)
            self.wake_run(run_id)
        return said

    def gated(self, run_id: str = "", held: bool = False) -> list[Gated]:
        """What waits for a person at the gates of a run (of all runs), oldest first; with `held`, also what they said no to."""
        found = []
        for run in [run_id] if run_id else self.run_ids():
            if run_id or not self._is_over(run):
                book = self._book(run)
                found += [self._gated(run, entry, book) for entry in book.closed() if (held or not entry.held) and still_asked(self.store, run, entry, book)]
        return sorted(found, key=lambda gated: gated.since)

    def let(self, gated: Gated, reason: str = "") -> Decision:
        """Let it through: a worker begins it next, as far as the budget goes."""
        return self._answer(gated, True, reason)

    def hold(self, gated: Gated, reason: str = "") -> Decision:
        """Not this one: the run goes on without it. It can be let through later."""
        return self._answer(gated, False, reason)

    def find_gated(self, run_id: str, subject: str) -> Gated:
        """By its subject, or its design. Raises NotFound."""
        waiting = self.gated(run_id, held=True)
        found = next((g for g in waiting if subject in (g.subject, g.design, g.session)), None)
        if found is None:
            raise NotFound(f"nothing named {subject!r} waits at a gate of {run_id}", f"waiting: {', '.join(g.subject for g in waiting) or 'nothing'}")
        return found

    # ------------------------------------------------------------------------------------------ another choice than the selector's

    def choose_parents(self, run_id: str, parents: Sequence[str]) -> Decision:
        """The next session of the run starts from these."""
        for parent in parents:
            self._parent(parent)
        mode = implied_mode(parents)
        return self._choose(run_id, Act.DESIGN, {"mode": str(mode), "parents": list(dict.fromkeys(parents))})

    def choose_verification(self, run_id: str, design_id: str, scale: str) -> Decision:
        """The next verification of the run is this one, whatever its gate; it is a unit of the run's budget there."""
        get_scale(self.scales, scale)
        if self.store.designs.get(design_id).status not in (Status.IMPLEMENTED, Status.VERIFIED):
            raise UsageError(f"{design_id} has no code that passed its check", f"python -m core implement {design_id}")
        if self.store.ledger.account(f"{run_id}/{scale}").left < 1:
            raise UsageError(f"the budget of {run_id} at {scale} is spent", f"raise it: python -m core budget {run_id}/{scale} NUMBER")
        return self._choose(run_id, Act.VERIFY, {"design": design_id, "scale": scale})

    def unchoose(self, run_id: str, act: Act) -> Decision:
        """Leave it to the selector again."""
        return self._choose(run_id, act, {"off": True})

    def chosen(self, run_id: str) -> list[Decision]:
        """Choices that no act has taken yet."""
        return [d for act in Act if (d := pending_choice(self.store, run_id, act))]

    # ------------------------------------------------------------------------------------------ so that nothing stalls silently

    def skip_session(self, run_id: str, session_id: str, reason: str = "") -> None:
        """Close a session of the run as it is, and go on with the next act. What it proposed stays; it is paid for only where it proposed anything."""
        session = self.store.sessions.get(session_id)
        if session.run_id != run_id or session.closed_at:
            raise Conflict(f"session {session_id} is no open session of {run_id}", f"see: python -m core run show {run_id}")
        running = [job for job, held in self.under_way(run_id).items() if held.subject == session_id]
        with self.store.together():
            account = f"{run_id}/{DESIGN_BUDGET}"
            if self.store.designs.of_session(session_id) and self.store.ledger.reserved(account, session_id):
                self.store.ledger.spend(account, session_id)
            else:
                self.store.ledger.release(account, session_id)
            self.store.sessions.close(session_id)
            self.store.events.append(f"session:{session_id}", "phase", self.author, {"phase": "closed", "note": reason.strip() or f"passed over by {self.author}"})
        for job in running:
            self.queue.cancel(job)
        self.wake_run(run_id)

    def skip_verification(self, run_id: str, reason: str = "", subject: str = "") -> Decision:
        """Pass over a verification under way: the one of that subject or design, else the one begun last. Its budget is given back."""
        found = [(job, held) for job, held in self.under_way(run_id).items() if held.act is Act.VERIFY and (not subject or subject in (held.subject, held.design))]
        if not found:
            raise Conflict(f"{run_id} verifies {subject or 'nothing'}{' not' if subject else ''} now", f"see: python -m core run show {run_id}")
        job, held = found[-1]
        said = self.store.gates.say(run_id, f"{VERIFY}:{held.scale}", held.subject, False, self.author, reason, held.design)
        self.queue.cancel(job)
        self._go_on(run_id, {"on": False})
        return said

    def switch_model(self, agent: str, model: str) -> AgentSpec:
        """The agent asks another model from its next conversation on, in this and every run; those that it began keep theirs. `model`: provider:model or tier:NAME."""
        specs = self.agents()
        specs.refuse_unreadable(agent)
        files = dict(specs[agent].files()) if agent in specs else {}
        path = next((p for p in files if p.endswith(f"{agent}.yaml")), None)
        if path is None or not re.search(r"(?m)^model:.*\n", files[path]):
            raise UsageError(f"{agent!r} is no agent that asks a model", "see: python -m core agents")
        kind, _, name = model.partition(":")
        asked = f"{{tier: {json.dumps(name)}}}" if kind == "tier" else f"{{name: {json.dumps(model)}}}"
        files[path] = re.sub(r"(?m)^model:.*\n(?:[ \t]+.*\n)*", lambda _: f"model: {asked}\n", files[path], count=1)
        return self.save_agent(agent, files)

    # ------------------------------------------------------------------------------------------ looking

    def run_ids(self) -> list[str]:
        """Newest first."""
        return list(dict.fromkeys(run_of(subject) for subject in self.queue.subjects(JobKind.EVOLVE)))

    def run(self, run_id: str) -> RunView:
        return view(self.store, self._jobs(run_id), run_id, self.run_settings(run_id), lambda: len(self.gated(run_id)), self._workers())

    def runs(self, limit: int = 30) -> list[RunView]:
        return [self.run(run_id) for run_id in self.run_ids()[:limit]]

    def whys(self, run_id: str, limit: int = 10) -> list[Why]:
        """What the selector (or a person) chose, and why; newest first."""
        return whys(self.store, run_id, limit)

    def verifying(self, run_id: str) -> list[Held]:
        """What it trains now."""
        return [held for held in self.under_way(run_id).values() if held.act is Act.VERIFY]

    def _workers(self) -> set[str]:
        return {worker.name for worker in self.queue.workers()}

    def stalls(self, run_id: str) -> list[Stall]:
        """What the run waits for, other than its gates, and since when."""
        return stalls(self.store, self._jobs(run_id), run_id, self._workers())

    def morning(self, run_id: str, since: datetime | None = None) -> Morning:
        """What it did, of the whole run or since a moment."""
        return morning(self.store, self.run(run_id), self.measures(run_id), list(self.scales), *self._made_by(run_id), self.gated(run_id), self.stalls(run_id),
                       self.forecast(run_id), self.unsure(run_id), since)

    def measures(self, run_id: str) -> Measures:
        """How its search went."""
        self.run_settings(run_id)
        words = self.store.decisions.by_verb(Verb.PREFER, Verb.RERANK, Verb.APPROVE, Verb.REFUSE)
        return measures(self.store, run_id, list(self.scales), self.calibration(), words, self.store.calls.spent(run=run_id))

    def wishes(self) -> list[str]:
        """What a person wants of branches: it binds every selector."""
        return words(self.store.tree(), self.author)

    def forecast(self, run_id: str) -> Progress:
        """How much of each budget is spent, how fast, and when it ends at that rate."""
        return forecast(self.store, run_id, self.run_scales(self.run_settings(run_id)), lambda scale: self.estimate(["gpt2"], scale).seconds)

    # ------------------------------------------------------------------------------------------ inside

    def wake_run(self, run_id: str) -> Job | None:
        """Have a worker look again, unless a person paused or stopped it."""
        last = next((d for d in reversed(self.store.decisions.of(session_id=run_id)) if d.verb is Verb.PAUSE), None)
        jobs = self._jobs(run_id)
        over = bool(jobs) and standing(jobs).state in (JobState.FAILED, JobState.CANCELLED)
        return None if over or (last and last.data.get("on")) else self.put_run(run_id)

    def wake_run_of(self, design_id: str) -> None:
        """A person judged a design: where its run waits for a word on it, there is something else to do now."""
        session_id = self.store.designs.get(design_id).session_id
        if session_id is None:
            return
        run_id = self._session_run(session_id)
        if run_id and (("implement", design_id) in self._book(run_id).entries):
            self.wake_run(run_id)

    def _session_run(self, session_id: str) -> str | None:
        try:
            session: Session = self.store.sessions.get(session_id)
        except NotFound:
            return None
        return session.run_id if session.run_id and self._jobs(session.run_id) else None

    def _jobs(self, run_id: str) -> list[Job]:
        return self.queue.of(subjects(run_id))

    def _pause(self, run_id: str, data: Json) -> Decision:
        with self.store.together() as c:
            self.store.database.serialise(c, f"gates:{run_id}")
            return self.store.decisions.add(Verb.PAUSE, self.author, session_id=run_id, data=data)

    def _go_on(self, run_id: str, data: Json) -> Job:
        self.run_settings(run_id)
        with self.store.together():
            self._pause(run_id, data)
            return self.put_run(run_id)

    def _is_over(self, run_id: str) -> bool:
        last = standing(self._jobs(run_id))
        return last.state is JobState.DONE and last.result.get("outcome") == "done"

    def _book(self, run_id: str) -> Book:
        return self.store.gates.read(run_id, defaults(self.run_settings(run_id)["gate"]))

    def _gated(self, run_id: str, entry: Entry, book: Book) -> Gated:
        facts = entry.facts
        return Gated(run_id, entry.step, entry.subject, facts.get("design"), facts.get("scale", ""), facts.get("session", ""), book.why(entry),
                     self._cost_words(run_id, entry), entry.since, entry.held, facts, entry.word.id if entry.word else 0)

    def _cost_words(self, run_id: str, entry: Entry) -> str:
        cost, scale = entry.facts.get("cost"), entry.facts.get("scale")
        if scale:
            account = self.store.ledger.account(f"{run_id}/{scale}")
            took = "an unknown time" if cost is None else f"about {cost:.2g} min" if cost >= 1 else f"about {cost * 60:.0f} s"
            return f"{took} of training, one of {account.granted - account.spent:g} left at {scale}"
        if cost == 0:
            return "nothing: no language model is called"
        calls = "calls at a cost that is not known yet" if cost is None else f"calls of about ${cost:.2g}, as this team's last sessions"
        return calls + (f", one of {self.store.ledger.account(f'{run_id}/{DESIGN_BUDGET}').left:g} sessions left" if entry.step == "propose" else "")

    def _answer(self, gated: Gated, let: bool, reason: str) -> Decision:
        with self.store.together() as c:
            self.store.database.serialise(c, f"gates:{gated.run}")
            entry = self._book(gated.run).entries.get((gated.step, gated.subject))
            if entry is None:
                raise NotFound(f"{gated.subject!r} does not wait at the gate {gated.step}", f"see: python -m core run show {gated.run}")
            if entry.began and not entry.held:
                raise Conflict(f"{gated.words}: it has begun", "stop the run to end what is under way")
            if entry.word and entry.word.id > gated.word:
                raise Conflict(f"{gated.words}: {entry.word.author} {'let it through' if entry.let else 'held it'} meanwhile" + (f": {entry.word.reason}" if entry.word.reason else ""),
                               "look at it as it is now, then decide")
            if let and gated.design and (why := self._turned_down(gated.design)):
                raise Conflict(f"{gated.words}: {why}", "look at it as it is now, then decide; approving it lets it through too")
            said = self.store.gates.say(gated.run, gated.step, gated.subject, let, self.author, reason.strip(), gated.design)
            self.wake_run(gated.run)
        return said

    def _turned_down(self, design_id: str) -> str:
        """Who refused it, or sent it back without an answer so far; "" where it may go on."""
        last = next((d for d in reversed(self.store.decisions.of(design_id)) if d.verb in (Verb.APPROVE, Verb.REFUSE, Verb.RESET, Verb.SEND_BACK)), None)
        newest = self.store.proposals.newest(design_id)
        if last is None or last.verb in (Verb.APPROVE, Verb.RESET) or (last.verb is Verb.SEND_BACK and newest and newest.revision > last.data["revision"]):
            return ""
        return f"{last.author} {'refused it' if last.verb is Verb.REFUSE else 'sent it back, and it is not revised yet'}"

    def _choose(self, run_id: str, act: Act, data: Json) -> Decision:
        self.run_settings(run_id)
        with self.store.together():
            said = self.store.decisions.add(Verb.CHOOSE, self.author, session_id=run_id, data={"run": run_id, "act": str(act), **data})
            self.wake_run(run_id)
        return said

"""How a run of ALG 1 is paced: a person's pause and step, their choices in the place of the selector's, the gates, and what is told of each act. A part of the lab (core/lab.py).

Kinds of event on the stream "run:ID": why {"act", "subject", "chosen", "words", "candidates", "decision"}, act {"act", "subject", "seconds"}, ended {"why"},
passed_over {"design", "scale", "why", "host"}.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import networkx as nx
from sqlalchemy import Connection

from core.agents.similarity import Known, nearest
from core.errors import BudgetExceeded, ProviderPaused
from core.estimates import estimate
from core.gates import IMPLEMENT, PROPOSE, VERIFY
from core.jobs.hands import Held
from core.machine import Machine
from core.selection.ranking import ranking
from core.sharing import Sharing, next_session
from core.store import Store
from core.store.gates import Book, Entry, defaults
from core.types import (
    DESIGN_BUDGET,
    Act,
    Decision,
    Design,
    Explanation,
    Json,
    Kind,
    Mode,
    Outcome,
    Parents,
    Session,
    Status,
    Verb,
)

if TYPE_CHECKING:
    from core.lab import Run
    from core.selection.base import Selector
    from core.types import Gates

LAST = 5             # sessions of a team from which the cost of code is foreseen


@dataclass(frozen=True)
class Picked:
    """What is done next, and why; `decision` is a person's who chose it, else 0."""

    act: Act
    parents: Parents | None = None
    design: str = ""
    scale: str = ""
    why: Explanation = field(default_factory=Explanation)
    decision: int = 0
    subject: str = ""                # what the ledger calls it
    seed: int = 0
    begun: bool = False              # it was interrupted, and goes on


class Pacing(Sharing):
    """What it needs of the lab: store, scales, progress, machine, current, run, selector, budgets, tree, seed, subject, start, refuse_paused."""

    machine: Machine | None
    current: Run | None
    _since: float                    # when the last act ended

    if TYPE_CHECKING:
        @property
        def selector(self) -> Selector: ...
        def gates(self) -> Gates: ...
        def start(self, parents: Parents) -> Session: ...

    # ------------------------------------------------------------------------------------------ what a person said of the run

    def halted(self) -> bool:
        """Whether a person paused the run, or its one step is done."""
        last = self._pause_word()
        return bool(last and last.data.get("on"))

    def _pause_word(self) -> Decision | None:
        return next((d for d in reversed(self.store.decisions.of(session_id=self.run.id)) if d.verb is Verb.PAUSE), None)

    def did(self, act: Act, outcome: Outcome) -> None:
        """Put on record what an act took, and let go of it; after it the run pauses where a person asked for one step. What waits blocks nothing: others go on."""
        took, self._since = time.monotonic() - self._since, time.monotonic()
        with self.progress.guard(), self.store.together() as c:
            self.store.database.serialise(c, f"gates:{self.run.id}")
            held = self.held
            self.let_go(waits=outcome is Outcome.WAITING)
            if outcome is Outcome.WAITING:
                return
            self.store.events.append(f"run:{self.run.id}", "act", "worker", {"act": str(act), "subject": held.subject if held else "", "seconds": round(took, 2)})
            self.grow()
            last = self._pause_word()
            if last and last.data.get("step") and not last.data.get("on"):
                self.store.decisions.add(Verb.PAUSE, last.author, session_id=self.run.id, reason="one step is done", data={"on": True, "by": "step"})

    def next_act(self) -> Act | None:
        """What this worker does next; None where nothing may begin now. What was interrupted goes on first, then what a person chose or let through, then what the selector says
        of that for which a place is free: the way to language models, or a device."""
        if self.halted():
            return None
        if held := self.taken_up():
            return held.act
        if self.over():
            return None
        self._shown, self._open = self.tree(), self.budgets()
        self._open[DESIGN_BUDGET] = self._open.get(DESIGN_BUDGET, 0.0) + len(self.store.sessions.open(self.run.id))      # so that those under way are reckoned with
        if self._wanted_verification():
            return Act.VERIFY if self.free(Act.VERIFY) else self._instead(Act.VERIFY)
        act = self.selector.next_act(self._shown, self._open, self.gates())
        return act if act is None or self.free(act) else self._instead(act)

    def _instead(self, act: Act) -> Act | None:
        """The other kind of act, where all places for this one are taken. What the sessions to come will need is not spent on known architectures meanwhile."""
        other = Act.VERIFY if act is Act.DESIGN else Act.DESIGN
        if not self.free(other):
            return None
        only_designs, whole = other is Act.DESIGN, self._open
        self._open = {name: left if (name == DESIGN_BUDGET) is only_designs else 0.0 for name, left in whole.items()}
        found = self.selector.next_act(self._shown, self._open, self.gates())
        if found is Act.VERIFY:
            design, scale = self.selector.choose(self._shown, self._open)
            known = self._shown.nodes[design]["design"].kind is Kind.REFERENCE
            return None if known and self._open[scale] - self.run.n_implement * whole.get(DESIGN_BUDGET, 0.0) < 1 else found
        return found

    def outcome(self) -> Outcome:
        """How a run ends that has nothing to do: waiting, where something is left that only a person can let go on."""
        if self.others() and not isinstance(self.aside, ProviderPaused):
            return Outcome.DONE      # they end it
        rests = self.run.selector == "person" and not self.over() and any(left >= 1 for left in self.left().values())
        return Outcome.WAITING if self.halted() or self.asked() or self.store.sessions.open(self.run.id) or rests else Outcome.DONE

    def asked(self) -> list[Entry]:
        """What waits for a person's word at a gate."""
        book = self.book()
        return [entry for entry in book.closed() if not entry.held and still_asked(self.store, self.run.id, entry, book)]

    def book(self) -> Book:
        return self.store.gates.read(self.run.id, defaults(self.run.gate))

    def barred(self) -> Iterator[tuple[str, str]]:
        """(design, scale) that may not be verified now: its gate is closed, and so are the scales behind it."""
        for entry in self.book().closed() if self.current else ():
            if entry.step.startswith(f"{VERIFY}:"):
                names = list(self.scales)
                at = entry.facts["scale"]
                yield from ((entry.facts["design"], name) for name in (names[names.index(at):] if at in names else [at]))

    # ------------------------------------------------------------------------------------------ what is done next

    def parents(self) -> Picked:
        """Whom the next session starts from: a person's choice, what waits for their word already, or the selector's."""
        book, chosen = self.book(), self._choice(Act.DESIGN)
        key = next_session(self.store, self.run.id, book)
        asked = book.entries.get((PROPOSE, key))
        if chosen:
            parents = Parents(Mode(chosen.data["mode"]), tuple(chosen.data["parents"]))
            return Picked(Act.DESIGN, parents, why=Explanation(f"{chosen.author} chose it instead of the selector's."), decision=chosen.id, subject=key)
        if asked and not asked.began:
            return Picked(Act.DESIGN, Parents(Mode(asked.facts["mode"]), tuple(asked.facts["parents"])), why=self._told_already(key), subject=key)
        tree = self._shown
        parents = self.selector.parents(tree)
        return Picked(Act.DESIGN, parents, why=self._explained(tree, parents), subject=key)

    def started(self, picked: Picked) -> Session | None:
        """The session, its unit reserved; None where a person has to let it open first, or another worker was quicker. All in one transaction."""
        key, parents = picked.subject, picked.parents
        assert parents
        facts: Json = {"mode": str(parents.mode), "parents": list(parents.ids), "session": key, "cost": self._dollars(self.run.agents)}
        try:
            with self.progress.guard(), self.store.together() as c:
                if not self._still(c, picked):
                    return None
                self._tell_why(picked, key, {"mode": str(parents.mode), "parents": list(parents.ids)})
                if not self._enter(PROPOSE, key, facts, picked.decision):
                    self.closed_since = self.last_word()
                    return None
                session = self.start(parents)
                self.hold(Held(Act.DESIGN, session.id), DESIGN_BUDGET)
                return session
        except BudgetExceeded:       # another worker was quicker
            return None

    def choice(self) -> Picked:
        """(design, scale) to verify: what was interrupted, what a person chose or let through, else the selector's."""
        if held := self.held:
            return Picked(Act.VERIFY, None, held.design, held.scale, subject=held.subject, seed=held.seed, begun=True)
        if wanted := self._wanted_verification():
            word, design, scale = wanted
            return self._named(Picked(Act.VERIFY, None, design, scale, Explanation(f"{word.author} {'chose it' if word.verb is Verb.CHOOSE else 'let it through the gate'}."),
                                      word.id if word.verb is Verb.CHOOSE else 0))
        tree, budgets = self._shown, self._open
        design, scale = self.selector.choose(tree, budgets)
        return self._named(Picked(Act.VERIFY, None, design, scale, self._explained(tree, (design, scale), budgets)))

    def _named(self, picked: Picked) -> Picked:
        seed = self.seed(picked.design, picked.scale)
        return replace(picked, seed=seed, subject=self.subject(picked.design, picked.scale, seed))

    def opened(self, picked: Picked) -> bool:
        """Whether the verification may begin; its unit of the budget is reserved in the same transaction."""
        if picked.begun:
            return True
        facts = self._facts(picked.design, f"{VERIFY}:{picked.scale}") | {"design": picked.design, "scale": picked.scale, "seed": picked.seed}
        try:
            with self.progress.guard(), self.store.together() as c:
                if not self._still(c, picked):
                    return False
                self._tell_why(picked, picked.subject, {"design": picked.design, "scale": picked.scale, "seed": picked.seed})
                if not self._enter(f"{VERIFY}:{picked.scale}", picked.subject, facts, picked.decision):
                    return False
                self.hold(Held(Act.VERIFY, picked.subject, picked.design, picked.scale, picked.seed), picked.scale)
                return True
        except BudgetExceeded:
            return False

    def _still(self, c: Connection, picked: Picked) -> bool:
        """Whether what was picked may still begin: another worker may have been quicker meanwhile."""
        self.store.database.serialise(c, f"gates:{self.run.id}")
        if not self.free(picked.act) or (picked.decision and (self._choice(picked.act) is None)):
            return False
        return next_session(self.store, self.run.id, self.book()) == picked.subject if picked.act is Act.DESIGN else not self.newly_held(picked.design, picked.scale)

    def passed(self, session: Session, ranked: Sequence[Design]) -> tuple[list[Design], bool]:
        """(the best of a session's proposals that may be implemented now, whether a person is asked about others)."""
        if session.run_id is None or self.current is None:
            return ([], True) if self.gate_closed(session) else (list(ranked[: session.n_implement]), False)
        released = next((d.id for d in reversed(self.store.decisions.of(session_id=session.id)) if d.verb is Verb.RELEASE), 0)
        book = self.book()
        best = at_gate(session, ranked, book)
        stuck = self._stuck(session)
        open_ = []
        for design in best:
            facts = self._facts(design.id, IMPLEMENT) | {"design": design.id, "session": session.id} | ({"stuck": True} if stuck else {})
            with self.progress.guard():
                if self._enter(IMPLEMENT, design.id, facts, released):
                    open_.append(design)
        return open_, len(open_) < len(best)

    # ------------------------------------------------------------------------------------------ inside

    def _enter(self, step: str, subject: str, facts: Json, word: int) -> bool:
        return self.store.gates.enter(self.run.id, step, subject, facts, defaults(self.run.gate), word)

    def _choice(self, act: Act) -> Decision | None:
        return pending_choice(self.store, self.run.id, act)

    def _wanted_verification(self) -> tuple[Decision, str, str] | None:
        budgets = self.left()
        chosen = self._choice(Act.VERIFY)
        if chosen and budgets.get(chosen.data["scale"], 0) >= 1 and self._runs(chosen.data["design"]):
            return chosen, chosen.data["design"], chosen.data["scale"]
        for entry in self.book().entries.values():
            if entry.step.startswith(VERIFY) and entry.let and not entry.began and budgets.get(entry.facts["scale"], 0) >= 1 and self._is_now(entry):
                assert entry.word
                return entry.word, entry.facts["design"], entry.facts["scale"]
        return None

    def _runs(self, design_id: str) -> bool:
        return self.store.designs.get(design_id).status in (Status.IMPLEMENTED, Status.VERIFIED)

    def _is_now(self, entry: Entry) -> bool:
        """Whether it is still what would be measured next of the design there: other code, or another seed, is another question."""
        design, scale = entry.facts["design"], entry.facts["scale"]
        return self._runs(design) and entry.subject == self.subject(design, scale, self.seed(design, scale))

    def _tell_why(self, picked: Picked, subject: str, chosen: Json) -> None:
        last = self.store.events.last(f"run:{self.run.id}", "why")
        if last is None or (last.data["subject"], last.data["chosen"], last.data["decision"]) != (subject, chosen, picked.decision):
            self.store.events.append(f"run:{self.run.id}", "why", "selector" if not picked.decision else "person", {
                "act": str(picked.act), "subject": subject, "chosen": chosen, "decision": picked.decision, **picked.why.to_dict()})

    def _told_already(self, subject: str) -> Explanation:
        found = [e for e in self.store.events.recent(f"run:{self.run.id}", "why") if e.data["subject"] == subject]
        return Explanation.from_dict(found[0].data) if found else Explanation()

    def _explained(self, tree: nx.DiGraph, what: Parents | tuple[str, str], budgets: Mapping[str, float] | None = None) -> Explanation:
        """A selector need not say why."""
        explain = getattr(self.selector, "explain", None)
        return explain(tree, what, budgets or {}) if explain else Explanation()

    # ------------------------------------------------------------------------------------------ what a gate's rule may ask about

    def _facts(self, design_id: str, step: str) -> Json:
        """Rating, cost and likeness; the last only where the rule speaks of it, since the whole tree is read for it."""
        design, rule = self.store.designs.get(design_id), self.book().rule(step)
        facts: Json = {"cost": self._dollars(self.run.agents) if step == IMPLEMENT else self._minutes(design_id, step.partition(":")[2])}
        if design.kind is Kind.REFERENCE:       # a known architecture is neither rated nor new
            return facts
        made = self.store.implementations.newest(design_id)
        facts |= {"rating": design.rating, "implementation": made.id if made else 0}
        return facts | ({"similarity": self._likeness(design_id)} if rule.needs("similarity") else {})

    def _minutes(self, design_id: str, scale: str) -> float | None:
        """Of one seed on this machine; None where the lab does not know its machine."""
        if self.machine is None:
            return None
        return round(estimate(self.store, self.scales, [design_id], self.scales[scale], 1, self.machine).seconds / 60, 2)

    def _dollars(self, agents: Json) -> float | None:
        """Of one session, as the team's last ones took; None for a team that asks models and has not asked any yet."""
        team = agents["team"]["name"]
        closed = [s for s in self.store.sessions.all(limit=200) if s.closed_at and s.team.get("name") == team][:LAST]
        spent = [self.store.calls.spent(stream=f"session:{s.id}") for s in closed]
        if not spent:
            return 0.0 if team == "builtin" else None
        return None if any(s.unpriced for s in spent) else round(sum(s.money for s in spent) / len(spent), 4)

    def _likeness(self, design_id: str) -> float | None:
        newest = {p.design_id: p for p in self.store.proposals.all_newest()}
        own = newest.get(design_id)
        if own is None:
            return None
        found = nearest(own.units, own.body, (Known(p.design_id, p.title, p.body, p.units) for p in newest.values() if p.design_id != design_id), 1)
        return found[0].likeness if found else 0.0


def at_gate(session: Session, ranked: Sequence[Design], book: Book) -> list[Design]:
    """The best of a session's proposals (`ranked`: without refused ones) that are not held; what began or was let through goes on, however many there are."""
    known = {d.id: book.entries.get((IMPLEMENT, d.id)) for d in ranked}
    fit = [d for d in ranked if not ((entry := known[d.id]) and entry.held)]
    sure = [d for d in fit if (entry := known[d.id]) and (entry.began or entry.let)]
    return [*sure, *(d for d in fit if d not in sure)][: max(session.n_implement, len(sure))]


def still_asked(store: Store, run_id: str, entry: Entry, book: Book) -> bool:
    """Whether an answer would still change anything: not where its design was refused, gave way to a better one, has other code by now, its session is closed, or no session or another one is to open next."""
    design_id = entry.facts.get("design")
    if design_id is None:
        account = f"{run_id}/{DESIGN_BUDGET}"
        return entry.held or (entry.subject == next_session(store, run_id, book) and (not store.ledger.opened(account) or store.ledger.account(account).left >= 1))
    status = store.designs.get(design_id).status
    if entry.step == IMPLEMENT:
        session = store.sessions.get(entry.facts["session"])
        if status is Status.REFUSED or session.closed_at:
            return False
        ranked = ranking(store.designs.of_session(session.id), store.decisions.of(session_id=session.id))
        came = [d for d in ranked if d.status is not Status.REFUSED and (IMPLEMENT, d.id) in book.entries]     # not copies, which never do
        return entry.held or design_id in {d.id for d in at_gate(session, came, book)}
    made = store.implementations.newest(design_id)
    return status in (Status.IMPLEMENTED, Status.VERIFIED) and made is not None and entry.facts.get("implementation", made.id) == made.id


def pending_choice(store: Store, run: str, act: Act) -> Decision | None:
    """A person's choice that no act has taken yet."""
    said = [d for d in store.decisions.of(session_id=run) if d.verb is Verb.CHOOSE and d.data["act"] == act]
    if not said or said[-1].data.get("off"):
        return None
    taken = {e.data["decision"] for e in store.events.recent(f"run:{run}", "why", 1000)}
    return None if said[-1].id in taken else said[-1]

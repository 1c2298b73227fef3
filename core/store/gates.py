"""What waits at a run's gates, what a person said of it, and what began. Requests and beginnings are events of the stream "gates:RUN", a person's words are decisions.

A worker enters a gate in one transaction: it reads the rule and the word, and writes down that the thing began, or that it waits. Whoever switches a rule or says a word
takes the same lock. So nothing begins on a rule that was changed before, and a change can lose nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from core.gates import AUTO, Rule, rule_for
from core.store.engine import Database
from core.store.events import Events
from core.store.texts import Decisions
from core.types import Decision, Json, Verb


@dataclass(frozen=True)
class Entry:
    """One thing at one gate."""

    step: str
    subject: str
    facts: Json
    since: datetime
    began: datetime | None = None
    word: Decision | None = None     # a person's last one on it

    @property
    def let(self) -> bool:
        return self.word is not None and bool(self.word.data["let"])

    @property
    def held(self) -> bool:
        return self.word is not None and not self.word.data["let"]


@dataclass(frozen=True)
class Book:
    """A run's gates as they were at one moment."""

    rules: dict[str, Rule]
    entries: dict[tuple[str, str], Entry]
    default: dict[str, Rule]

    def rule(self, step: str) -> Rule:
        return rule_for(self.rules, step, rule_for(self.default, step))

    def why(self, entry: Entry) -> str:
        """Why it does not begin: "" where it may, or has."""
        if entry.held:                                     # also what began already: a person passes over it
            return "a person held it"
        return "" if entry.began or entry.let else self.rule(entry.step).asks(entry.facts)

    @property
    def turned_down(self) -> set[str]:
        """Sessions that a person does not want opened."""
        return {entry.subject for entry in self.entries.values() if entry.step == "propose" and entry.held and not entry.began}

    def closed(self) -> list[Entry]:
        """What may not begin: waiting for a word, or held."""
        return [entry for entry in self.entries.values() if self.why(entry)]


class GateBook:
    def __init__(self, database: Database, decisions: Decisions, events: Events) -> None:
        self._db = database
        self._decisions = decisions
        self._events = events

    def read(self, run: str, default: dict[str, Rule] | None = None) -> Book:
        with self._db.read():
            said = [d for d in self._decisions.of(session_id=run) if d.verb is Verb.GATE]
            entries: dict[tuple[str, str], Entry] = {}
            after = 0
            while events := self._events.since(f"gates:{run}", after):
                after = events[-1].id
                for event in events:
                    key = event.data["step"], event.data["subject"]
                    known = entries.get(key) or Entry(*key, event.data["facts"], event.created_at)
                    entries[key] = replace(known, facts=event.data["facts"], began=event.created_at if event.kind == "began" else known.began)
        for d in said:
            key = d.data["step"], d.data.get("subject", "")
            if key in entries:
                entries[key] = replace(entries[key], word=d)
        return Book({d.data["step"]: Rule.from_dict(d.data) for d in said if "subject" not in d.data}, entries, default or {})

    def enter(self, run: str, step: str, subject: str, facts: Json, default: dict[str, Rule] | None = None, word: int = 0) -> bool:
        """Whether the thing may begin; if so it has begun. `word`: a decision by which a person chose this very thing."""
        with self._db.together() as c:
            self._db.serialise(c, f"gates:{run}")
            book = self.read(run, default)
            known = book.entries.get((step, subject))
            if known and known.began and not known.held:
                return True
            why = "" if word else book.why(replace(known, facts=facts) if known else Entry(step, subject, facts, self._db.now(c)))
            if not why:
                self._events.append(f"gates:{run}", "began", "worker", {
                    "step": step, "subject": subject, "facts": facts, "rule": book.rule(step).words, "decision": word or (known.word.id if known and known.word else 0)})
            elif known is None or (known.facts != facts and not known.began):
                self._events.append(f"gates:{run}", "asked", "worker", {"step": step, "subject": subject, "facts": facts, "why": why})
            return not why

    def switch(self, run: str, step: str, rule: Rule, author: str) -> Decision:
        with self._db.together() as c:
            self._db.serialise(c, f"gates:{run}")
            return self._decisions.add(Verb.GATE, author, session_id=run, data={"run": run, "step": step, **rule.to_dict()})

    def say(self, run: str, step: str, subject: str, let: bool, author: str, reason: str = "", design: str | None = None) -> Decision:
        with self._db.together() as c:
            self._db.serialise(c, f"gates:{run}")
            return self._decisions.add(Verb.GATE, author, design_id=design, session_id=run, reason=reason, data={"run": run, "step": step, "subject": subject, "let": let})


def defaults(gate: str) -> dict[str, Rule]:
    """The rules of a run that was begun with one word for all: "ask" stops before anything is implemented."""
    return {"implement": Rule.from_dict({"rule": gate})} if gate == "ask" else {"implement": AUTO}

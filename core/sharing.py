"""How several workers share one run of ALG 1: what each holds, what was interrupted and goes on, where a place is free, and where the run ends by itself. A part of the lab (core/lab.py).

A place for designing is one session, open or being made; one for verifying is a device. What a worker holds belongs to its job (core/jobs/hands.py): one that is killed leaves it to
whoever takes the job up. What nobody holds though its unit of the budget is reserved was interrupted otherwise, and is taken up by the next one that looks.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

import networkx as nx

from core.budgets import Ends, grown
from core.errors import BudgetPaused, ProviderPaused
from core.gates import VERIFY
from core.jobs.hands import Hands, Held
from core.measures import reached
from core.store import Store
from core.types import DESIGN_BUDGET, MONEY, TOKENS, Act, Decision, Scale, Session, Status, Verb

if TYPE_CHECKING:
    from core.errors import Paused
    from core.lab import Run
    from core.store.gates import Book

PATIENCE_S = 60.0    # until a session whose provider wanted patience is tried again beside other acts


class _Progress(Protocol):
    def guard(self) -> AbstractContextManager[None]: ...


class Sharing:
    """What it needs of the lab: store, scales, progress, hands, run, tree, book, seed, subject, `_choice`, `_pause_word`."""

    store: Store
    scales: dict[str, Scale]
    hands: Hands | None
    current: Run | None
    aside: Paused | None
    held: Held | None = None                 # by this worker
    closed_since: int = -1                   # a person's last word when the gate before sessions was found closed
    _shown: nx.DiGraph                       # the tree of the last decision, and what could be paid for then
    _open: dict[str, float]
    _before: set[tuple[str, str]]            # (design, scale) that others held then
    _put_aside: dict[str, tuple[int, float]]     # session → (a person's last word then, when it is tried again without one)

    if TYPE_CHECKING:
        progress: _Progress

        @property
        def run(self) -> Run: ...
        def budgets(self) -> dict[str, float]: ...
        def left(self) -> dict[str, float]: ...
        def tree(self) -> nx.DiGraph: ...
        def book(self) -> Book: ...
        def seed(self, design_id: str, scale: str) -> int: ...
        def subject(self, design_id: str, scale: str, seed: int) -> str: ...
        @property
        def corpus_hash(self) -> str: ...
        def _choice(self, act: Act) -> Decision | None: ...
        def _pause_word(self) -> Decision | None: ...

    # ------------------------------------------------------------------------------------------ what is under way

    def others(self) -> list[Held]:
        """What other workers hold of this run."""
        return self.hands.others() if self.hands else []

    def show_under_way(self, graph: nx.DiGraph) -> None:
        """Into the tree, for the selector: "running" of a node, "sessions" (begun or turned down, where some are open or were) and "chosen" (acts that a person chose) of the graph."""
        others = self.others()
        self._before = {(held.design, held.scale) for held in others}
        for node in graph:
            graph.nodes[node]["running"] = {}
        for held in others:
            if held.act is Act.VERIFY and held.design in graph:
                running = graph.nodes[held.design]["running"]
                running[held.scale] = running.get(held.scale, 0) + 1
        turned_down = len(self.book().turned_down) if self.current else 0
        if turned_down or any(held.act is Act.DESIGN for held in others):        # who draws again draws otherwise
            graph.graph["sessions"] = len(self.store.sessions.ids_of(self.run.id)) + turned_down
        graph.graph["chosen"] = tuple(act for act in Act if self._choice(act))

    def newly_held(self, design: str, scale: str) -> bool:
        """Whether another worker took it since the tree was looked at."""
        return (design, scale) in {(held.design, held.scale) for held in self.others()} - self._before

    def free(self, act: Act) -> bool:
        """Whether there is a place for one more of its kind. Where a person asked for one step, only while nothing is under way."""
        others, word = self.others(), self._pause_word()
        if word and (word.data.get("step") or word.data.get("on")):
            return not others and not word.data.get("on") and (act is Act.VERIFY or not self.store.sessions.open(self.run.id))
        if act is Act.DESIGN and isinstance(self.aside, ProviderPaused | BudgetPaused):
            return False             # another session would find the same
        if act is Act.DESIGN:
            return self.closed_since != self.last_word() and len(self.store.sessions.open(self.run.id)) < self.run.at_once[act]
        return sum(held.act is act for held in others) < self.run.at_once[act]

    def last_word(self) -> int:
        """Of any person, on anything."""
        return next((d.id for d in self.store.decisions.recent(1)), 0)

    # ------------------------------------------------------------------------------------------ taking and letting go

    def unlimited(self, account: str) -> bool:
        """Sessions of a run whose design budget is money or tokens are not counted."""
        if self.current is None or account != f"{self.run.id}/{DESIGN_BUDGET}" or self.store.ledger.opened(account):
            return False
        return any(self.store.ledger.opened(f"{self.run.id}/{coin}") for coin in (MONEY, TOKENS))

    def hold(self, held: Held, account: str) -> None:
        """Reserve and take, in the caller's transaction; and where a place is left and a worker idle, have that one look too. Raises BudgetExceeded."""
        name = f"{self.run.id}/{account}"
        if not self.unlimited(name):
            self.store.ledger.reserve(name, held.subject)
        self._take(held)

    def let_go(self, waits: bool) -> None:
        held, self.held = self.held, None
        if held and self.hands:
            self.hands.leave()
        if held and waits and held.act is Act.DESIGN:
            self._put_aside[held.subject] = (self.last_word(), time.monotonic() + PATIENCE_S if isinstance(self.aside, ProviderPaused) else float("inf"))

    def taken_up(self) -> Held | None:
        """What was interrupted, now this worker's: its own from before its process was killed, else what nobody holds."""
        with self.progress.guard(), self.store.together() as c:
            self.store.database.serialise(c, f"gates:{self.run.id}")
            mine, taken = self.hands.mine() if self.hands else None, {held.subject for held in self.others()}
            found = next((held for held in self._interrupted(mine) if held.subject not in taken and self._has_place(held)), None)
            if found:
                self._take(found)
            elif mine and self.hands:
                self.hands.leave()
            return found

    def _take(self, held: Held) -> None:
        self.held = held
        if self.hands:
            self.hands.take(held)
            if any(self.free(act) for act in Act):
                self.hands.call()

    def _interrupted(self, mine: Held | None) -> Iterator[Held]:
        """Verifications whose unit is set aside, then sessions that are open; the one that this worker's job had before everything else."""
        begun = [*self._verifications(), *(Held(Act.DESIGN, s.id) for s in self.store.sessions.open(self.run.id) if self._may_go_on(s, mine))]
        return iter(sorted(begun, key=lambda held: held != mine))

    def _verifications(self) -> list[Held]:
        """A unit that is set aside for what is no longer to be measured (other code by now, say) is given back."""
        found: list[Held] = []
        open_ = [(scale, subject) for scale in self.scales for subject in self.store.ledger.holders(f"{self.run.id}/{scale}")]
        entries, taken = (self.book().entries if open_ else {}), {held.subject for held in self.others()}
        for scale, subject in open_:
            entry = entries.get((f"{VERIFY}:{scale}", subject))
            if subject in taken:
                continue
            if entry and not entry.held and self.store.designs.get(entry.facts["design"]).status in (Status.IMPLEMENTED, Status.VERIFIED) and (
                    subject == self.subject(entry.facts["design"], scale, entry.facts["seed"])):
                found.append(Held(Act.VERIFY, subject, entry.facts["design"], scale, entry.facts["seed"]))
            else:
                self.store.ledger.release(f"{self.run.id}/{scale}", subject)
        return found

    def _may_go_on(self, session: Session, mine: Held | None) -> bool:
        """Not again before anybody has said a word, where this worker put it aside; a helper leaves what waits to the run's own job until then."""
        if mine and mine.subject == session.id:
            return True
        if session.id in self._put_aside:
            word, again = self._put_aside[session.id]
            return self.last_word() > word or time.monotonic() >= again
        last = self.store.events.last(f"session:{session.id}", "phase")
        if self.hands and self.hands.helps and last and last.data["phase"] in ("waiting", "paused"):
            return any(d.created_at > last.created_at for d in self.store.decisions.recent(1))
        return True

    def _has_place(self, held: Held) -> bool:
        """Sessions that are open have theirs, but no more are worked on than there may be at once."""
        others, word = self.others(), self._pause_word()
        if word and word.data.get("step"):
            return not others
        return sum(other.act is held.act for other in others) < self.run.at_once[held.act]

    # ------------------------------------------------------------------------------------------ growing, and the end

    def grow(self) -> None:
        """A rung that has a share of the one below is granted its part of what was spent there."""
        names = [name for name in self.scales if name in self.run.scales]
        for below, scale in itertools.pairwise(names):
            if scale in self.run.shares:
                now = self.store.ledger.account(f"{self.run.id}/{scale}").granted
                wanted = grown(now, self.store.ledger.account(f"{self.run.id}/{below}").spent, self.run.shares[scale])
                if wanted > now:
                    self.store.ledger.grant(f"{self.run.id}/{scale}", wanted - now, "ladder", f"{self.run.shares[scale]:.0%} of what was verified at {below}")

    def over(self) -> str:
        """Why the run ends though there is budget left; "" where it does not."""
        ends = ends_of(self.store, self.run.id, self.run.ends)
        why = reached(self.store, self.run.id, ends, self.corpus_hash) if ends.scale or ends.patience else ""
        last = self.store.events.last(f"run:{self.run.id}", "ended")
        if why != (last.data["why"] if last else ""):
            self.store.events.append(f"run:{self.run.id}", "ended", "worker", {"why": why})
        return why


def next_session(store: Store, run_id: str, book: Book) -> str:
    """Its id follows from the run, so that a restart opens the same one; one that a person held before it was opened gives way to the next."""
    taken = {*store.sessions.ids_of(run_id), *book.turned_down}
    return next(key for n in itertools.count(1) if (key := f"{run_id.removeprefix('run-')}s{n}") not in taken)


def ends_of(store: Store, run_id: str, first: Ends) -> Ends:
    """As a person said last; else as the run was begun."""
    said = [d for d in store.decisions.of(session_id=run_id) if d.verb is Verb.CHOOSE and d.data["act"] == "end"]
    return Ends.from_dict(said[-1].data) if said else first

"""The lab: every step of the algorithm against the store, each one re-entrant (get what is stored, or make and store it).

`core/discovery.py` says in which order; this module says how. It knows protocols only: agents, check and verification are handed in.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

import networkx as nx

from core.budgets import Ends, affordable
from core.convening import Team
from core.errors import (
    DesignError,
    LeaseLost,
    NotFound,
    SandboxError,
    Unproven,
    VerificationError,
)
from core.gates import AUTO
from core.instruments import Engine, Progress
from core.jobs.hands import Hands
from core.machine import Machine
from core.pacing import Pacing
from core.proposing import Proposing
from core.selection.base import Selector
from core.sharing import next_session
from core.showing import Showing
from core.store import Store
from core.types import (
    DESIGN_BUDGET,
    MONEY,
    TOKENS,
    Act,
    CheckReport,
    Gates,
    Implementation,
    Json,
    Parents,
    Scale,
    Session,
    Verification,
    derive_seed,
)
from core.verifying import Verifying


@dataclass(frozen=True)
class Run:
    """An evolve run's settings; its accounts in the ledger are named `<id>/<account>`."""

    id: str
    seed: int
    gate: str
    scales: tuple[str, ...]
    n_proposals: int
    n_implement: int
    corpus: str | None
    instructions: str
    agents: Json                     # designer, reviewer and team, as Sessions.add takes them
    at_once: Mapping[Act, int] = field(default_factory=lambda: dict.fromkeys(Act, 1))
    ends: Ends = field(default_factory=Ends)
    shares: Mapping[str, float] = field(default_factory=dict)       # scale → units that each verification at the rung below brings
    selector: str = ""


class Reservation:
    def __init__(self) -> None:
        self.kept = False
        self.given_back = False

    def give_back(self) -> None:
        """Release: it was there already, and nothing was made."""
        self.given_back = True

    def keep(self) -> None:
        """Neither spend nor release: the subject goes on later."""
        self.kept = True


class Lab(Pacing, Verifying, Proposing):
    def __init__(self, store: Store, engine: Engine, team: Team, scales: dict[str, Scale], progress: Progress,
                 selector: Selector | None = None, run: Run | None = None, machine: Machine | None = None, hands: Hands | None = None) -> None:
        self.store = store
        self.engine = engine
        self.team = team
        self.scales = scales
        store.current.tell(scales)
        self.progress = progress
        self._selector = selector
        self.current = run
        self.machine = machine
        self._since = time.monotonic()
        self._cut = self._passed_over() if run else set()        # (design, scale) that could not be measured here
        self._in_a_row = 0
        self._showing = Showing(store)
        self.hands = hands
        self._put_aside: dict[str, tuple[int, float]] = {}

    # ------------------------------------------------------------------------------------------ what a run sees

    @property
    def run(self) -> Run:
        if self.current is None:
            raise NotFound("this step belongs to a run, and there is none", "start one: python -m core evolve")
        return self.current

    @property
    def selector(self) -> Selector:
        if self._selector is None:
            raise NotFound("this step needs a selector, and there is none", "start a run: python -m core evolve")
        return self._selector

    def tree(self) -> nx.DiGraph:
        """The design tree with scores on the run's corpus, and what else a selector reads (core/selection/base.py)."""
        graph = self.store.tree(self.corpus_hash)
        self._showing.show(graph, self._counts, (*self._cut, *(self.unproven() if self.current else ()), *self.barred()))
        self.show_under_way(graph)
        return graph

    @contextmanager
    def passing_over(self, design_id: str, scale: str) -> Iterator[None]:
        """A run goes on without a design that cannot be measured here (out of memory, say); the second in a row is the surroundings' fault, and is raised."""
        try:
            yield
            self._in_a_row = 0
        except Unproven as error:        # the design's own fault, on every machine
            self._tell_passed_over(design_id, scale, str(error), "")
        except (VerificationError, SandboxError) as error:
            self._in_a_row += 1
            if self._in_a_row > 1:
                raise
            self._cut.add((design_id, scale))
            self._tell_passed_over(design_id, scale, str(error), platform.node())

    def _tell_passed_over(self, design_id: str, scale: str, why: str, host: str) -> None:
        self.store.events.append(f"run:{self.run.id}", "passed_over", "worker", {"design": design_id, "scale": scale, "why": why, "host": host})

    def _passed_over(self) -> set[tuple[str, str]]:
        """By workers on this machine, so that a restart does not try the same once more; another machine may have the memory."""
        told = self.store.events.recent(f"run:{self.run.id}", "passed_over", 1000)
        return {(e.data["design"], e.data["scale"]) for e in told if e.data.get("host") == platform.node()}

    @cached_property
    def corpus_hash(self) -> str:
        """Of the run's corpus: scores on another say nothing here."""
        scale = self.scales[self.run.scales[0]] if self.run.scales else next(iter(self.scales.values()))
        return self.engine.corpus(self.run.corpus, scale, self.progress).hash

    def _counts(self, verification: Verification) -> bool:
        return verification.finished_at is not None and not verification.cut_off and verification.corpus_hash == self.corpus_hash and self._as_now(verification)

    def _as_now(self, verification: Verification) -> bool:
        """Whether its scale had the settings that it has now; what does not tell is taken to."""
        rung = self.scales.get(verification.scale)
        return rung is None or verification.settings in ("", rung.settings)

    def budgets(self) -> dict[str, float]:
        """What the run may still begin: what is left, less what waits at a gate, so that a person never lets through what cannot be paid for."""
        left = self.left()
        for entry in self.asked():
            if entry.facts.get("scale") in left:
                left[entry.facts["scale"]] -= 1
        return left

    def left(self) -> dict[str, float]:
        """Of the run's budgets, beside what is reserved. Money and tokens tell how many sessions they may still pay for."""
        prefix = f"{self.run.id}/"
        own = {a.name.removeprefix(prefix): a.left for a in self.store.ledger.accounts() if a.name.startswith(prefix)}
        coins = {name: own.pop(name) for name in (MONEY, TOKENS) if name in own}
        return own | ({DESIGN_BUDGET: affordable(own.get(DESIGN_BUDGET), coins, self._session_costs())} if coins else {})

    def _session_costs(self) -> dict[str, float]:
        """What a session of this run took on average, in each coin; empty before the first."""
        sessions, spent = len(self.store.sessions.ids_of(self.run.id)), self.store.calls.spent(run=self.run.id)
        return {MONEY: spent.money / sessions, TOKENS: spent.tokens / sessions} if sessions else {}

    def gates(self) -> Gates:
        return Gates(proposal=self.run.gate)

    @contextmanager
    def reserve(self, account: str, subject: str) -> Iterator[Reservation]:
        """Reserve one unit for the subject; spent when the block ends well, released when it fails, kept when another goes on."""
        name = f"{self.current.id}/{account}" if self.current else account
        if self.unlimited(name):
            yield Reservation()
            return
        self.store.ledger.reserve(name, subject)
        reservation = Reservation()
        try:
            yield reservation
        except LeaseLost:
            raise
        except Exception:
            self.store.ledger.release(name, subject)
            raise
        if reservation.given_back:
            self.store.ledger.release(name, subject)
        elif not reservation.kept:
            self.store.ledger.spend(name, subject)

    # ------------------------------------------------------------------------------------------ ALG 2: sessions

    def open_session(self) -> Session | None:
        """The one that this worker took up."""
        held = self.held
        return self.store.sessions.get(held.subject) if held and held.act is Act.DESIGN else None

    def start(self, parents: Parents) -> Session:
        """The run's next session."""
        run, session_id = self.run, next_session(self.store, self.run.id, self.book())
        n = int(session_id.rpartition("s")[2]) - 1
        scale = run.scales[0] if run.scales else next(iter(self.scales))
        return self.store.sessions.add(
            id=session_id, mode=parents.mode, parents=parents.ids, n_proposals=run.n_proposals, n_implement=run.n_implement,
            instructions=run.instructions, seed=derive_seed(run.seed, "session", n) % 2**31, gate="auto" if self.book().rule("implement") == AUTO else "ask",
            scale=scale, author="selector", run_id=run.id, **run.agents)

    def checked(self, implementation: Implementation, scale: str, wanted: Callable[[], None] = lambda: None) -> CheckReport:
        """The check is stored unless `wanted` raises."""
        report = self.engine.check(implementation.code, self.scales[scale])
        with self.progress.guard():
            wanted()
            self.store.checks.add(implementation.id, report)
        if report.passed:
            try:
                self.count_costs(implementation, [scale])
            except (DesignError, SandboxError) as error:  # a block that cannot be counted can still be trained
                self.store.events.append(f"design:{implementation.design_id}", "uncounted", "checker", {"why": str(error)})
        return report

    def count_costs(self, implementation: Implementation, scales: Iterable[str]) -> None:
        """Parameters, FLOPs and memory at those of the scales where they are not known yet."""
        known = self.store.costs.of(implementation.code_hash, self.scales)
        missing = [self.scales[name] for name in scales if name not in known]
        for scale, costs in self.engine.costs(implementation.code, missing, self.progress) if missing else ():
            with self.progress.guard():
                self.store.costs.add([(implementation.code_hash, scale, costs)])

"""The lab: every step of the algorithm against the store, each one re-entrant (get what is stored, or make and store it).

`core/discovery.py` says in which order; this module says how. It knows protocols only: agents, check and verification are handed in.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import networkx as nx

from core.budgets import Ends, affordable
from core.errors import (
    DesignError,
    Diverged,
    LeaseLost,
    ModelDiscoveryError,
    NotFound,
    SandboxError,
    StoppedEarly,
    StoreError,
    VerificationError,
)
from core.gates import AUTO
from core.jobs.hands import Hands
from core.machine import Machine
from core.pacing import Pacing
from core.proposing import Proposing, Team
from core.selection.base import Selector
from core.sharing import next_session
from core.showing import Showing
from core.statistics.stopping import hopeless
from core.store import Store
from core.store.curves import CurveWriter
from core.types import (
    DESIGN_BUDGET,
    MONEY,
    TOKENS,
    Act,
    CheckReport,
    Costs,
    CurvePoint,
    Documents,
    Gates,
    Implementation,
    Json,
    Kind,
    Metrics,
    Parents,
    ProbeResult,
    Scale,
    Session,
    Timing,
    Verification,
    VerifyOptions,
    derive_seed,
    sha256_text,
    verify_subject,
)
from core.vetting import Vetting

if TYPE_CHECKING:
    from core.verification.probes.suites import Probe


class Progress(Protocol):
    """The seam to whoever runs a step (a job's context): words for a person, and the place to stop."""

    def progress(self, fraction: float, note: str) -> None: ...

    def check_cancel(self) -> None: ...

    def guard(self) -> AbstractContextManager[None]:
        """One transaction of the store's verbs inside; refused with LeaseLost when another has taken the step over."""
        ...


class Measured(Protocol):
    metrics: Metrics
    provenance: Json
    documents: Documents
    items: Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Task:
    """One verification as the engine is given it."""

    id: int                          # the verification's
    code: str
    scale: Scale
    seed: int
    corpus: Corpus
    given: str | None                # the corpus as it was asked for
    options: VerifyOptions


class Corpus(Protocol):
    name: str
    hash: str


class TestOutcome(Protocol):
    bits_per_byte: float
    bits_per_byte_se: float
    documents: Documents


@dataclass(frozen=True)
class Recorded:
    """A corpus as a verification names it; its files are found by the provenance."""

    name: str
    hash: str


Scored = tuple[Mapping[str, Mapping[str, float]], Mapping[str, Sequence[int]]]


@dataclass(frozen=True)
class Engine:
    """The heavy work, handed in by `core/build.py`: nothing here imports torch until it is called."""

    check: Callable[[str, Scale], CheckReport]                       # (code, scale)
    corpus: Callable[[str | None, Scale, Progress], Corpus]          # (name or path, scale, progress): vocabulary and tokenizer are the scale's
    costs: Callable[[str, Sequence[Scale], Progress], Iterable[tuple[Scale, Costs]]]
    verify: Callable[[Task, Callable[[CurvePoint], None], Progress, Callable[[str, Json], None]], Measured]
    tasks: Callable[[Task, Json, Progress], Scored]                  # further tasks from saved weights; provenance in, (scores, items) out
    audit: Callable[[Task, Json, Progress], tuple[bool, str]]        # the deep causality audit of saved weights: (passed, evidence)
    test_score: Callable[[Task, Json, Progress], TestOutcome]        # of saved weights on the locked test split
    time: Callable[[str, Scale, Corpus, Progress], Timing]           # a short timed run
    probe: Callable[[str, Sequence[Probe], int, Callable[[ProbeResult, Json], None], Progress], None]  # (code, probes, seed, on result and provenance, progress)


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


class Lab(Pacing, Vetting, Proposing):
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
        self._showing.show(graph, self._counts, (*self._cut, *self.barred()))
        self.show_under_way(graph)
        return graph

    @contextmanager
    def passing_over(self, design_id: str, scale: str) -> Iterator[None]:
        """A run goes on without a design that cannot be measured here (out of memory, say); the second in a row is the surroundings' fault, and is raised."""
        try:
            yield
            self._in_a_row = 0
        except (VerificationError, SandboxError) as error:
            self._in_a_row += 1
            if self._in_a_row > 1:
                raise
            self._cut.add((design_id, scale))
            self.store.events.append(f"run:{self.run.id}", "passed_over", "worker", {"design": design_id, "scale": scale, "why": str(error), "host": platform.node()})

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

    def checked(self, implementation: Implementation, scale: str) -> CheckReport:
        report = self.engine.check(implementation.code, self.scales[scale])
        with self.progress.guard():
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

    # ------------------------------------------------------------------------------------------ ALG 3: verifications

    def seed(self, design_id: str, scale: str) -> int:
        """The smallest seed neither measured nor under way: all designs meet the same seeds, so that comparisons are paired."""
        made = self.store.implementations.newest(design_id)
        done = {v.seed for v in self.store.verifications.of(design_id)
                if v.scale == scale and not v.own_rate and self._counts(v) and (made is None or v.implementation_id == made.id)}
        done |= {held.seed for held in self.others() if (held.design, held.scale) == (design_id, scale)}
        return next(seed for seed in range(len(done) + 1) if seed not in done)

    def subject(self, design_id: str, scale: str, seed: int) -> str:
        older, made = verify_subject(design_id, scale, seed), self.store.implementations.newest(design_id)
        begun = self.current is not None and self.store.ledger.reserved(f"{self.current.id}/{scale}", older)      # under the name that it had then
        return older if made is None or begun else verify_subject(design_id, scale, seed, implementation_id=made.id, settings=self.scales[scale].settings)

    def verified(self, design_id: str, scale: str, seed: int, corpus: str | None = None, label: str = "", options: VerifyOptions | None = None) -> Verification:
        """Train and measure the design's newest implementation; a stored result is returned, with tasks added that it lacks."""
        implementation = self.store.implementations.newest(design_id)
        if implementation is None:
            raise NotFound(f"{design_id} has no code yet", f"python -m core implement {design_id}")
        rung = self.scales[scale]
        if corpus is None and self.current:
            corpus = self.current.corpus
        prepared = self.engine.corpus(corpus, rung, self.progress)
        row = self.store.verifications.start(design_id, implementation.id, scale, seed, prepared.name, prepared.hash, label, rung.settings)
        options = options or VerifyOptions()
        task = Task(row.id, implementation.code, rung, seed, prepared, corpus, options)
        if row.finished_at is not None:
            return self.vetted(self._with_tasks(row, task))

        def tell(kind: str, data: Json) -> None:
            self.store.events.append(f"verification:{row.id}", kind, "worker", data)

        tell("started", {"design": design_id, "scale": scale, "seed": seed})
        with CurveWriter(self.store.curves, row.id) as curve:
            try:
                outcome = self.engine.verify(task, self._followed(curve.add, task, tell), self.progress, tell)
            except (Diverged, StoppedEarly, DesignError) as error:  # the design's own end, to be kept as its result
                curve.flush()
                with self.progress.guard():
                    return self.store.verifications.fail(row.id, str(error), {"code": sha256_text(implementation.code)})
            except ModelDiscoveryError as error:
                if not isinstance(error, (LeaseLost, StoreError)):  # those go on elsewhere, or by themselves
                    curve.flush()
                    with self.progress.guard():
                        self.store.verifications.cut_off(row.id, str(error))
                raise
            except Exception as error:  # a fault of this program: tried again, and until then no row may look as if it ran
                with self.progress.guard():
                    self.store.verifications.cut_off(row.id, f"it crashed: {type(error).__name__}: {error}")
                raise
        with self.progress.guard():
            self.store.measurements.add_documents(row.id, "valid", outcome.documents)
            self.store.measurements.add_tasks(row.id, outcome.metrics.tasks, outcome.items)
            row = self.store.verifications.finish(row.id, outcome.metrics, outcome.provenance)
        return self.vetted(row)

    def _task(self, row: Verification) -> Task:
        """For work on the saved weights of a verification that is done."""
        code = self.store.implementations.get(row.implementation_id).code
        then = row.provenance.get("scale")
        if then is None and not (row.scale in self.scales and self._as_now(row)):
            raise NotFound(f"with what settings of {row.scale} verification {row.id} was made is not known", "verify the design again")
        rung = self.scales[row.scale] if row.scale in self.scales and self._as_now(row) else Scale(**then)
        return Task(row.id, code, rung, row.seed, Recorded(row.corpus, row.corpus_hash), None, VerifyOptions())

    def _with_tasks(self, row: Verification, task: Task) -> Verification:
        known = row.metrics.tasks if row.metrics else {}
        lacking = tuple(name for name in task.options.tasks if not any(k == name or k.startswith(f"{name}/") for k in known))
        if row.metrics is None or not lacking:
            return row
        scores, items = self.engine.tasks(replace(task, options=replace(task.options, tasks=lacking)), row.provenance, self.progress)
        with self.progress.guard():
            self.store.measurements.add_tasks(row.id, scores, items)
        return self.store.verifications.get(row.id)

    def _followed(self, add: Callable[[CurvePoint], None], task: Task, tell: Callable[[str, Json], None]) -> Callable[[CurvePoint], None]:
        """`add`, and where it was asked for, the end of a run that is hopeless beside the references' curves."""
        if not task.options.early_stop:
            return add
        references = self._reference_curves(task)
        own: list[CurvePoint] = []

        def follow(point: CurvePoint) -> None:
            add(point)
            if point.held_out is None:
                return
            own.append(point)
            why = hopeless(own, references, task.scale.steps)
            if why:
                tell("stopped_early", {"step": point.step, "why": why})
                raise StoppedEarly(f"stopped early at step {point.step} of {task.scale.steps}: {why}", "verify it again without early stopping to know its score")

        return follow

    def _reference_curves(self, task: Task) -> list[list[CurvePoint]]:
        """Of the references measured at this scale on this corpus."""
        references = {d.id for d in self.store.designs.all() if d.kind is Kind.REFERENCE}
        rows = [v for v in self.store.verifications.counted(task.scale.name)
                if v.design_id in references and v.corpus_hash == task.corpus.hash and v.own_rate is task.options.sweep]
        return [[p for p in self.store.curves.of(v.id) if p.held_out is not None] for v in rows]

"""Every verb of a person, in one place: pages and the command line call these and nothing else decides.

The desk writes decisions and jobs; workers act on them. It loads no torch, so a page that opens it opens in a blink.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from core import citing
from core.agents.edits import how_edited
from core.asked import implied_mode, within, words
from core.budgets import DesignBudget, Ends
from core.calibration import Record as Record
from core.config import Config
from core.confirming import SURE
from core.decided import Recent as Recent
from core.deciding import WEIGHTY as WEIGHTY
from core.deciding import Deciding
from core.deciding import Judged as Judged
from core.deciding import TakenBack as TakenBack
from core.directing import Directing
from core.errors import Conflict, UsageError
from core.foreseen import Foreseen as Foreseen
from core.gab.declared import with_declared
from core.gab.references import ReferenceDesign, load_references
from core.gab.scales import get_scale, load_scales
from core.gab.units import UnitLibrary
from core.inbox import Inbox as Inbox
from core.inbox import Item as Item
from core.inbox import Waits as Waits
from core.jobs import Queue
from core.judging import Judging
from core.kin import Kin, brought
from core.llm.purse import bury_lost
from core.llm.scrub import Scrubber
from core.measures import AtScale, Measures
from core.planning import Planning
from core.reading import Reading
from core.running import Gated, Rule, Running, RunState, RunView, Stall
from core.selection.ranking import ranking
from core.shaping import Shaping
from core.staffing import Staffing
from core.store import Store
from core.surroundings import Finding as Finding
from core.surroundings import KeptCorpus as KeptCorpus
from core.surroundings import RungFacts as RungFacts
from core.surroundings import Surroundings
from core.types import (
    DESIGN_BUDGET,
    MONEY,
    SIDES,
    TOKENS,
    Decision,
    Design,
    Job,
    JobKind,
    Json,
    Mode,
    NewUnit,
    Proposal,
    Scale,
    Seen,
    Session,
    UnitTree,
    Verb,
    Verification,
    derive_seed,
    verify_subject,
)
from core.users import Admitting
from core.verification.training.shelf import Shelved as Shelved
from core.working import Working

__all__ = ["SURE", "AtScale", "DesignBudget", "Desk", "Ends", "Gated", "Measures", "Record", "Rule", "RunState", "RunView", "Stall"]      # what the verbs hand over, for pages

# What a new data directory may spend before anybody sets a budget: an afternoon on a laptop.
FIRST_BUDGETS = {DESIGN_BUDGET: 50, "nano": 50, "micro": 10, MONEY: 10, TOKENS: 20_000_000}
HIDDEN_NOTE = "In its place stands [key]: it is neither stored nor told to the agents."


class Desk(Judging, Planning, Working, Directing, Staffing, Running, Shaping, Deciding, Reading, Surroundings, Admitting):
    def __init__(self, store: Store, queue: Queue, scales: dict[str, Scale], units: UnitLibrary, author: str, config: Config) -> None:
        self.store = store
        self.queue = queue
        self.scales = scales
        store.current.tell(scales)
        store.database.hide = Scrubber(config.keys.values()).exact
        self.units = units
        self.author = author
        self.config = config
        self._looked_at = {}

    @classmethod
    def open(cls, config: Config, author: str = "you", store: Store | None = None) -> Desk:
        store = store or Store.open(config)
        queue = Queue(store, config.lease_s, lambda job: _give_back(store, queue, config, job), lambda job: store.calls.spent(**about).answers if (about := _asked_by(job)) else 0)
        return cls(store, queue, load_scales(config.scales_file), UnitLibrary(config.library_dir / "units"), author, config)

    def references(self) -> list[ReferenceDesign]:
        """The library's designs with their sources, oldest first."""
        return load_references(self.units.folder.parent)

    # ------------------------------------------------------------------------------------------ proposing

    def start_session(
        self,
        parents: Sequence[str],
        mode: Mode | str | None = None,
        n_proposals: int = 3,
        n_implement: int = 1,
        instructions: str = "",
        seed: int | None = None,
        gate: str = "ask",
        scale: str = "nano",
        agents: str = "",
        designer: str = "",
        reviewer: str = "",
        run_id: str | None = None,
        session_id: str | None = None,
        enqueue: bool = True,
    ) -> Session:
        """Open a design session (ALG 4) and hand it to a worker. `mode` follows from the number of parents when absent; `agents` names a team, of which
        `designer` and `reviewer` may be replaced."""
        parents = tuple(dict.fromkeys(parents))
        mode = _mode_for(parents, mode)
        if mode is Mode.EXPLORE:
            words(instructions, "there is no idea to explore")
        crew = self.crew(agents, designer, reviewer)
        for parent in parents:
            self._parent(parent)
        get_scale(self.scales, scale)
        within("the number of proposals", n_proposals, 1, 64)
        within("the number to implement", n_implement, 0, n_proposals)
        if gate not in ("ask", "auto"):
            raise UsageError(f"gate {gate!r} is unknown", "use ask or auto")
        session_id = session_id or secrets.token_hex(3)
        session = self.store.sessions.add(
            id=session_id, mode=mode, parents=parents, n_proposals=n_proposals, n_implement=n_implement, instructions=instructions.strip(),
            seed=derive_seed(session_id) % 2**31 if seed is None else seed, gate=gate, scale=scale, author=self.author,
            run_id=run_id, **crew)
        if session.instructions != instructions.strip() and not run_id:
            self._tell_hidden(session.id)
        if enqueue:
            self._run(session)
        return session

    def steer(self, session_id: str, text: str, to: str = "") -> Decision:
        """Say something to a session's agents, which they hear before they next speak; with `to`, to those who make ("designer") or those who judge ("reviewer") alone."""
        if to and to not in SIDES:
            raise UsageError(f"{to!r} is no side of the table", f"use {' or '.join(SIDES)}, or leave it out to reach all")
        self.store.sessions.get(session_id)
        said = self.store.decisions.add(Verb.STEER, self.author, session_id=session_id, reason=words(text, "there is nothing to say"), data={"to": to} if to else {})
        self._say(session_id, self.author, "person", said.reason, to)
        if said.data.get("scrubbed"):
            self._tell_hidden(session_id)
        return said

    def _say(self, session_id: str, author: str, role: str, text: str, to: str = "") -> None:
        message = secrets.randbits(31)
        self.store.events.append_many(f"session:{session_id}", [
            ("message", author, {"role": role, "message": message, "design": None, "to": to}),
            ("delta", author, {"message": message, "text": text}),
            ("message_end", author, {"message": message})])

    def _tell_hidden(self, session_id: str) -> None:
        self._say(session_id, "system", "system", f"**A key was in what {self.author} wrote.** {HIDDEN_NOTE}")

    # ------------------------------------------------------------------------------------------ deciding

    def edit(self, design_id: str, title: str, body: str, units: UnitTree | None = None, base_revision: int | None = None, new_units: Sequence[NewUnit] | None = None) -> Proposal:
        """Save a person's revision. With `base_revision`, somebody else's newer one is a Conflict, and nothing is lost. `new_units` stay as they are where none are given.
        What has become a copy of another design is saved, too: `copied` says so."""
        design = self.store.designs.get(design_id)
        newest = self.store.proposals.newest(design_id)
        if base_revision is not None and newest and newest.revision != base_revision:
            raise Conflict(f"{newest.author} saved revision {newest.revision} while you edited revision {base_revision}",
                           "your text is still in the form: compare, then save again")
        declared = tuple(new_units) if new_units is not None else newest.new_units if newest else ()
        if units is not None:
            self._vocabulary(design_id, declared).validate(units)
        kept = tuple(u for u in declared if units and u.name in {node.unit for _, node in units.walk()})
        if newest is not None and (title.strip(), body, units, kept) == (newest.title, newest.body, newest.units, newest.new_units):
            raise UsageError(f"nothing differs from revision {newest.revision}", "change a word or a unit, or leave it")
        with self.store.together():
            made = self.store.proposals.add(design_id, self.author, True, words(title, "a proposal needs a title"), body, units, kept)
            citing.record(self.paper_library, made, ())
            how = how_edited(newest, made) if newest else ""
            twin = Kin(self.store).copy_of(design_id, design.parents, units, made.body, kept)
            if how or twin:
                self.store.decisions.add(Verb.EDIT, self.author, design_id=design_id, reason=how, data={"revision": made.revision} | ({"copy_of": twin} if twin else {}))
        return made

    def copied(self, design_id: str) -> str:
        """The design of which a person's newest revision was a copy when it was saved; "" where it was none's."""
        newest = self.store.proposals.newest(design_id)
        edits = [d.data for d in self.store.decisions.of(design_id) if d.verb is Verb.EDIT]
        return next((e.get("copy_of", "") for e in reversed(edits) if newest and e["revision"] == newest.revision), "")

    def rerank(self, session_id: str, order: Sequence[str], reason: str = "", seen: Seen | None = None) -> Decision:
        """Put the session's proposals in this order, best first. A person's order wins over ratings."""
        known = {d.id for d in self.store.designs.of_session(session_id)}
        if set(order) != known or len(order) != len(known):
            raise UsageError(f"the order names {sorted(order)}, session {session_id} has {sorted(known)}", "name each proposal once")
        with self._unchanged(session_id, seen):
            return self.store.decisions.add(Verb.RERANK, self.author, session_id=session_id, reason=reason, data={"order": list(order)})

    def ranking(self, session_id: str) -> list[Design]:
        """The session's proposals, best first: a person's order, else approvals, then ratings; refused ones last."""
        return ranking(self.store.designs.of_session(session_id), self.store.decisions.of(session_id=session_id))

    def release(self, session_id: str, seen: Seen | None = None) -> Job:
        """Open the session's gate: implement the best `n_implement` of what is not refused."""
        with self._unchanged(session_id, seen):
            session = self.store.sessions.get(session_id)
            if session.closed_at:
                raise Conflict(f"session {session_id} is closed: its best proposals are implemented",
                               "implement a design by name, or start a new session")
            self.store.decisions.add(Verb.RELEASE, self.author, session_id=session_id)
            return self._run(session)

    # ------------------------------------------------------------------------------------------ what runs, and what may be spent

    def cancel(self, job_id: int) -> Job:
        """What it had reserved is free again, at once or when its worker has stopped."""
        return self.queue.cancel(job_id)

    def retry(self, job_id: int) -> Job:
        job = self.queue.get(job_id)
        with self.store.together():
            if job.kind is JobKind.VERIFY:
                self.store.ledger.reserve(job.payload["scale"], job.payload.get("line", job.subject))
            return self.queue.retry(job_id)

    def set_budget(self, account: str, total: float) -> list[str]:
        """Grant `total` in all. Sessions that wait for this account are handed to the workers again: their ids."""
        run_id, _, name = account.rpartition("/")        # a run has its own: run-ab12cd/money
        if run_id:
            self.run_settings(run_id)
        if name not in (DESIGN_BUDGET, MONEY, TOKENS):
            get_scale(self.scales, name)
        within("the budget", total, 0, 10**12 if account.endswith(TOKENS) else 10_000_000)
        self.store.ledger.set(account, total, self.author)
        if self.store.ledger.account(account).left <= 0:
            return []
        woken = self.wake(account)
        if run_id and not woken:
            self.wake_run(run_id)
        return woken

    def first_budgets(self) -> None:
        """Grant a new data directory something to spend; accounts that exist are left alone."""
        existing = {account.name for account in self.store.ledger.accounts()}
        for name, amount in FIRST_BUDGETS.items():
            if name not in existing and (name in (DESIGN_BUDGET, MONEY, TOKENS) or name in self.scales):
                self.store.ledger.grant(name, amount, self.author, "a first budget")

    # ------------------------------------------------------------------------------------------ inside

    def _run(self, session: Session) -> Job:
        """Hand the session to a worker; one that an evolve run opened is the run's to go on with."""
        if session.run_id:
            return self.put_run(session.run_id)
        return self.queue.put(JobKind.SESSION, f"session:{session.id}", {"session": session.id})

    def _vocabulary(self, design_id: str, declared: Sequence[NewUnit]) -> UnitLibrary:
        """The library, what the design's parents brought along, and the new units of a proposal."""
        return with_declared(self.units.extended(brought(self.store, self.units, self.store.designs.get(design_id).parents).units), declared)

    def _parent(self, design_id: str) -> None:
        self.store.designs.get(design_id)
        newest = self.store.proposals.newest(design_id) or self.store.implementations.newest(design_id)
        if newest is None or newest.units is None:
            raise UsageError(f"{design_id} has no units to change", "choose a parent that is composed of units")


def _of_line(row: Verification, payload: Json) -> bool:
    """Whether the row is of the training that a job is about; jobs and rows of older programs name neither code nor settings."""
    named = [verify_subject(row.design_id, row.scale, row.seed, payload.get("corpus"), row.label, *made_with) for made_with in ((), (row.implementation_id, row.settings))]
    return not row.settings or payload.get("line", named[0]) in named


def _asked_by(job: Job) -> dict[str, str]:
    """Which calls to language models are a job's, as Calls.spent takes it; nothing for a job that asks none."""
    if job.kind is JobKind.SESSION:
        return {"stream": job.subject}
    return {"run": job.payload["run"]} if job.kind is JobKind.EVOLVE else {"design": job.payload["design"]} if job.kind is JobKind.IMPLEMENT else {}


def _give_back(store: Store, queue: Queue, config: Config, job: Job) -> None:
    """Release what a job holds of the budget when it ends without its worker's word."""
    if about := _asked_by(job):
        bury_lost(store, config, [call for call in store.calls.all_open() if about.items() <= {"stream": call.stream, "run": call.run_id, "design": call.design_id}.items()])
    if job.kind is JobKind.VERIFY:
        p = job.payload
        if any(other.id != job.id for other in queue.in_line(p.get("line", ""))):
            return                                   # another job does this training, and holds what it costs
        store.ledger.release(p["scale"], p.get("line", job.subject))
        for row in store.verifications.of(p["design"]):
            if row.finished_at is None and (row.scale, row.seed, row.label) == (p["scale"], p["seed"], p.get("label", "")) and _of_line(row, p):
                store.verifications.cut_off(row.id, job.error or "stopped")
    elif job.kind is JobKind.SESSION:
        store.ledger.release(DESIGN_BUDGET, job.payload["session"])


def _mode_for(parents: tuple[str, ...], mode: Mode | str | None) -> Mode:
    implied = implied_mode(parents)
    if mode is None:
        return implied
    try:
        wanted = Mode(mode)
    except ValueError:
        raise UsageError(f"mode {mode!r} is unknown", "use mutation, crossover, scratch or explore") from None
    if wanted is not implied and wanted is not Mode.EXPLORE:
        raise UsageError(f"{wanted} with {len(parents)} parent(s)", "scratch takes none, mutation one, crossover two or more")
    return wanted

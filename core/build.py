"""The composition root: the only module that knows concrete classes. It makes the desk, the lab and the worker's handlers.

    from model_discovery import BuildSystem
    found = BuildSystem()("discover me a new model")
    print(found)
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path

from core import discovery
from core.agents.base import Coder, Designer, Reviewer
from core.agents.coder import ModelCoder
from core.agents.compose import ComposeCoder
from core.agents.designer import ModelDesigner
from core.agents.genetic import GeneticDesigner
from core.agents.librarian import Librarian
from core.agents.observer import Observer
from core.agents.ranker import ModelRanker
from core.agents.reviewer import ModelReviewer
from core.agents.rules import RuleReviewer
from core.agents.speaker import Asking, Setting
from core.agents.spec import AgentSpec, get_spec
from core.budgets import Ends
from core.config import Config
from core.convening import Team
from core.desk import Desk
from core.engine import Measuring
from core.errors import ConfigError, JobError, ProviderPaused
from core.gab.references import load_references
from core.gab.scales import get_scale
from core.instruments import Engine, Progress
from core.jobs import JobContext, Worker
from core.jobs.hands import Hands
from core.jobs.patience import Later, Patience
from core.lab import Lab, Run
from core.llm.caller import Caller
from core.machine import this_machine, wait_politely
from core.probing import probed
from core.replay import Replayed, read_export
from core.selection.base import REFERENCE, Selector
from core.selection.make import DEFAULT, make_selector, rungs_of
from core.selection.reading import is_new
from core.showing import Showing
from core.statistics.noise import load_priors
from core.store import Store
from core.toolbox import Tools
from core.types import CheckReport, Costs, Design, JobKind, JobState, Json, Kind, Mode, Outcome, Scale, Session, VerifyOptions
from core.verification.probes.suites import get_suite, load_suites

DESIGNERS: Mapping[str, Callable] = {"genetic": lambda spec, units, _: GeneticDesigner(spec, units), "model": ModelDesigner}
REVIEWERS: Mapping[str, Callable] = {"rules": lambda spec, units, _: RuleReviewer(spec, units), "model": ModelReviewer}
CODERS: Mapping[str, Callable] = {"compose": lambda spec, units, _: ComposeCoder(spec, units), "model": ModelCoder}
MODEL = ("model",)       # the engine of every other role


@dataclass(frozen=True)
class Discovery:
    """What a run found: its best design at the largest scale it verified, beside the reference."""

    run_id: str
    best: Design | None
    scale: str | None
    reference: float | None          # its bits per byte at that scale
    designs: int
    verifications: int
    code: str

    def __str__(self) -> str:
        if self.best is None or self.scale is None:
            return f"{self.run_id}: {self.designs} designs, none verified"
        score = self.best.scores[self.scale]
        against = f" ({REFERENCE} {self.reference:.4f})" if self.reference else ""
        return f"{self.run_id}: {self.best.id} “{self.best.title}” {score:.4f} bits per byte at {self.scale}{against}, one run's figure"


class BuildSystem:
    """Everything, assembled for one data directory. Opening creates the database and seeds the library when they are missing."""

    def __init__(self, config: Config | None = None, author: str = "you") -> None:
        self.config = config or Config.from_env()
        self.author = author
        self.patience = Patience()
        self._asking: Asking | None = None
        wait_politely()

    def __call__(self, request: str, design_budget: int | str = 2, verify_budget: Mapping[str, int] | None = None, seed: int = 0, selector: str = DEFAULT) -> Discovery:
        """Run the whole loop here and now, `request` being the designers' instructions. `design_budget`: sessions, or "$5", "200k tokens" for a team of language models."""
        desk = self.open()
        job = desk.evolve(design_budget, dict(verify_budget or {"nano": 2}), seed=seed, instructions=request, selector=selector)
        worker = self.worker(desk.store)
        while (done := worker.run_one(only=job.id) or desk.queue.get(job.id)).resting:
            time.sleep(1.0)
        if done.state is not JobState.DONE:
            raise JobError(f"run {job.subject} ended {done.state}: {done.error}", f"python -m core jobs --id {job.id}")
        return self.found(desk.store, job.subject)

    def open(self) -> Desk:
        """The desk over a database that is there, current, and holds the library's references."""
        from core.checker.costs import shipped_costs

        self.config.make_dirs()
        store = Store.open(self.config, migrate=True)
        seed_library(store, self.config.library_dir)
        desk = Desk.open(self.config, self.author, store)
        store.costs.add(shipped_costs(self.config.library_dir, desk.scales.values()))
        desk.first_budgets()
        return desk

    # --------------------------------------------------------------------------------------------- worker

    def worker(self, store: Store, name: str = "") -> Worker:
        desk = Desk.open(self.config, self.author, store)
        handlers = {
            JobKind.SESSION: self._session, JobKind.IMPLEMENT: self._implement, JobKind.REVISE: self._revise, JobKind.CHECK: self._check,
            JobKind.DATA: self._data, JobKind.PAPERS: self._papers, JobKind.PROBE: self._probe, JobKind.COSTS: self._costs, JobKind.TRY: self._try, JobKind.VERIFY: self._verify, JobKind.EVOLVE: self._evolve,
            JobKind.AUDIT: self._audit, JobKind.PROMOTE: self._promote, JobKind.TIME: self._time}
        return Worker(store, desk.queue, {kind: partial(handle, desk) for kind, handle in handlers.items()}, name, self.patience, desk.lend_hand)

    def lab(self, desk: Desk, progress: Progress, selector: Selector | None = None, run: Run | None = None, hands: Hands | None = None) -> Lab:
        return Lab(desk.store, self.engine(), self.team(desk), desk.scales, progress, selector, run, this_machine(self.config), hands)

    def team(self, desk: Desk) -> Team:
        """Makes agents by the names of their specs, as they are when the first one is needed; each revision that is used is kept in the store."""
        specs = cache(desk.agents)

        def found(name: str, role: str, engines: Collection[str] = MODEL) -> AgentSpec:
            spec = get_spec(specs(), name, role)
            if spec.engine not in engines:
                raise ConfigError(f"agent {name}: engine {spec.engine!r} is unknown", f"use one of {', '.join(engines)}")
            desk.store.specs.keep(spec.revision, spec.name, spec.files(), "")
            return spec

        def designer(name: str, setting: Setting) -> Designer:
            spec = found(name, "designer", DESIGNERS)
            return DESIGNERS[spec.engine](spec, desk.units, setting)

        def reviewer(name: str, setting: Setting) -> Reviewer:
            spec = found(name, "reviewer", REVIEWERS)
            return REVIEWERS[spec.engine](spec, desk.units, setting)

        def coder(name: str, setting: Setting, members: Mapping[str, str]) -> Coder:
            spec = found(name, "coder", CODERS)
            if spec.engine != "model":
                return CODERS[spec.engine](spec, desk.units, setting)
            debugger = found(members["debugger"], "debugger") if "debugger" in members else None
            observer = Observer(found(members["observer"], "observer"), setting) if "observer" in members else None
            return ModelCoder(spec, desk.units, setting, debugger, observer)

        return Team(designer, reviewer, coder, lambda name, setting: ModelRanker(found(name, "ranker"), setting),
                    lambda name, setting: Librarian(found(name, "librarian"), setting), lambda session: self.asking(desk.store, session),
                    partial(self._toolbox, desk), lambda scale: desk.noise(scale).paired.sd, desk.units, desk.paper_library)

    def asking(self, store: Store, session: Session | None = None) -> Asking:
        """The way to language models, opened when the first agent speaks; of a replayed session, its record."""
        if session is not None and (record := session.team.get("replay")):
            return Replayed(read_export(Path(record)), session.id)
        if self._asking is None:
            self._asking = Caller.open(self.config, store)
        return self._asking

    def _toolbox(self, desk: Desk, scale: str) -> Tools:
        from core.checker.costs import ONE, measure_costs
        from core.checker.trace import trace

        rung = desk.scales[scale]

        def count(code: str) -> tuple[str, Costs]:
            [(_, costs)] = measure_costs(code, [rung], self._reference_code(), limits=ONE)
            return scale, costs

        return Tools(desk.store, self.config.library_dir, list(desk.scales), lambda code: self.engine().check(code, rung),
                     lambda code: trace(code, rung, self._reference_code(), 2, 64), desk.costs, count)

    def engine(self) -> Engine:
        measuring = Measuring(self.config, self._reference_code)
        return Engine(check=self.check, corpus=measuring.corpus, costs=self._counted, verify=measuring.verify, tasks=measuring.tasks, probe=measuring.probe, suite=lambda name: get_suite(load_suites(self.config.library_dir / "probes.yaml"), name),
                      audit=measuring.audit, test_score=measuring.test_score, time=measuring.time)

    def costs(self, code: str, scales: Sequence[Scale], on_scale: Callable[[str], None] = lambda _: None) -> Iterator[tuple[Scale, Costs]]:
        from core.checker.costs import measure_costs

        return measure_costs(code, scales, self._reference_code(), on_scale)

    def _counted(self, code: str, scales: Sequence[Scale], progress: Progress) -> Iterator[tuple[Scale, Costs]]:
        for n, found in enumerate(self.costs(code, scales)):
            progress.check_cancel()
            yield found
            progress.progress((n + 1) / len(scales), f"counted what {found[0].name} costs")

    def check(self, code: str, scale: Scale, learn: bool = False) -> CheckReport:
        from core.checker.check import check

        return check(code, scale, self._reference_code(), threads=self.config.threads or 1, learn=learn)

    def replay(self, path: Path) -> Session:
        """Rerun an exported session here and now, without a call. It waits where the recorded one's gate did."""
        data = read_export(path)
        desk, settings = self.open(), data["settings"]
        get_scale(desk.scales, settings["scale"])
        for parent in settings["parents"]:
            desk.store.designs.get(parent)
        kept = self.config.data_dir / "replays" / f"{secrets.token_hex(3)}.json"
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(data))
        session = desk.store.sessions.add(id=kept.stem, author=self.author, **{**settings, "team": {**settings["team"], "replay": str(kept)}})
        job = desk.go_on(session.id)
        done = self.worker(desk.store).run_one(only=job.id) or desk.queue.get(job.id)
        if done.state is not JobState.DONE:
            raise JobError(f"the replay ended {done.state}: {done.error}", f"python -m core jobs --id {job.id}")
        return desk.store.sessions.get(session.id)

    # --------------------------------------------------------------------------------------------- handlers

    def _session(self, desk: Desk, job: JobContext) -> Json | Later:
        """A person's session (ALG 4), charged to the design budget; runs until it closes or waits."""
        session = desk.store.sessions.get(job.job.payload["session"])
        lab = self.lab(desk, job)
        with lab.reserve("design", session.id) as cost:
            outcome = discovery.sample(lab, session, cost)
        return _or_later(lab, outcome, {"outcome": outcome, "session": session.id})

    def _revise(self, desk: Desk, job: JobContext) -> Json:
        """A proposal that a person sent back. The session is where it was, whatever comes of it."""
        p = job.job.payload
        design = desk.store.designs.get(p["design"])
        session = desk.store.sessions.get(design.session_id or "")
        before, note = desk.standing(session.id)
        lab = self.lab(desk, job)
        try:
            made = lab.sent_back(design.id, p["decision"])
        finally:
            lab.back_to(session, before, note)
        return {"design": design.id, "revision": made.revision if made else None}

    def _implement(self, desk: Desk, job: JobContext) -> Json:
        design = desk.store.designs.get(job.job.payload["design"])
        session = desk.store.sessions.get(design.session_id) if design.session_id else None
        lab = self.lab(desk, job)
        before = desk.standing(session.id) if session else ("", "")
        try:
            made = lab.implemented(design, job.job.payload["scale"], session)
        finally:
            if session:
                lab.back_to(session, *before)
        return {"design": design.id, "revision": made.revision, "passed": bool(made.check and made.check.passed)}

    def _check(self, desk: Desk, job: JobContext) -> Json:
        made = desk.store.implementations.newest(job.job.payload["design"])
        report = self.lab(desk, job).checked(made, job.job.payload["scale"])
        return {"design": made.design_id, "revision": made.revision, "passed": report.passed}

    def _try(self, desk: Desk, job: JobContext) -> Json:
        """A person's gab.py, checked before it is anything."""
        job.progress(0.1, "checking")
        if "trace" in job.job.payload:
            from core.checker.trace import trace

            return {"trace": trace(job.job.payload["code"], desk.scales[job.job.payload["scale"]], self._reference_code(), *job.job.payload["trace"])}
        return {"report": asdict(self.engine().check(job.job.payload["code"], desk.scales[job.job.payload["scale"]]))}

    def _data(self, desk: Desk, job: JobContext) -> Json:
        p = job.job.payload
        made = self.prepare_corpus(p["corpus"], p["vocab_size"], job.progress, p.get("tokenizer", ""))
        return {"corpus": made.name, "hash": made.hash, "train_tokens": made.train_tokens, "documents": made.documents, "notes": list(made.notes)}

    def _papers(self, desk: Desk, job: JobContext) -> Json:
        from core.papers.arriving import arrive

        desk.paper_library.ready()
        return arrive(desk.store, self.config, job.job.payload, job.progress)

    def _costs(self, desk: Desk, job: JobContext) -> Json:
        made = desk.store.implementations.newest(job.job.payload["design"])
        self.lab(desk, job).count_costs(made, desk.scales)
        return {"design": made.design_id, "revision": made.revision}

    def _verify(self, desk: Desk, job: JobContext) -> Json:
        p = job.job.payload
        lab = self.lab(desk, job)
        with lab.reserve(p["scale"], p.get("line", job.job.subject)) as cost:
            row = lab.verified(p["design"], p["scale"], p["seed"], p["corpus"], p["label"], VerifyOptions.from_dict(p.get("options", {})))
            if row.finished_at and job.job.started_at and row.finished_at < job.job.started_at:
                cost.give_back()
        return {"verification": row.id, "failure": row.failure}

    def _audit(self, desk: Desk, job: JobContext) -> Json:
        passed, evidence = self.lab(desk, job).audited(job.job.payload["verification"], job.job.created_at)
        return {"passed": passed, "evidence": evidence}

    def _promote(self, desk: Desk, job: JobContext) -> Json:
        found = self.lab(desk, job).promoted(job.job.payload["verification"], job.job.payload["author"])
        return {"verification": found.verification_id, "bits_per_byte": found.bits_per_byte}

    def _time(self, desk: Desk, job: JobContext) -> Json:
        p = job.job.payload
        found = self.lab(desk, job).timed(p["design"], p["scale"], p["corpus"], this_machine(self.config).key)
        return {"seconds_per_step": found.seconds_per_step, "start_seconds": found.start_seconds, "eval_seconds": found.eval_seconds}

    def _probe(self, desk: Desk, job: JobContext) -> Json:
        p = job.job.payload
        suite = get_suite(desk.suites, p["suite"])
        found = probed(desk.store, self.engine().probe, job, p["design"], suite, p["tasks"], p["seed"], p["fresh"])
        return {"design": p["design"], "probes": [asdict(result) for result in found]}

    def _evolve(self, desk: Desk, job: JobContext) -> Json | Later:
        p = job.job.payload
        run = Run(p["run"], p["seed"], p["gate"], tuple(desk.run_scales(p)), p["n_proposals"], p["n_implement"], p["corpus"], p["instructions"], p.get("agents") or desk.crew(""),
                  desk.at_once(p), Ends.from_dict(p.get("ends", {})), p.get("shares", {}), p["selector"])
        selector = self._selector(desk, p)
        hands = Hands(desk.store, desk.queue, job.job, desk.run_settings(run.id))
        outcome = discovery.evolve(lab := self.lab(desk, job, selector, run, hands))
        found = self.found(desk.store, run.id)
        return _or_later(lab, outcome, {"outcome": outcome, "run": run.id, "best": found.best.id if found.best else None, "scale": found.scale, "others": len(lab.others())})

    # --------------------------------------------------------------------------------------------- heavy work

    def prepare_corpus(self, corpus: str | None, vocab_size: int, report: Callable[[float, str], None], tokenizer: str = "", tokens: int = 0):
        from core.verification.training.corpus import prepare

        return prepare(corpus, vocab_size, self.config, report, tokenizer, tokens)

    def _reference_code(self) -> str:
        path = self.config.library_dir / "designs" / REFERENCE / "gab.py"
        try:
            return path.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"the reference {path} cannot be read: {error.strerror}", "restore library/, or set LIBRARY_DIR") from error

    def _selector(self, desk: Desk, settings: Json) -> Selector:
        """A run's, from what the run was begun with."""
        wanted = desk.run_scales(settings)
        scales = [scale for name, scale in desk.scales.items() if name in wanted] or list(desk.scales.values())[:1]      # a run that trains nothing looks at the cheapest scores there are
        return make_selector(settings["selector"], settings["seed"], [s.name for s in scales], rungs_of(scales, load_priors(self.config.noise_file), settings["corpus"] or "python_docs"))

    def found(self, store: Store, run_id: str) -> Discovery:
        """What the run's selector hands over among the run's own designs: where it weighs seeds and relatives, that need not be the lowest score."""
        sessions = {s.id for s in store.sessions.all() if s.run_id == run_id}
        ids = {d.id for d in store.designs.all() if d.session_id in sessions}
        measured = [v.corpus_hash for v in store.verifications.all() if v.design_id in ids and v.metrics]
        corpus = measured[-1] if measured else None
        designs = store.designs.all(corpus)
        own = [d for d in designs if d.id in ids]
        desk = Desk.open(self.config, store=store)
        tree = store.tree(corpus)
        tree.remove_nodes_from([d.id for d in designs if is_new(d) and d.id not in ids])
        Showing(store).show(tree, lambda v: v.design_id in tree and v.finished_at is not None and not v.cut_off and v.corpus_hash == corpus, ())
        chosen = self._selector(desk, desk.run_settings(run_id)).best(tree) if measured else None
        best = next((d for d in own if d.id == chosen), None)
        scale = next((s for s in reversed(list(desk.scales)) if best and s in best.scores), None)
        made = store.implementations.newest(best.id) if best else None
        reference = next((d.scores.get(scale) for d in designs if d.id == REFERENCE), None) if scale else None
        return Discovery(run_id, best, scale, reference, len(own), sum(len(d.scores) for d in own), made.code if made else "")


def _or_later(lab: Lab, outcome: Outcome, result: Json) -> Json | Later:
    """The job's result; where it waits for a provider, it is taken up again by itself."""
    return Later(result, lab.aside) if outcome is Outcome.WAITING and isinstance(lab.aside, ProviderPaused) else result


def seed_library(store: Store, library_dir: Path) -> int:
    """Put the library's references into the tree as roots; what changed in the library becomes a new revision. How many are new."""
    known = {d.id for d in store.designs.all()}
    references = load_references(library_dir)
    for ref in references:
        if ref.slug not in known:
            store.designs.add(id=ref.slug, title=ref.title, kind=Kind.REFERENCE, mode=Mode.SEED, author="library", summary=ref.summary)
        newest = store.proposals.newest(ref.slug)
        if newest is None or newest.units != ref.units:
            body = f"{ref.summary}\n\n{ref.authors} ({ref.year}), [{ref.paper}]({ref.url})"
            store.proposals.add(ref.slug, "library", False, ref.title, body, ref.units)
        store.implementations.add(ref.slug, "library", ref.code, ref.units)
    return sum(ref.slug not in known for ref in references)



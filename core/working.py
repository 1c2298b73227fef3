"""A person's verbs for heavy work: have code written, checked, tried, timed, measured, data made ready; and what that will take. Each is a job for a worker. A part of the desk (core/desk.py)."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property

from core.asked import within, words
from core.config import Config
from core.errors import Conflict, NotFound, UsageError
from core.estimates import Estimate, estimate
from core.faithful import Behind, behind
from core.gab.scales import get_scale
from core.gab.units import UnitLibrary
from core.jobs import Queue
from core.machine import this_machine
from core.own import add_own, known_units, twin
from core.store import Store
from core.types import (
    OWN_RATE,
    CheckReport,
    Costs,
    Design,
    Implementation,
    Job,
    JobKind,
    JobState,
    Kind,
    Scale,
    Status,
    UnitTree,
    Verification,
    VerifyOptions,
    sha256_text,
    verify_subject,
)
from core.verification.probes.suites import Suite, get_suite, load_suites
from core.verification.training.recipes import resolve
from core.verification.training.shelf import Shelved, corpus_name, shelf

MOST_JOBS = 5000            # live ones that are looked through
AT_ONCE = 1000               # the priority of what a person sits and waits for: seconds, before all that takes minutes
LARGEST_CODE = 2**20         # bytes; the check itself allows far less, and says so


class Working:
    """What it needs of the desk: store, queue, config, scales, units, author."""

    store: Store
    queue: Queue
    config: Config
    scales: dict[str, Scale]
    units: UnitLibrary
    author: str

    def implement(self, design_id: str, scale: str = "nano") -> Job:
        design = self.store.designs.get(design_id)
        get_scale(self.scales, scale)
        if design.status is Status.REFUSED:
            raise UsageError(f"{design_id} is refused", f"approve it first: python -m core approve {design_id}")
        return self.queue.put(JobKind.IMPLEMENT, f"implement:{design_id}", {"design": design_id, "scale": scale})

    def try_code(self, code: str, scale: str = "nano") -> Job:
        """Check a person's gab.py that is no design yet; the job's result holds the report."""
        get_scale(self.scales, scale)
        words(code, "there is no code")
        within("the size of the code in bytes", len(code.encode()), 1, LARGEST_CODE)
        return self.queue.put(JobKind.TRY, f"try:{sha256_text(code)[:16]}@{scale}", {"code": code, "scale": scale}, priority=AT_ONCE)

    def trace_code(self, code: str, scale: str = "nano", batch: int = 2, length: int = 64) -> Job:
        """One forward pass of a person's gab.py, module by module; the job's result holds the trace and what was printed."""
        get_scale(self.scales, scale)
        words(code, "there is no code")
        within("the size of the code in bytes", len(code.encode()), 1, LARGEST_CODE)
        within("the batch", batch, 1, 64)
        within("the length", length, 1, 8192)
        subject = f"trace:{sha256_text(code)[:16]}@{scale}/{batch}x{length}"
        return self.queue.put(JobKind.TRY, subject, {"code": code, "scale": scale, "trace": [batch, length]}, priority=AT_ONCE)

    def save_code(self, design_id: str, job_id: int, base_revision: int) -> Implementation:
        """A person's own revision of a design's code, with the check that it went through. Code that failed it does not take the place of code that passed."""
        design = self.store.designs.get(design_id)
        if design.kind is Kind.REFERENCE:
            raise UsageError(f"{design_id} is a reference", "save the code as a design of your own, on the Library page")
        job = self.queue.get(job_id)
        report = self.tried(job)
        if report is None:
            raise UsageError(f"job {job_id} is no check that is done", "check the code first")
        newest = self.store.implementations.newest(design_id)
        if newest is not None and newest.revision != base_revision:
            raise Conflict(f"{newest.author} saved revision {newest.revision} while you edited revision {base_revision}", "your code is still in the form: compare, then save again")
        if newest is not None and newest.check is not None and newest.check.passed and not report.passed:
            raise UsageError(f"this code failed its check, and revision {newest.revision} passed", "mend what the check found; your code stays in the field")
        return self._revised(design_id, job.payload["code"], report)

    def restore_code(self, design_id: str, revision: int, base_revision: int) -> Implementation:
        """An older revision of the code, with the check that it went through, once more as the newest."""
        found = {i.revision: i for i in self.store.implementations.revisions(design_id)}
        older = found.get(revision)
        if older is None:
            raise UsageError(f"{design_id} has no revision {revision} of its code", f"it has {', '.join(map(str, found)) or 'none'}")
        newest = found[max(found)]
        if newest.revision != base_revision:
            raise Conflict(f"{newest.author} saved revision {newest.revision} meanwhile", "look at it, then decide")
        if older.check is None or (newest.check is not None and newest.check.passed and not older.check.passed):
            raise UsageError(f"revision {revision} {'failed its check' if older.check else 'was never checked'}", "open it under Debug, and check it there")
        return self._revised(design_id, older.code, older.check, older.units)

    def _revised(self, design_id: str, code: str, report: CheckReport, units: UnitTree | None = None) -> Implementation:
        with self.store.together():
            made = self.store.implementations.add(design_id, self.author, code, units or known_units(self.units, code))
            self.store.checks.add(made.id, report)
        return self.store.implementations.get(made.id)

    def behind(self, design_id: str) -> Behind | None:
        """Where its newest code is not what its newest proposal says."""
        return behind(self.store, design_id)

    def tried(self, job: Job) -> CheckReport | None:
        """What the check of a person's gab.py found; None while it runs."""
        return CheckReport.from_dict(job.result["report"]) if job.kind is JobKind.TRY and "report" in job.result else None

    def add_own(self, job_id: int, title: str, summary: str = "", design_id: str = "") -> Design:
        """Save a gab.py that passed its check as a root of the tree. Its costs at every scale are counted next."""
        job = self.queue.get(job_id)
        report = self.tried(job)
        if report is None or not report.passed:
            raise UsageError(f"job {job_id} is no check that passed", "check the code first, and mend what it finds")
        with self.store.together():
            made = add_own(self.store, self.units, job.payload["code"], report, words(title, "a design needs a title"), summary, design_id, self.author)
            self.queue.put(JobKind.COSTS, f"costs:{made}", {"design": made})
        return self.store.designs.get(made)

    def twin(self, code: str) -> str | None:
        """The design whose newest code is the same but for names, comments and order of keywords."""
        return twin(self.store, code)

    def check(self, design_id: str, scale: str = "nano") -> Job:
        self._implemented(design_id)
        get_scale(self.scales, scale)
        return self.queue.put(JobKind.CHECK, f"check:{design_id}@{scale}", {"design": design_id, "scale": scale})

    def count_costs(self, design_id: str) -> Job:
        """Parameters, FLOPs and memory of the newest code at every scale."""
        self._implemented(design_id)
        return self.queue.put(JobKind.COSTS, f"costs:{design_id}", {"design": design_id})

    def costs(self, design_id: str) -> dict[str, Costs]:
        """Of the newest code, by scale, as far as they are counted."""
        made = self.store.implementations.newest(design_id)
        return self.store.costs.of(made.code_hash, self.scales) if made else {}

    def verify(
        self, design_ids: Sequence[str], scale: str, seeds: Sequence[int] = (0,), corpus: str | None = None, fresh: bool = False,
        options: VerifyOptions | None = None,
    ) -> list[Job]:
        """Queue design × seed at a scale. Each takes one unit of the scale's budget, reserved now, spent when it is done.

        What is stored already is not made again, nor charged, unless `fresh`. Requests for one training that differ in their options are jobs of one line: charged once, and
        done one after another, each adding the tasks that are lacking.
        """
        settings = get_scale(self.scales, scale).settings
        options = options or VerifyOptions()
        corpus = corpus_name(corpus, self.config)
        for design_id in design_ids:
            self._implemented(design_id)
        jobs = []
        for design_id in design_ids:
            for seed in seeds:
                within("the seed", seed, 0, 2**31 - 1)
                label = " ".join(([OWN_RATE] if options.sweep else []) + ([secrets.token_hex(4)] if fresh else []))
                line = self._line(design_id, scale, seed, corpus, label, settings)
                payload = {"design": design_id, "scale": scale, "seed": seed, "corpus": corpus, "label": label, "options": asdict(options), "line": line}
                with self.store.together():
                    self.store.ledger.reserve(scale, line)
                    jobs.append(self.queue.put(JobKind.VERIFY, line + _asked(options), payload))
        return jobs

    def to_train(self, design_ids: Sequence[str], scale: str, seeds: Sequence[int], corpus: str | None = None, sweep: bool = False) -> dict[str, int]:
        """Design → how many of these seeds `verify` would train and charge; those whose score stands already or is under way are not among them, nor designs without any to train."""
        settings, label = get_scale(self.scales, scale).settings, OWN_RATE if sweep else ""
        recipe = resolve(corpus, self.config)
        known = recipe.file is not None or not corpus          # two files may bear one name: only the training itself can tell

        def stands(v: Verification, code: int) -> bool:
            return v.metrics is not None and (v.implementation_id, v.scale, v.corpus, v.label) == (code, scale, recipe.name, label) and v.settings in (settings, "")

        alike = scale, corpus_name(corpus, self.config), label
        under_way = {(j.payload["design"], j.payload["seed"]) for j in self.queue.all(limit=MOST_JOBS, states=(JobState.QUEUED, JobState.RUNNING))
                     if j.kind is JobKind.VERIFY and tuple(j.payload.get(name) for name in ("scale", "corpus", "label")) == alike}
        found = {}
        for design in design_ids:
            made = self.store.implementations.newest(design)
            done = {v.seed for v in self.store.verifications.of(design) if known and made and stands(v, made.id)}
            found[design] = len({seed for seed in seeds if seed not in done and (design, seed) not in under_way})
        return {design: n for design, n in found.items() if n}

    def corpora(self) -> list[Shelved]:
        """Every corpus with a name, and what else was prepared; for which scales each is ready."""
        return shelf(self.config, self.scales)

    def prepare_corpus(self, corpus: str | None, scale: str = "nano") -> Job:
        """Make a corpus ready for a scale: read (or fetch), split, tokenized. A verification does so too, when it is the first."""
        rung, name = get_scale(self.scales, scale), corpus_name(corpus, self.config)
        payload = {"corpus": name, "scale": scale, "vocab_size": rung.vocab_size, "tokenizer": rung.tokenizer}
        return self.queue.put(JobKind.DATA, f"data:{name or 'python_docs'}@{scale}", payload)

    @cached_property
    def suites(self) -> dict[str, Suite]:
        """The probes' suites by name."""
        return load_suites(self.config.library_dir / "probes.yaml")

    def probe(self, design_ids: Sequence[str], suite: str = "quick", seed: int = 0, tasks: Sequence[str] = (), fresh: bool = False) -> list[Job]:
        """Queue a suite of probes (or some of its tasks) for each design. What is stored for its code is not run again, unless `fresh`."""
        get_suite(self.suites, suite).only(tasks)
        within("the seed", seed, 0, 2**31 - 1)
        for design_id in design_ids:
            self._implemented(design_id)
        label = f"!{secrets.token_hex(4)}" if fresh else ""
        return [self.queue.put(JobKind.PROBE, f"probe:{design_id}@{suite}#{seed}" + (f"|{','.join(tasks)}" if tasks else "") + label,
                               {"design": design_id, "suite": suite, "seed": seed, "tasks": list(tasks), "fresh": fresh}) for design_id in design_ids]

    def estimate(self, design_ids: Sequence[str], scale: str, n_seeds: int | Mapping[str, int] = 1, price_an_hour: float = 0.0, options: VerifyOptions | None = None) -> Estimate:
        """Seconds, peak memory, FLOPs and (with a price) money for all of `design_ids` × `n_seeds`, or so many of each."""
        return estimate(self.store, self.scales, design_ids, get_scale(self.scales, scale), n_seeds, this_machine(self.config), price_an_hour, options)

    def time(self, design_id: str, scale: str, corpus: str | None = None) -> Job:
        """A short timed run of the design at the scale, from which `estimate` then tells."""
        self._implemented(design_id)
        get_scale(self.scales, scale)
        return self.queue.put(JobKind.TIME, f"time:{design_id}@{scale}", {"design": design_id, "scale": scale, "corpus": corpus_name(corpus, self.config)})

    def _line(self, design_id: str, scale: str, seed: int, corpus: str | None, label: str, settings: str) -> str:
        """The training's name; the older one where a job under that is still to be done."""
        older = verify_subject(design_id, scale, seed, corpus, label)
        made = self.store.implementations.newest(design_id)
        return older if made is None or self.store.ledger.reserved(scale, older) else verify_subject(design_id, scale, seed, corpus, label, made.id, settings)

    def _implemented(self, design_id: str) -> None:
        design = self.store.designs.get(design_id)
        if self.store.implementations.newest(design_id) is None:
            raise NotFound(f"{design_id} has no code yet", f"python -m core implement {design_id}")
        if design.status is Status.FAILED:
            raise UsageError(f"{design_id} failed its check", f"see: python -m core show {design_id}")


def _asked(options: VerifyOptions) -> str:
    """Tells a job's subject from that of another request for the same training; nothing for what everybody asks. A sweep is in the label already."""
    told = replace(options, tasks=tuple(sorted(options.tasks)), trackers=tuple(sorted(options.trackers)), sweep=False)
    return "" if told == VerifyOptions() else f"?{sha256_text(json.dumps(asdict(told), sort_keys=True))[:8]}"

"""ALG 3 against the store: a design trained and measured at a scale, once a seed; what is there already is handed out. A part of the lab (core/lab.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from core.errors import (
    DesignError,
    Diverged,
    LeaseLost,
    ModelDiscoveryError,
    NotFound,
    StoppedEarly,
    StoreError,
    Unproven,
)
from core.gates import VERIFY
from core.instruments import Recorded, Task
from core.probing import probed
from core.statistics.stopping import hopeless
from core.store.curves import CurveWriter
from core.types import (
    CurvePoint,
    Json,
    Kind,
    Scale,
    Verification,
    VerifyOptions,
    sha256_text,
    verify_subject,
)
from core.verification.probes.scores import mean, relative
from core.vetting import Vetting

# Of 1, the mean of the relative accuracies: who learned less is not worth a training of hours. In the tables of benchmarks/tabular (small probes of recall and parity) one design in eight
# is below, and of the best tenth one in thirty or none; beyond that probes tell little of a score (rank correlation 0.11 and 0.19), so that nothing else is asked of them.
LEAST = 0.3
PROBE_SEED = 0


class Verifying(Vetting):
    """What it needs of the lab: store, engine, scales, progress, current, others, book."""

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

    def proven(self, design_id: str, scale: str, subject: str) -> None:
        """A new design's probes, before a run first trains it at a rung that asks for them. Raises Unproven where it learned next to nothing of them. A person who pinned it, chose
        this very verification, or let it through its gate, has the last word; a probe that could not be asked says nothing."""
        suite, design = self.scales[scale].probes, self.store.designs.get(design_id)
        if not suite or design.kind is Kind.REFERENCE or design.pinned or self._trained_large(design_id):
            return
        entry = self.book().entries.get((f"{VERIFY}:{scale}", subject))
        if (entry and entry.word) or self._chosen(subject):
            return
        found = probed(self.store, self.engine.probe, self.progress, design_id, self.engine.suite(suite), (), PROBE_SEED, False)
        learned = mean(found) + sum(bool(r.failure) for r in found) / len(found)       # at best: of a probe that could not be asked nothing is known
        if learned < LEAST:
            told = ", ".join(f"{r.task} {relative(r):.2f}" for r in found)
            corpus = f" --corpus {self.run.corpus}" if self.run.corpus else ""
            raise Unproven(f"it learned next to nothing of the probes ({learned:.2f} of 1, below {LEAST:g}: {told})", f"to train it all the same: python -m core verify {design_id} --scale {scale}{corpus}")

    def _trained_large(self, design_id: str) -> bool:
        """Whether it has a score at a rung that asks for probes."""
        return any(v.scale in self.scales and self.scales[v.scale].probes and v.metrics and self._counts(v) for v in self.store.verifications.of(design_id))

    def unproven(self) -> set[tuple[str, str]]:
        """(design, scale) that the probes of any worker of the run barred, with all scales behind; those left out that a person pinned or had trained since."""
        names = list(self.scales)
        told = {(e.data["design"], e.data["scale"]) for e in self.store.events.recent(f"run:{self.run.id}", "passed_over", 1000) if e.data.get("host") == ""}
        free = {d.id for d in self.store.designs.some([design for design, _ in told]) if d.pinned or self._trained_large(d.id)}
        return {(design, behind) for design, scale in told if scale in names and design not in free for behind in names[names.index(scale):]}

    def _chosen(self, subject: str) -> bool:
        """Whether a person chose it in the place of the selector."""
        why = [e.data for e in self.store.events.recent(f"run:{self.run.id}", "why", 1000) if e.data["subject"] == subject]
        return bool(why and why[0]["decision"])

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

"""The heavy work of one configuration, as the lab asks for it (core/lab.py `Engine`). Nothing here loads torch until it is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.config import Config
from core.errors import NotFound
from core.gab.scales import load_scales
from core.instruments import Measured, Progress, Scored, Task
from core.types import CurvePoint, Json, ProbeResult, Scale, Timing, VerifyOptions, sha256_text

if TYPE_CHECKING:
    from core.verification.probes.suites import Probe
    from core.verification.training.corpus import PreparedCorpus
    from core.verification.verify import TestOutcome
    from core.verification.work import Work


class Measuring:
    """Trainings and evaluations of verifications, by their number: what belongs to one lies in CKPT_DIR/verification-<number>."""

    def __init__(self, config: Config, reference_code: Callable[[], str]) -> None:
        self.config = config
        self.reference_code = reference_code
        self.task_dir = config.library_dir / "tasks"

    def corpus(self, corpus: str | None, scale: Scale, progress: Progress) -> PreparedCorpus:
        from core.verification.training.corpus import prepare

        return prepare(corpus, scale.vocab_size, self.config, progress.progress, scale.tokenizer)

    def verify(self, task: Task, on_point: Callable[[CurvePoint], None], progress: Progress, on_event: Callable[[str, Json], None]) -> Measured:
        from core.verification.verify import verification

        work = replace(self._work(task, progress), on_point=on_point, on_event=on_event)
        if task.options.sweep:
            cheapest = next(iter(load_scales(self.config.scales_file).values()))
            work = replace(work, cheapest=(cheapest, self.corpus(task.given, cheapest, progress)))
        return verification(work, self.task_dir)

    def tasks(self, task: Task, facts: Json, progress: Progress) -> Scored:
        from core.verification.verify import tasked

        progress.progress(0.1, f"{', '.join(task.options.tasks)}, through lm-eval")
        return tasked(self._saved(task, facts, progress), facts, self.task_dir)

    def audit(self, task: Task, facts: Json, progress: Progress) -> tuple[bool, str]:
        from core.verification.verify import audited

        progress.progress(0.1, "the deep causality audit of the trained weights")
        return audited(self._saved(task, facts, progress), facts)

    def test_score(self, task: Task, facts: Json, progress: Progress) -> TestOutcome:
        from core.verification.verify import tested

        progress.progress(0.1, "scoring the locked test split")
        return tested(self._saved(task, facts, progress), facts)

    def time(self, code: str, scale: Scale, corpus: PreparedCorpus, progress: Progress) -> Timing:
        from core.verification.verify import timed

        progress.progress(0.1, f"a short timed run at {scale.name}")
        folder = self.config.ckpt_dir / f"timing-{scale.name}-{sha256_text(code)[:12]}"
        return timed(replace(self._work(Task(0, code, scale, 0, corpus, None, VerifyOptions()), progress), folder=folder), self.task_dir)

    def probe(self, code: str, probes: Sequence[Probe], seed: int, on_result: Callable[[ProbeResult, Json], None], progress: Progress) -> None:
        from core.verification.probes.probe import Outcome, probe
        from core.verification.work import commit, cores, machine_of, versions

        made = {"versions": versions(), "commit": commit(), "machine": machine_of(self.config), "device": "cpu", "threads": 1}

        def told(outcome: Outcome) -> None:
            on_result(outcome.result, {**made, **outcome.provenance})

        probe(code, probes, seed, children=self.config.threads or cores(), on_result=told, on_progress=progress.progress, check_cancel=progress.check_cancel)

    def _work(self, task: Task, progress: Progress) -> Work:
        from core.verification.work import Work

        return Work(task.code, task.scale, task.seed, task.corpus, self.reference_code(), self.config.ckpt_dir / f"verification-{task.id}", self.config,
                    lambda point: None, progress.progress, lambda kind, data: None, progress.check_cancel, task.options, task.given)

    def _saved(self, task: Task, facts: Json, progress: Progress) -> Work:
        """With the tokenizer and the held-out text that the weights were trained beside. Raises NotFound when these, or the weights, are not on this machine."""
        from core.verification.train import WEIGHTS

        work = self._work(replace(task, scale=Scale(**facts["scale"])), progress)
        if not (work.folder / WEIGHTS).is_file():
            raise NotFound(f"the weights of verification {task.id} are not on this machine ({work.folder})", "run it where they are, or verify the design again with --fresh")
        found = self._corpus_of(facts["corpus"]["tokenizer"], facts["corpus"]["hash"])
        return replace(work, corpus=found)

    def _corpus_of(self, tokenizer_hash: str, corpus_hash: str) -> PreparedCorpus:
        from core.verification.training.corpus import load_prepared
        from core.verification.training.shelf import prepared

        for facts in prepared(self.config):
            if (facts.get("tokenizer_hash"), facts.get("hash")) == (tokenizer_hash, corpus_hash):
                return load_prepared(Path(facts["dir"]))
        raise NotFound(f"the corpus {corpus_hash[:12]}… with its tokenizer is not under {self.config.data_dir / 'corpora'}", "prepare it again, or verify the design again")

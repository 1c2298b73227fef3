"""An engine that trains nothing, behind the same seam as the real one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from core.build import BuildSystem
from core.config import Config
from core.instruments import Engine, Progress, Scored, Task
from core.types import CheckReport, CheckResult, Costs, CurvePoint, Documents, Fit, Json, Metrics, ProbeResult, Scale, Timing, derive_seed
from core.verification.probes.suites import Probe, get_suite, load_suites


@dataclass(frozen=True)
class FakeCorpus:
    name: str = "fake"
    hash: str = "f" * 64


@dataclass(frozen=True)
class FakeOutcome:
    metrics: Metrics
    provenance: Json
    documents: Documents
    items: Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class FakeTestOutcome:
    bits_per_byte: float
    bits_per_byte_se: float
    documents: Documents


class FakeEngine:
    """Checks by a rule, "trains" in no time to a score that follows from the code and the seed; counts what it was asked."""

    def __init__(self, passes: Callable[[str], bool] = lambda code: True) -> None:
        self.passes = passes
        self.checked: list[str] = []
        self.verified: list[tuple[str, str, int]] = []
        self.probed: list[tuple[str, str, int]] = []
        self.fail_next: Exception | None = None
        self.fail_after: Exception | None = None          # at the time after that
        self.scores: dict[tuple[str, int], float] = {}    # (code, seed) → bits per byte, where a test wants its own
        self.fails: dict[tuple[str, int], Exception] = {}  # (code, seed) → why it ends without a score
        self.learned: dict[str, float] = {}               # code → what it learns of each probe, 0–1, where a test wants its own
        self.audits: list[int] = []                       # verifications that were audited
        self.audit_says: tuple[bool, str] | Exception = (True, "nothing changes")

    def check(self, code: str, scale: Scale) -> CheckReport:
        self.checked.append(code)
        ok = self.passes(code)
        return CheckReport(ok, scale.name, (CheckResult("forward", "pass" if ok else "fail", "by rule", 0.0),), Fit(4, 128, 100, 10, 100))

    def costs(self, code: str, scales: Sequence[Scale], progress: Progress) -> list[tuple[Scale, Costs]]:
        return [(scale, Costs(100, 10, 200.0, 600.0, 50.0)) for scale in scales]

    def corpus(self, path: str | None, scale: Scale, progress: Progress) -> FakeCorpus:
        return FakeCorpus()

    def verify(self, task: Task, on_point: Callable[[CurvePoint], None], progress: Progress, on_event: Callable[[str, Json], None]) -> FakeOutcome:
        code, scale, seed = task.code, task.scale, task.seed
        self.verified.append((code, scale.name, seed))
        if self.fail_next:
            error, self.fail_next, self.fail_after = self.fail_next, self.fail_after, None
            raise error
        if (code, seed) in self.fails:
            raise self.fails[code, seed]
        for step in range(3):
            progress.check_cancel()
            on_point(CurvePoint(step, step * 10, 5.0 - step, 2.0, 1e-3, 1.0, 100.0, 2.5 - step / 10))
        score = self.scores.get((code, seed), 1.5 + derive_seed(code, scale.name, seed) % 1000 / 1000)
        documents = Documents(tuple(score * 100 + i % 7 for i in range(50)), (100.0,) * 50)
        return FakeOutcome(Metrics(score, 0.01, 3.0, 20.0, 3.1, 30, 100.0, 1.0, 0.5, 100, 10, 4, 128, 50.0, self._pairs(task)[0]), {"seed": seed}, documents, self._pairs(task)[1])

    def tasks(self, task: Task, facts: Json, progress: Progress) -> Scored:
        return self._pairs(task)

    def audit(self, task: Task, facts: Json, progress: Progress) -> tuple[bool, str]:
        self.audits.append(task.id)
        if isinstance(self.audit_says, Exception):
            raise self.audit_says
        return self.audit_says

    def test_score(self, task: Task, facts: Json, progress: Progress) -> FakeTestOutcome:
        score = self.scores.get((task.code, task.seed), 2.0) + 0.01
        return FakeTestOutcome(score, 0.01, Documents(tuple(score * 100 + i % 5 for i in range(40)), (100.0,) * 40))

    def time(self, code: str, scale: Scale, corpus: FakeCorpus, progress: Progress) -> Timing:
        return Timing(0.25, 4.0, 6.0, 321.0, 8)

    def probe(self, code: str, probes: Sequence[Probe], seed: int, on_result: Callable[[ProbeResult, Json], None], progress: Progress) -> None:
        for one in probes:
            progress.check_cancel()
            self.probed.append((one.task, one.level, seed))
            learned = self.learned.get(code, derive_seed(code, one.task, one.level, seed) % 1000 / 1000)
            score = one.chance + (1 - one.chance) * learned
            on_result(ProbeResult(one.suite, one.task, one.level, seed, score, one.chance, 1e-3, {"0.001": score}, 10, 100, 1.0), {"hash": one.hash})

    def _pairs(self, task: Task) -> Scored:
        scores = {name: {"acc": 0.6, "acc_stderr": 0.02, "chance": 0.5, "above_chance": 0.2, "n": 300.0} for name in task.options.tasks}
        return scores, {name: [1] * 180 + [0] * 120 for name in task.options.tasks}


class FakeSystem(BuildSystem):
    """The real system with the fake engine: everything but training is real."""

    def __init__(self, config: Config, engine: FakeEngine) -> None:
        super().__init__(config, author="tester")
        self.fake = engine

    def engine(self) -> Engine:
        return Engine(check=self.fake.check, corpus=self.fake.corpus, costs=self.fake.costs, verify=self.fake.verify, tasks=self.fake.tasks, probe=self.fake.probe, suite=lambda name: get_suite(load_suites(self.config.library_dir / "probes.yaml"), name),
                      audit=self.fake.audit, test_score=self.fake.test_score, time=self.fake.time)

"""An engine that trains nothing, behind the same seam as the real one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.build import BuildSystem
from core.config import Config
from core.lab import Engine, Progress
from core.types import CheckReport, CheckResult, Costs, CurvePoint, Fit, Json, Metrics, Scale, derive_seed


@dataclass(frozen=True)
class FakeCorpus:
    name: str = "fake"
    hash: str = "f" * 64


@dataclass(frozen=True)
class FakeOutcome:
    metrics: Metrics
    provenance: Json


class FakeEngine:
    """Checks by a rule, "trains" in no time to a score that follows from the code and the seed; counts what it was asked."""

    def __init__(self, passes: Callable[[str], bool] = lambda code: True) -> None:
        self.passes = passes
        self.checked: list[str] = []
        self.verified: list[tuple[str, str, int]] = []
        self.fail_next: Exception | None = None

    def check(self, code: str, scale: Scale) -> CheckReport:
        self.checked.append(code)
        ok = self.passes(code)
        return CheckReport(ok, scale.name, (CheckResult("forward", "pass" if ok else "fail", "by rule", 0.0),), Fit(4, 128, 100, 10, 100))

    def costs(self, code: str, scales: Sequence[Scale], progress: Progress) -> list[tuple[Scale, Costs]]:
        return [(scale, Costs(100, 10, 200.0, 600.0, 50.0)) for scale in scales]

    def corpus(self, path: str | None, scale: Scale, progress: Progress) -> FakeCorpus:
        return FakeCorpus()

    def verify(self, code: str, scale: Scale, seed: int, corpus: FakeCorpus, row: int, on_point: Callable[[CurvePoint], None],
               progress: Progress, on_event: Callable[[str, Json], None]) -> FakeOutcome:
        self.verified.append((code, scale.name, seed))
        if self.fail_next:
            error, self.fail_next = self.fail_next, None
            raise error
        for step in range(3):
            progress.check_cancel()
            on_point(CurvePoint(step, step * 10, 5.0 - step, 2.0, 1e-3, 1.0, 100.0))
        score = 1.5 + derive_seed(code, scale.name, seed) % 1000 / 1000
        return FakeOutcome(Metrics(score, 0.01, 3.0, 20.0, 3.1, 30, 100.0, 1.0, 0.5, 100, 10, 4, 128, 50.0,
                                   {"minimal_pairs": {"acc": 0.6, "acc_stderr": 0.02, "chance": 0.5, "n": 300}}), {"seed": seed})


class FakeSystem(BuildSystem):
    """The real system with the fake engine: everything but training is real."""

    def __init__(self, config: Config, engine: FakeEngine) -> None:
        super().__init__(config, author="tester")
        self.fake = engine

    def engine(self) -> Engine:
        return Engine(self.fake.check, self.fake.corpus, self.fake.costs, self.fake.verify)

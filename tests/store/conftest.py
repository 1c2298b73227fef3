"""What the store's tests share: stores on each database, and designs to fill them with."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from databases import database, postgres_server, store  # noqa: F401

from core.store import Store
from core.types import CheckReport, CheckResult, Fit, Implementation, Kind, Metrics, Mode


@pytest.fixture
def report() -> Callable[[bool], CheckReport]:
    def make(passed: bool) -> CheckReport:
        verdict = CheckResult("forward", "pass" if passed else "fail", "evidence", 0.5, "mend")
        return CheckReport(passed, "nano", (verdict,), Fit(4, 128, 1000, 200, 990), "what it printed", ("rlimits",), 1.5)

    return make


@pytest.fixture
def metrics() -> Callable[[float], Metrics]:
    def make(score: float) -> Metrics:
        return Metrics(score, 0.01, 3.0, 20.0, 3.1, 1000, 500.0, 2.0, 0.5, 100, 50, 4, 128, 64.0, {"pairs": {"acc": 0.6, "n": 300}})

    return make


@pytest.fixture
def implemented(store: Store) -> Callable[[str], Implementation]:  # noqa: F811
    """A design of that id, with code."""

    def make(id: str) -> Implementation:
        store.designs.add(id, id.title(), Kind.AGENT, Mode.SCRATCH, author="a")
        return store.implementations.add(id, "coder", f"# code of {id}")

    return make

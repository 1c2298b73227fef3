"""A desk, a worker and a scripted researcher behind the stub that belong together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from fakes import FakeEngine, FakeSystem
from llm_setting import QUICK, serve  # noqa: F401
from stub_llm import StubServer
from stub_llm.researcher import Researcher

from core.build import BuildSystem
from core.config import Config
from core.desk import Desk
from core.jobs.patience import Patience
from core.llm.caller import Caller
from core.types import MONEY, JobState, Session

HASTY = Patience(rests_s=(0.02, 0.05), most_s=0.6)

ROOT = Path(__file__).resolve().parents[2]

TINY = "nano: {n_layers: 2, d_model: 64, context: 128, vocab_size: 512, tokens: 8192, batch_tokens: 1024, lr: 3.0e-3, tolerance: 0.3, eval_tokens: 4096, minutes: 0.1}\n"


@dataclass
class Lab:
    server: StubServer
    system: BuildSystem
    desk: Desk
    researcher: Researcher

    def session(self, parents: tuple[str, ...] = ("gpt2",), **options: Any) -> Session:
        return self.desk.start_session(list(parents), **{"n_proposals": 1, "gate": "auto", "seed": 1, "agents": "default", **options})

    def work(self) -> None:
        worker = self.system.worker(self.desk.store, "w")
        while worker.run_one() is not None or self.rests():
            pass

    def rests(self) -> bool:
        """Whether a job rests that will be taken up again in a moment; until then."""
        ends = [job.not_before for job in self.desk.queue.all(states=[JobState.QUEUED]) if job.resting]
        left = (min(ends) - datetime.now(UTC)).total_seconds() if ends else 60.0
        if left < 1.0:
            time.sleep(max(0.0, left) + 0.005)
        return left < 1.0

    def said(self, session: Session, kind: str) -> list[dict]:
        return [e.data for e in self.desk.store.events.since(f"session:{session.id}", limit=10_000) if e.kind == kind]

    def left(self, account: str) -> tuple[float, float, float]:
        found = self.desk.store.ledger.account(account)
        return found.granted, found.spent, found.reserved


@pytest.fixture
def lab(tmp_path: Path, opened: Path) -> Iterator[Callable[..., Lab]]:
    """`real`: blocks go through the real check; otherwise the fake engine passes them. `tiers`: which of the stub's providers is `strong`."""
    with ExitStack() as stack:

        def make(researcher: Researcher | None = None, faults: Any = (), real: bool = False, money: float | None = None, engine: FakeEngine | None = None,
                 first: str = "oai", pause_s: float = 0.0) -> Lab:
            researcher = researcher or Researcher()
            server = stack.enter_context(StubServer(researcher, faults, pause_s=pause_s))
            env = server.environment(tmp_path, stall_s=0.3 if faults else 2.0)      # a busy machine must not look like a silent server
            if first != "oai":
                del env["OPENAI_API_KEY"]
            (tmp_path / "scales.yaml").write_text(TINY)
            config = Config.from_env({"DATA_DIR": str(tmp_path / "data"), "THREADS": "1", "NOISE_FILE": str(tmp_path / "noise.yaml"), "SCALES_FILE": str(tmp_path / "scales.yaml"), **env})
            if not config.data_dir.exists():
                copytree(opened, config.data_dir)
            system = BuildSystem(config, author="tester") if real else FakeSystem(config, engine or FakeEngine())
            desk = system.open()
            stack.callback(desk.store.close)
            system._asking = Caller.open(config, desk.store, QUICK)
            system.patience = HASTY
            stack.callback(system._asking.close)
            if money is not None:
                desk.set_budget(MONEY, money)
            return Lab(server, system, desk, researcher)

        yield make

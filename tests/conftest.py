"""Fixtures that every area shares: a data directory of its own, a store, a desk, and an engine that trains nothing."""

from __future__ import annotations

import gc
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from fakes import FakeEngine, FakeSystem  # noqa: E402

from core.config import Config  # noqa: E402
from core.desk import Desk  # noqa: E402

gc.set_threshold(50_000, 10, 5)     # Python's own looks for cycles every 700 objects: a sixth of a store's test

REAL_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Real text and test sets beside the project; tests that need them skip without."""
    if not REAL_DATA.is_dir():
        pytest.skip("no real data beside the project")
    return REAL_DATA


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config.from_env({"DATA_DIR": str(tmp_path / "data"), "THREADS": "1", "NOISE_FILE": str(tmp_path / "noise.yaml")})


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture(scope="session")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory that was opened once, so that each test need not make its own tree of references."""
    folder = tmp_path_factory.mktemp("opened") / "data"
    FakeSystem(Config.from_env({"DATA_DIR": str(folder)}), FakeEngine()).open().store.close()
    return folder


@pytest.fixture
def system(config: Config, engine: FakeEngine, opened: Path) -> FakeSystem:
    if not config.data_dir.exists():
        shutil.copytree(opened, config.data_dir)
    return FakeSystem(config, engine)


@pytest.fixture
def desk(system: FakeSystem) -> Iterator[Desk]:
    desk = system.open()
    yield desk
    desk.store.close()


@pytest.fixture
def work(system: FakeSystem, desk: Desk) -> Callable[[], int]:
    """Do every queued job here; how many."""

    def run() -> int:
        worker, n = system.worker(desk.store, "test-worker"), 0
        while worker.run_one() is not None:
            n += 1
        return n

    return run

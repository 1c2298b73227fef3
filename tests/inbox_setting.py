"""A data directory with a session of three proposals that waits: made once a file, copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import FakeEngine, FakeSystem

from core.config import Config
from core.desk import Desk


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    system = FakeSystem(Config.from_env({"DATA_DIR": str(folder), "THREADS": "1"}), FakeEngine())
    desk = system.open()
    desk.start_session(["gpt2", "llama"], n_proposals=3, seed=3)
    while system.worker(desk.store, "w").run_one() is not None:
        pass
    desk.store.close()
    return folder


@pytest.fixture
def desk(template: Path, config: Config) -> Iterator[Desk]:
    shutil.copytree(template, config.data_dir)
    desk = Desk.open(config, "tester")
    yield desk
    desk.store.close()


@pytest.fixture
def proposed(desk: Desk) -> list[str]:
    return [d.id for d in desk.store.designs.of_session(desk.store.sessions.all()[0].id)]

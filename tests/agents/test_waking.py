"""A budget that is topped up wakes the sessions that wait for it, and no others."""

from __future__ import annotations

import pytest

from core.build import BuildSystem
from core.cli import main
from core.config import Config
from core.types import MONEY, TOKENS, JobState


@pytest.fixture
def desk(tmp_path, monkeypatch):
    for name, value in {"DATA_DIR": str(tmp_path / "data"), "THREADS": "1"}.items():
        monkeypatch.setenv(name, value)
    desk = BuildSystem(Config.from_env()).open()
    yield desk
    desk.store.close()


def paused(desk, account: str = MONEY) -> str:
    """A session whose agents wait for an account; no job of it is left."""
    session = desk.start_session(["gpt2"], n_proposals=1, enqueue=False)
    desk.store.events.append(f"session:{session.id}", "phase", "system", {"phase": "paused", "note": "the budget is used up", "account": account})
    return session.id


def live(desk, session: str) -> bool:
    return [j.state for j in desk.queue.all() if j.subject == f"session:{session}"] == [JobState.QUEUED]


def test_more_money_hands_those_who_wait_for_it_to_the_workers(desk):
    money, tokens, held = paused(desk), paused(desk, TOKENS), paused(desk)
    desk.pause(held)
    closed = paused(desk)
    desk.store.sessions.close(closed)
    assert desk.set_budget(MONEY, 20) == [money]
    assert [live(desk, s) for s in (money, tokens, held, closed)] == [True, False, False, False]
    assert desk.set_budget(MONEY, 30) == [money], "nothing is queued twice"
    assert live(desk, money)


def test_nothing_is_woken_where_nothing_is_left(desk):
    session = paused(desk)
    assert desk.set_budget(MONEY, 0) == []
    assert not live(desk, session)


def test_the_command_says_who_goes_on(desk, capsys):
    session = paused(desk)
    assert main(["budget", "money", "25"]) == 0
    assert f"session {session} waited for it" in capsys.readouterr().out
    assert live(desk, session)

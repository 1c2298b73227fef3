"""A file of a person's own that cannot be read: its agent or its prices are told, and everything else of the app works."""

from __future__ import annotations

from pathlib import Path

import inbox_setting
import pytest
from screens import said

from core.config import KEYS
from core.desk import Desk
from core.errors import ConfigError

desk, proposed, template = inbox_setting.desk, inbox_setting.proposed, inbox_setting.template


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (name for names in KEYS.values() for name in names):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def broken(desk: Desk) -> Path:
    """The reviewer of the team of language models; beside it a version of one's own with nothing wrong."""
    shipped = desk.agents()["designer"].files()
    desk.save_agent("designer", {path: text.replace("{tier: strong}", "{tier: fast}") for path, text in shipped.items()})
    path = desk.config.own_specs_dir / "reviewer.yaml"
    path.write_text("name: reviewer\nrole: ]")
    return path


def words(test) -> str:
    return said(test).replace("\\", "").replace("\u2060", "")


def keys(test) -> set[str]:
    return {(b.key or "").partition("--")[0] for b in test.button}


def named(test, key: str):
    return next(w for kind in (test.selectbox, test.button) for w in kind if (w.key or "").partition("--")[0] == key)


def test_the_studio_works_and_says_which_team_cannot(open_page, desk: Desk, proposed, broken):
    test = open_page("studio", parents="gpt2")
    assert not test.error
    assert desk.store.sessions.all()[0].id in str([p.proto.label for p in test.get("page_link")])
    named(test, "new-team").set_value("default").run()
    assert "This team cannot work here" in words(test)
    assert "agent_specs/reviewer.yaml:2: " in words(test)
    assert next(b for b in test.button if b.label == "Start").disabled
    with pytest.raises(ConfigError, match=r"(?s)reviewer.yaml:2: .*take this version away on the page Agents"):
        desk.start_session(["gpt2"], agents="default")
    assert len(desk.store.sessions.all()) == 1
    named(test, "new-team").set_value("builtin").run()
    next(b for b in test.button if b.label == "Start").click().run()
    assert not test.exception
    assert len(desk.store.sessions.all()) == 2


def test_a_run_starts_and_runs_are_listed(open_page, desk: Desk, broken):
    run = desk.evolve(1, {"nano": 1}).subject
    test = open_page("evolve")
    assert not test.error
    assert run in str([p.proto.label for p in test.get("page_link")]) + words(test)
    named(test, "run-team").set_value("default").run()
    assert "agent_specs/reviewer.yaml:2: " in words(test)
    assert named(test, "run-start").disabled
    with pytest.raises(ConfigError, match=r"reviewer.yaml:2: "):
        desk.evolve(1, {"nano": 1}, agents="default")
    assert desk.run_ids() == [run]


def test_a_proposal_is_judged_on_its_page_in_the_inbox_and_in_its_session(open_page, desk: Desk, proposed, broken):
    design = open_page("design", design=proposed[0])
    assert not design.error
    assert len(design.tabs) > 3
    inbox = open_page("inbox")
    assert not inbox.error
    assert {"inbox-approve", "inbox-back", "inbox-refuse"} <= keys(inbox)
    session = open_page("studio", session=desk.store.sessions.all()[0].id)
    assert not session.error
    assert any(s.key == "steer-to" for s in session.selectbox), "its control row"


def test_the_agents_page_offers_to_take_the_guilty_version_away(open_page, desk: Desk, broken):
    test = open_page("agents")
    assert "agent_specs/reviewer.yaml:2: " in test.error[0].value.replace("\\", "")
    assert "needed by default" in words(test)
    assert "Cannot work here: " in words(test)
    assert {"reviewer", "designer", "coder"} <= {word.strip("*") for m in test.markdown for word in m.value.split()} | {p.proto.label for p in test.get("page_link")}
    assert [b.label for b in test.button if "away" in b.label] == ["Take your version of reviewer away"]
    named(test, "drop-agent-reviewer").click().run()
    assert not test.exception
    assert not test.error
    assert not broken.exists()
    assert desk.agents()["reviewer"].role == "reviewer"
    assert desk.is_own("designer"), "which was innocent"


def test_the_page_of_an_unreadable_agent_says_so(open_page, desk: Desk, broken):
    test = open_page("agents", agent="reviewer")
    assert "agent_specs/reviewer.yaml:2: " in test.error[0].value.replace("\\", "")
    named(test, "drop-agent-reviewer").click().run()
    assert not test.exception
    assert not desk.is_own("reviewer")


def test_a_refused_price_is_told_above_the_table_and_the_rest_of_the_tab_stands(open_page, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    prices = tmp_path / "prices.yaml"
    prices.write_text("prices:\n  'openai:*': {input: -1, output: 2}\n")
    monkeypatch.setenv("PRICES_FILE", str(prices))
    test = open_page("agents", tab="models")
    (error,) = test.error
    assert "prices.yaml: prices.openai:*.input -1 is no price" in error.value.replace("\\", "").replace("\u2060", "")
    providers = next(d.value for d in test.dataframe if "key" in d.value)
    assert "missing: MY_OPENAI_KEY or OPENAI_API_KEY" in list(providers["key"])
    assert "unknown" in list(providers["$ per million tokens"])
    next(n for n in test.number_input if n.key == "total-money").set_value(3.5)
    named(test, "set-money").click().run()
    assert desk.store.ledger.account("money").granted == 3.5
    prices.write_text("prices:\n  'openai:*': {input: 1, output: 2}\n")
    test.run()
    assert not test.error
    assert "$1 in, $2 out" in list(next(d.value for d in test.dataframe if "key" in d.value)["$ per million tokens"])

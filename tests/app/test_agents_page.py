"""The Agents page and what a session of language models shows, without a browser."""

from __future__ import annotations

from contextlib import suppress

import pytest
from screens import HOSTILE, said

from core.agents.dialog import Dialog
from core.config import KEYS
from core.conversation import read
from core.desk import Desk
from core.errors import ConfigError, UnitError, UsageError
from core.report.said import readable
from core.types import CallState, JobState, NewUnit, UnitTree


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (name for names in KEYS.values() for name in names):
        monkeypatch.delenv(variable, raising=False)


def field(test, beginning: str):
    return next(t for t in test.text_area if t.label.startswith(beginning))


def press(test, label: str):
    next(b for b in test.button if b.label == label).click().run()
    assert not test.exception
    return test


def test_it_lists_agents_and_teams_and_who_lacks_a_key(open_page):
    test = open_page("agents")
    words = said(test)
    assert "A strict reviewer" in words.replace("\\", "")
    assert "the first choice in the Studio" in words
    assert any("missing: MY_OPENAI_KEY or OPENAI_API_KEY" in list(d.value["key"]) for d in test.dataframe if "key" in d.value)


def test_wrong_links_are_words(open_page):
    assert "there is no agent" in said(open_page("agents", agent=HOSTILE))
    assert not open_page("agents", agent="designer", revision="<b>").error
    assert not open_page("agents", tab="nowhere").error


def test_a_broken_edit_names_file_line_and_key_and_keeps_what_was_typed(open_page, desk: Desk):
    test = open_page("agents", agent="reviewer")
    typed = field(test, "reviewer.yaml").value.replace("max_tokens", "max_tokenz")
    field(test, "reviewer.yaml").set_value(typed)
    press(test, "Save as my version")
    assert "reviewer.yaml:6: parameters: 'max_tokenz' is unknown" in said(test).replace("\\", "")
    assert field(test, "reviewer.yaml").value == typed
    assert not desk.is_own("reviewer")


def test_an_edit_counts_is_a_revision_and_can_be_taken_back(open_page, desk: Desk):
    before = desk.agents()["reviewer"]
    test = open_page("agents", agent="reviewer")
    field(test, "prompts/reviewer/system.md").set_value(f"{HOSTILE}\n\nBe short.")
    press(test, "Save as my version")
    now = desk.agents()["reviewer"]
    assert "Be short." in now.render("system", about="", axes=())
    assert [(r.revision, r.author) for r in desk.revisions("reviewer")] == [(now.revision, "you"), (before.revision, "")]
    press(test, "Back to the shipped one")
    assert desk.agents()["reviewer"].revision == before.revision
    assert desk.restore_agent("reviewer", now.revision).revision == now.revision


WRONG = [
    ("prompts/designer/propose.md", lambda t: t + "\n{{ nope }}", r"propose\.md:\d+: 'nope' is not defined"),
    ("prompts/designer/propose.md", lambda t: t + "\n{% if mode == 'never' %}{{ nope }}{% endif %}", r"propose\.md:\d+: 'nope' is not defined"),
    ("prompts/designer/propose.md", lambda t: t + "\n{{ brief.nope }}", r"propose\.md:\d+: .* no attribute 'nope'"),
    ("prompts/designer/propose.md", lambda t: t + "\n{{ 1 + 'a' }}", r"propose\.md:\d+: TypeError"),
    ("prompts/designer/system.md", lambda t: t + "\n{% for %}", r"system\.md:\d+: "),
    ("designer.yaml", lambda t: t.replace("strong", "strange"), r"designer\.yaml:\d*:? ?model: tier 'strange' is unknown"),
    ("designer.yaml", lambda t: t.replace("{tier: strong}", "{name: 'nobody:x'}"), "provider 'nobody'"),
    ("designer.yaml", lambda t: t.replace("scores,", "scoores,"), "there is no 'scoores'"),
    ("designer.yaml", lambda t: t.replace("engine: model", "engine: modle"), "no engine 'modle'"),
    ("designer.yaml", lambda t: t.replace("name: designer", "name: ../designer"), "its name is"),
    ("designer.yaml", lambda t: "[", "designer.yaml:"),
]


def test_a_version_is_tried_before_it_counts(desk: Desk):
    shipped = desk.agents()["designer"]
    for path, change, told in WRONG:
        files = {name: change(text) if name == path else text for name, text in shipped.files().items()}
        with pytest.raises(ConfigError, match=told):
            desk.save_agent("designer", files)
    assert desk.agents()["designer"] == shipped


def test_nothing_is_written_beside_an_agents_own_files(desk: Desk):
    for files in ({}, {"../x.yaml": "a"}, {"designer.yaml": "x", "prompts/other/a.md": "b"}, {"designer.yaml": "x", "prompts/designer/../../../a.md": "b"}):
        with pytest.raises(UsageError):
            desk.save_agent("designer", files)
    assert not desk.config.own_specs_dir.exists()


def test_every_shipped_prompt_renders_over_a_real_brief(desk: Desk):
    for spec in desk.agents().values():
        tried = desk.try_agent(spec)
        assert set(tried.untried) <= {"rejected"}, spec.name
        assert all(tried.rendered.values())


def test_a_rule_is_given_switched_off_and_reworded(open_page, desk: Desk):
    test = open_page("agents", tab="taught")
    next(t for t in test.text_input if t.key == "guide-words").set_value(HOSTILE)
    press(test, "Give this rule")
    (lesson,) = desk.lessons()
    assert lesson.text == HOSTILE
    next(t for t in test.toggle if t.label == "used").set_value(False).run()
    assert not desk.lessons()[0].on
    next(t for t in test.text_area if t.key.startswith("reword-")).set_value("no dropout")
    press(test, "Save")
    assert (desk.lessons()[0].text, desk.lessons()[0].on) == ("no dropout", False)
    next(t for t in test.text_input if t.key == "guide-words").set_value("  ")
    assert "there is no rule" in said(press(test, "Give this rule"))


def test_budgets_are_set_and_unknown_prices_are_said(open_page, desk: Desk):
    call = desk.store.calls.begin("k", "h", {}, "chat:odd", {}, 5, stream="session:x", author="designer")
    desk.store.calls.finish(call, CallState.ANSWERED, usage={"input": 5, "output": 6}, money=None, charges={}, answer={})
    test = open_page("agents", tab="models")
    next(n for n in test.number_input if n.key == "total-money").set_value(3.5)
    next(b for b in test.button if b.key == "set-money").click().run()
    assert desk.store.ledger.account("money").granted == 3.5
    spent = next(d.value for d in test.dataframe if "agent" in d.value)
    assert (spent["agent"][0], spent["money"][0], spent["tokens"][0]) == ("designer", "unknown", 11)


def spoken(desk: Desk, session_id: str) -> Dialog:
    stream = f"session:{session_id}"
    return Dialog(lambda kind, author, data: desk.store.events.append(stream, kind, author, data))


def test_a_session_shows_models_money_thoughts_tools_and_what_was_cut(open_page, desk: Desk):
    session = desk.start_session(["gpt2"], enqueue=False)
    dialog, key = spoken(desk, session.id), f"session:{session.id}/{session.id}-1/propose/0"
    dialog.prompt(f"{session.id}-1/propose", "designer", lambda: {"turns": [{"role": "user", "text": HOSTILE}], "spec": "designer", "revision": "abc", "guidance": [1], "heard": []})
    with dialog.message("designer", "designer", f"{session.id}-1", key) as message:
        message.say("what was lost")
        message.restart("the line was cut; tried again")
        message.say("hm, ![seen](http://elsewhere/x.png) " + HOSTILE, "reasoning")
        message.say('{"title": "A new mixer", "nodes": [{"path": "", "unit": "pre_norm", "config": []}]}')
        message.call("scores", '{"scale": "nano"}')
        message.result(key, "c1", "1.9 gpt2")
        message.facts = {"model": "big", "usage": {"input": 1000, "output": 234, "cached": 10}, "money": None}
    desk.store.events.append(f"session:{session.id}", "stuck", "reviewer", {"design": f"{session.id}-1", "times": 2, "why": "it repeats the review of gpt2"})
    dialog.phase("paused", "the budget money is used up", account="money")
    test = open_page("studio", session=session.id)
    words = said(test).replace("\\", "")
    assert "big · 1,234 tokens, 10 cached · price unknown" in words
    assert "what was lost" not in words
    assert "the line was cut" in words
    assert "**A new mixer**" in words
    assert "repeats itself" in words
    assert "![seen]" not in said(test), "no picture is fetched from elsewhere"
    assert {"What it thought"} < {e.label for e in test.expander}
    next(n for n in test.number_input if n.key == "top-up").set_value(25.0)
    press(test, "Top up and go on")
    assert desk.store.ledger.account("money").granted == 25
    assert [j.subject for j in desk.queue.all(states=[JobState.QUEUED])] == [f"session:{session.id}"]


def test_a_message_that_begins_anew_takes_the_place_of_the_one_that_was_cut(desk: Desk):
    session = desk.start_session(["gpt2"], enqueue=False)
    with suppress(KeyboardInterrupt), spoken(desk, session.id).message("designer", "designer", None, "session:x/p/0") as message:
        message.say("half")
        raise KeyboardInterrupt
    seen = read(desk.store, f"session:{session.id}")
    assert [(m.text, m.cut, m.open) for m in seen.messages.values()] == [("half", True, False)]
    with spoken(desk, session.id).message("designer", "designer", None, "session:x/p/0") as message:
        message.say("whole")
    again = read(desk.store, f"session:{session.id}", seen)
    assert [(m.text, m.cut, m.open) for m in again.messages.values()] == [("whole", False, False)]


def test_a_pause_can_be_asked_for_and_taken_back(open_page, desk: Desk):
    session = desk.start_session(["gpt2"])
    test = press(open_page("studio", session=session.id), "Pause")
    assert "Pausing" in said(test)
    desk.queue.cancel(desk.queue.all()[0].id)
    test = press(open_page("studio", session=session.id), "Go on")
    assert [j.subject for j in desk.queue.all(states=[JobState.QUEUED])] == [f"session:{session.id}"]


def test_exploring_needs_an_idea_and_the_team_is_the_builtin_one_without_a_key(open_page, desk: Desk):
    test = open_page("studio", parents="gpt2")
    assert next(s for s in test.selectbox if s.key == "new-team").value == "builtin"
    next(t for t in test.toggle if t.key == "new-explore").set_value(True).run()
    press(test, "Start")
    assert "there is no idea to explore" in said(test)
    next(s for s in test.selectbox if s.key == "new-team").set_value("default").run()
    assert "This team cannot work here" in said(test)


def test_new_units_are_edited_beside_the_tree(open_page, desk: Desk, work):
    session = desk.start_session(["gpt2"], n_proposals=1, seed=1)
    work()
    design = f"{session.id}-1"
    tree = desk.store.proposals.newest("gpt2").units
    mixed = UnitTree(tree.unit, tree.config, {**tree.children, "mixer": UnitTree("my_mean", {}, {})})
    with pytest.raises(UnitError, match="my_mean"):
        desk.edit(design, "Mean", "text", mixed)
    made = desk.edit(design, "Mean", "text", mixed, new_units=[NewUnit("my_mean", "mixer", "the mean so far"), NewUnit("idle_one", "mixer", "unused")])
    assert [u.name for u in made.new_units] == ["my_mean"], "those that the tree does not hold are left out"
    test = open_page("design", design=design)
    field(test, "New units").set_value("- name: my_mean\n  kind: mixer")
    press(test, "Save as a new revision")
    assert "new unit 1 needs name, kind and about" in said(test)
    field(test, "New units").set_value("- name: my_mean\n  kind: mixer\n  about: another mean")
    press(test, "Save as a new revision")
    assert desk.store.proposals.newest(design).new_units[0].about == "another mean"


def test_partial_code_is_told_on_the_designs_page(open_page, desk: Desk, work):
    session = desk.start_session(["gpt2"], n_proposals=1, seed=1)
    work()
    proposal = desk.store.proposals.newest(f"{session.id}-1")
    desk.store.events.append(f"design:{session.id}-1", "written", "coder", {"kept": {"one_unit": "source"}, "note": "two_unit: reads ahead", "proposal": proposal.id})
    test = open_page("design", design=f"{session.id}-1")
    assert "two_unit: reads ahead" in said(test).replace("\\", "")
    assert "Kept: one_unit" in said(test).replace("\\", "")


@pytest.mark.parametrize("text", ["no JSON", "{ not json", '{"a', "[1, 2]", "```json\n{\"title\": \"x\"}\n```", '{"title": "A \\"quoted', '{"nodes": [{"path": "a.b", "unit"'])
def test_answers_are_readable_while_they_are_written(text):
    assert readable(text)
    whole = '{"title": "T", "why": {"score": 3, "why": "sound"}, "points": ["one", "two"], "nodes": [{"path": "mixer", "unit": "gla", "config": [{"name": "heads", "value": 4}]}]}'
    assert readable(whole).startswith("**T**\n\n**Why** **3**: sound")
    assert "mixer: `gla` (heads=4)" in readable(whole)
    for end in range(len(whole)):
        readable(whole[:end])


def test_a_new_agent_and_a_team_of_ones_own(open_page, desk: Desk):
    test = open_page("agents", agent="rule_reviewer")
    next(t for t in test.text_input if t.key.startswith("spec-new-")).set_value("Bad Name")
    assert "is no name of an agent" in said(press(test, "Save as a new agent"))
    desk.copy_agent("rule_reviewer", "strict_rules", desk.agents()["rule_reviewer"].files())
    test = open_page("agents")
    next(t for t in test.text_input if t.key == "team-name").set_value("mine")
    for role, name in (("designer", "genetic_designer"), ("reviewer", "strict_rules"), ("coder", "compose_coder")):
        next(s for s in test.selectbox if s.key == f"team-{role}").set_value(name)
    press(test, "Save the team")
    assert desk.start_session(["gpt2"], agents="mine", enqueue=False).reviewer == "strict_rules"
    with pytest.raises(UsageError, match="among its members"):
        desk.drop_agent("strict_rules")
    next(b for b in open_page("agents").button if b.key == "drop-team-mine").click().run()
    desk.drop_agent("strict_rules")
    assert "mine" not in desk.teams()
    assert "strict_rules" not in desk.agents()
    with pytest.raises(UsageError, match="no team"):
        desk.start_session(["gpt2"], agents="mine")


def test_a_version_that_was_broken_by_hand_is_told_and_taken_away(open_page, desk: Desk):
    desk.config.own_specs_dir.mkdir()
    (desk.config.own_specs_dir / "designer.yaml").write_text("name: designer\nrole: [")
    assert "cannot be read" in said(open_page("agents"))
    assert not open_page("studio").error, "the built-in team needs no such agent"
    press(open_page("agents"), "Take your version of designer away")
    assert desk.agents()["designer"].engine == "model"


def test_code_that_could_not_be_written_is_told_on_the_designs_page(open_page, desk: Desk, work):
    session = desk.start_session(["gpt2"], n_proposals=1, seed=1)
    work()
    design = f"{session.id}-1"
    tree = desk.store.proposals.newest("gpt2").units
    desk.edit(design, "Mean", "text", UnitTree(tree.unit, tree.config, {**tree.children, "mixer": UnitTree("my_mean", {}, {})}), new_units=[NewUnit("my_mean", "mixer", "the mean so far")])
    desk.implement(design)
    work()
    test = open_page("design", design=design)
    assert "needs my_mean written" in said(test).replace("\\", "")
    press(test, "Try again")
    assert [j.subject for j in desk.queue.all(states=[JobState.QUEUED])] == [f"implement:{design}"]

"""What agents are told of people's words: what was switched off is silent, standing rules are in every prompt, keys are in none, and a reviewer does not learn who wrote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from stub_llm.researcher import FAULTS, Researcher
from stub_llm.server import KEYS

from core.errors import UsageError
from core.types import Verb

SPEAKERS = {"You design": "designer", "You review": "reviewer", "You write PyTorch": "coder", "You mend PyTorch": "debugger", "You compare code": "observer",
            "You order proposals": "ranker", "You look for papers": "librarian"}
KEY = KEYS["OPENAI_API_KEY"]


def speaker(asked) -> str:
    return next(role for words, role in SPEAKERS.items() if words in asked.system)


def heard(found, words: str, since: int = 0) -> Counter[str]:
    """Role → in how many of its calls the words were."""
    return Counter(speaker(a) for a in found.server.log[since:] if words in str(a.body))


# ------------------------------------------------------------------------------------------------ words about a parent


@pytest.mark.parametrize("verb", ["refuse", "comment"])
def test_words_about_a_parent_that_are_switched_off_or_reworded_are_told_so(lab, verb: str):
    found = lab()
    first = found.session(n_implement=0)
    found.work()
    design = f"{first.id}-1"
    getattr(found.desk, verb)(design, "XYZZY too dear")
    found.desk.approve(design, "PLUGH after all") if verb == "comment" else None
    (lesson,) = found.desk.lessons()
    for n, (on, text, told) in enumerate([(True, "", ("XYZZY",)), (False, "", ()), (True, "FROTZ instead", ("FROTZ",))]):
        found.desk.teach(lesson.decision.id, on, text) if n else None
        since = len(found.server.log)
        found.session((design,), n_implement=0, seed=n)
        found.work()
        for words in ("XYZZY", "FROTZ"):
            assert (heard(found, words, since)["designer"] > 0) == (words in told), (n, words)
        assert (heard(found, "PLUGH", since)["designer"] > 0) == (verb == "comment")
    (lesson,) = found.desk.lessons()
    assert sum("/propose" in use.key for use in lesson.uses) == 2                       # not where it was off
    if verb == "comment":
        approval = next(d for d in found.desk.store.decisions.of(design) if d.verb is Verb.APPROVE)
        assert len(found.desk.store.guidance.all()[approval.id]) == 3


def test_more_words_about_a_parent_than_a_prompt_of_lessons_holds_are_counted_where_they_are_told(lab):
    found = lab()
    first = found.session(n_implement=0)
    found.work()
    for n in range(30):
        found.desk.comment(f"{first.id}-1", f"WORD{n}.")
    since = len(found.server.log)
    found.session((f"{first.id}-1",), n_implement=0)
    found.work()
    assert heard(found, "WORD0.", since)["designer"]
    assert all(any("/propose" in use.key for use in lesson.uses) for lesson in found.desk.lessons())


# ------------------------------------------------------------------------------------------------ standing rules




def rules_told(lab, faults: Sequence) -> tuple:
    found = lab(Researcher(faults=faults))
    rule = found.desk.guide("PLUGH never use softmax")
    found.session(n_proposals=2, n_implement=1)
    found.work()
    return found, rule


def test_a_standing_rule_is_in_every_prompt_and_counted(lab):
    found, rule = rules_told(lab, [FAULTS[0]])
    calls = Counter(speaker(a) for a in found.server.log)
    assert set(calls) == set(SPEAKERS.values())
    assert heard(found, "PLUGH never use softmax") == calls
    for asked in found.server.log:
        assert asked.turns[1][1].count("PLUGH never use softmax") == 1
    (lesson,) = found.desk.lessons()
    used = " ".join(use.key for use in lesson.uses)
    for part in ("papers", "/propose", "/review1", "rank/", "/code0/", "/mend", "/observe0"):
        assert part in used, part
    found.desk.teach(rule.id, False)
    since = len(found.server.log)
    found.session(n_proposals=2, n_implement=1, seed=2)
    found.work()
    assert not heard(found, "PLUGH", since)


def test_a_rule_reaches_an_agent_whose_own_prompt_does_not_ask_for_rules(lab):
    found = lab()
    files = {path: text.partition("{% if brief.rules %}")[0] + text.partition("{% endif %}\nThe session")[2] if path.endswith("search.md") else text for path, text in found.desk.agents()["librarian"].files().items()}
    assert not any("rules" in text for path, text in files.items() if path.endswith("search.md"))
    found.desk.save_agent("librarian", files)
    found.desk.guide("PLUGH never use softmax")
    found.session(n_implement=0)
    found.work()
    asked = next(a for a in found.server.log if speaker(a) == "librarian")
    assert "A standing rule of the researchers: PLUGH never use softmax" in asked.turns[1][1]


# ------------------------------------------------------------------------------------------------ the reviewer


def test_a_reviewer_does_not_learn_that_a_person_edited_what_it_reviews(lab):
    found = lab(Researcher(ratings=(2.0,)))
    other = found.session(n_implement=0)
    found.work()
    found.desk.comment(f"{other.id}-1", "PLUGH of another design")
    session = found.session(n_implement=0, gate="ask")
    found.work()
    proposal = found.desk.store.proposals.newest(f"{session.id}-1")
    found.desk.edit(proposal.design_id, proposal.title, proposal.body + "\n\nXYZZY added.", proposal.units, proposal.revision)
    found.desk.comment(proposal.design_id, "FROTZ as I wrote")
    since = len(found.server.log)
    found.desk.release(session.id)
    found.work()
    (asked,) = [a for a in found.server.log[since:] if speaker(a) == "reviewer"]
    assert "XYZZY added." in asked.turns[1][1]
    assert "+XYZZY added." not in asked.turns[1][1]
    assert "FROTZ" not in asked.turns[1][1]
    assert "PLUGH of another design" in asked.turns[1][1]


def test_a_reviewer_that_says_the_same_of_every_revision_is_asked_anew_and_then_a_person(lab):
    found = lab(Researcher(repeats=True, ratings=(2.0,)))
    session = found.session()
    found.work()
    reviews = found.desk.store.reviews.of(f"{session.id}-1")
    assert [r.data.get("stuck", 0) for r in reviews] == [0, 2]
    (again,) = [a.turns[-1][1] for a in found.server.log if "You are repeating yourself" in a.turns[-1][1]]
    assert "Your review of an earlier revision of this proposal raised these points" in again
    assert found.said(session, "phase")[-1]["phase"] == "waiting"


# ------------------------------------------------------------------------------------------------ keys


def test_a_key_that_a_person_pastes_is_neither_stored_nor_sent_and_they_are_told(lab, tmp_path):
    found = lab()
    session = found.session(n_proposals=2, n_implement=0, gate="ask", instructions=f"with {KEY} in it")
    found.desk.steer(session.id, f"use {KEY} please")
    rule = found.desk.guide(f"always {KEY}")
    found.work()
    design = f"{session.id}-1"
    assert found.desk.comment(design, f"see {KEY}").data["scrubbed"]
    assert found.desk.refuse(f"{session.id}-2", f"no {KEY}").reason == "no [key]"
    proposal = found.desk.store.proposals.newest(design)
    found.desk.edit(design, f"{KEY}", f"{proposal.body}\n\n{KEY}", proposal.units, proposal.revision)
    found.desk.teach(rule.id, True, f"still {KEY}")
    found.session((design,), n_implement=0, seed=2)
    found.work()
    assert rule.reason == "always [key]"
    assert not [f.name for f in tmp_path.rglob("*") if f.is_file() and KEY.encode() in f.read_bytes()]
    assert not any(KEY in str(a.body) for a in found.server.log)
    said = "\n".join(e["text"] for e in found.said(session, "delta"))
    assert said.count("A key was in what tester wrote.") == 2
    assert "use [key] please" in said
    files = found.desk.agents()["librarian"].files()
    with pytest.raises(UsageError, match="there is a key in prompts/librarian/system"):
        found.desk.save_agent("librarian", {path: f"{text}\n{KEY}" if path.endswith("system.md") else text for path, text in files.items()})
    assert "scrubbed" not in found.desk.comment(design, "no key here").data

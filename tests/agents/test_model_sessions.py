"""Design sessions of language models, through the real SDKs, against a scripted researcher behind the stub; blocks are checked in the real sandbox."""

from __future__ import annotations

import shutil
from itertools import groupby
from pathlib import Path

import pytest
from stub_llm import Call, Reply
from stub_llm.researcher import FAULTS, Researcher

from core.agents.similarity import points_shared, resemblance
from core.errors import UsageError
from core.types import MONEY, JobState, Mode, Status, Verb

ROOT = Path(__file__).resolve().parents[2]


# ----------------------------------------------------------------------------------------------------- end to end


@pytest.mark.slow
@pytest.mark.parametrize("first", ["oai", "ant"])
def test_a_session_ends_in_a_verified_design(lab, first: str, tmp_path: Path):
    found = lab(Researcher(faults=[FAULTS[8]]), real=True, first=first)   # its first unit reads ahead
    session = found.session(n_proposals=2, n_implement=1)
    found.work()
    best, other = found.desk.ranking(session.id)
    assert (best.status, other.status) == (Status.IMPLEMENTED, Status.PROPOSED)
    made = found.desk.store.implementations.newest(best.id)
    assert made.check.passed
    assert "class GatedMean2(GAUBase)" in made.code
    assert made.units == found.desk.store.proposals.newest(best.id).units
    review = found.desk.store.reviews.of(best.id)[-1]
    assert set(review.scores) == {"novelty", "soundness", "causality", "efficiency", "scalability"}
    assert review.data["forecast"] == 0.2
    spent = found.desk.store.calls.spent(stream=f"session:{session.id}")
    assert spent.answers == len(found.server.log)
    assert found.left(MONEY)[1] == pytest.approx(spent.money)
    from pydoc_data.topics import topics

    (tmp_path / "text.txt").write_text("\n\n".join(topics.values())[:150_000])
    found.desk.verify([best.id], "nano", [0], str(tmp_path / "text.txt"))
    found.work()
    assert found.desk.store.designs.get(best.id).status is Status.VERIFIED
    # a child of the new design brings its unit along
    child = found.session((best.id,), designer="genetic_designer", reviewer="rule_reviewer", n_implement=0)
    found.work()
    assert found.desk.store.sessions.get(child.id).closed_at, found.desk.queue.newest(f"session:{child.id}").error


def test_a_proposal_is_revised_until_it_is_rated_well_enough(lab):
    found = lab(Researcher(ratings=(2.0, 3.0, 4.5)))
    session = found.session(n_implement=0)
    found.work()
    (design,) = found.desk.ranking(session.id)
    revisions = found.desk.store.proposals.revisions(design.id)
    assert [p.revision for p in revisions] == [1, 2, 3]
    assert [r.rating for r in found.desk.store.reviews.of(design.id)] == [2.0, 3.0, 4.5]
    assert "the review was right" in revisions[-1].body


@pytest.mark.parametrize(("parents", "mode"), [((), Mode.SCRATCH), (("gpt2", "mamba2"), Mode.CROSSOVER), (("gpt2",), Mode.EXPLORE)])
def test_every_mode_tells_its_own_task(lab, parents: tuple[str, ...], mode: Mode):
    found = lab()
    found.session(parents, mode=mode, instructions="averages instead of attention", n_implement=0)
    found.work()
    asked = next(a for a in found.server.log if "You design blocks" in a.system).turns[1][1]
    assert "Averages: the library knows none." in asked                               # the librarian's notes
    words = {Mode.SCRATCH: "from **scratch**", Mode.CROSSOVER: "Propose a **crossover**", Mode.EXPLORE: "Explore the researcher's idea"}
    assert words[mode] in asked
    assert "averages instead of attention" in asked


def test_the_reviewer_is_not_told_who_proposed_and_sees_the_likest_designs_first(lab):
    found = lab()
    session = found.session(n_proposals=2, n_implement=0)
    found.work()
    reviews = [a for a in found.server.log if "You review proposals" in a.system]
    asked = reviews[1].turns[1][1]
    assert "genetic" not in asked
    assert session.designer not in asked.split()
    likest = asked.split("## The designs most like it")[1].splitlines()[2]
    assert f"`{session.id}-1`" in likest


# ----------------------------------------------------------------------------------------------------- stuck


def test_a_reviewer_that_repeats_itself_is_asked_anew_and_then_a_person(lab):
    found = lab(Researcher(repeats=True))
    session = found.session(n_proposals=2)
    found.work()
    second = found.desk.store.reviews.of(f"{session.id}-2")[-1]
    assert second.data["stuck"] == 2
    again = [a for a in found.server.log if "You are repeating yourself" in a.turns[-1][1]]
    assert len(again) == 1
    assert "plain mean at equal parameters" in again[0].turns[-1][1]
    assert [p["phase"] for p in found.said(session, "phase")][-1] == "waiting"       # though its gate is auto
    assert [e["times"] for e in found.said(session, "stuck")] == [2]
    assert found.desk.repeating() == {"reviewer": (1, 2)}
    found.desk.release(session.id)
    found.work()
    assert found.desk.store.sessions.get(session.id).closed_at


def test_real_reviews_differ_and_repeated_ones_do_not():
    a = "The gate multiplies the running mean, so early tokens see almost nothing of the past; the equations leave the scale at position 1 undefined."
    b = "Replacing attention by a diagonal recurrence loses exact recall; the proposal does not say how the state is initialised per head."
    assert resemblance(a, b) < 0.1
    assert resemblance(a, a.replace("almost", "nearly")) > 0.5
    assert points_shared(["state the scale at position 1"], ["say how the state is initialised"]) == 0.0
    assert points_shared(["Compare with a plain mean."], ["it should be compared with a plain mean at equal size"]) == 1.0


def test_a_draft_that_stays_unusable_stops_neither_its_session_nor_its_siblings(lab):
    class Stubborn(Researcher):
        def _proposal(self, asked):
            found = super()._proposal(asked)
            revising = "## Your proposal" in asked.turns[1][1]
            broken = "This is proposal 2 of" in asked.turns[1][1] or (revising and "This is proposal 1 of" in asked.turns[1][1])
            return {**found, "title": ""} if broken else found

    found = lab(Stubborn(ratings=(2.0, 2.0)))
    session = found.session(n_proposals=3)
    found.work()
    assert found.desk.store.sessions.get(session.id).closed_at, found.desk.queue.newest(f"session:{session.id}").error
    assert sorted(d.id for d in found.desk.store.designs.of_session(session.id)) == [f"{session.id}-1", f"{session.id}-3"]
    assert [e["design"] for e in found.said(session, "passed_over")] == [f"{session.id}-2"]
    assert len(found.desk.store.proposals.revisions(f"{session.id}-1")) == 1           # what was reviewed stands


def test_what_was_answered_in_vain_is_asked_anew_when_a_person_tries_again(lab):
    class Slow(Researcher):
        def _proposal(self, asked):
            return {**super()._proposal(asked), **({"title": ""} if self.proposed <= 3 else {})}

    found = lab(Slow())
    session = found.session(n_implement=0)
    found.work()
    job = found.desk.queue.newest(f"session:{session.id}")
    assert job.state is JobState.FAILED
    assert "no usable proposal in 3 answers" in job.error
    asked = len(found.server.log)
    found.desk.retry(job.id)
    found.work()
    assert len(found.server.log) > asked
    assert found.desk.store.sessions.get(session.id).closed_at


# ----------------------------------------------------------------------------------------------------- people


def test_words_said_at_any_time_reach_whoever_speaks_next(lab):
    found = lab()
    session = found.session(gate="ask")
    found.work()
    found.desk.steer(session.id, "ZEBRA: keep it in float32")
    found.desk.release(session.id)
    found.work()
    coder = [a for a in found.server.log if "You write PyTorch units" in a.system]
    assert "ZEBRA: keep it in float32" in coder[0].turns[1][1]
    (use,) = [u for uses in found.desk.store.guidance.all().values() for u in uses if "/code0/" in u.key]
    assert use.design_id == f"{session.id}-1"


def test_no_agent_writes_over_a_persons_code(lab):
    found = lab()
    session = found.session(gate="ask")
    found.work()
    design = f"{session.id}-1"
    found.desk.store.implementations.add(design, "tester", "MINE = 1\n")
    found.desk.release(session.id)
    found.work()
    made = found.desk.store.implementations.newest(design)
    assert (made.author, made.code) == ("tester", "MINE = 1\n")
    assert not [a for a in found.server.log if "PyTorch units" in a.system]


def test_an_agent_that_is_edited_meanwhile_costs_nothing_twice(lab):
    found = lab()
    session = found.session(n_proposals=2, n_implement=0)
    found.desk.pause(session.id)
    found.work()
    found.desk.go_on(session.id)
    found.work()
    asked = len(found.server.log)
    spec = found.system.config.own_specs_dir / "designer.yaml"
    shutil.copytree(ROOT / "agent_specs" / "prompts" / "designer", spec.parent / "prompts" / "designer")
    spec.write_text((ROOT / "agent_specs" / "designer.yaml").read_text().replace("max_tokens: 16000", "max_tokens: 15000"))
    engine = found.system.lab(found.desk, _Idle())
    setting = engine.setting(session, f"session:{session.id}", engine.dialog(session), "nano")
    designer = engine.team.designer("designer", setting)
    draft = designer.propose(engine.brief(session, 0, f"{session.id}-1"), setting.dialog, f"{session.id}-1")
    assert draft.title == "Gated running mean 1"
    assert len(found.server.log) == asked


class _Idle:
    def progress(self, fraction: float, note: str) -> None: ...

    def check_cancel(self) -> None: ...


def test_what_people_said_is_told_shown_as_used_and_can_be_switched_off(lab):
    found = lab()
    first = found.session(n_implement=0)
    found.work()
    rule = found.desk.guide("no softmax anywhere")
    refusal = found.desk.refuse(f"{first.id}-1", "averages were tried in 2019")
    found.session(n_implement=0)
    found.work()
    asked = found.server.log[-3 if len(found.server.log) > 3 else 0]
    told = next(a.turns[1][1] for a in reversed(found.server.log) if "You design blocks" in a.system)
    assert "no softmax anywhere" in told
    assert "averages were tried in 2019" in told
    lessons = {lesson.decision.id: lesson for lesson in found.desk.lessons()}
    assert [(u.key.rpartition("/")[2], u.how) for u in lessons[rule.id].uses] == [("papers", ""), ("propose", "kept to it"), ("review1", "")]
    assert len(lessons[refusal.id].uses) == 2
    found.desk.teach(rule.id, on=False)
    found.desk.teach(refusal.id, on=True, text="averages: only with a reason")
    found.session(n_implement=0)
    found.work()
    told = next(a.turns[1][1] for a in reversed(found.server.log) if "You design blocks" in a.system)
    assert "no softmax" not in told
    assert "averages: only with a reason" in told
    assert asked.model


def test_an_edit_teaches_by_what_it_changed(lab):
    found = lab()
    session = found.session(n_implement=0)
    found.work()
    proposal = found.desk.store.proposals.newest(f"{session.id}-1")
    found.desk.edit(proposal.design_id, "A better title", proposal.body + "\nOne more risk.", proposal.units, proposal.revision)
    (lesson,) = found.desk.lessons()
    assert lesson.kind == "edited"
    assert "A better title" in lesson.text
    assert "+One more risk." in lesson.text
    newest = found.desk.store.proposals.newest(proposal.design_id)
    assert newest.new_units == proposal.new_units


def test_a_word_to_the_reviewer_is_not_told_to_the_designer(lab):
    found = lab()
    session = found.session(n_implement=0)
    found.desk.steer(session.id, "QQ be strict", to="reviewer")
    found.desk.steer(session.id, "ZZ keep it small", to="designer")
    found.work()
    heard = {("QQ" in str(a.body), "ZZ" in str(a.body)) for a in found.server.log if "You design blocks" in a.system}
    judged = {("QQ" in str(a.body), "ZZ" in str(a.body)) for a in found.server.log if "You review proposals" in a.system}
    assert (heard, judged) == ({(False, True)}, {(True, False)})
    with pytest.raises(UsageError, match="no side of the table"):
        found.desk.steer(session.id, "x", to="nobody")


def test_a_pause_stops_before_the_next_call_and_going_on_pays_nothing_twice(lab):
    found = lab()
    session = found.session(n_proposals=2, n_implement=0)
    found.desk.pause(session.id)
    found.work()
    assert found.server.log == []
    assert found.said(session, "phase")[-1]["phase"] == "paused"
    found.desk.go_on(session.id)
    found.work()
    asked = len(found.server.log)
    assert found.desk.store.sessions.get(session.id).closed_at
    assert found.desk.store.calls.spent(stream=f"session:{session.id}").answers == asked


@pytest.mark.parametrize("first", ["oai", "ant"])
def test_an_agent_that_has_no_calls_left_answers_with_what_it_knows(lab, first):
    class Curious(Researcher):
        def __call__(self, asked):
            return Reply(calls=(Call("scores", '{"scale": "nano"}'),)) if asked.tools and "You design blocks" in asked.system else super().__call__(asked)

    found = lab(Curious(), first=first)
    session = found.session(n_implement=0)
    found.work()
    assert found.desk.store.sessions.get(session.id).closed_at
    designer = [body.get("tool_choice") for body, _ in groupby(a.body for a in found.server.log if "You design blocks" in a.system)]     # on a busy machine one may be asked again
    assert designer[:11] == [*[None] * 10, {"type": "none"} if first == "ant" else "none"]


def test_a_persons_order_outweighs_the_rankers_and_both_are_kept(lab):
    found = lab()
    session = found.session(n_proposals=3, gate="ask")
    found.work()
    ids = [f"{session.id}-{n}" for n in (1, 2, 3)]
    assert [d.id for d in found.desk.ranking(session.id)] == ids[::-1]               # the ranker's
    found.desk.rerank(session.id, [ids[1], ids[0], ids[2]])
    assert [d.id for d in found.desk.ranking(session.id)] == [ids[1], ids[0], ids[2]]
    orders = [d for d in found.desk.store.decisions.of(session_id=session.id) if d.verb is Verb.RERANK]
    assert [d.author for d in orders] == ["ranker", "tester"]

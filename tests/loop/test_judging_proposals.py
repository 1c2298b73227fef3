"""A person's judgements: what counts, what can be taken back, who was first; what waits, what it costs, and how good the forecasts were."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import inbox_setting
import pytest

from core.calibration import records
from core.desk import Desk
from core.errors import Conflict, NotFound, UsageError
from core.gates import ASK
from core.guidance import Lessons
from core.inbox import Waits
from core.selection.preferences import most_telling, preferred
from core.types import CallState, Decision, Design, JobKind, JobState, Kind, Mode, NewUnit, Review, Seen, Status, Verb

desk, proposed, template = inbox_setting.desk, inbox_setting.proposed, inbox_setting.template


def status(desk: Desk, design: str) -> Status:
    return desk.store.designs.get(design).status


# ------------------------------------------------------------------------------------------------ taking back


def test_a_judgement_that_was_taken_back_counts_no_more_and_both_rows_stay(desk: Desk, proposed):
    first, *_ = proposed
    approved = desk.approve(first)
    refused = desk.refuse(first, "too dear")
    assert status(desk, first) is Status.REFUSED
    desk.undo(refused.id)
    assert status(desk, first) is Status.APPROVED
    desk.undo(approved.id)
    assert status(desk, first) is Status.PROPOSED
    assert {d.id: d.status for d in desk.store.designs.all()}[first] is Status.PROPOSED
    assert [d.verb for d in desk.store.decisions.of(first)] == [Verb.UNDO, Verb.UNDO]
    assert [d.verb for d in desk.store.decisions.of(first, undone=True)] == [Verb.APPROVE, Verb.REFUSE, Verb.UNDO, Verb.UNDO]


def test_what_was_taken_back_teaches_nothing_and_orders_nothing(desk: Desk, proposed):
    session = proposed[0].partition("-")[0]
    before = [d.id for d in desk.ranking(session)]
    refused = desk.refuse(before[0], "averages were tried")
    turned = desk.rerank(session, before[::-1])
    assert any(lesson.decision.id == refused.id for lesson in Lessons(desk.store).all())
    desk.undo(refused.id)
    desk.undo(turned.id)
    assert Lessons(desk.store).all() == []
    assert [d.id for d in desk.ranking(session)] == before


@pytest.mark.parametrize("turn", ["refuse", "send_back"])
def test_code_that_nobody_began_is_called_off_by_a_refusal_and_asked_for_again_when_that_is_taken_back(desk: Desk, proposed, turn):
    first, *_ = proposed

    def writes() -> list[JobState]:
        return [j.state for j in desk.queue.all() if j.kind is JobKind.IMPLEMENT and j.payload["design"] == first]

    approved = desk.approve(first, implement=True)
    assert writes() == [JobState.QUEUED]
    turned = getattr(desk, turn)(first, "too dear")
    assert writes() == [JobState.CANCELLED]
    desk.undo(turned.id)
    assert status(desk, first) is Status.APPROVED
    assert writes() == [JobState.QUEUED, JobState.CANCELLED]
    desk.undo(approved.id)
    assert writes() == [JobState.CANCELLED, JobState.CANCELLED]


def test_what_cannot_be_taken_back_says_why(desk: Desk, proposed, work):
    first, second, _ = proposed
    approved = desk.approve(first, implement=True)
    work()
    assert status(desk, first) is Status.IMPLEMENTED
    with pytest.raises(Conflict, match="code was written"):
        desk.undo(approved.id)
    refused = desk.refuse(second, "no")
    desk.undo(refused.id)
    with pytest.raises(Conflict, match="took it back already"):
        desk.undo(refused.id)
    with pytest.raises(NotFound, match="no decision 999"):
        desk.undo(999)
    steered = next(d for d in [desk.steer(first.partition("-")[0], "smaller"), *desk.store.decisions.all()] if d and d.verb is Verb.STEER)
    with pytest.raises(Conflict, match="cannot be unmade"):
        desk.undo(steered.id)


def test_taking_an_approval_back_stops_the_job_that_it_queued(desk: Desk, proposed, work):
    approved = desk.approve(proposed[0], implement=True)
    job = desk.queue.all(limit=1)[0]
    assert (job.kind, job.state) == (JobKind.IMPLEMENT, JobState.QUEUED)
    desk.undo(approved.id)
    assert desk.queue.get(job.id).state is JobState.CANCELLED
    work()
    assert status(desk, proposed[0]) is Status.PROPOSED


def test_of_several_each_is_taken_back_for_itself_and_what_stays_is_told(desk: Desk, proposed):
    made = [desk.refuse(d, "too alike") for d in proposed]
    desk.undo(made[1].id)
    found = desk.undo_all([d.id for d in made])
    assert {d.data["decision"] for d in found.done} == {made[0].id, made[2].id}
    assert "took it back already" in found.failed[made[1].id]
    assert {status(desk, d) for d in proposed} == {Status.PROPOSED}


def test_sending_back_is_a_decision_that_can_be_taken_back(desk: Desk, proposed):
    made = desk.send_back(proposed[0], "smaller")
    assert (made.verb, made.author) == (Verb.SEND_BACK, "tester")
    (job,) = desk.queue.of([f"revise:{proposed[0]}"])
    assert job.payload["decision"] == made.id
    desk.undo(made.id)
    assert desk.queue.get(job.id).state is JobState.CANCELLED


# ------------------------------------------------------------------------------------------------ two people


@pytest.mark.parametrize("meanwhile", [
    lambda desk, session, designs: desk.rerank(session, designs[::-1]), lambda desk, session, designs: desk.release(session),
    lambda desk, session, designs: desk.refuse(designs[0], "it leaks"), lambda desk, session, designs: desk.prefer(designs[1], [designs[0]])], ids=["reranked", "released", "refused", "preferred"])
@pytest.mark.parametrize("verb", ["rerank", "release"])
def test_who_ranks_or_releases_what_another_changed_meanwhile_is_told(desk: Desk, proposed, meanwhile, verb: str):
    session = proposed[0].partition("-")[0]
    seen = Seen(max((d.id for d in desk.said_of_session(session)), default=0))
    other = Desk(desk.store, desk.queue, desk.scales, desk.units, "ada", desk.config)
    meanwhile(other, session, proposed)
    before = len(desk.store.decisions.all())

    def act(last: Seen) -> object:
        return desk.release(session, seen=last) if verb == "release" else desk.rerank(session, proposed, seen=last)

    with pytest.raises(Conflict, match=r"ada .* meanwhile"):
        act(seen)
    assert len(desk.store.decisions.all()) == before
    act(Seen(desk.said_of_session(session)[-1].id))      # having seen it
    assert len(desk.store.decisions.all()) == before + 1


def test_the_second_to_decide_is_told_who_decided_what_and_nothing_is_stored(desk: Desk, proposed):
    first = proposed[0]
    seen = desk.looked_at([first])[first]
    other = Desk(desk.store, desk.queue, desk.scales, desk.units, "ada", desk.config)
    other.refuse(first, "it leaks the future", seen=seen)
    with pytest.raises(Conflict, match=r"ada refused .* meanwhile: it leaks the future"):
        desk.approve(first, seen=seen)
    assert status(desk, first) is Status.REFUSED
    desk.approve(first, seen=desk.looked_at([first])[first])      # having seen it
    assert status(desk, first) is Status.APPROVED


def test_of_two_at_once_exactly_one_wins(desk: Desk, proposed):
    first, seen, outcomes = proposed[0], desk.looked_at(proposed)[proposed[0]], []
    together = threading.Barrier(2)

    def decide(name: str) -> None:
        own = Desk(desk.store, desk.queue, desk.scales, desk.units, name, desk.config)
        together.wait()
        try:
            outcomes.append(own.refuse(first, f"says {name}", seen=seen).author)
        except Conflict as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=decide, args=(name,)) for name in ("ada", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winner = next(o for o in outcomes if o in ("ada", "bob"))
    assert any(f"{winner} refused" in o for o in outcomes if o != winner)
    assert len([d for d in desk.store.decisions.of(first) if d.verb is Verb.REFUSE]) == 1


def test_several_are_judged_each_for_itself(desk: Desk, proposed):
    first, second, third = proposed
    seen = desk.looked_at(proposed)
    Desk(desk.store, desk.queue, desk.scales, desk.units, "ada", desk.config).approve(second)
    found = desk.judge_all(Verb.REFUSE, seen, "too alike")
    assert {d.design_id for d in found.done} == {first, third}
    assert "ada approved" in found.failed[second]
    assert status(desk, second) is Status.APPROVED


# ------------------------------------------------------------------------------------------------ sending back


def test_a_proposal_that_is_sent_back_comes_back_revised_and_reviewed(desk: Desk, proposed, work):
    first, session = proposed[0], proposed[0].partition("-")[0]
    desk.approve(first)
    desk.send_back(first, "no attention: it is too slow", seen=desk.looked_at([first])[first])
    assert status(desk, first) is Status.PROPOSED
    box = desk.inbox()
    assert box.with_agents == (first,)
    assert f"proposal:{first}" not in {i.key for i in box.items}
    work()
    newest = desk.store.proposals.newest(first)
    assert (newest.revision, newest.by_person) == (2, False)
    assert "attention" not in {node.unit for _, node in newest.units.walk()}
    assert "I read no prose" in newest.body                     # an honest program says what it did not understand
    assert desk.store.reviews.of(first)[-1].proposal_id == newest.id
    assert desk.standing(session)[0] == "waiting"
    item = next(i for i in desk.inbox().items if i.design == first)
    assert "revised after tester sent it back" in item.why


def test_sending_back_needs_words_a_designer_and_no_code(desk: Desk, proposed, work):
    with pytest.raises(UsageError, match="what is wrong"):
        desk.send_back(proposed[0], "  ")
    with pytest.raises(UsageError, match="no agent proposed gpt2"):
        desk.send_back("gpt2", "smaller")
    desk.implement(proposed[0])
    work()
    with pytest.raises(UsageError, match="has checked code"):
        desk.send_back(proposed[0], "smaller")


def test_an_edit_while_the_designer_revises_goes_on(desk: Desk, proposed, work):
    first = proposed[0]
    desk.send_back(first, "smaller")
    old = desk.store.proposals.newest(first)
    desk.edit(first, "My own", old.body, old.units)
    work()
    newest = desk.store.proposals.newest(first)
    assert (newest.title, newest.by_person, newest.revision) == ("My own", True, 2)
    assert desk.store.reviews.of(first)[-1].proposal_id == newest.id


# ------------------------------------------------------------------------------------------------ what waits


def test_everything_that_waits_is_listed_with_its_reason(desk: Desk, proposed, work, engine):
    first, second, third = proposed
    newest = desk.store.proposals.newest(first)
    desk.store.reviews.add(newest.id, "harsh", 0.5, {}, "No.")
    engine.passes = lambda code: False
    desk.implement(third)
    desk.queue.put(JobKind.CHECK, "check:nobody@nano", {"design": "nobody", "scale": "nano"}, max_attempts=1)
    work()
    desk.set_budget("design", 1)
    kinds = {i.key: i.kind for i in desk.inbox().items}
    assert kinds[f"proposal:{first}"] is Waits.DISPUTE
    assert kinds[f"proposal:{second}"] is Waits.PROPOSAL
    assert kinds[f"code:{third}"] is Waits.CHECK
    assert kinds[f"session:{first.partition('-')[0]}"] is Waits.SESSION
    assert kinds["job:check:check:nobody@nano"] is Waits.JOB
    assert kinds["budget:design"] is Waits.BUDGET
    assert next(iter(kinds.values())) is Waits.DISPUTE           # the most pressing first


def test_a_reviewer_that_is_stuck_the_second_time_puts_its_proposal_in_dispute(desk: Desk, proposed):
    newest = desk.store.proposals.newest(proposed[0])
    desk.store.reviews.add(newest.id, "parrot", 3.0, {}, "The same again.", {"stuck": 2, "repeats": "it repeats its review"})
    item = next(i for i in desk.inbox().items if i.design == proposed[0])
    assert (item.kind, item.why) == (Waits.DISPUTE, "parrot repeats itself for the second time, so its rating says nothing")


def test_what_is_put_off_comes_back_when_something_about_it_changes(desk: Desk, proposed):
    item = next(i for i in desk.inbox().items if i.design == proposed[0])
    made = desk.defer(item.key, item.mark, design_id=item.design)
    assert item.key in {i.key for i in desk.inbox().deferred}
    desk.undo(made.id)
    assert item.key in {i.key for i in desk.inbox().items}
    desk.defer(item.key, item.mark)
    old = desk.store.proposals.newest(item.design)
    desk.edit(item.design, "Another title", old.body, old.units)
    assert item.key in {i.key for i in desk.inbox().items}


def test_a_failure_of_the_jail_is_told_apart_and_can_be_checked_again(desk: Desk, proposed, work, engine):
    from dataclasses import replace

    first = proposed[0]
    desk.implement(first)
    work()
    made = desk.store.implementations.newest(first)
    died = replace(made.check, passed=False, results=(replace(made.check.results[0], verdict="fail", evidence="the sandboxed process was killed by signal 9"),))
    desk.store.checks.add(made.id, died)
    item = next(i for i in desk.inbox().items if i.key == f"code:{first}")
    assert item.data["odd"]
    assert "failed oddly" in item.why
    desk.recheck(first)
    assert f"code:{first}" not in {i.key for i in desk.inbox().items}
    work()
    assert status(desk, first) is Status.IMPLEMENTED


def test_proposals_of_closed_sessions_wait_only_where_asked_for(desk: Desk, proposed, work):
    desk.release(proposed[0].partition("-")[0])
    work()
    assert [i for i in desk.inbox().items if i.key.startswith("proposal:")] == []
    assert len([i for i in desk.inbox(passed_over=True).items if i.key.startswith("proposal:")]) == 2


# ------------------------------------------------------------------------------------------------ what it costs


def test_what_nobody_knows_is_not_told_as_nothing(desk: Desk, proposed):
    known = desk.foreseen([proposed[0]])[0]
    assert known.words.startswith("no calls, ~")
    session = desk.start_session(["gpt2"], agents="default", enqueue=False)
    desk.store.designs.add(f"{session.id}-1", "New", Kind.AGENT, Mode.MUTATION, ["gpt2"], "designer", session.id, 0)
    desk.store.proposals.add(f"{session.id}-1", "designer", False, "New", "b", desk.store.proposals.newest("gpt2").units, [NewUnit("own_mixer", "mixer", "a mean")])
    unknown = desk.foreseen([f"{session.id}-1"])[0]
    assert (unknown.tokens, unknown.money) == (None, None)
    assert "tokens and price unknown" in unknown.words
    assert "$10.00 left" in unknown.words
    for n, (tokens, money) in enumerate([(10_000, 0.03), (14_000, 0.05)]):
        call = desk.store.calls.begin(f"k{n}", "h", {}, "p:m", {}, 60, author=session.team["coder"], design_id=f"d{n}")
        desk.store.calls.finish(call, CallState.ANSWERED, usage={"input": tokens - 1000, "output": 1000}, money=money, charges={})
    told = desk.foreseen([f"{session.id}-1"])[0]
    assert told.words.startswith("~12k tokens, $0.04, ~")
    assert told.words.endswith("; $9.96 left after")
    assert "last 2 designs" in told.from_what
    assert (told + unknown).tokens is None


# ------------------------------------------------------------------------------------------------ forecasts and preferences


def test_a_forecast_is_scored_once_both_are_measured_and_stays_then(desk: Desk, proposed, work, engine):
    first = proposed[0]
    made = desk.foretell(first, 0.3)
    assert desk.calibration()[0].brier is None
    desk.implement(first)
    work()
    code = desk.store.implementations.newest(first).code
    engine.scores = {(code, 0): 1.0, (desk.store.implementations.newest("gpt2").code, 0): 2.0}
    desk.verify([first, "gpt2"], "nano", [0])
    work()
    record = desk.calibration()[0]
    assert (record.who, record.person, len(record.scored)) == ("tester", True, 1)
    assert record.brier == pytest.approx(0.49)
    with pytest.raises(Conflict, match="result is there"):
        desk.undo(made.id)
    with pytest.raises(Conflict, match="was measured at nano already"):
        desk.foretell(first, 0.99)


@pytest.mark.parametrize("bad", [-0.1, 1.01, float("nan")])
def test_a_forecast_is_a_probability(desk: Desk, proposed, bad: float):
    with pytest.raises(UsageError, match="a probability of"):
        desk.foretell(proposed[0], bad)


def test_the_last_forecast_counts_and_reviewers_have_records_of_their_own():
    now = datetime.now(UTC)
    designs = [Design(i, i, Kind.AGENT, Mode.SEED, (), "a", "s", 0, now, Status.VERIFIED, scores={"nano": score}, n_seeds={"nano": 1}) for i, score in (("good", 1.0), ("gpt2", 1.2), ("bad", 1.3))]
    said = [Decision(n, Verb.FORECAST, "ada", design, None, "", {"reference": "gpt2", "scale": "nano", "probability": p}, now)
            for n, (design, p) in enumerate([("good", 0.1), ("good", 0.8), ("bad", 0.6), ("never", 0.5)])]
    reviews = [Review(1, 1, "good", "critic", 3.0, {}, "", now, {"forecast": 0.9}), Review(2, 2, "good", "critic", 3.0, {}, "", now, {"forecast": 0.1})]
    ada, critic = records(said, reviews, designs, {"nano": 0.06}, {"s": "nano"})
    assert ada.brier == pytest.approx(((0.8 - 1) ** 2 + 0.6**2) / 2)
    assert [(b.n, b.came) for b in ada.bins] == [(1, 0.0), (1, 1.0)]
    assert (critic.person, critic.brier) == (False, pytest.approx(0.01))
    assert [f.close for f in ada.scored] == [False, True]


def test_preferences_order_a_session_and_show_who_agrees(desk: Desk, proposed):
    session = proposed[0].partition("-")[0]
    order = [d.id for d in desk.ranking(session)]
    desk.prefer(order[2], order[:2])
    assert desk.ranking(session)[0].id == order[2]
    strengths = desk.strengths(proposed)
    assert strengths[order[2]] > strengths[order[0]]
    n, same = desk.agreement().person_reviewer
    assert same < n
    with pytest.raises(UsageError, match="preferred to itself"):
        desk.prefer(order[0], [order[0]])
    with pytest.raises(NotFound):
        desk.prefer(order[0], ["nobody"])


def test_a_later_order_of_the_whole_outweighs_what_was_preferred_before(desk: Desk, proposed):
    session = proposed[0].partition("-")[0]
    desk.prefer(proposed[0], proposed[1:])
    desk.rerank(session, proposed[::-1])
    assert [d.id for d in desk.ranking(session)] == proposed[::-1]


def test_the_next_match_is_of_those_that_met_least_and_ends():
    def met(better: str, *worse: str) -> Decision:
        return Decision(1, Verb.PREFER, "ada", better, None, "", {"better": better, "worse": list(worse)}, datetime.now(UTC))

    ids, said = ["a", "b", "c", "d"], [met("a", "b")]
    assert most_telling(said, ids) == ("c", "d")
    said.append(met("c", "d"))
    for _ in range(4):
        pair = most_telling(said, ids)
        assert pair
        said.append(met(*pair))
    assert most_telling(said, ids) == ()
    assert max(preferred(said, ids), key=preferred(said, ids).__getitem__) == "a"
    assert most_telling([], ids, cards=3) == ("a", "b", "c")


def test_a_gate_lets_nothing_through_that_was_sent_back_or_refused(desk: Desk, work):
    desk.evolve(1, {"nano": 1}, seed=0, gates={"implement": ASK})
    work()
    gated = next(g for g in desk.gated() if g.design)
    desk.send_back(gated.design, "smaller states")
    with pytest.raises(Conflict, match="sent it back, and it is not revised yet"):
        desk.let(gated)
    desk.refuse(gated.design, "no")
    with pytest.raises(Conflict, match="refused it"):
        desk.let(gated)
    desk.approve(gated.design)
    desk.let(gated)


def test_an_approval_ends_a_revision_that_was_asked_for(desk: Desk, work):
    session = desk.start_session(["gpt2"], n_proposals=1, seed=1)
    work()
    design = f"{session.id}-1"
    desk.send_back(design, "smaller states")
    desk.approve(design)
    work()
    assert desk.store.proposals.newest(design).revision == 1
    assert desk.store.designs.get(design).status is Status.APPROVED


# ------------------------------------------------------------------------------------------------ told in words


def test_wishes_and_tags_are_told_with_what_was_said(desk: Desk, proposed):
    first, *_ = proposed
    for verb, said in ((lambda: desk.tag(first, "mla"), f"tagged {first} “mla”"), (lambda: desk.tag(first, "mla", False), f"took the tag “mla” from {first}"),
                       (lambda: desk.pin(first), f"pinned {first}"), (lambda: desk.pin(first, False), f"unpinned {first}"), (lambda: desk.boost(first, 3), f"boosted {first} ×3"),
                       (lambda: desk.boost(first, 1), f"took the boost of {first} back"), (lambda: desk.prune(first), f"pruned {first}"),
                       (lambda: desk.prune(first, False), f"let {first} grow again"), (lambda: desk.defer("judge:x"), "put judge:x off"),
                       (lambda: desk.guide("no attention"), "gave all agents a rule"), (lambda: desk.keep_view("compare", "mine", {"scale": "nano"}), "kept the view “mine”"),
                       (lambda: desk.forget_view("compare", "mine"), "took away the view “mine”"), (lambda: desk.steer(first.partition("-")[0], "smaller"), f"spoke to the agents of {first.partition('-')[0]}")):
        verb()
        assert desk.recent(1)[0].words == said


def test_a_batch_is_one_entry_and_is_taken_back_as_one(desk: Desk, proposed):
    for design in proposed:
        desk.tag(design, "narrow")
    desk.comment(proposed[0], "by itself")
    for design in proposed:
        desk.tag(design, "narrow", False)
    away, comment, given = desk.recent(9)
    assert (given.words, comment.words, away.words) == ("tagged 3 designs “narrow”", f"commented on {proposed[0]}", "took the tag “narrow” from 3 designs")
    desk.undo_all(away.ids)
    assert {d.id: d.tags for d in desk.store.designs.some(proposed)} == dict.fromkeys(proposed, ("narrow",))
    assert desk.recent(9)[0].undone_by == desk.author
    desk.undo(given.ids[1])                             # one of them alone: the rest is told apart from it
    assert [len(r.ids) for r in desk.recent(9)] == [3, 1, 1, 1, 1]

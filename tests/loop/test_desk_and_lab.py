"""The person's verbs and the algorithm's steps, with everything real but the training."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable

import pytest
from fakes import FakeEngine, FakeSystem
from sqlalchemy import update

from core.config import Config
from core.desk import Desk
from core.errors import BudgetExceeded, Conflict, Diverged, LeaseLost, NotFound, UsageError, VerificationError
from core.jobs import JobContext
from core.jobs.process import process_id
from core.selection.wishes import Wishes
from core.store.tables import JobRow
from core.types import JobState, Kind, Mode, Status, UnitTree, Verb


def phases(desk: Desk, session_id: str) -> list[str]:
    return [e.data["phase"] for e in desk.store.events.since(f"session:{session_id}", limit=10_000) if e.kind == "phase"]


def test_opening_seeds_the_library_once(desk: Desk, system):
    ids = {d.id for d in desk.store.designs.all()}
    assert {"gpt2", "llama", "gla", "retnet", "mamba2"} <= ids
    assert {d.id for d in system.open().store.designs.all()} == ids
    assert len(desk.store.implementations.revisions("gpt2")) == 1
    assert all(d.kind is Kind.REFERENCE and d.status is Status.IMPLEMENTED for d in desk.store.designs.all())


def test_a_session_proposes_reviews_and_waits_for_a_person(desk: Desk, work: Callable[[], int], engine):
    session = desk.start_session(["gpt2", "mamba2"], n_proposals=3, seed=1)
    assert session.mode is Mode.CROSSOVER
    work()
    found = desk.ranking(session.id)
    assert len(found) == 3
    assert all(d.status is Status.PROPOSED and d.parents == ("gpt2", "mamba2") and d.rating is not None for d in found)
    assert phases(desk, session.id)[-1] == "waiting"
    assert engine.checked == []
    assert desk.store.ledger.account("design").spent == 0


def test_a_waiting_session_run_again_changes_nothing(desk: Desk, work):
    session = desk.start_session(["gpt2"], n_proposals=2, seed=1)
    work()
    events = desk.store.events.last(f"session:{session.id}").id
    desk._run(session)
    work()
    assert len(desk.store.designs.of_session(session.id)) == 2
    assert desk.store.events.last(f"session:{session.id}").id == events


def test_release_implements_the_best_and_charges_one_session(desk: Desk, work, engine):
    session = desk.start_session(["gpt2"], n_proposals=3, n_implement=1, seed=2)
    work()
    best = desk.ranking(session.id)[0]
    desk.release(session.id)
    work()
    assert desk.store.designs.get(best.id).status is Status.IMPLEMENTED
    assert len(engine.checked) == 1
    assert desk.store.sessions.get(session.id).closed_at
    assert desk.store.ledger.account("design").spent == 1
    with pytest.raises(Conflict, match="closed"):
        desk.release(session.id)


def test_a_persons_order_and_refusal_decide_what_is_implemented(desk: Desk, work):
    session = desk.start_session(["llama"], n_proposals=3, n_implement=1, seed=3)
    work()
    first, second, third = (d.id for d in desk.ranking(session.id))
    desk.rerank(session.id, [third, second, first], "cheapest first")
    desk.refuse(third, "too slow")
    desk.release(session.id)
    work()
    status = {d.id: d.status for d in desk.store.designs.of_session(session.id)}
    assert status[third] is Status.REFUSED
    assert status[second] is Status.IMPLEMENTED


def test_a_refusal_can_be_taken_back(desk: Desk, work):
    session = desk.start_session(["llama"], n_proposals=1, seed=3)
    work()
    (d,) = desk.ranking(session.id)
    desk.refuse(d.id, "no")
    desk.reset(d.id)
    assert desk.store.designs.get(d.id).status is Status.PROPOSED
    assert [x.verb for x in desk.store.decisions.of(design_id=d.id)] == [Verb.REFUSE, Verb.RESET]


def test_an_edit_is_a_new_revision_and_the_old_one_stays(desk: Desk, work):
    session = desk.start_session(["gpt2"], n_proposals=1, seed=4)
    work()
    (d,) = desk.ranking(session.id)
    old = desk.store.proposals.newest(d.id)
    desk.edit(d.id, "Mine", "New words", old.units, base_revision=1)
    revisions = desk.store.proposals.revisions(d.id)
    assert [(p.revision, p.by_person) for p in revisions] == [(1, False), (2, True)]
    assert desk.store.designs.get(d.id).title == "Mine"
    with pytest.raises(Conflict, match="revision 2"):
        desk.edit(d.id, "Theirs", "Other words", old.units, base_revision=1)


def test_edited_units_are_what_gets_implemented(desk: Desk, work):
    session = desk.start_session(["gpt2"], n_proposals=1, seed=4)
    work()
    (d,) = desk.ranking(session.id)
    units = desk.store.proposals.newest("llama").units
    desk.edit(d.id, "Llama after all", "…", units)
    desk.release(session.id)
    work()
    assert desk.store.implementations.newest(d.id).units == units


def test_units_that_do_not_compose_are_refused_at_the_edit(desk: Desk, work):
    session = desk.start_session(["gpt2"], n_proposals=1, seed=4)
    work()
    (d,) = desk.ranking(session.id)
    with pytest.raises(Exception, match="no_such_unit"):
        desk.edit(d.id, "x", "y", UnitTree("no_such_unit"))
    assert len(desk.store.proposals.revisions(d.id)) == 1


def test_verifying_spends_the_scales_budget_once(desk: Desk, work, engine):
    desk.verify(["gpt2", "llama"], "nano", [0, 1])
    left = desk.store.ledger.account("nano")
    assert (left.reserved, left.spent) == (4, 0)
    work()
    left = desk.store.ledger.account("nano")
    assert (left.reserved, left.spent) == (0, 4)
    assert desk.store.designs.get("gpt2").status is Status.VERIFIED
    assert desk.store.designs.get("gpt2").n_seeds == {"nano": 2}
    desk.verify(["gpt2"], "nano", [0])
    work()
    assert len(engine.verified) == 4
    assert desk.store.ledger.account("nano").spent == 4


def test_fresh_measures_again_and_is_charged_again(desk: Desk, work, engine):
    desk.verify(["gpt2"], "nano", [0])
    work()
    desk.verify(["gpt2"], "nano", [0], fresh=True)
    work()
    assert len(engine.verified) == 2
    assert desk.store.ledger.account("nano").spent == 2


def test_a_budget_that_is_spent_refuses_with_the_way_to_raise_it(desk: Desk):
    desk.set_budget("nano", 1)
    desk.verify(["gpt2"], "nano", [0])
    with pytest.raises(BudgetExceeded, match="budget"):
        desk.verify(["llama"], "nano", [0])
    assert desk.store.ledger.account("nano").left == 0


def test_cancelling_a_queued_verification_gives_its_budget_back(desk: Desk, work, engine):
    (job,) = desk.verify(["gpt2"], "nano", [0])
    desk.cancel(job.id)
    assert desk.store.ledger.account("nano").reserved == 0
    work()
    assert engine.verified == []


def dead_worker_on(desk: Desk, job_id: int) -> None:
    """The job is claimed, and its worker's process ends."""
    assert desk.queue.claim("gone", only=job_id)
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with desk.store.database.write() as c:
        c.execute(update(JobRow).where(JobRow.id == job_id).values(process=process_id(process.pid)))
    process.kill()
    process.wait()


def test_cancelling_what_a_dead_worker_held_gives_its_budget_back(desk: Desk):
    (job,) = desk.verify(["gpt2"], "nano", [0])
    dead_worker_on(desk, job.id)
    assert desk.cancel(job.id).state is JobState.CANCELLED
    assert desk.store.ledger.account("nano").reserved == 0
    session = desk.start_session(["gpt2"])
    job = desk.queue.newest(f"session:{session.id}")
    desk.store.ledger.reserve("design", session.id)
    dead_worker_on(desk, job.id)
    assert desk.cancel(job.id).state is JobState.CANCELLED
    assert desk.store.ledger.account("design").reserved == 0


def test_a_job_that_took_too_many_workers_down_gives_its_budget_back(desk: Desk, work, engine):
    (job,) = desk.verify(["gpt2"], "nano", [0])
    for _ in range(3):
        dead_worker_on(desk, job.id)
    work()
    assert desk.queue.get(job.id).state is JobState.FAILED
    assert desk.store.ledger.account("nano").reserved == 0
    assert engine.verified == []


def test_a_worker_that_lost_its_lease_while_proposing_writes_nothing(desk: Desk, system, work):
    session = desk.start_session(["gpt2"], n_proposals=1)
    job = desk.queue.claim("slow")
    late = system.lab(desk, JobContext(job, desk.store, desk.queue, threading.Event()))
    with desk.store.database.write() as c:  # another has taken it over
        c.execute(update(JobRow).where(JobRow.id == job.id).values(fence=JobRow.fence + 1))
    with pytest.raises(LeaseLost):
        late.proposal(session, 0)
    assert desk.store.designs.of_session(session.id) == []


def test_a_verdict_of_training_is_the_designs_result(desk: Desk, work, engine):
    engine.fail_next = Diverged("diverged at step 7")
    desk.verify(["gpt2"], "nano", [0])
    work()
    (row,) = desk.store.verifications.of("gpt2")
    assert row.failure == "diverged at step 7"
    assert desk.store.ledger.account("nano").spent == 1


def test_a_failed_check_makes_the_design_failed_and_unverifiable(desk: Desk, work, engine):
    engine.passes = lambda code: False
    session = desk.start_session(["gpt2"], n_proposals=1, gate="auto", seed=5)
    work()
    (d,) = desk.ranking(session.id)
    assert d.status is Status.FAILED
    with pytest.raises(UsageError, match="failed its check"):
        desk.verify([d.id], "nano", [0])


@pytest.mark.parametrize(("act", "error"), [
    (lambda desk: desk.start_session(["nobody"]), NotFound),
    (lambda desk: desk.start_session(["gpt2"], mode="crossover"), UsageError),
    (lambda desk: desk.start_session(["gpt2"], mode="magic"), UsageError),
    (lambda desk: desk.start_session(["gpt2"], n_proposals=0), UsageError),
    (lambda desk: desk.start_session(["gpt2"], scale="huge"), UsageError),
    (lambda desk: desk.verify(["gpt2"], "huge"), UsageError),
    (lambda desk: desk.refuse("gpt2", "reason"), UsageError),
    (lambda desk: desk.comment("gpt2", "  "), UsageError),
    (lambda desk: desk.set_budget("huge", 3), UsageError),
    (lambda desk: desk.evolve(1, {"huge": 1}), UsageError),
])
def test_wrong_arguments_are_named_and_mended(desk: Desk, act, error):
    with pytest.raises(error) as caught:
        act(desk)
    assert caught.value.mend


def test_steering_words_reach_the_designer(desk: Desk, work):
    session = desk.start_session(["gpt2"], n_proposals=4, instructions="Use swiglu, please", seed=6)
    work()
    used = [u.unit for d in desk.ranking(session.id) for _, u in desk.store.proposals.newest(d.id).units.walk()]
    said = "".join(e.data["text"] for e in desk.store.events.since(f"session:{session.id}", limit=10_000) if e.kind == "delta")
    assert "prefer swiglu" in said
    assert "swiglu" in used


def test_evolve_spends_exactly_its_budgets(desk: Desk, work, engine, system):
    before = len(desk.store.designs.all())
    job = desk.evolve(4, {"nano": 3}, seed=0)
    work()
    done = desk.queue.get(job.id)
    assert done.state is JobState.DONE, done.error
    assert len(desk.store.designs.all()) - before == 8
    assert len(engine.verified) == 3
    spent = {a.name.split("/")[1]: (a.spent, a.reserved) for a in desk.store.ledger.accounts() if a.name.startswith(job.subject)}
    assert spent == {"design": (4, 0), "nano": (3, 0)}
    assert desk.store.ledger.account("design").spent == 0
    assert system.found(desk.store, job.subject).best is not None


def test_what_a_run_found_is_what_its_selector_hands_over(desk: Desk, work, system, monkeypatch):
    job = desk.evolve(4, {"nano": 4}, seed=0)
    work()
    sessions = {s.id for s in desk.store.sessions.all() if s.run_id == job.subject}
    scored = sorted((d for d in desk.store.designs.all() if d.session_id in sessions and "nano" in d.scores), key=lambda d: d.scores["nano"])
    assert len(scored) >= 2
    monkeypatch.setattr(Wishes, "best", lambda self, tree: scored[-1].id)
    found = system.found(desk.store, job.subject)
    assert (found.best.id, found.scale) == (scored[-1].id, "nano")


def test_a_run_goes_on_without_a_design_that_cannot_be_measured_here(desk: Desk, work, engine):
    engine.fail_next = VerificationError("out of memory at micro-batch 1", "a smaller scale")
    job = desk.evolve(3, {"nano": 3}, seed=0)
    work()
    done = desk.queue.get(job.id)
    assert done.state is JobState.DONE, done.error
    assert len(engine.verified) == 4
    account = desk.store.ledger.account(f"{job.subject}/nano")
    assert (account.spent, account.reserved) == (3, 0)
    (passed,) = [e for e in desk.store.events.since(f"run:{job.subject}") if e.kind == "passed_over"]
    assert "out of memory" in passed.data["why"]


def test_two_in_a_row_are_the_surroundings_fault_and_end_the_run(desk: Desk, work, engine):
    engine.fail_next = VerificationError("the disk is full", "free some space")
    engine.fail_after = VerificationError("the disk is full", "free some space")
    job = desk.evolve(3, {"nano": 3}, seed=0)
    work()
    assert desk.queue.get(job.id).state is JobState.FAILED
    assert "the disk is full" in desk.queue.get(job.id).error
    desk.retry(job.id)
    work()
    assert desk.store.ledger.account(f"{job.subject}/nano").spent == 3


def test_no_verification_looks_as_if_it_ran_when_its_job_is_over(desk: Desk, work, engine):
    engine.fail_next = KeyError("a fault of the program")
    engine.fail_after = RuntimeError("once more")
    (job,) = desk.verify(["gpt2"], "nano", [0])
    work()
    (row,) = desk.store.verifications.of("gpt2")
    assert row.metrics is not None  # the third attempt, on the same row
    (job,) = desk.verify(["gpt2"], "nano", [1])
    made = desk.store.implementations.newest("gpt2")
    started = desk.store.verifications.start("gpt2", made.id, "nano", 1, "fake", "f" * 64)
    for _ in range(3):
        dead_worker_on(desk, job.id)
    work()
    assert desk.queue.get(job.id).state is JobState.FAILED
    assert desk.store.verifications.get(started.id).finished_at is not None


def test_evolve_with_one_seed_grows_the_same_tree(desk: Desk, work, tmp_path, engine):
    def grow(name: str) -> list[dict]:
        other = FakeSystem(Config.from_env({"DATA_DIR": str(tmp_path / name)}), FakeEngine())
        d = other.open()
        d.evolve(3, {"nano": 2}, seed=11)
        other.worker(d.store, "w").run_one()
        return [p.to_dict() for p in (d.store.proposals.newest(x.id).units for x in d.store.designs.all() if x.kind is Kind.AGENT)]

    first = grow("one")
    assert first == grow("two")
    assert len(first) == 6


def test_evolve_that_asks_waits_and_goes_on_after_release(desk: Desk, work):
    job = desk.evolve(1, {"nano": 2}, seed=0, gate="ask")
    work()
    assert desk.queue.get(job.id).result["outcome"] == "waiting"
    (session,) = desk.store.sessions.open(run_id=job.subject)
    desk.release(session.id)
    work()
    last = desk.queue.newest(job.subject)
    assert (last.state, last.result["outcome"]) == (JobState.DONE, "done")
    assert desk.store.ledger.account(f"{job.subject}/design").spent == 1
    assert desk.store.ledger.account("design").spent == 0


def test_an_interrupted_run_is_charged_once(desk: Desk, work, engine, monkeypatch):
    """The first verification dies of a crash, as by a bug; the retry goes on with the same reservation."""
    engine.fail_next = RuntimeError("a bug")
    job = desk.evolve(1, {"nano": 2}, seed=0)
    work()
    done = desk.queue.get(job.id)
    assert done.state is JobState.DONE
    assert done.attempts == 2
    assert desk.store.ledger.account(f"{job.subject}/nano").spent == 2
    assert len(engine.verified) == 3


def test_estimates_say_where_they_come_from(desk: Desk, work):
    guess = desk.estimate(["gpt2"], "nano", 2)
    assert "guess" in guess.basis
    assert guess.seconds > 0
    desk.verify(["gpt2"], "nano", [0])
    work()
    known = desk.estimate(["gpt2", "llama"], "nano", 2)
    assert known.seconds == pytest.approx(4 * 1.5, rel=0.3)
    assert [p.basis for p in known.parts] == ["measured here", "like other designs measured here, by FLOPs"]
    assert "measured here: gpt2" in known.basis

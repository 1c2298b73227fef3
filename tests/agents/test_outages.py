"""What does not end a session or a run: a provider that is down for a while, and an agent that gives nothing usable on one question."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from llm_setting import QUICK
from sqlalchemy import update
from stub_llm import Reply
from stub_llm.researcher import Researcher

from core.errors import ProviderPaused
from core.jobs.patience import Patience
from core.jobs.process import process_id
from core.llm.base import Request, Turn
from core.store.tables import JobRow
from core.types import MONEY, TOKENS, CallState, JobState, Status

SECOND = "Gated running mean 2"      # the researcher's second proposal


class Refusing(Researcher):
    """Writes no code for the second proposal."""

    def __call__(self, asked):
        if "You write PyTorch units" in asked.system and "gated_mean2" in asked.turns[1][1]:
            return Reply("I cannot help with that.", finish="refused")
        return super().__call__(asked)


class Wordless(Researcher):
    """Reviews the second proposal in prose only."""

    def __call__(self, asked):
        if "You review proposals" in asked.system and SECOND in asked.turns[1][1].split("\n")[0]:
            return Reply("I would rather not say it in JSON.")
        return super().__call__(asked)


def told(found, session) -> str:
    return "\n".join(e["text"] for e in found.said(session, "delta"))


# ----------------------------------------------------------------------------------------------------- outages


def test_a_run_goes_on_by_itself_after_an_outage(lab):
    found = lab(faults=["unavailable"] * 3 * QUICK.tries, first="ant")
    job = found.desk.evolve(2, {"nano": 0}, agents="default", n_proposals=1, n_implement=1)
    found.work()
    done = found.desk.queue.get(job.id)
    assert (done.state, done.attempts, done.not_before) == (JobState.DONE, 1, None)
    assert len([e for e in found.desk.store.events.since(f"job:{job.id}") if e.kind == "rests"]) == 3
    assert [bool(s.closed_at) for s in found.desk.store.sessions.all()] == [True, True]
    assert found.left(TOKENS)[2] == 0


def test_a_provider_that_wants_an_hour_is_given_it(lab):
    found = lab(faults=["retry_after"], first="ant")
    found.system.patience = Patience()
    session = found.session(n_implement=0)
    worker = found.system.worker(found.desk.store, "w")
    rests = worker.run_one()
    assert rests.resting
    assert timedelta(minutes=59) < rests.not_before - datetime.now(UTC) <= timedelta(minutes=60)
    assert "tried again by itself at" in rests.note
    assert "tried again by itself at" in found.desk.standing(session.id)[1]
    assert worker.run_one() is None, "nobody takes it before its time"
    found.desk.go_on(session.id)
    assert worker.run_one().state is JobState.DONE, "a person need not wait"
    assert found.desk.store.sessions.get(session.id).closed_at


def test_where_an_outage_does_not_end_a_person_is_asked(lab):
    found = lab(faults=["unavailable"] * 200, first="ant")
    found.system.patience = Patience(rests_s=(0.01, 0.02), most_s=0.05)
    session = found.session(n_implement=0)
    found.work()
    job = found.desk.queue.newest(f"session:{session.id}")
    assert (job.state, job.result["outcome"]) == (JobState.DONE, "waiting")
    assert found.desk.standing(session.id)[0] == "paused"
    assert "overloaded (503)" in found.desk.standing(session.id)[1]
    assert "by itself" not in found.desk.standing(session.id)[1]


def test_code_that_is_being_written_waits_for_the_provider_too(lab):
    found = lab(first="ant")
    session = found.session(n_implement=0, gate="ask")
    found.work()
    found.server.faults.add(*["unavailable"] * QUICK.tries)
    job = found.desk.implement(f"{session.id}-1", "nano")
    found.work()
    assert found.desk.queue.get(job.id).state is JobState.DONE
    assert [e.kind for e in found.desk.store.events.since(f"job:{job.id}")] == ["started", "rests", "started", "done"]


def test_patience_grows_keeps_to_the_providers_word_and_ends():
    patience = Patience(rests_s=(60, 120, 300), most_s=1000, most_paid=2)
    down, cut = ProviderPaused("down"), ProviderPaused("cut", unpaid=False)
    assert [patience.rest(past, down) for past in ([], [60], [60, 120], [60, 120, 300], [60, 120, 300, 300, 300])] == [60, 120, 300, 300, None]
    assert patience.rest([60], ProviderPaused("soon", after_s=700.0)) == 700
    assert patience.rest([], ProviderPaused("tomorrow", after_s=1e5)) is None
    assert [patience.rest(past, cut) for past in ([], [60], [60, 120])] == [60, 120, None], "what may be paid each time is not tried for a night"
    assert sum(Patience().rests_s) + 10 * Patience().rests_s[-1] < Patience().most_s, "a night"


# ----------------------------------------------------------------------------------------------------- one question without an answer


def test_a_review_that_does_not_come_leaves_its_proposal_unreviewed(lab):
    found = lab(Wordless())
    session = found.session(n_proposals=3, n_implement=1)
    found.work()
    assert found.desk.store.sessions.get(session.id).closed_at
    assert [len(found.desk.store.reviews.of(f"{session.id}-{n}")) > 0 for n in (1, 2, 3)] == [True, False, True]
    assert told(found, session).count("No usable review") == 1
    assert len([d for d in found.desk.ranking(session.id) if d.status is Status.IMPLEMENTED]) == 1


def test_a_run_outlives_a_reviewer_without_a_usable_word(lab):
    found = lab(Wordless())
    job = found.desk.evolve(2, {"nano": 0}, agents="default", n_proposals=2, n_implement=1)
    found.work()
    assert found.desk.queue.get(job.id).state is JobState.DONE
    assert all(s.closed_at for s in found.desk.store.sessions.all())


@pytest.mark.slow
def test_a_coder_that_refuses_one_design_writes_the_other(lab):
    found = lab(Refusing(), real=True)
    session = found.session(n_proposals=2, n_implement=2)
    found.work()
    assert found.desk.store.sessions.get(session.id).closed_at
    status = {d.id: d.status for d in found.desk.ranking(session.id)}
    assert sorted(status.values()) == [Status.FAILED, Status.IMPLEMENTED]
    assert "refused to answer coder" in told(found, session)
    failed = next(name for name, state in status.items() if state is Status.FAILED)
    found.server.script = Researcher()
    found.desk.implement(failed, "nano")
    found.work()
    assert found.desk.store.designs.get(failed).status is Status.IMPLEMENTED, "asked anew, it goes on from there"


def test_a_prompt_too_long_for_every_model_costs_its_proposal_only(lab):
    found = lab()
    session = found.session(n_proposals=2)
    found.server.faults.add(None, None, None, "too_long", "too_long")     # the librarian's two and the first proposal go through
    found.work()
    assert found.desk.store.sessions.get(session.id).closed_at
    assert [d.status for d in found.desk.ranking(session.id)] == [Status.IMPLEMENTED]
    assert "too long for" in told(found, session)


def test_a_design_that_no_coder_can_write_is_told_and_passed_over(lab):
    found = lab()
    session = found.session(n_proposals=2, n_implement=2, gate="ask", agents="builtin")
    found.work()
    first = found.desk.ranking(session.id)[0]
    found.desk.store.proposals.add(first.id, "tester", True, "Only words", "No tree at all.", None)
    found.desk.release(session.id)
    found.work()
    assert found.desk.queue.newest(f"session:{session.id}").state is JobState.DONE
    assert sorted(d.status for d in found.desk.ranking(session.id)) == [Status.IMPLEMENTED, Status.PROPOSED]
    assert "Not written" in told(found, session)


# ----------------------------------------------------------------------------------------------------- workers that die


def test_what_a_dead_worker_held_is_given_back_when_its_job_ends(lab):
    found = lab()
    session = found.session(n_implement=0)
    job = found.desk.queue.newest(f"session:{session.id}")
    asked = Request((Turn("user", "hi"),), max_tokens=100).to_dict()
    calls, dead = found.desk.store.calls, f"{process_id().rsplit('|', 2)[0]}|999999999|1"
    calls.begin("k", "h", asked, "oai:big", {MONEY: 0.2}, 60, stream=job.subject, process=dead)
    calls.begin("o", "h", asked, "oai:big", {MONEY: 0.1}, 60, stream="session:other", process=dead)
    assert found.left(MONEY)[2] == pytest.approx(0.3)
    found.desk.cancel(job.id)
    _, spent, reserved = found.left(MONEY)
    assert (spent, reserved) == (pytest.approx(0.2), pytest.approx(0.1)), "it may have been paid; another's is not touched"
    assert calls.of_key("k")[0].money > 0


def test_a_session_that_loses_its_worker_again_and_again_goes_on_as_long_as_it_gets_somewhere(lab):
    found = lab()
    session = found.session(n_implement=0)
    store, queue, dead = found.desk.store, found.desk.queue, f"{process_id().rsplit('|', 2)[0]}|999999999|1"
    asked = Request((Turn("user", "hi"),), max_tokens=100)
    for n in range(5):
        job = queue.claim(f"w{n}")
        store.events.append(f"job:{job.id}", "started", job.worker, {"attempt": job.attempts, "answers": queue.answers(job)})
        call = store.calls.begin(f"k{n}", asked.hash, asked.to_dict(), "oai:big", {}, 60, stream=job.subject)
        store.calls.finish(call, CallState.ANSWERED, usage={}, money=0.0, charges={}, answer={})
        with store.database.write() as c:                     # its worker is gone
            c.execute(update(JobRow).where(JobRow.id == job.id).values(process=dead))
    found.work()
    job = queue.newest(f"session:{session.id}")
    assert (job.state, job.attempts, job.max_attempts) == (JobState.DONE, 1, 3)
    assert store.sessions.get(session.id).closed_at


def test_a_job_that_a_person_stopped_is_not_put_off(lab):
    found = lab(faults=["unavailable"] * 99, first="ant")
    found.system.patience = Patience()
    session = found.session(n_implement=0)
    queue = found.desk.queue
    job = queue.claim("w")
    queue.cancel(job.id)
    queue.put_off(job, 3600, "down")
    found.work()
    assert queue.newest(f"session:{session.id}").state is JobState.CANCELLED

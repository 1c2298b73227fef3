"""Several workers at one run of ALG 1: nothing is done twice, nothing is overspent, nothing is lost, whoever dies; budgets in money, ladders that grow, ends."""

from __future__ import annotations

import html
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from fakes import FakeEngine, FakeSystem

from core.budgets import DesignBudget, Ends, affordable, narrowing, parse_design, parse_target, parse_verify
from core.cli import main
from core.config import Config
from core.confirming import lacking
from core.desk import Desk, Waits
from core.errors import Conflict, Diverged, NotFound, UsageError
from core.jobs import Worker
from core.report.site import write_site
from core.selection.make import SELECTORS
from core.types import Act, JobKind, JobState, Status

ROOT = Path(__file__).resolve().parents[2]


def at_work(system: FakeSystem, desk: Desk, n: int) -> tuple[list[threading.Thread], threading.Event]:
    """So many workers, each with a desk of its own, until the event is set."""
    stop = threading.Event()
    threads = []
    for k in range(n):
        own = FakeSystem(system.config, system.fake)
        threads.append(threading.Thread(target=own.worker(Desk.open(system.config, "tester").store, f"w{k}").run_forever, args=(stop,), daemon=True))
    for thread in threads:
        thread.start()
    return threads, stop


def until(what, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.05)


def ended(threads: list[threading.Thread], stop: threading.Event) -> None:
    stop.set()
    for thread in threads:
        thread.join(20)


def test_a_run_that_trains_nothing_designs_with_every_selector(desk: Desk, work):
    selectors = [name for name in SELECTORS if name != "person"]
    for selector in selectors:
        run = desk.evolve(1, {}, seed=0, n_proposals=1, selector=selector).subject
        work()
        assert desk.queue.newest(run).error == ""
    assert len(desk.store.sessions.all()) == len(selectors)


# ------------------------------------------------------------------------------------------------ several at once


@pytest.mark.slow
def test_one_worker_designs_while_another_trains(system: FakeSystem, desk: Desk, engine: FakeEngine):
    """A training that takes long holds up no session: it ends only when the sessions are made."""
    plain, made = engine.verify, threading.Event()

    def slow(task, on_point, progress, on_event):
        if len(engine.verified) == 1:
            until(made.is_set)
        return plain(task, on_point, progress, on_event)

    engine.verify = slow
    run = desk.evolve(2, {"nano": 3}, seed=0, n_proposals=1).subject
    threads, stop = at_work(system, desk, 2)
    try:
        until(lambda: sum(s.closed_at is not None for s in desk.store.sessions.all()) == 2 and desk.verifying(run))
        made.set()
        until(lambda: desk.run(run).state == "done")
    finally:
        made.set()
        ended(threads, stop)
    assert {name: (a.spent, a.reserved) for name, a in desk.run(run).accounts.items()} == {"design": (2, 0), "nano": (3, 0)}
    assert max(Counter(engine.verified).values()) == 1


@pytest.mark.slow
def test_many_hands_spend_exactly_what_was_granted_and_measure_nothing_twice(system: FakeSystem, desk: Desk, engine: FakeEngine):
    run = desk.evolve(4, {"nano": 8, "micro": 2}, seed=0, n_proposals=1, selector="greedy", at_once={Act.DESIGN: 3, Act.VERIFY: 3}).subject
    threads, stop = at_work(system, desk, 5)
    try:
        until(lambda: desk.run(run).state == "done")
    finally:
        ended(threads, stop)
    accounts = desk.run(run).accounts
    assert all(a.reserved == 0 and a.spent <= a.granted for a in accounts.values()), accounts
    assert accounts["design"].spent == 4 == sum(s.closed_at is not None for s in desk.store.sessions.all())
    assert accounts["nano"].spent + accounts["micro"].spent == len(engine.verified)
    assert max(Counter(engine.verified).values()) == 1
    assert len({s.id for s in desk.store.sessions.all()}) == 4
    assert all(j.state is JobState.DONE for j in desk.queue.all() if j.kind is JobKind.EVOLVE)


@pytest.mark.slow
def test_one_step_is_one_act_however_many_workers_there_are(system: FakeSystem, desk: Desk, engine: FakeEngine):
    run = desk.evolve(3, {"nano": 4}, seed=0, n_proposals=1, at_once={Act.DESIGN: 2, Act.VERIFY: 2}).subject
    desk.pause_run(run)
    threads, stop = at_work(system, desk, 3)
    try:
        for acts in (1, 2):
            desk.step_run(run)
            until(lambda: desk.run(run).state == "paused" and not desk.run(run).stepping)
            assert len(engine.verified) + len(desk.store.sessions.all()) == acts
    finally:
        ended(threads, stop)


def test_a_session_that_waits_for_a_person_holds_up_no_verification(desk: Desk, work, engine: FakeEngine):
    desk.verify(["llama"], "nano", [0])
    work()
    run = desk.evolve(2, {"nano": 3}, seed=0, n_proposals=1, gate="ask", selector="greedy").subject
    work()
    assert desk.run(run).state == "waiting"
    assert desk.store.ledger.account(f"{run}/nano").spent == 1, "the reference; what the waiting designs will need is kept for them"
    for _ in range(2):
        desk.let(desk.gated(run)[0])
        work()
    assert desk.run(run).state == "done"
    assert sum(d.status is Status.VERIFIED for d in desk.store.designs.all() if d.session_id) == 2


@pytest.mark.slow
def test_a_worker_that_was_killed_leaves_its_act_to_the_next(config: Config, desk: Desk, system: FakeSystem, engine: FakeEngine):
    """kill -9 in the middle of a session and of a training, each at another moment; what is charged in the end is what was done."""
    run = desk.evolve(2, {"nano": 3}, seed=0, n_proposals=1).subject
    script = f"""
import sys, time
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests")!r}]
from fakes import FakeEngine, FakeSystem
from core.config import Config
engine = FakeEngine()
plain = engine.verify
def verify(*args):
    print("training", flush=True)
    time.sleep(float(sys.argv[1]))
    return plain(*args)
engine.verify = verify
system = FakeSystem(Config.from_env({{"DATA_DIR": {str(config.data_dir)!r}, "THREADS": "1", "NOISE_FILE": {str(config.noise_file)!r}}}), engine)
system.worker(system.open().store, "killed").run_one()
"""
    for _ in range(2):
        with subprocess.Popen([sys.executable, "-c", script, "60"], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout
            assert child.stdout.readline().strip() == "training"
            os.kill(child.pid, signal.SIGKILL)
    (held,) = desk.under_way(run).values()
    worker = system.worker(desk.store, "survivor")
    while worker.run_one() is not None:
        pass
    assert desk.run(run).state == "done"
    assert {name: (a.spent, a.reserved) for name, a in desk.run(run).accounts.items()} == {"design": (2, 0), "nano": (3, 0)}
    assert next(v.seed for v in desk.store.verifications.of(held.design) if v.metrics) == held.seed
    assert len(engine.verified) == 3


# ------------------------------------------------------------------------------------------------ 8 workers, 500 jobs

JOB_WORKER = f"""
import sys, threading
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests")!r}]
from core.config import Config
from core.errors import BudgetExceeded
from core.jobs import Queue, Worker
from core.store import Store
from core.report.site import write_site
from core.types import JobKind
store = Store.open(Config.from_env({{"DATA_DIR": sys.argv[1]}}))
def work(context):
    n = context.job.payload["n"]
    try:
        store.ledger.reserve("nano", str(n))
    except BudgetExceeded:
        return {{"paid": False}}
    with context.guard():
        store.events.append(f"done:{{n}}", "done", sys.argv[2], {{}})
        store.ledger.spend("nano", str(n))
    return {{"paid": True}}
def hand(k):
    worker, misses = Worker(store, Queue(store, 2.0), {{JobKind.CHECK: work}}, f"{{sys.argv[2]}}-{{k}}"), 0
    while misses < 8:
        misses = 0 if worker.run_one() else misses + 1
        if misses:
            threading.Event().wait(0.05)
threads = [threading.Thread(target=hand, args=(k,)) for k in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


@pytest.mark.slow
def test_eight_workers_and_five_hundred_jobs_lose_nothing_and_overspend_nothing(desk: Desk, config: Config):
    """Two processes of four workers each on one database, both killed on the way and replaced; the budget pays for 480 of the 500."""
    desk.store.ledger.set("nano", 480, "ann")
    for n in range(500):
        desk.queue.put(JobKind.CHECK, f"job-{n}", {"n": n}, max_attempts=20)

    def start(k: int) -> subprocess.Popen:
        return subprocess.Popen([sys.executable, "-c", JOB_WORKER, str(config.data_dir), f"p{k}"])

    children = [start(0), start(1)]
    for k in (0, 1):
        until(lambda k=k: desk.store.ledger.account("nano").spent > 100 * (k + 1))
        children[k].kill()
        children.append(start(2 + k))
    for child in children:
        child.wait(60)
    jobs = [j for j in desk.queue.all(limit=1000) if j.kind is JobKind.CHECK]
    assert Counter(j.state for j in jobs) == {JobState.DONE: 500}
    account = desk.store.ledger.account("nano")
    assert (account.spent, account.reserved) == (480, 0)
    paid = [j.payload["n"] for j in jobs if j.result["paid"]]
    assert len(paid) == 480
    assert all(len(desk.store.events.since(f"done:{n}")) >= 1 for n in paid)


# ------------------------------------------------------------------------------------------------ budgets in words


@pytest.mark.parametrize(("text", "budget"), [("12", DesignBudget(12)), ("$5", DesignBudget(money=5)), ("200k tokens", DesignBudget(tokens=200_000)), ("1,000", DesignBudget(1000)),
                                              ("12, $2.50", DesignBudget(12, 2.5)), ("3 sessions, 1.5M tokens", DesignBudget(3, None, 1_500_000))])
def test_a_design_budget_is_money_tokens_or_sessions(text: str, budget: DesignBudget):
    assert parse_design(text) == budget


@pytest.mark.parametrize("text", ["", "lots", "-3", "1.5", "$5 tokens", "3, 4", "$", "5 euros"])
def test_a_design_budget_that_says_nothing_is_refused_in_words(text: str):
    with pytest.raises(UsageError) as caught:
        parse_design(text)
    assert caught.value.mend


def test_verify_budgets_and_targets_are_read_and_refused():
    assert parse_verify(["nano=8,micro=25%", "14M=2"]) == ({"nano": 8, "micro": 0, "14M": 2}, {"micro": 0.25})
    assert parse_target("micro=0.02") == ("micro", 0.02)
    for wrong in ("nano", "nano=x", "nano=-1"):
        with pytest.raises(UsageError):
            parse_verify([wrong])
    for wrong in ("0.02", "micro=", "micro=-1"):
        with pytest.raises(UsageError):
            parse_target(wrong)


def test_a_ladder_narrows_upward_and_pays_for_a_reference_at_each_rung():
    found = narrowing(100, ["nano", "micro", "14M", "31M"])
    amounts = list(found.values())
    assert amounts == sorted(amounts, reverse=True)
    assert found["nano"] >= 101
    assert found["31M"] >= 4, "one design and the reference, two seeds each"


def test_money_pays_for_as_many_sessions_as_the_last_ones_took():
    assert affordable(12, {"money": 1.0}, {}) == 12
    assert affordable(12, {"money": 1.0}, {"money": 0.3}) == 3
    assert affordable(None, {"money": 0.0}, {}) == 0
    assert affordable(None, {"tokens": 100.0}, {"tokens": 1000.0}) == 0


def test_money_for_a_team_that_asks_nobody_is_refused(desk: Desk):
    with pytest.raises(UsageError, match="never ends"):
        desk.evolve("$5", {"nano": 1}, agents="builtin")
    with pytest.raises(UsageError, match="twice"):
        desk.evolve("3, $5", {"nano": 1}, money=2)
    with pytest.raises(UsageError, match="cheapest"):
        desk.evolve(1, {"nano": 1}, shares={"nano": 0.5})


def test_a_rung_grows_with_the_one_below(desk: Desk, work):
    run = desk.evolve(3, {"nano": 6, "micro": 0}, seed=0, n_proposals=1, selector="greedy", shares={"micro": 0.34}).subject
    work()
    accounts = desk.run(run).accounts
    assert accounts["nano"].spent == 6
    assert accounts["micro"].granted == int(0.34 * accounts["nano"].spent)


def test_a_run_that_brings_nothing_better_stops_says_so_and_goes_on_when_told(desk: Desk, work, engine: FakeEngine):
    run = desk.evolve(4, {"nano": 12}, seed=0, n_proposals=1, selector="random", ends=Ends(patience=2)).subject
    work()
    told = desk.run(run)
    assert told.state == "done"
    assert "brought nothing better" in told.words
    spent = told.accounts["nano"].spent
    assert 2 < spent < 12
    desk.set_ends(run, Ends())
    work()
    assert desk.run(run).accounts["nano"].spent > spent
    assert desk.run(run).words.startswith("its budgets")


def test_a_run_stops_at_its_target(desk: Desk, work, engine: FakeEngine):
    reference = desk.store.implementations.newest("gpt2")
    assert reference
    engine.scores = {(reference.code, seed): 3.0 for seed in range(5)}       # whatever comes beats it
    run = desk.evolve(3, {"nano": 8}, seed=0, n_proposals=1, selector="greedy", ends=Ends("nano", 0.1)).subject
    work()
    assert desk.run(run).state == "done"
    assert "reached its target" in desk.run(run).words or desk.store.verifications.suspects()


def test_a_run_that_only_does_what_a_person_picks_waits_for_them(desk: Desk, work, engine: FakeEngine):
    run = desk.evolve(1, {"nano": 2}, seed=0, n_proposals=1, selector="person").subject
    work()
    assert (desk.run(run).state, engine.verified) == ("waiting", [])
    desk.choose_verification(run, "gpt2", "nano")
    work()
    assert len(engine.verified) == 1
    desk.choose_parents(run, ["gpt2"])
    work()
    assert [s.parents for s in desk.store.sessions.all()] == [("gpt2",)]


def test_the_measures_of_a_run_are_told_on_the_command_line_in_its_report_and_on_its_site(desk: Desk, work, monkeypatch, capsys, tmp_path: Path):
    run = desk.evolve(3, {"nano": 6}, seed=0, n_proposals=2, selector="greedy").subject
    assert desk.measures(run).scales == ()
    work()
    found = desk.measures(run)
    assert [(j.name, j.n, j.of) for j in found.joints][:3] == [("proposed", 6, 6), ("reviewed", 6, 6), ("implemented", 3, 6)]
    assert found.joints[-1].n == found.verified == 3
    own = [d for d in desk.store.designs.all() if d.session_id and "nano" in d.scores]
    assert found.scales[0].steps[-1].best == pytest.approx(min(d.scores["nano"] for d in own))
    assert found.diversity is not None
    assert 0 < found.diversity <= 1
    assert found.rungs[0].low == "ratings"
    assert "How the search went" in desk.morning(run).markdown()
    write_site(desk, tmp_path / "site", run)
    index = (tmp_path / "site" / "index.html").read_text()
    assert all(words in index for words in ("At nano", "<title>best so far</title>", f"<td>{html.escape(dict(found.lines)['validity'])}</td>"))
    monkeypatch.setenv("DATA_DIR", str(Path(desk.store.database.path).parent))
    assert main(["run", "measures", run, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["verified"] == 3
    assert told["scales"][0]["steps"][-1]["best"] == pytest.approx(found.scales[0].steps[-1].best)
    with pytest.raises(NotFound):
        desk.measures("run-nowhere")


@pytest.fixture
def gained(desk: Desk, work, engine: FakeEngine) -> str:
    """A run that ended with a gain on too few seeds: whatever comes is better than the reference."""
    reference = desk.store.implementations.newest("gpt2")
    assert reference
    engine.scores = {(reference.code, seed): 3.0 for seed in range(3)}
    run = desk.evolve(2, {"nano": 2}, seed=0, n_proposals=1, selector="greedy").subject
    work()
    return run


def test_what_cannot_be_confirmed_is_not_offered(desk: Desk, work, engine: FakeEngine, gained: str):
    run = gained
    best = desk.morning(run).unsure
    assert best
    own = desk.store.implementations.newest(best.design_id)
    assert own
    engine.fails = {(own.code, seed): Diverged("diverged at step 7") for seed in range(3)}       # those that are not scored yet
    desk.confirm(run)
    work()
    assert desk.unsure(run) is None
    text = desk.morning(run).markdown()
    assert desk.morning(run).unsure
    assert "cannot be confirmed" in text
    assert "run confirm" not in text


@pytest.mark.parametrize(("own", "base", "failed", "lacks"), [
    ({0}, {0}, {}, {"d": [1, 2], "gpt2": [1, 2]}), ({0}, {0, 1}, {}, {"d": [1, 2], "gpt2": [2]}), ({0, 1, 2}, {0}, {}, {"gpt2": [1, 2]}),
    ({0}, {0}, {"d": {1}}, {}), ({0}, {0}, {"gpt2": {2}}, {}), ({0, 5, 7}, {0, 5}, {"d": {1}}, {"d": [2], "gpt2": [2]})])
def test_only_seeds_that_can_be_of_both_are_offered(own, base, failed, lacks):
    found = SimpleNamespace(design_id="d", reference="gpt2", own=dict.fromkeys(own, 1.0), base=dict.fromkeys(base, 2.0))
    assert lacking(found, failed) == lacks


def test_a_cut_off_training_that_is_done_again_is_seen(desk: Desk, gained: str):
    reference = desk.store.implementations.newest("gpt2")
    assert reference
    before = desk.store.measured()
    assert desk.unconfirmed()
    cut = desk.store.verifications.start("gpt2", reference.id, "nano", 9, "c", "h")
    desk.store.verifications.cut_off(cut.id, "the worker was killed")
    between = desk.store.measured()
    desk.store.verifications.start("gpt2", reference.id, "nano", 9, "c", "h")
    desk.store.verifications.cut_off(cut.id, "the worker was killed")
    assert len({before, between, desk.store.measured()}) == 3


def test_the_best_of_a_run_is_confirmed_with_further_seeds_of_it_and_of_the_reference(desk: Desk, work, gained: str, monkeypatch, capsys):
    run = gained
    unsure = desk.morning(run).unsure
    assert unsure
    assert f"python -m core run confirm {run}" in desk.morning(run).markdown()
    item = next(i for i in desk.inbox().items if i.kind is Waits.CONFIRM)
    assert (item.key, item.design, item.run) == (f"confirm:{run}", unsure.design_id, run)
    assert unsure.words[1:] in item.why
    lacking = {(unsure.design_id, seed) for seed in range(3) if seed not in unsure.own} | {("gpt2", seed) for seed in range(3) if seed not in unsure.base}
    with monkeypatch.context() as patched:
        patched.setattr(desk, "compare", lambda *_, **__: pytest.fail("compared again, and nothing was measured since"))
        assert [u.run for u in desk.unconfirmed()] == [run]
    with pytest.raises(Conflict, match="by now, not llama@nano"):
        desk.confirm(run, "llama@nano")
    assert {(job.payload["design"], job.payload["seed"]) for job in desk.confirm(run, item.data["what"])} == lacking
    assert all(i.kind is not Waits.CONFIRM for i in desk.inbox().items), "it is being measured"
    work()
    monkeypatch.setenv("DATA_DIR", str(Path(desk.store.database.path).parent))
    while desk.morning(run).unsure:          # with more seeds another one may be the best
        assert desk.confirm(run)
        work()
    best = desk.morning(run).best[0]
    assert set(best.own) & set(best.base) >= {0, 1, 2}
    assert main(["run", "confirm", run]) == 2
    assert "needs confirming" in capsys.readouterr().err
    assert "run confirm" not in desk.morning(run).markdown()
    assert all(i.kind is not Waits.CONFIRM for i in desk.inbox().items)


def test_a_seed_that_diverged_is_not_asked_for_again_and_again(desk: Desk, work, engine: FakeEngine):
    reference = desk.store.implementations.newest("gpt2")
    engine.scores = {(reference.code, seed): 3.0 for seed in range(3)}
    run = desk.evolve(1, {"nano": 2}, seed=0, n_proposals=1, selector="greedy").subject
    work()
    (waits,) = desk.unconfirmed()
    assert waits.run == run
    for design, seeds in waits.seeds.items():
        made, done = desk.store.implementations.newest(design), desk.store.verifications.of(design)[0]
        for seed in seeds:
            row = desk.store.verifications.start(design, made.id, "nano", seed, done.corpus, done.corpus_hash, "", desk.scales["nano"].settings)
            desk.store.verifications.fail(row.id, "diverged at step 3", {})
    assert desk.unconfirmed() == []
    with pytest.raises(UsageError, match="needs confirming"):
        desk.confirm(run)


def test_budgets_ladders_and_ends_are_given_on_the_command_line(desk: Desk, monkeypatch, capsys):
    monkeypatch.setenv("DATA_DIR", str(Path(desk.store.database.path).parent))
    assert main(["evolve", "--design-budget", "4", "--ladder", "nano,micro", "--target", "micro=0.02", "--patience", "9", "--verifications-at-once", "3",
                 "--gates", "verify:70M=ask", "--detach", "--json"]) == 0
    run = json.loads(capsys.readouterr().out)["run"]
    accounts = {name: a.granted for name, a in desk.run(run).accounts.items()}
    assert accounts == {"design": 4, **narrowing(4, ["nano", "micro"])}
    assert desk.ends(run) == Ends("micro", 0.02, 9)
    assert desk.at_once(desk.run_settings(run)) == {Act.DESIGN: 1, Act.VERIFY: 3}
    assert main(["run", "end", run, "never", "--json"]) == 0
    assert desk.ends(run) == Ends()
    capsys.readouterr()
    for wrong in (["--design-budget", "$5"], ["--design-budget", "lots"], ["--target", "huge=0.1"], ["--target", "micro"], ["--verify-budget", "nano=5%"], ["--ladder", "huge"],
                  ["--patience", "-1"], ["--verifications-at-once", "99"]):
        assert main(["evolve", *wrong, "--detach", "--json"]) in (1, 2), wrong
        said = json.loads(capsys.readouterr().out)
        assert said["error"]
        assert said["mend"]


def test_an_idle_worker_lends_a_hand_to_a_run_that_has_a_place(desk: Desk, system: FakeSystem):
    run = desk.evolve(1, {"nano": 1}).subject
    desk.queue.claim("busy", [JobKind.EVOLVE])
    desk.queue.seen("idle", None)
    asked: list[str] = []
    worker = Worker(desk.store, desk.queue, {}, "idle", idle=lambda: (asked.append("once"), desk.lend_hand()))
    stop = threading.Event()
    thread = threading.Thread(target=worker.run_forever, args=(stop,))
    thread.start()
    until(lambda: len(desk.queue.live_of([run, f"{run}!2"])) == 2)
    stop.set()
    thread.join(5)
    assert asked == ["once"]

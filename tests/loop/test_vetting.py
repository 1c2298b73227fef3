"""What is too good to count is audited first; the test split is looked at on a person's word; comparisons, noise and estimates through the desk."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

import pytest
from fakes import FakeEngine, FakeSystem

from core.desk import Desk
from core.errors import Cancelled, Conflict, DesignError, Diverged, NotFound, UsageError
from core.statistics.paired import Verdict
from core.types import JobKind, JobState, Kind, Metrics, Mode, ProbeResult, Status, Verb, VerifyOptions

OWN = "class GAB: pass  # {}"


@pytest.fixture
def own(desk: Desk) -> Callable[[str], str]:
    """Put a design of a person's own into the tree; its code."""

    def put(name: str) -> str:
        desk.store.designs.add(id=name, title=name, kind=Kind.MANUAL, mode=Mode.SEED, author="tester")
        return desk.store.implementations.add(name, "tester", OWN.format(name), None).code

    return put


@pytest.fixture
def measure(desk: Desk, engine: FakeEngine, work: Callable[[], int]) -> Callable[..., None]:
    """Verify a design to these scores, seed by seed."""

    def run(design: str, scores: Iterable[float] | dict[int, float], scale: str = "nano") -> None:
        code = desk.store.implementations.newest(design).code
        found = scores if isinstance(scores, dict) else dict(enumerate(scores))
        engine.scores |= {(code, seed): score for seed, score in found.items()}
        desk.set_budget(scale, 200)
        desk.verify([design], scale, list(found))
        work()

    return run


def kinds(desk: Desk, verification: int) -> list[str]:
    return [e.kind for e in desk.store.events.since(f"verification:{verification}", limit=100)]


# ------------------------------------------------------------------------------------------------------ the tripwire


def test_a_score_far_below_every_reference_is_audited_before_it_counts(desk, engine, own, measure):
    own("wonder")
    measure("gpt2", [2.0])
    measure("llama", [1.9])
    measure("wonder", [1.6])                                    # 1.9 less a tenth is 1.71
    row = desk.store.verifications.of("wonder")[0]
    assert engine.audits == [row.id]
    assert [k for k in kinds(desk, row.id) if k in ("suspicious", "audited")] == ["suspicious", "audited"]
    assert desk.store.designs.get("wonder").scores == {"nano": 1.6}
    assert desk.suspicious() == []


def test_a_score_whose_audit_failed_never_counts(desk, engine, own, measure):
    own("leak")
    engine.audit_says = (False, "the future shows at token 7")
    measure("gpt2", [2.0])
    measure("leak", [1.0])
    found = desk.store.designs.get("leak")
    assert (found.status, found.scores, found.n_seeds) == (Status.VERIFIED, {}, {})
    assert next(d for d in desk.store.designs.all() if d.id == "leak").scores == {}
    (suspect,) = desk.suspicious()
    assert "token 7" in suspect.words
    told = desk.compare("leak", "nano")
    assert (told.verdict, told.p_better, told.suspicious) == (Verdict.SUSPICIOUS, None, True)
    with pytest.raises(UsageError, match="suspicious"):
        desk.promote(suspect.verification_id, "it is the best")


def test_a_little_better_or_a_reference_trips_nothing(desk, engine, own, measure):
    own("good")
    measure("gpt2", [2.0])
    measure("llama", [1.5])
    measure("good", [1.36])
    assert engine.audits == []
    assert desk.store.designs.get("good").scores == {"nano": 1.36}


def test_without_a_reference_there_is_nothing_to_trip_and_a_later_one_makes_up_for_it(desk, engine, own, measure):
    own("early")
    measure("early", [1.2])
    row = desk.store.verifications.of("early")[0]
    assert "no_tripwire" in kinds(desk, row.id)
    assert desk.store.designs.get("early").scores == {"nano": 1.2}
    engine.audit_says = (False, "leaks")
    measure("gpt2", [2.0])
    assert engine.audits == [row.id]
    assert desk.store.designs.get("early").scores == {}


def test_only_the_scale_and_the_corpus_that_were_measured_count(desk, engine, own, measure):
    own("wonder")
    measure("gpt2", [2.0])
    measure("wonder", [1.0], "micro")
    assert engine.audits == []


def test_a_stop_during_the_audit_leaves_the_measurement_and_its_budget_as_they_are(desk, engine, own, measure):
    own("wonder")
    measure("gpt2", [2.0])
    engine.audit_says = Cancelled("the job was stopped by a person", "")
    spent = {a.name: a.spent for a in desk.store.ledger.accounts()}["nano"]
    measure("wonder", [1.0])
    row = desk.store.verifications.of("wonder")[0]
    assert row.metrics
    assert row.failure == ""
    assert "unaudited" in kinds(desk, row.id)
    assert {a.name: a.spent for a in desk.store.ledger.accounts()}["nano"] == spent + 1


def test_weights_that_are_not_here_leave_the_score_suspicious_until_a_person_audits_it(desk, engine, own, measure, work):
    own("wonder")
    engine.audit_says = NotFound("the weights are not on this machine", "run it where they are")
    measure("gpt2", [2.0])
    measure("wonder", [1.0])
    row = desk.store.verifications.of("wonder")[0]
    assert row.metrics
    assert desk.queue.all()[-1].state is JobState.DONE          # the measurement itself stands
    assert "unaudited" in kinds(desk, row.id)
    assert desk.suspicious()[0].passed is None
    engine.audit_says = (True, "nothing changes")
    before = desk.store.version()
    job = desk.audit(row.id)
    work()
    assert desk.queue.get(job.id).result["passed"]
    assert desk.suspicious() == []
    assert desk.store.version() != before
    assert desk.store.designs.get("wonder").scores == {"nano": 1.0}


def test_a_block_that_fails_under_the_audit_has_failed_it(desk, engine, own, measure):
    own("wonder")
    engine.audit_says = DesignError("it raises at length 9", "mend it")
    measure("gpt2", [2.0])
    measure("wonder", [1.0])
    assert desk.suspicious()[0].passed is False


def test_scores_take_a_fixed_number_of_queries(desk, engine, own, measure):
    from sqlalchemy import event

    for n in range(3):
        own(f"d{n}")
        measure(f"d{n}", [1.0])
    asked: list[str] = []
    event.listen(desk.store.database.engine, "before_cursor_execute", lambda *a: asked.append(a[2]))
    counts = []
    for _ in range(2):
        asked.clear()
        desk.store.designs.all()
        counts.append(len(asked))
        measure("gpt2", [2.0])
    assert counts[0] == counts[1]


# ---------------------------------------------------------------------------------------------------- the test split


def test_the_test_split_is_scored_on_a_persons_word_and_once(desk, work, measure):
    measure("gpt2", [2.0, 2.1])
    first, second = desk.store.verifications.of("gpt2")
    assert desk.store.measurements.test_scores() == {}
    with pytest.raises(UsageError, match="reason"):
        desk.promote(first.id, "  ")
    job = desk.promote(first.id, "the paper's table")
    assert desk.store.measurements.test_scores() == {}
    work()
    assert desk.queue.get(job.id).kind is JobKind.PROMOTE
    score = desk.store.measurements.test_scores()[first.id]
    assert (score.bits_per_byte, score.documents, score.author) == (pytest.approx(2.01), 40, "tester")
    assert desk.store.measurements.documents(first.id, "test")
    decision = desk.store.decisions.of(design_id="gpt2")[-1]
    assert (decision.verb, decision.reason, decision.data) == (Verb.PROMOTE, "the paper's table", {"verification": first.id})
    with pytest.raises(Conflict, match="already"):
        desk.promote(first.id, "again")
    assert desk.test_looks(first.corpus_hash) == 1
    desk.promote(second.id, "its other seed")
    work()
    assert desk.test_looks(first.corpus_hash) == 2


def test_what_has_no_score_is_not_promoted(desk, engine, work):
    engine.fail_next = DesignError("it broke", "mend it")
    desk.verify(["gpt2"], "nano", [0])
    work()
    with pytest.raises(UsageError, match="no score"):
        desk.promote(desk.store.verifications.of("gpt2")[0].id, "why not")
    with pytest.raises(NotFound):
        desk.promote(999, "there is none")


# -------------------------------------------------------------------------------------------------------- comparing


def test_a_comparison_says_probability_verdict_and_what_more_seeds_cost(desk, own, measure):
    own("mine")
    measure("gpt2", [2.0, 2.02, 1.99])
    measure("mine", [1.95, 1.971, 1.938])
    found = desk.compare("mine", "nano")
    assert (found.verdict, found.seeds, found.paired) == (Verdict.BETTER, (0, 1, 2), True)
    assert found.difference == pytest.approx(-0.0503, abs=1e-3)
    assert found.words.startswith("better than gpt2 at nano with probability ")
    assert "over 3 seeds" in found.words
    assert found.documents
    assert found.tasks[0].task == "minimal_pairs"
    own("like")
    measure("like", [1.996, 2.01])
    found = desk.compare("like", "nano")
    assert found.verdict is Verdict.WITHIN_NOISE
    assert found.more_seeds[0] == 2                             # which gpt2 has already
    assert found.more_seconds == pytest.approx(1.5 * (2 * len(found.more_seeds) - 1), rel=0.3)
    assert "more seed" in found.words


def test_a_comparison_that_is_not_possible_names_the_missing_measurement(desk, own, measure):
    own("mine")
    with pytest.raises(UsageError, match="mine was not verified at nano"):
        desk.compare("mine", "nano")
    measure("mine", [2.0])
    with pytest.raises(UsageError, match="gpt2 was not verified at nano on fake"):
        desk.compare("mine", "nano")
    with pytest.raises(UsageError, match="itself"):
        desk.compare("gpt2", "nano")
    with pytest.raises(NotFound):
        desk.compare("nobody", "nano")
    measure("gpt2", [2.0])
    with pytest.raises(UsageError, match="nothing was verified on wikitext"):
        desk.compare("mine", "nano", corpus="wikitext")


def test_one_seed_is_said_and_no_shared_seed_is_said(desk, own, measure):
    own("mine")
    measure("mine", {0: 1.9})
    measure("gpt2", {0: 2.0})
    assert any(note.startswith("one seed") for note in desk.compare("mine", "nano").notes)
    own("other")
    measure("other", {5: 1.9})
    found = desk.compare("other", "nano")
    assert not found.paired
    assert any(note.startswith("unpaired") for note in found.notes)


def test_a_seed_that_failed_is_named_though_it_has_no_score(desk, engine, own, measure, work):
    own("mine")
    measure("gpt2", [2.0, 2.0])
    measure("mine", [1.9])
    engine.fail_next = Diverged("diverged at step 7")
    desk.verify(["mine"], "nano", [1])
    work()
    assert any("seed 1" in note and "step 7" in note for note in desk.compare("mine", "nano").notes)


def test_the_best_of_many_is_said_to_be_picked(desk, own, measure):
    measure("gpt2", [2.0])
    for n in range(10):
        own(f"d{n}")
        measure(f"d{n}", [1.85 + 0.01 * n])
    assert not any("best of many" in note for note in desk.compare("d9", "nano").notes)
    measure("gpt2", [2.0, 2.0, 2.0])
    measure("d0", [1.85, 1.85, 1.85])
    assert any("best of many" in note for note in desk.compare("d0", "nano").notes)


def test_promoted_both_are_compared_on_the_test_split(desk, own, measure, work):
    own("mine")
    measure("gpt2", [2.0])
    measure("mine", [1.9])
    assert desk.compare("mine", "nano").test is None
    for name in ("mine", "gpt2"):
        desk.promote(desk.store.verifications.of(name)[0].id, "the last word")
    work()
    assert desk.compare("mine", "nano").test.mean == pytest.approx(-0.1)


def test_rungs_come_from_what_the_tree_has_verified(desk, own, measure):
    names = ["gpt2", "llama", "gla", "retnet", "mamba2", "deltanet"]
    assert desk.rungs() == []
    made = desk.store.implementations
    for n, name in enumerate(names):
        measure(name, [2.0 + 0.01 * n])
        measure(name, [1.8 + 0.01 * n], "micro")
        result = ProbeResult("mad", "recall", "", 0, 0.9 - 0.1 * n, 0.1, 1e-3, {}, 10, 100, 1.0)
        desk.store.measurements.add_probes(name, made.newest(name).id, [result], {})
    first, second = desk.rungs()
    assert (first.low, first.high, first.n) == ("probes mad", "nano", 6)
    assert (second.low, second.high) == ("nano", "micro")
    assert first.spearman == second.spearman == pytest.approx(1.0)


def test_scaling_curves_are_fitted_over_the_measured_rungs_and_cross(desk):
    scores = {"gpt2": {"nano": 2.00, "micro": 1.80}, "gla": {"nano": 1.95, "micro": 1.85}}
    for design, by_scale in scores.items():
        made = desk.store.implementations.newest(design)
        for scale, score in by_scale.items():
            size = {"nano": 800_000, "micro": 2_600_000}[scale]
            row = desk.store.verifications.start(design, made.id, scale, 0, "text", "c" * 64)
            desk.store.verifications.finish(row.id, Metrics(score, 0.01, 3.0, 20.0, 3.0, 30, 100.0, 1.0, 0.5, size, 10, 4, 128, 50.0, {}), {})
    found = desk.ladder(["gpt2", "gla", "llama"])
    assert [c.design_id for c in found.curves] == ["gpt2", "gla"]
    assert found.without == ("llama",)
    assert found.curves[0].slope.value < found.curves[1].slope.value < 0
    (meeting,) = found.crossings
    assert (meeting.first, meeting.second, meeting.extrapolated) == ("gla", "gpt2", False)
    assert 800_000 < meeting.size.value < 2_600_000


def test_measured_noise_becomes_the_prior_of_its_scale(desk, measure, tmp_path):
    assert "never measured" in desk.noise("nano").basis
    measure("gpt2", [2.00, 2.03, 1.98, 2.01])
    with pytest.raises(UsageError, match="1 designs"):
        desk.write_noise("nano", ["gpt2"])
    measure("llama", [1.91, 1.95, 1.88, 1.93])
    single, paired = desk.measured_noise("nano", ["gpt2", "llama"])
    assert single.df == 6
    assert paired.df == 3
    assert paired.sd < single.sd
    assert desk.write_noise("nano", ["gpt2", "llama"]) == tmp_path / "noise.yaml"
    assert "measured on fake" in desk.noise("nano").basis


# --------------------------------------------------------------------------------------------------------- estimates


def test_a_timed_run_makes_the_estimate_this_machines_own(desk, work):
    guess = desk.estimate(["gla"], "nano", 2, price_an_hour=3.6)
    assert guess.parts[0].basis == "a guess from scales.yaml"
    assert guess.money == pytest.approx(guess.seconds / 1000)
    desk.time("gla", "nano")
    work()
    timed = desk.estimate(["gla"], "nano", 2)
    assert timed.parts[0].basis == "from a timed run here"
    assert timed.seconds == pytest.approx(2 * (4.0 + desk.scales["nano"].steps * 0.25 + 6.0))
    assert timed.memory_mb == 321
    assert timed.money is None
    assert timed.flops == pytest.approx(2 * desk.costs("gla")["nano"].flops_train * desk.scales["nano"].tokens)


def test_an_estimate_counts_the_sweep_and_names_tasks_that_it_knows_nothing_of(desk, measure):
    measure("gpt2", [2.0])
    plain = desk.estimate(["gpt2"], "nano")
    swept = desk.estimate(["gpt2"], "nano", options=VerifyOptions(("minimal_pairs", "blimp_local"), sweep=True))
    assert swept.seconds == pytest.approx(plain.seconds * 1.75 + 9)
    assert "without blimp_local" in swept.basis


def test_other_designs_times_are_scaled_by_flops(desk, measure):
    measure("gpt2", [2.0])
    costs = {name: desk.costs(name)["nano"].flops_train for name in ("gpt2", "gla")}
    found = desk.estimate(["gla"], "nano")
    assert found.seconds == pytest.approx(1.5 * costs["gla"] / costs["gpt2"])
    assert "by FLOPs" in found.basis


# -------------------------------------------------------------------------------------------------- the command line


@pytest.mark.slow
def test_the_command_line_answers_is_it_better(system: FakeSystem, desk: Desk, own, measure, monkeypatch, capsys):
    from core import cli

    monkeypatch.setenv("DATA_DIR", str(system.config.data_dir))
    monkeypatch.setenv("NOISE_FILE", str(system.config.noise_file))
    own("mine")
    measure("gpt2", [2.0, 2.02])
    measure("mine", [1.9, 1.925])
    assert cli.main(["compare", "mine", "--scale", "nano", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "better"
    assert found["p_better"] > 0.97
    assert cli.main(["compare", "mine"]) == 0
    assert capsys.readouterr().out.startswith("better than gpt2 at nano with probability")
    for words in (["noise"], ["rungs"], ["ladder", "gpt2,mine"], ["audit"], ["estimate", "gpt2,mine", "--seeds", "3", "--price", "2.5"]):
        assert cli.main(words) == 0, words
        assert capsys.readouterr().out
    for words in (["compare", "gla"], ["noise", "--write"], ["noise", "--seeds", "1"], ["estimate", "gpt2", "--seeds", "0"], ["compare", "mine", "--scale", "huge"]):
        assert cli.main(words) == 2, words
        assert "Traceback" not in capsys.readouterr().err

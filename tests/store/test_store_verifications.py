from __future__ import annotations

import json
import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import pytest
from sqlalchemy import text

from core.errors import Conflict, NotFound
from core.store import Store
from core.store.curves import CurveWriter
from core.types import OWN_RATE, CurvePoint, Kind, Mode, Scale, settings_of

KEY = ("nano", 0, "corpus", "hash")


def point(step: int, loss: float = 2.0) -> CurvePoint:
    return CurvePoint(step, step * 1024, loss, 1.5, 1e-3, 0.7, 12345.6)


@pytest.fixture
def made(implemented):
    return implemented("a")


@pytest.fixture
def row(store, made):
    return store.verifications.start("a", made.id, *KEY)


def test_starting_again_resumes_the_same_row(store, made, row):
    assert store.verifications.start("a", made.id, *KEY) == row
    assert (row.finished_at, row.metrics, row.failure, row.provenance) == (None, None, "", {})


def test_a_finished_measurement_is_returned_and_not_made_again(store, made, row, metrics):
    done = store.verifications.finish(row.id, metrics(1.25), {"weights": "abc"})
    assert done.metrics == metrics(1.25)
    assert done.provenance == {"weights": "abc"}
    assert done.finished_at >= done.created_at
    assert store.verifications.start("a", made.id, *KEY) == done


def test_the_newest_scored_come_with_all_that_the_named_designs_have(store, implemented, metrics):
    numbers = {}
    for design in "abcd":
        made = implemented(design)
        for seed in (0, 1):
            row = store.verifications.start(design, made.id, "nano", seed, "corpus", "hash")
            numbers[design, seed] = store.verifications.finish(row.id, metrics(1.5), {}).id
    store.verifications.fail(store.verifications.start("d", made.id, "nano", 2, "corpus", "hash").id, "diverged", {})
    store.verifications.finish(store.verifications.start("d", made.id, "micro", 0, "corpus", "hash").id, metrics(1.5), {})
    assert [v.id for v in store.verifications.scored("nano", 3, ["a"])] == [numbers[k] for k in (("a", 0), ("a", 1), ("c", 1), ("d", 0), ("d", 1))]
    assert [v.id for v in store.verifications.scored("nano", 99, [])] == list(numbers.values())


def test_a_failed_one_is_superseded_by_a_new_row_and_kept(store, made, row):
    failed = store.verifications.fail(row.id, "diverged", {"step": 3})
    again = store.verifications.start("a", made.id, *KEY)
    assert again.id != row.id
    assert store.verifications.of("a") == [failed, again]
    assert store.verifications.find(made.id, "nano", 0, "hash") == again


@pytest.mark.parametrize("key", [("micro", 0, "corpus", "hash"), ("nano", 1, "corpus", "hash"), ("nano", 0, "corpus", "other")])
def test_another_scale_seed_or_corpus_is_another_measurement(store, made, row, key):
    assert store.verifications.start("a", made.id, *key).id != row.id


def test_a_label_sets_a_repetition_apart(store, made, row):
    again = store.verifications.start("a", made.id, *KEY, label="again")
    assert again.id != row.id
    assert store.verifications.find(made.id, "nano", 0, "hash", "again") == again


def test_the_first_result_stands(store, row, metrics):
    store.verifications.finish(row.id, metrics(1.0), {})
    with pytest.raises(Conflict, match="first result stands"):
        store.verifications.finish(row.id, metrics(0.1), {})
    with pytest.raises(Conflict):
        store.verifications.fail(row.id, "no", {})
    assert store.verifications.get(row.id).metrics == metrics(1.0)


def test_what_is_not_there_is_said_so(store, made, metrics):
    assert store.verifications.find(made.id, "nano", 5, "hash") is None
    for verb in (lambda: store.verifications.get(77), lambda: store.verifications.finish(77, metrics(1.0), {}),
                 lambda: store.verifications.start("a", 77, *KEY), lambda: store.verifications.start("b", made.id, *KEY),
                 lambda: store.curves.add(77, [point(0)])):
        with pytest.raises(NotFound):
            verb()


def test_many_who_start_at_once_share_one_row(store, made):
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(lambda _: store.verifications.start("a", made.id, *KEY), range(8)))
    assert len({r.id for r in rows}) == 1


def test_who_starts_while_another_is_starting_waits_and_gets_the_same_row(store, made):
    with ThreadPoolExecutor(1) as pool:
        with store.together():
            row = store.verifications.start("a", made.id, *KEY)
            other = pool.submit(store.verifications.start, "a", made.id, *KEY)
            time.sleep(0.2)
            assert not other.done()
        assert other.result() == row
    assert store.verifications.all() == [row]


def test_verifications_are_listed_by_design_and_by_scale(store, made, row, implemented):
    other = store.verifications.start("b", implemented("b").id, "micro", 0, "corpus", "hash")
    assert store.verifications.of("a") == [row]
    assert store.verifications.all() == [row, other]
    assert store.verifications.all(scale="micro") == [other]


def test_numbers_that_are_none_survive(store, row, metrics):
    done = store.verifications.finish(row.id, metrics(1.0), {"perplexity": math.inf, "list": [math.nan, 1.5, {"deep": -math.inf}]})
    assert done.provenance["perplexity"] == math.inf
    assert math.isnan(done.provenance["list"][0])
    assert done.provenance["list"][1:] == [1.5, {"deep": -math.inf}]


# ---------------------------------------------------------------------------------------------------------- curves


def test_a_curve_comes_back_in_order_and_from_a_step_on(store, row):
    store.curves.add(row.id, [point(2), point(0), point(1)])
    assert store.curves.of(row.id) == [point(0), point(1), point(2)]
    assert store.curves.of(row.id, after_step=1) == [point(2)]
    assert store.curves.of(row.id + 1) == []


def test_a_step_repeated_after_a_resume_is_there_once_as_it_first_was(store, row):
    store.curves.add(row.id, [point(0, 3.0), point(1, 2.5)])
    store.curves.add(row.id, [point(1, 9.9), point(2, 2.0)])
    assert [(p.step, p.loss) for p in store.curves.of(row.id)] == [(0, 3.0), (1, 2.5), (2, 2.0)]


def test_a_diverging_curve_keeps_its_last_points(store, row):
    store.curves.add(row.id, [CurvePoint(0, 1024, math.inf, math.inf, 1e-3, math.nan, 1.0)])
    stored = store.curves.of(row.id)[0]
    assert stored.loss == math.inf
    assert math.isnan(stored.grad_norm)


def test_the_writer_leaves_nothing_behind_when_the_training_fails(store, row):
    def train() -> None:
        with CurveWriter(store.curves, row.id) as curve:
            for step in range(5):
                curve.add(point(step))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        train()
    assert [p.step for p in store.curves.of(row.id)] == [0, 1, 2, 3, 4]


def test_one_that_was_cut_off_says_why_and_goes_on_in_the_same_row(store, made, row):
    cut = store.verifications.cut_off(row.id, "the disk is full — free some space")
    assert (cut.failure, cut.cut_off) == ("the disk is full — free some space", True)
    again = store.verifications.start("a", made.id, *KEY)
    assert (again.id, again.finished_at, again.failure, again.cut_off) == (row.id, None, "", False)


def test_scores_at_a_design_s_own_rate_are_not_mixed_with_the_others(store, made, row, metrics):
    swept = store.verifications.start("a", made.id, *KEY, label=OWN_RATE)
    store.verifications.finish(swept.id, metrics(1.0), {})
    assert store.designs.get("a").scores == {}
    assert [v.id for v in store.verifications.counted()] == [swept.id]
    store.verifications.finish(row.id, metrics(2.0), {})
    assert store.designs.get("a").scores == {"nano": 2.0}


def test_what_an_audit_failed_is_held_back_however_good_it_is(store, row, metrics):
    store.verifications.finish(row.id, metrics(1.25), {})
    store.measurements.add_audit(row.id, False, "it reads ahead")
    assert store.verifications.suspects()[row.id].words == "the audit failed: it reads ahead"
    assert store.designs.get("a").scores == {}
    store.measurements.add_audit(row.id, True, "nothing changes")
    assert store.verifications.suspects() == {}
    assert store.designs.get("a").scores == {"nano": 1.25}


def test_a_curve_begun_anew_by_another_training_takes_the_place_of_the_old(store, row):
    store.curves.add(row.id, [point(1, 3.0), point(2, 2.9), point(3, 2.8)])
    store.curves.add(row.id, [point(2, 2.9)], anew=True)  # gone on from a checkpoint: the same, and nothing is taken away
    assert [p.loss for p in store.curves.of(row.id)] == [3.0, 2.9, 2.8]


# ------------------------------------------------------------------------------------------- what counts together


NOW = Scale("nano", 4, 128, 256, 2048, 614_400, 2048, 3e-3)
THEN = replace(NOW, tokens=81_920)


def measured(store, made, metrics, score: float, seed: int = 0, scale: Scale = NOW, label: str = "") -> int:
    row = store.verifications.start(made.design_id, made.id, scale.name, seed, "corpus", "hash", label, scale.settings)
    return store.verifications.finish(row.id, metrics(score), {}).id


def test_settings_are_all_that_a_score_depends_on_and_nothing_else():
    assert replace(NOW, minutes=9.0, watch_points=3, compile="off", name="other").settings == NOW.settings == settings_of(json.loads(json.dumps(asdict(NOW))))
    assert len({replace(NOW, **{k: v}).settings for k, v in (("lr", 1e-3), ("tokens", 1), ("warmup", 0.2), ("optimizer", "muon"), ("eval_tokens", 1), ("tokenizer", "x"))}) == 6
    assert settings_of({"tokens": 5}) == ""


def test_what_was_measured_with_other_settings_is_not_found_and_not_counted(store, made, metrics):
    old = measured(store, made, metrics, 4.0, scale=THEN)
    new = store.verifications.start("a", made.id, "nano", 0, "corpus", "hash", settings=NOW.settings)
    assert (new.id != old, new.settings) == (True, NOW.settings)
    assert store.designs.get("a").scores == {"nano": 4.0}, "until somebody tells the scale, its newest score's settings are its own"
    store.current.tell({"nano": NOW})
    assert (store.designs.get("a").scores, store.verifications.counted()) == ({}, [])
    store.verifications.finish(new.id, metrics(3.0), {})
    measured(store, made, metrics, 3.2, seed=1)
    assert store.designs.get("a").scores == {"nano": pytest.approx(3.1)} == store.designs.all()[0].scores
    assert [v.metrics.bits_per_byte for v in store.verifications.counted("nano")] == [3.0, 3.2]
    assert store.verifications.find(made.id, "nano", 0, "hash", settings=THEN.settings).id == old


def test_one_that_was_cut_off_under_other_settings_is_not_gone_on_with(store, made):
    row = store.verifications.start("a", made.id, *KEY, settings=THEN.settings)
    store.verifications.cut_off(row.id, "the disk is full")
    assert store.verifications.start("a", made.id, *KEY, settings=NOW.settings).id != row.id
    assert store.verifications.start("a", made.id, *KEY, settings=THEN.settings).id == row.id


def test_a_provenance_tells_the_settings_where_nobody_did(store, row, metrics):
    assert store.verifications.finish(row.id, metrics(1.0), {"scale": asdict(NOW)}).settings == NOW.settings


def test_scores_are_those_of_the_newest_code_that_was_measured(store, made, metrics):
    measured(store, made, metrics, 4.180)
    second = store.implementations.add("a", "coder", "# other code")
    assert store.designs.get("a").scores == {"nano": 4.180}
    measured(store, second, metrics, 3.0)
    design = store.designs.get("a")
    assert (design.scores, design.n_seeds) == ({"nano": 3.0}, {"nano": 1})
    assert [v.implementation_id for v in store.verifications.counted()] == [second.id]


def test_the_wire_is_tripped_by_references_of_the_same_settings_rate_and_newest_code(store, made, metrics):
    store.designs.add("gpt2", "GPT-2", Kind.REFERENCE, Mode.SEED, author="x")
    base = store.implementations.add("gpt2", "x", "# gpt2")
    measured(store, base, metrics, 4.0, scale=THEN)
    measured(store, base, metrics, 1.5, label=OWN_RATE)
    measured(store, base, metrics, 1.0, label="old code")
    measured(store, store.implementations.add("gpt2", "x", "# gpt2 again"), metrics, 2.0)
    fine, low = measured(store, made, metrics, 1.9), measured(store, made, metrics, 1.7, seed=1)
    then, own = measured(store, made, metrics, 1.9, scale=THEN), measured(store, made, metrics, 1.4, label=OWN_RATE)
    found = store.verifications.suspects()
    assert {id: s.lowest_reference for id, s in found.items()} == {low: 2.0, then: 4.0}
    assert not {fine, own} & set(found)
    assert measured(store, made, metrics, 1.2, seed=1, label=OWN_RATE) in store.verifications.suspects()


def test_a_database_from_before_settings_were_kept_learns_them_from_provenances(database, metrics):
    store = Store.open(database, migrate=True)
    store.designs.add("a", "A", Kind.AGENT, Mode.SCRATCH, author="a")
    made = store.implementations.add("a", "c", "code")
    for seed, facts in enumerate(({"scale": asdict(NOW)}, {})):
        store.verifications.finish(store.verifications.start("a", made.id, "nano", seed, "c", "h").id, metrics(1.0), facts)
    with store.database.write() as c:
        for undo in ("verifications DROP COLUMN settings", "proposals DROP COLUMN new_units", "reviews DROP COLUMN data", "sessions DROP COLUMN team", "jobs DROP COLUMN not_before"):
            c.execute(text(f"ALTER TABLE {undo}"))
        papers = ("vectors", "lookups", "imports", "citations", "notes", "words", "cards_terms", "cards", "passages", "files", "ids", "records")
        for later in ("guidance_uses", "spec_revisions", *(f"paper_{name}" for name in papers), "papers"):
            c.execute(text(f"DROP TABLE IF EXISTS {later}"))
        c.execute(text("UPDATE alembic_version SET version_num = '0004'"))
    store.close()
    store = Store.open(database, migrate=True)
    assert [v.settings for v in store.verifications.all()] == [NOW.settings, ""]
    store.close()

"""What a person may ask of a verification besides design, scale and seed; each through the real sandbox at a scale of seconds."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from test_verification import NANO_TEXT, PICO, REFERENCES, ROOT, work

from core.config import Config
from core.errors import ConfigError, StoppedEarly, VerificationError
from core.types import CurvePoint, VerifyOptions
from core.verification.sweep import FACTORS, own_rate
from core.verification.train import trained
from core.verification.training.corpus import prepare
from core.verification.verify import _each_task, _places, audited, tasked, timed, verification, weights_of
from core.verification.verify import tested as scored_on_test

pytestmark = pytest.mark.slow

SHORT = replace(PICO, tokens=12 * 1024)
TASKS = ROOT / "library" / "tasks"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "text.txt").write_text(NANO_TEXT)
    return prepare(str(folder / "text.txt"), PICO.vocab_size, Config.from_env({"DATA_DIR": str(folder / "data")}))


@pytest.fixture(scope="module")
def done(corpus, tmp_path_factory: pytest.TempPathFactory):
    """(work, outcome, events) of one short verification with TensorBoard."""
    folder = tmp_path_factory.mktemp("done")
    points: list[CurvePoint] = []
    one = work(corpus, folder, scale=SHORT, on_point=points.append, options=VerifyOptions(trackers=("tensorboard",)))
    return one, verification(one, TASKS), points


def test_tensorboard_gets_every_point(done):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    one, _, points = done
    read = EventAccumulator(str(one.config.data_dir / "tensorboard" / one.folder.name))
    read.Reload()
    assert [e.step for e in read.Scalars("train/loss")] == [p.step for p in points]
    assert read.Scalars("held_out/bits_per_byte")[-1].value == pytest.approx(points[-1].held_out)


def test_watched_documents_are_scored_at_fixed_steps_and_none_of_them_is_scored_for_the_result(done, corpus):
    _, outcome, points = done
    assert [p.step for p in points if p.held_out is not None] == sorted({round(12 * (i + 1) / 8) for i in range(8)})
    assert len(outcome.documents.bits) == len(outcome.documents.bytes) == outcome.provenance["corpus"]["held_out_documents"]
    assert len(outcome.items["minimal_pairs"]) == 400
    assert {"precision", "kernels", "compiled", "optimizer", "micro_batch", "replicas"} <= set(outcome.provenance["training"])


def test_saved_weights_can_be_asked_for_tasks_the_test_split_and_an_audit_later(done):
    one, outcome, _ = done
    facts = outcome.provenance
    scores, items = tasked(one, facts, TASKS)
    assert scores["minimal_pairs"]["acc"] == outcome.metrics.tasks["minimal_pairs"]["acc"]
    assert items["minimal_pairs"] == outcome.items["minimal_pairs"]
    test = scored_on_test(one, facts)
    assert test.bits_per_byte != outcome.metrics.bits_per_byte
    assert len(test.documents.bits) > 0
    passed, evidence = audited(one, facts)
    assert passed, evidence
    with pytest.raises(VerificationError, match="not what the training wrote"):
        scored_on_test(one, {**facts, "weights": "0" * 64})


def test_a_task_that_cannot_be_scored_takes_neither_the_score_nor_the_other_tasks_with_it(done, tmp_path: Path):
    one, outcome, _ = done
    shutil.copytree(TASKS, tmp_path / "tasks")
    broken = tmp_path / "tasks" / "broken"
    broken.mkdir()
    (broken / "broken.jsonl").write_text('{"good": "a", "bad": "b"}\n')
    (broken / "broken.yaml").write_text("task: broken\noutput_type: loglikelihood\ntest_split: test\ndata_file: broken.jsonl\ndoc_to_text: '{{good}}'\n"
                                        "doc_to_target: '{{good.nothing.there}}'\nmetric_list: [{metric: acc}]\n")
    with weights_of(one, outcome.provenance) as reader:
        found, troubles = _each_task(replace(one, options=VerifyOptions(("broken", "minimal_pairs"))), reader, _places(one, tmp_path / "tasks"))
    assert found.scores["minimal_pairs"]["acc"] == outcome.metrics.tasks["minimal_pairs"]["acc"]
    assert list(troubles) == ["broken"]
    assert "lm-eval could not score broken" in troubles["broken"]


def test_a_sweep_chooses_by_the_watched_documents_and_is_not_made_twice(corpus, tmp_path: Path):
    told: list[tuple[str, dict]] = []
    one = work(corpus, tmp_path, scale=replace(SHORT, lr=6e-3), on_event=lambda kind, data: told.append((kind, data)), cheapest=(replace(SHORT, tokens=40 * 1024), corpus))
    one.folder.mkdir(parents=True)
    rate = own_rate(one)
    found = dict(told)["swept"]["bits_per_byte"]
    assert set(found) == {str(f) for f in FACTORS}
    assert rate == pytest.approx(6e-3 * float(min(found, key=found.get)))
    assert not list(one.folder.glob("sweep-*"))
    assert own_rate(replace(one, code="not run again")) == rate


def test_a_run_that_is_stopped_leaves_no_process_and_says_why(corpus, tmp_path: Path):
    def stop(point: CurvePoint) -> None:
        if point.held_out is not None:
            raise StoppedEarly(f"stopped early at step {point.step}", "")

    with pytest.raises(StoppedEarly, match="step 2"):
        verification(work(corpus, tmp_path, scale=SHORT, on_point=stop), TASKS)


def test_a_tracker_that_is_not_installed_is_named_with_the_command(corpus, tmp_path: Path):
    with pytest.raises(ConfigError, match="pip install wandb"):
        verification(work(corpus, tmp_path, scale=SHORT, options=VerifyOptions(trackers=("wandb",))), TASKS)


def test_a_timed_run_says_what_a_step_takes_and_leaves_nothing(corpus, tmp_path: Path):
    one = work(corpus, tmp_path, scale=replace(PICO, tokens=10**9))
    found = timed(one, TASKS)
    assert 0 < found.seconds_per_step < 1
    assert found.memory_mb > 100
    assert found.eval_seconds > 0
    assert not one.folder.exists()


def test_two_ranks_of_torchrun_train_like_one(corpus, tmp_path: Path):
    losses = []
    for ranks in ("1", "2"):
        points: list[CurvePoint] = []
        one = work(corpus, tmp_path / ranks, scale=replace(SHORT, precision="float32"), on_point=points.append, config={"RANKS": ranks})
        one.folder.mkdir(parents=True)
        record = trained(one)
        losses.append([p.loss for p in points])
    assert record["training"]["world_size"] == 2
    assert losses[1] == pytest.approx(losses[0], abs=1e-5)


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a processor")
def test_a_block_is_compiled_inside_the_sandbox(corpus, tmp_path: Path):
    points: list[CurvePoint] = []
    one = work(corpus, tmp_path, code=REFERENCES["llama"], scale=replace(SHORT, tokens=3 * 1024, compile="on", precision="float32"), on_point=points.append)
    one.folder.mkdir(parents=True)
    record = trained(one)
    assert record["training"]["compiled"] == "compiled"
    plain: list[CurvePoint] = []
    other = work(corpus, tmp_path / "plain", code=REFERENCES["llama"], scale=replace(SHORT, tokens=3 * 1024, compile="off", precision="float32"), on_point=plain.append)
    other.folder.mkdir(parents=True)
    assert trained(other)["training"]["compiled"] == "not asked for"
    assert [p.loss for p in points] == pytest.approx([p.loss for p in plain], abs=1e-4)

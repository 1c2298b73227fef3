"""Tasks by name: found, read, scored; and what is said when they are not."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from evaluating import Counting, small_tokenizer
from lm_eval.api.task import ConfigurableTask

from core.config import ROOT
from core.errors import VerificationError
from core.verification.evaluation.harness import check_tasks, run_tasks
from core.verification.evaluation.index import run_index
from core.verification.evaluation.lm import ReaderLM
from core.verification.evaluation.tasks import Places, Rows, own_names, unknown

TOKENIZER = small_tokenizer()
LIBRARY = ROOT / "library" / "tasks"


def pair(right: bool, uid: str = "", **more: str) -> str:
    """To a reader that counts tokens the shorter sentence is the likelier one."""
    short, long = "The method returns.", "The method returns the new number."
    return json.dumps({"sentence_good": short if right else long, "sentence_bad": long if right else short, **({"UID": uid} if uid else {}), **more})


def write(file: Path, *lines: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n")


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(LIBRARY, tmp_path / "data", tmp_path / "texts" / "corpus")


def run(places: Places, *tasks: str, goes_on: tuple[int, ...] = (0,)):
    return run_tasks(Counting(goes_on), TOKENIZER, tasks, places)


def test_blimp_beside_the_corpus_is_scored_set_by_set(places: Places, tmp_path: Path):
    write(tmp_path / "texts" / "blimp" / "one.jsonl", *[pair(i < 3, "island") for i in range(4)])
    write(tmp_path / "texts" / "blimp" / "two.jsonl", pair(True), "", pair(False))
    found = run(places, "blimp_local")
    island = found.scores["blimp_local/island"]
    assert island == {"acc": 0.75, "acc_stderr": pytest.approx(0.25), "chance": 0.5, "above_chance": 0.5, "n": 4}
    assert found.scores["blimp_local/two"]["acc"] == 0.5
    whole = found.scores["blimp_local"]
    assert (whole["acc"], whole["chance"], whole["above_chance"], whole["n"]) == (0.625, 0.5, 0.25, 6)
    assert whole["acc_stderr"] == pytest.approx(math.sqrt(0.25**2 + 0.5**2) / 2)
    assert found.items["blimp_local"] == [1, 1, 1, 0, 1, 0]
    assert found.items["blimp_local/two"] == [1, 0]


def test_the_data_directory_comes_first_and_a_task_s_own_folder_before_blimp(places: Places, tmp_path: Path):
    write(tmp_path / "texts" / "corpus" / "blimp" / "far.jsonl", pair(True))
    assert "blimp_local/far" in run(places, "blimp_local").scores
    write(tmp_path / "data" / "blimp" / "near.jsonl", pair(True))
    assert "blimp_local/near" in run(places, "blimp_local").scores
    write(tmp_path / "data" / "blimp_local" / "nearest.jsonl", pair(True))
    assert "blimp_local/nearest" in run(places, "blimp_local").scores


@pytest.mark.parametrize("task", ["blimp_filtered", "blimp_supplement"])
def test_babylm_s_files_lie_under_the_data_directory(places: Places, tmp_path: Path, task: str):
    write(tmp_path / "data" / task / "hypernym.jsonl", pair(True), pair(True), pair(False))
    assert run(places, task).scores[f"{task}/hypernym"]["acc"] == pytest.approx(2 / 3)


def test_the_shipped_pairs_run_by_default_and_by_phenomenon(places: Places):
    found = run(places, "minimal_pairs")
    assert found.scores["minimal_pairs"]["n"] == len(found.items["minimal_pairs"]) == 400
    assert sum(name.startswith("minimal_pairs/") for name in found.scores) == 8


def test_missing_data_name_where_they_were_looked_for(places: Places, tmp_path: Path):
    with pytest.raises(VerificationError) as caught:
        check_tasks(("minimal_pairs", "blimp_local"), places)
    for folder in ("data/blimp_local", "data/blimp", "texts/corpus/blimp_local", "texts/blimp"):
        assert str(tmp_path / folder) in caught.value.what
    assert "<set>.jsonl" in caught.value.mend


@pytest.mark.parametrize(("line", "why"), [("{broken", "is no JSON"), ("[1]", "is a JSON list"), ('{"sentence_good": "a"}', "no text in sentence_bad"),
                                           ('{"sentence_good": "a", "sentence_bad": ""}', "no text in sentence_bad")])
def test_a_bad_line_is_named(places: Places, tmp_path: Path, line: str, why: str):
    file = tmp_path / "data" / "blimp_local" / "set.jsonl"
    write(file, pair(True), line)
    with pytest.raises(VerificationError, match=why) as caught:
        run(places, "blimp_local")
    assert f"{file}:2" in caught.value.what


def test_an_empty_file_and_one_that_is_no_text_are_said(places: Places, tmp_path: Path):
    file = tmp_path / "data" / "blimp_local" / "set.jsonl"
    write(file)
    with pytest.raises(VerificationError, match="no items"):
        run(places, "blimp_local")
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(VerificationError, match=r"set.jsonl cannot be read"):
        run(places, "blimp_local")


@pytest.mark.parametrize("text", ["task: [", "just words", "task: mine\noutput_type: multiple_choice\ntest_split: test\n", "task: mine\ndata_file: a.jsonl\n"])
def test_a_task_file_that_is_none_is_named(tmp_path: Path, text: str):
    write(tmp_path / "tasks" / "mine" / "mine.yaml", text)
    with pytest.raises(VerificationError, match=r"mine.yaml cannot be loaded"):
        run(Places(tmp_path / "tasks", tmp_path), "mine")


def test_names_near_an_unknown_one_are_told():
    assert "did you mean blimp_local" in str(unknown("blimp_locl", [*own_names(Places(LIBRARY, Path())), "hellaswag"]))
    assert "did you mean" not in str(unknown("qqqq", ["hellaswag"]))


# --------------------------------------------------------------------------------------------------- other kinds


def own(folder: Path, name: str, settings: str, *rows: dict) -> Places:
    write(folder / "tasks" / name / f"{name}.yaml", f"task: {name}\ndata_file: {name}.jsonl\ntest_split: test\n{settings}")
    write(folder / "tasks" / name / f"{name}.jsonl", *[json.dumps(row) for row in rows])
    return Places(folder / "tasks", folder)


def test_a_perplexity_keeps_its_own_names(tmp_path: Path):
    places = own(tmp_path, "texts", "output_type: loglikelihood_rolling\ndoc_to_text: ''\ndoc_to_target: '{{text}}'\n", {"text": "The method returns."}, {"text": "The number."})
    found = run(places, "texts")
    tokens = sum(len(TOKENIZER.encode(t).ids) for t in ("The method returns.", "The number."))
    assert found.scores["texts"]["bits_per_byte"] == pytest.approx(tokens / math.log(2) / len("The method returns.The number."))
    assert found.scores["texts"]["n"] == 2
    assert {"word_perplexity", "byte_perplexity"} < set(found.scores["texts"])
    assert "acc" not in found.scores["texts"]
    assert found.items == {}


def test_a_generation_keeps_its_own_names(tmp_path: Path):
    word = TOKENIZER.encode("The").ids[0]
    settings = "output_type: generate_until\ndoc_to_text: '{{q}}'\ndoc_to_target: '{{a}}'\ngeneration_kwargs: {until: [x], max_gen_toks: 1}\n"
    places = own(tmp_path, "asks", settings + "metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]\n", {"q": "a", "a": TOKENIZER.decode([word])}, {"q": "b", "a": "no"})
    scores = run(places, "asks", goes_on=(word,)).scores["asks"]
    assert (scores["exact_match"], scores["n"]) == (0.5, 2)


def test_chance_is_counted_from_the_choices_of_each_item(tmp_path: Path):
    """A task as lm-eval's index gives one."""
    rows = Rows([{"q": "The", "options": [" a", " b b", " c c", " d d"], "gold": 0}, {"q": "The", "options": [" the new number", " b"], "gold": 0}])
    task = ConfigurableTask(config={"task": "quiz", "output_type": "multiple_choice", "test_split": "test", "doc_to_text": "q", "doc_to_choice": "options", "doc_to_target": "gold",
                                    "target_delimiter": "", "custom_dataset": lambda **_: {"test": rows}})
    scores, items = {}, {}
    run_index(ReaderLM(Counting(), TOKENIZER), {"tasks": {"quiz": task}, "groups": {}, "group_map": {}}, scores, items)
    assert items == {"quiz": [1, 0]}
    assert scores["quiz"]["chance"] == pytest.approx((1 / 4 + 1 / 2) / 2)
    assert scores["quiz"]["above_chance"] == pytest.approx((0.5 - 0.375) / 0.625)


@pytest.mark.slow
def test_a_name_that_lm_eval_lacks_too_is_said_with_those_near_it(places: Places):
    with pytest.raises(VerificationError, match=r"no task is named 'helaswag' — did you mean hellaswag"):
        check_tasks(("helaswag",), places)

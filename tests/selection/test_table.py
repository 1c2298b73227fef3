"""The tables that selectors are measured on: what they hold, what is said of a damaged one, and evolutions replayed over them."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from benchmarks.tabular.make import Item, items, recorded, whole
from benchmarks.tabular.replay import Person, World, evolve, rungs
from benchmarks.tabular.settings import SCALES, TABLES, TableSettings
from benchmarks.tabular.table import FOLDER, Table, TableError, load
from benchmarks.tabular.trial import Job, difference, halved, run, run_all, stepped, summary, whole_cost
from core.config import ROOT
from core.gab.canonical import canonical_hash
from core.gab.units import UnitLibrary
from core.selection.make import make_selector
from core.types import Kind, Mode

BUDGET = {"design": 12.0, "xs": 18.0, "s": 8.0, "m": 4.0}


@pytest.fixture(scope="module")
def table() -> Table:
    return load("main")


@pytest.fixture
def copied(tmp_path):
    for file in FOLDER.glob("main.*"):
        shutil.copy(file, tmp_path)
    return tmp_path


# ------------------------------------------------------------------------------------------------ the tables


@pytest.mark.parametrize(("name", "least"), [("main", 300), ("second", 100)])
def test_a_table_holds_distinct_designs_with_the_references_as_roots_and_every_scale_trained(name, least):
    table = load(name)
    assert len(table.entries) >= least
    assert len({e.hash for e in table.entries.values()}) == len(table.entries)
    roots = [e for e in table.entries.values() if e.kind is Kind.REFERENCE]
    assert [e.id for e in roots] == list(table.entries)[: len(roots)]
    assert "gpt2" in table.entries
    assert all((d, s) in table.states for d in table.entries for s in table.scales)


def test_a_design_can_be_built_again_from_its_units(table):
    library = UnitLibrary(ROOT / "library" / "units")
    for entry in list(table.entries.values())[20:30]:
        assert canonical_hash(library.compose(entry.units, "same")) == entry.hash


def test_the_scales_are_told_with_their_settings(table):
    assert [s["settings"] for s in table.manifest["scales"]] == [s.settings for s in SCALES]
    assert table.cost["xs"] < table.cost["s"] < table.cost["m"]


def test_a_design_is_nearer_to_itself_than_to_any_other(table):
    assert table.distances.diagonal().max() < 1e-6
    assert (table.distances + (table.distances.diagonal().max() + 1) * (table.distances < 1e-6)).min() > 0


@pytest.mark.parametrize(("damage", "said"), [
    (lambda f: (f / "main.json.gz").write_bytes((f / "main.json.gz").read_bytes()[:-100]), r"main\.json\.gz is not the file that its manifest was written for"),
    (lambda f: (f / "main.json.gz").unlink(), r"main\.json\.gz cannot be read: No such file"),
    (lambda f: (f / "main.manifest.json").write_text("{"), r"main\.manifest\.json cannot be read"),
    (lambda f: (f / "main.manifest.json").write_text("[]"), r"main\.manifest\.json is of format"),
    (lambda f: (f / "main.manifest.json").unlink(), r"main\.manifest\.json is not there"),
])
def test_a_damaged_table_says_which_file_is_wrong_and_how_to_mend_it(copied, damage, said):
    damage(copied)
    with pytest.raises(TableError, match=said) as told:
        load("main", copied)
    assert "git checkout" in told.value.mend


def test_a_file_with_the_right_hash_that_holds_no_table_is_told_too(copied):
    (copied / "main.json.gz").write_bytes(b"nothing")
    manifest = json.loads((copied / "main.manifest.json").read_text())
    (copied / "main.manifest.json").write_text(json.dumps(manifest | {"sha256": hashlib.sha256(b"nothing").hexdigest()}))
    with pytest.raises(TableError, match="holds no table"):
        load("main", copied)


# ------------------------------------------------------------------------------------------------ making them


def test_one_seed_of_every_design_comes_before_the_next_seed():
    small = {name: TableSettings(name, "", 2, 1) for name in TABLES}
    order = list(items(small, {name: ["a", "b"] for name in small}))
    assert len(set(order)) == len(order)
    trained = [(i.table, i.seed) for i in order if not i.what.startswith("probe")]
    assert list(dict.fromkeys(trained)) == [("main", 0), ("second", 0), ("main", 1), ("main", 2), ("second", 1), ("second", 2)]


def test_a_line_torn_by_a_kill_is_made_again(tmp_path):
    part = tmp_path / "part-1-of-1.jsonl"
    kept = {**vars(Item("main", "gpt2", "xs", 0)), "state": "done"}
    part.write_text(json.dumps(kept) + "\n" + '{"table": "main", "desi')
    assert list(recorded(tmp_path)) == [("main", "gpt2", "xs", 0)]
    whole(part)
    assert part.read_text() == json.dumps(kept) + "\n"


# ------------------------------------------------------------------------------------------------ replaying


def evolution(table, name="random", seed=0, budgets=BUDGET, person=None):
    return evolve(make_selector(name, seed, table.scales, rungs(table)), World(table, budgets, seed, person), name)


def test_an_evolution_repeats_exactly_and_another_seed_is_another_one(table):
    first = evolution(table)
    assert evolution(table) == first
    assert evolution(table).acts == first.acts
    assert evolution(table, seed=1).acts != first.acts


@pytest.mark.parametrize("name", ["random", "greedy", "halving"])
def test_no_budget_is_overspent_and_cost_and_regret_add_up(table, name):
    found = evolution(table, name)
    assert all(found.spent[account] <= BUDGET[account] for account in BUDGET)
    assert found.cost <= whole_cost(table, BUDGET) + 1e-9
    assert found.designs == found.spent["design"]
    assert found.regret >= 0
    costs = [p.cost for p in found.path]
    assert costs == sorted(costs)
    assert stepped(found, np.array(costs[-1:]))[0] == found.regret


def test_an_account_that_is_spent_pays_for_nothing(table):
    world = World(table, {"design": 1, "xs": 1}, 0)
    world.design(Mode.SCRATCH, ())
    world.verify("gpt2", "xs")
    with pytest.raises(ValueError, match="account xs is spent"):
        world.verify("gpt2", "xs")
    with pytest.raises(ValueError, match="account design is spent"):
        world.design(Mode.SCRATCH, ())


def test_verifications_reveal_one_seed_after_the_other_and_then_no_more(table):
    world = World(table, {"xs": 10}, 3)
    known = list(table.scores["gpt2", "xs"].values())
    seen = [world.verify("gpt2", "xs") for _ in known]
    assert sorted(seen) == sorted(known)
    assert "xs" in world.tree.nodes["gpt2"]["barred"]


def test_what_is_designed_from_a_parent_is_near_to_it(table):
    near, far = [], []
    for seed in range(12):
        world = World(table, {"design": 2}, seed)
        child, other = world.design(Mode.MUTATION, ["hyena"]), world.design(Mode.SCRATCH, ())
        place = world.place
        near.append(table.distances[place["hyena"], place[child]])
        far.append(table.distances[place["hyena"], place[other]])
    assert sum(near) < 0.7 * sum(far)


def test_a_simulated_person_is_right_more_often_than_not(table):
    world = World(table, {"design": 120}, 0, Person(noise=0.5))
    for _ in range(120):
        world.design(Mode.SCRATCH, ())
    said = world.tree.graph["preferences"]
    assert len(said) > 100
    assert sum(world.truth[better] < world.truth[worse] for _, better, worse in said) > 0.65 * len(said)


def test_two_selectors_are_compared_over_the_same_seeds(table):
    jobs = [Job("main", str(FOLDER), name, name, seed, tuple(b.items())) for name in ("random", "halving") for b in (BUDGET, halved(BUDGET)) for seed in range(4)]
    found = run_all(jobs, 1)
    assert found == [run(job) for job in jobs]
    told = summary("random", found[:4], whole_cost(table, BUDGET))
    assert told.regret.low <= told.regret.mean <= told.regret.high
    assert told.curve[0][0] == 0
    gap = difference(found[:4], found[8:12])
    assert gap.mean == pytest.approx(sum(a.regret - b.regret for a, b in zip(found[:4], found[8:12], strict=True)) / 4)


@pytest.mark.parametrize(("arguments", "said"), [
    (["--table", "third"], "third.manifest.json is not there"), (["--seeds", "9-1"], "give a range"), (["--selectors", "best"], "selector 'best' is unknown"), (["--budget", "nano=3"], "--budget 'nano=3'")])
def test_the_benchmark_says_what_is_wrong_with_its_arguments(arguments, said, capsys):
    from benchmarks.tabular.compare import main

    assert main("about", arguments) != 0
    assert re.search(said, capsys.readouterr().err)


def test_scripts_beside_the_benchmark_still_find_the_standard_librarys_selectors():
    found = subprocess.run([sys.executable, "-c", "import selectors; print(selectors.DefaultSelector)"], cwd=ROOT / "benchmarks", capture_output=True, text=True, check=True)
    assert "class" in found.stdout

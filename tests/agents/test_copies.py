"""Copies: a design under other names is one, a namesake with other equations is none; and a crossover is made of the units that it names."""

from __future__ import annotations

import json
import re
import threading
from dataclasses import replace

import pytest
from fakes import FakeEngine, FakeSystem
from llm_setting import QUICK
from stub_llm import Reply
from stub_llm.researcher import Researcher, _parents_nodes

from core.gab.joined import joined
from core.gab.structure import anonymous, resolved, structural_hash
from core.gab.units import UnitInfo
from core.kin import Kin
from core.llm.caller import Caller
from core.types import JobState, Mode, NewUnit, Status, UnitTree

MEAN = NewUnit("mean_a", "mixer", "Y_t = mean_a of X.", {}, {"share": 1.0})


def coded(found) -> int:
    return sum("You write PyTorch units" in a.system for a in found.server.log)


class Renaming(Researcher):
    """Proposes the same thing again and again, its unit under another name each time."""

    def _proposal(self, asked):
        found = super()._proposal(asked)
        text = json.dumps(found).replace(found["new_units"][0]["name"], f"unit_{'abcdefgh'[self.proposed % 8]}x")
        text = re.sub(r"orm \d+|mean \d+|\d+ tenths", "orm", text)
        found = json.loads(text)
        for node in found["nodes"]:
            node["config"] = [{"name": "share", "value": 0.5}] if node["unit"].startswith("unit_") else node["config"]
        return found


# ------------------------------------------------------------------------------------------------ what is a copy


def test_a_unit_is_told_by_its_declaration_not_by_its_name():
    tree = UnitTree("pre_norm", {}, {"mixer": UnitTree("mean_a", {"share": 0.5})})
    other = UnitTree("pre_norm", {}, {"mixer": UnitTree("mean_b", {"share": 0.5})})
    one = structural_hash(resolved(tree, {"mean_a": MEAN}))
    assert structural_hash(resolved(other, {"mean_b": replace(MEAN, name="mean_b", about="y_t  = mean_b of X.")})) == one
    for changed in (replace(MEAN, about="Y_t = maximum of X."), replace(MEAN, config={"share": 2.0}), replace(MEAN, kind="channel")):
        assert structural_hash(resolved(tree, {"mean_a": changed})) != one
    assert structural_hash(anonymous(resolved(tree, {"mean_a": MEAN}))) == structural_hash(anonymous(resolved(other, {"mean_b": replace(MEAN, name="mean_b", about="Another.")})))


def test_a_proposal_with_its_unit_renamed_is_refused(lab):
    found = lab(Renaming())
    session = found.session(n_proposals=3, n_implement=3)
    found.work()
    assert [d.id for d in found.desk.ranking(session.id)] == [f"{session.id}-1"]
    assert coded(found) == 1
    assert all(f"this is {session.id}-1, unit for unit, whatever its new units are called" in e["why"] for e in found.said(session, "passed_over"))


def test_nearly_the_same_words_about_a_unit_of_the_same_shape_are_a_copy_and_others_are_none(lab):
    class Slightly(Renaming):
        about = ""

        def _proposal(self, asked):
            found = super()._proposal(asked)
            found["new_units"][0]["about"] += self.about
            return found

    found = lab(Slightly())
    found.session(n_implement=0)
    found.work()
    found.researcher.about = " Ok."
    again = found.session(n_implement=0)
    found.work()
    assert found.desk.ranking(again.id) == []
    found.researcher.about = " Then the running maximum over all positions so far is added, with a learnt weight for each channel, and the whole is normalised by its root mean square."
    third = found.session(n_implement=0)
    found.work()
    assert len(found.desk.ranking(third.id)) == 1


def test_a_namesake_with_other_equations_is_no_copy(lab):
    class Other(Researcher):
        def _proposal(self, asked):
            found = super()._proposal(asked)
            found["new_units"][0]["about"] = "Something else: Y_t = max_{s<=t} value(X_s)."
            return {**found, "title": "Running maximum"}

    found = lab()
    found.session(n_implement=0)
    found.work()
    found.server.script = Other()
    session = found.session(n_implement=0)
    found.work()
    assert [d.title for d in found.desk.ranking(session.id)] == ["Running maximum"]


def test_a_parent_given_back_unchanged_is_a_copy_though_its_unit_is_declared_elsewhere(lab):
    class Back(Researcher):
        def _proposal(self, asked):
            return {**super()._proposal(asked), "nodes": _parents_nodes(asked.turns[1][1].partition("## Parent")[2]), "new_units": []}

    found = lab()
    first = found.session()
    found.work()
    found.server.script = Back()
    session = found.session((f"{first.id}-1",))
    found.work()
    job = found.desk.queue.newest(f"session:{session.id}")
    assert job.state is JobState.FAILED
    assert f"this is {first.id}-1, unit for unit" in job.error


def test_of_two_sessions_with_one_idea_at_once_the_slower_is_told_and_has_another(lab):
    both = threading.Barrier(2)

    class Twin(Researcher):
        waited = 0

        def __call__(self, asked):
            if "You design blocks" in asked.system and self.waited < 2:
                self.waited += 1
                both.wait(10)
                with self.lock:
                    self.proposed = 0
                    return Reply(json.dumps(self._proposal(asked)))
            return super().__call__(asked)

    found = lab(Twin())
    sessions = [found.session(seed=n) for n in (1, 2)]

    def work(name: str) -> None:
        system = FakeSystem(found.system.config, FakeEngine())
        desk = system.open()
        system._asking = Caller.open(system.config, desk.store, QUICK)
        worker = system.worker(desk.store, name)
        while worker.run_one() is not None:
            pass
        system._asking.close()
        desk.store.close()

    workers = [threading.Thread(target=work, args=(f"w{n}",)) for n in (1, 2)]
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join()
    kin = Kin(found.desk.store)
    designs = [found.desk.ranking(s.id)[0] for s in sessions]
    trees = dict(kin.structures())
    assert structural_hash(trees[designs[0].id]) != structural_hash(trees[designs[1].id])
    assert coded(found) == 2
    assert any("unit for unit" in a.last for a in found.server.log)                   # the slower one was told why


def test_a_person_who_makes_a_copy_is_warned_and_has_their_way(lab):
    found = lab()
    session = found.session(n_proposals=2, n_implement=0, gate="ask")
    found.work()
    first, second = f"{session.id}-1", f"{session.id}-2"
    own, other = (found.desk.store.proposals.newest(d) for d in (first, second))
    assert found.desk.copied(second) == ""
    found.desk.edit(second, "Mine", own.body, own.units, other.revision, own.new_units)
    assert found.desk.copied(second) == first
    found.desk.release(session.id)
    job = found.desk.implement(second)
    found.work()
    assert found.desk.queue.get(job.id).state is JobState.DONE
    assert found.desk.store.designs.get(second).status is Status.IMPLEMENTED
    newest = found.desk.store.proposals.newest(second)
    found.desk.edit(second, "Mine", other.body, other.units, newest.revision, other.new_units)
    assert found.desk.copied(second) == ""


def test_an_agents_proposal_that_became_a_copy_is_not_written_by_itself(lab):
    found = lab()
    first = found.session(n_implement=0, gate="ask")
    found.work()
    session = found.session(n_proposals=2, n_implement=2, gate="ask")
    found.work()
    twin = found.desk.store.proposals.newest(f"{session.id}-1")
    mine = found.desk.store.proposals.newest(f"{first.id}-1")
    found.desk.edit(f"{first.id}-1", "Mine", twin.body, twin.units, mine.revision, twin.new_units)
    found.desk.release(session.id)
    found.work()
    assert [found.desk.store.designs.get(f"{session.id}-{n}").status for n in (1, 2)] == [Status.PROPOSED, Status.IMPLEMENTED]
    assert f"this is {first.id}-1, unit for unit" in "".join(e["text"] for e in found.said(session, "delta"))


# ------------------------------------------------------------------------------------------------ units of two parents


def info(name: str, cls: str, body: str, helpers: tuple[str, ...] = ()) -> UnitInfo:
    return UnitInfo(name, cls, "mixer", {}, {}, {}, "", f"class {cls}:\n    kind = 'mixer'\n    x = {body}\n", helpers=helpers)


def test_units_of_one_name_are_told_apart_and_equal_ones_are_one():
    a, b = info("mean1", "Mean1", "1"), info("mean1", "Mean1", "2")
    units, names = joined([[a], [b], [a], [b]])
    assert names == [{}, {"mean1": "mean1_b"}, {}, {"mean1": "mean1_b"}]
    assert [(u.name, u.cls) for u in units] == [("mean1", "Mean1"), ("mean1_b", "Mean1B")]
    assert "class Mean1B:" in units[1].source
    taken = info("mean1_b", "Mean1B", "3")
    units, names = joined([[a], [b, taken]])
    assert names == [{}, {"mean1": "mean1_c"}]
    assert {u.name: u.source.split("= ")[-1].strip() for u in units} == {"mean1": "1", "mean1_c": "2", "mean1_b": "3"}


def test_helpers_of_one_name_are_told_apart_too():
    a, b = info("one", "One", "scan(1)", ("def scan(x):\n    return x",)), info("two", "Two", "scan(1)", ("def scan(x):\n    return -x",))
    units, names = joined([[a], [b]])
    assert names == [{}, {}]
    assert [u.helpers[0].splitlines()[0] for u in units] == ["def scan(x):", "def scan_2(x):"]
    assert "scan_2(1)" in units[1].source


@pytest.mark.parametrize("designer", ["designer", "genetic_designer"])
def test_a_crossover_is_built_of_the_unit_of_the_parent_that_it_names(lab, designer: str):
    class Tanh(Researcher):
        def _code(self, asked):
            reply = super()._code(asked)
            return Reply(reply.text.replace("torch.sigmoid(self.gate", "torch.tanh(self.gate"))

        def _proposal(self, asked):
            self.proposed = 0
            return super()._proposal(asked)

    class Second(Researcher):
        def _proposal(self, asked):
            nodes = _parents_nodes("## x\n" + asked.turns[1][1].split("## Parent")[2])
            nodes = [{**n, "config": [{"name": "share", "value": 0.9}]} if n["unit"].startswith("gated_mean") else n for n in nodes]
            return {**super()._proposal(asked), "nodes": nodes, "new_units": []}

    found = lab()
    first = found.session(("gpt2",))
    found.work()
    found.server.script = Tanh()
    second = found.session(("mamba2",))
    found.work()
    parents = (f"{first.id}-1", f"{second.id}-1")
    assert [found.desk.store.proposals.newest(p).new_units[0].name for p in parents] == ["gated_mean1", "gated_mean1"]
    found.server.script = Second()
    session = found.session(parents, mode=Mode.CROSSOVER, designer=designer, reviewer="" if designer == "designer" else "rule_reviewer")
    found.work()
    found.desk.release(session.id) if found.desk.store.sessions.get(session.id).closed_at is None else None
    found.work()
    (child,) = found.desk.ranking(session.id)
    used = {node.unit for _, node in found.desk.store.proposals.newest(child.id).units.walk()}
    code = found.desk.store.implementations.newest(child.id).code
    assert ("torch.tanh(self.gate" in code) == ("gated_mean1_b" in used)
    assert ("torch.sigmoid(self.gate" in code) == ("gated_mean1" in used)
    if designer == "designer":
        assert "gated_mean1_b" in used
        asked = [a for a in found.server.log if "Propose a **crossover**" in a.turns[1][1]][-1].turns[1][1]
        first_code, second_code = (part.partition("Its code:")[2] for part in asked.split("## Parent")[1:3])
        assert ("class GatedMean1(" in first_code, "class GatedMean1B(" in second_code) == (True, True)
    proposal = found.desk.store.proposals.newest(child.id)                            # a person may edit it as it stands
    found.desk.edit(child.id, "As it is", proposal.body, proposal.units, proposal.revision)

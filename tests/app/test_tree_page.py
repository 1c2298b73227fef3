"""The tree's page without a browser, what it sends to the graph, and the wishes that can be spoken there."""

from __future__ import annotations

import json

import pytest
from screens import said
from streamlit.testing.v1 import AppTest

from app.widgets import tree_graph
from core.desk import Desk
from core.store.store import Store
from core.types import Design, Kind, Mode, Status, UnitTree, Verb


def grown(desk: Desk, n: int, parents: tuple[str, ...] = ("gpt2", "retnet")) -> list[Design]:
    for i in range(n):
        desk.store.designs.add(f"c{i}", "c", Kind.AGENT, Mode.MUTATION, [parents[i % len(parents)]], "somebody")
    return desk.store.designs.all()


def test_layers_go_down_by_generation_and_children_stand_under_parents(desk: Desk):
    designs = grown(desk, 30)
    at = tree_graph.layout(designs)
    assert len(set(at.values())) == len(designs)
    assert max(at[d.id][1] for d in designs if d.generation == 1) < min(at[d.id][1] for d in designs if d.generation == 0)
    left, right = sorted(("gpt2", "retnet"), key=lambda r: at[r][0])
    mean = {r: sum(at[d.id][0] for d in designs if d.parents == (r,)) / 15 for r in (left, right)}
    assert mean[left] < mean[right]


def test_layers_of_time_hold_the_earlier_ones_higher(desk: Desk):
    designs = grown(desk, 30)
    made = tree_graph.arranged(designs, "time")
    assert made.layer == sorted(made.layer)
    assert max(made.layer) > 2
    assert all(0 <= x <= 1 for x in made.x)
    assert len(set(zip(made.x, made.y, strict=True))) == len(designs)


def test_layers_of_scores_hold_the_best_on_top_and_the_unmeasured_below(desk: Desk, work):
    desk.verify(["gpt2", "gla", "llama"], "nano", [0])
    work()
    designs = desk.store.designs.all()
    layer = dict(zip((d.id for d in designs), tree_graph.arranged(designs, "nano").layer, strict=True))
    measured = sorted((d for d in designs if d.scores), key=lambda d: d.scores["nano"])
    assert [layer[d.id] for d in measured] == sorted(layer[d.id] for d in measured)
    assert {layer[d.id] for d in designs if not d.scores} == {max(layer.values())}


def test_colours_follow_status_author_score_and_say_what_is_unknown(desk: Desk, work):
    desk.verify(["gpt2", "gla"], "nano", [0])
    work()
    designs = grown(desk, 2)
    status = json.loads(tree_graph.by_status(designs))
    assert [status["names"][v] for v in status["values"]] == [str(d.status) for d in designs]
    author = json.loads(tree_graph.by_author(designs))
    assert set(author["names"]) == {"library", "somebody"}
    score = json.loads(tree_graph.by_score(designs, "nano"))
    assert [v is not None for v in score["values"]] == [bool(d.scores) for d in designs]
    assert score["low"] <= score["high"]
    assert score["unknown"] == "not measured"
    assert all(v is None for v in json.loads(tree_graph.by_number(designs, {}, "money", "nothing spent", ("{low}", "{high}")))["values"])


def test_refused_failed_pruned_and_passed_over_designs_are_ghosts(desk: Desk, work):
    session = desk.start_session(["gpt2"], n_proposals=2, n_implement=1, gate="auto")
    work()
    grown(desk, 3)
    desk.refuse("c0", "too costly")
    desk.prune("c1")
    graph = desk.store.tree()
    designs = [data["design"] for _, data in graph.nodes(data=True)]
    sent, ghosts = json.loads(tree_graph.structure(designs)), _ghosts(desk)
    assert (ghosts["c0"], ghosts["c1"], ghosts["c2"], ghosts["gpt2"]) == (tree_graph.REFUSED, tree_graph.PRUNED, 0, 0)
    proposed = desk.store.designs.of_session(session.id)
    assert sorted(ghosts[d.id] for d in proposed) == [0, tree_graph.SUPERSEDED]
    assert sent["parents"][sent["ids"].index("c1")] == [sent["ids"].index("retnet")]


def _ghosts(desk: Desk) -> dict[str, int]:
    graph = desk.store.tree()
    designs = [data["design"] for _, data in graph.nodes(data=True)]
    sent = json.loads(tree_graph.standing(designs, list(desk.scales), desk.passed_over(designs), desk.left_alone(graph)))
    return dict(zip((d.id for d in designs), sent["ghost"], strict=True))


def test_a_judgement_leaves_structure_places_and_hover_as_they_were(desk: Desk):
    def parts() -> list[str]:
        designs = desk.store.designs.all()
        return [tree_graph.structure(designs), tree_graph.arranged(designs).to_json(), tree_graph.arranged(designs, "time").to_json(), tree_graph.hover(designs, desk.outlines.trees())]

    grown(desk, 3)
    before, grew, version, ghosts = parts(), desk.store.grown(), desk.store.version(), _ghosts(desk)
    desk.refuse("c0", "too costly")
    desk.pin("c1")
    assert (parts(), desk.store.grown()) == (before, grew)
    assert desk.store.version() != version
    assert _ghosts(desk) != ghosts
    desk.store.proposals.add("c2", "a", False, "another title", "", UnitTree("nobody_wrote_this"))
    assert desk.store.grown() != grew, "its title is another one now"


def _fed(test: AppTest) -> dict[str, dict]:
    """What the browser is sent, by part."""
    parts = [e.proto.bytes for e in test.get("bidi_component") if e.proto.component_name == "tree_feed"]
    return {part.partition(b" ")[0].decode(): json.loads(part.partition(b"\n")[2]) for part in parts}


def test_whatever_is_done_elsewhere_is_in_what_the_next_drawing_sends(open_page, desk: Desk):
    grown(desk, 2)
    test = open_page("tree")
    first = _fed(test)
    at = first["structure"]["ids"].index("c0")
    desk.refuse("c0", "too costly")
    desk.tag("c0", "dear")
    desk.pin("c0")
    now = _fed(test.run())
    assert (now["standing"]["ghost"][at], now["standing"]["tags"][str(at)]) == (tree_graph.REFUSED, ["dear"])
    assert now["standing"]["signs"] == [[at, True, 1.0, False]]
    assert now["paint"] != first["paint"]
    assert now["structure"] == first["structure"]
    desk.store.proposals.add("c0", "a", False, "another title", "", UnitTree("nobody_wrote_this"))
    now = _fed(test.run())
    assert now["structure"]["titles"][at] == "another title"
    assert now["hover"]["units"][now["hover"]["of"][at][2]] == "nobody_wrote_this"
    desk.store.designs.add("c9", "c9", Kind.AGENT, Mode.MUTATION, ["c0"], "somebody")
    now = _fed(test.run())
    assert now["structure"]["ids"][-1] == "c9"
    assert {len(now["structure"]["ids"]), len(now["standing"]["status"]), len(now["places"]["x"]), len(now["paint"]["values"]), len(now["hover"]["of"])} == {len(first["structure"]["ids"]) + 1}


@pytest.mark.parametrize(("read", "kept"), [("grown", True), ("version", True), ("version", False), ("tree", False)])
def test_a_design_that_comes_while_the_page_reads_is_in_all_parts_or_in_none(open_page, desk: Desk, monkeypatch: pytest.MonkeyPatch, read: str, kept: bool):
    """`kept`: the tree as it was before is in the server's memory."""
    test = open_page("tree")
    before, made = getattr(Store, read), []

    def meanwhile(store: Store, *args: str) -> object:
        found = before(store, *args)
        if not made:
            made.append(desk.store.designs.add("late", "late", Kind.AGENT, Mode.MUTATION, ["gpt2"], "somebody"))
        return found

    if not kept:
        grown(desk, 1)
    monkeypatch.setattr(Store, read, meanwhile)
    for sent in (_fed(test.run()), _fed(test.run())):
        assert len({len(sent["structure"]["ids"]), len(sent["standing"]["status"]), len(sent["places"]["x"]), len(sent["paint"]["values"]), len(sent["hover"]["of"])}) == 1
    assert sent["structure"]["ids"][-1] == "late"


def test_a_layer_that_is_gone_is_not_named():
    def drawn() -> None:
        import streamlit as st

        from app.widgets.tree_filters import one_of

        st.session_state.setdefault("layers", "nano")
        st.write(one_of("Layers", ":material/layers:", ["generation", "time"], "layers", str.upper))

    test = AppTest.from_function(drawn).run()
    assert test.markdown[0].value == test.radio(key="layers").value == "generation"
    assert [p.proto.popover.label for p in test.get("popover")] == ["Layers: GENERATION"]


def test_the_hover_gets_each_designs_units_and_summary(desk: Desk):
    designs = desk.store.designs.all()
    sent = json.loads(tree_graph.hover(designs, desk.outlines.trees()))
    depth, slot, unit = sent["of"][[d.id for d in designs].index("gpt2")][:3]
    assert (depth, sent["slots"][slot]) == (0, "block")
    assert sent["summaries"] == [d.summary[:120] for d in designs]
    assert sent["units"][unit] == dict(desk.store.unit_trees())["gpt2"].unit


def test_novelty_is_the_distance_to_the_nearest_earlier_structure(desk: Desk):
    from core.gab.structure import distance

    first = dict(desk.outlines.novelty())
    trees = desk.store.unit_trees()
    for n, (design, tree) in enumerate(trees):
        assert first[design] == pytest.approx(min((distance(tree, other) for _, other in trees[:n]), default=1.0), abs=1e-6)
    gpt2 = dict(trees)["gpt2"]
    for name, tree in (("same", gpt2), ("other", UnitTree("nobody_wrote_this"))):
        desk.store.designs.add(name, name, Kind.AGENT, Mode.MUTATION, ["gpt2"])
        desk.store.proposals.add(name, "a", False, name, "", tree)
    later = desk.outlines.novelty()
    assert (later["same"], later["other"]) == (0.0, 1.0)
    assert {k: later[k] for k in first} == first


def test_the_page_filters_by_status_author_tag_and_score(open_page, desk: Desk, work):
    desk.verify(["gpt2", "gla"], "nano", [0])
    work()
    grown(desk, 4)
    desk.tag("c1", "worth a look")
    test = open_page("tree")

    def shown() -> set[str]:
        ids = [d.id for d in desk.store.designs.all()]
        state = json.loads(next(json.loads(e.proto.json) if isinstance(e.proto.json, bytes) else e.proto.json for e in test.get("bidi_component") if "fits" in e.proto.json))
        return {ids[i] for i in state["fits"]} if state["fits"] is not None else set(ids)

    assert len(shown()) == len(desk.store.designs.all())
    test.multiselect(key="tree-author").set_value(["somebody"]).run()
    assert shown() == {"c0", "c1", "c2", "c3"}
    test.multiselect(key="tree-tag").set_value(["worth a look"]).run()
    assert shown() == {"c1"}
    test.button(key="tree-clear").click().run()
    test.selectbox(key="tree-scale").set_value("nano").run()
    assert shown() == {"gpt2", "gla"}
    best = min(("gpt2", "gla"), key=lambda i: desk.store.designs.get(i).scores["nano"])
    low, high = test.slider(key="tree-range-nano").value
    test.slider(key="tree-range-nano").set_value((low, (low + high) / 2)).run()
    assert shown() == {best}
    test.multiselect(key="tree-status").set_value(["failed"]).run()
    assert "No design fits" in said(test)


def test_every_layering_and_colour_can_be_chosen(open_page, desk: Desk, work):
    desk.verify(["gpt2"], "nano", [0])
    work()
    test = open_page("tree")
    for key, options in (("tree-layers", ["generation", "time", "nano"]), ("tree-colour", ["author", "mode", "nano", "novelty", "money", "size nano", "status"])):
        for option in options:
            test.radio(key=key).set_value(option).run()
            assert not test.exception
            assert not test.error, option


def test_several_chosen_designs_are_refused_tagged_pinned_and_pruned_together(open_page, desk: Desk):
    grown(desk, 3)
    test = open_page("tree")
    test.session_state["tray"] = ["c0", "c1", "gpt2"]
    test.run()
    assert "Chosen:** c0, c1, gpt2" in said(test)
    test.text_input(key="tray-tag-word").set_value("batch").run()
    test.button(key="tray-tag-now").click().run()
    assert [desk.store.designs.get(i).tags for i in ("c0", "c1", "gpt2", "c2")] == [("batch",)] * 3 + [()]
    test.button(key="tray-pin").click().run()
    test.button(key="tray-boost").click().run()
    assert (desk.store.designs.get("c1").pinned, desk.store.designs.get("c1").boost) == (True, 3.0)
    assert "c1 is boosted by you ×3" in said(test)
    test.button(key="tray-prune").click().run()
    assert desk.store.designs.get("c0").pruned
    test.text_input(key="tray-words").set_value("not now").run()
    test.button(key="tray-refuse-now").click().run()
    assert [desk.store.designs.get(i).status for i in ("c0", "c1", "c2", "gpt2")] == [Status.REFUSED, Status.REFUSED, Status.PROPOSED, Status.IMPLEMENTED]


def listed(test: AppTest) -> list[str]:
    return [b.key.removeprefix("tray-out-") for b in test.button if b.key and b.key.startswith("tray-out-")]


def with_chosen(open_page, ids: list[str]) -> AppTest:
    test = open_page("tree")
    test.session_state["tray"] = ids
    test.session_state["tray-list"] = True          # the list is open
    return test.run()


def test_each_of_the_chosen_designs_can_be_looked_at_and_taken_out(open_page, desk: Desk):
    grown(desk, 9)
    test = with_chosen(open_page, [f"c{i}" for i in range(9)])
    assert "c5 and 3 more" in said(test)
    assert listed(test) == [f"c{i}" for i in range(9)]
    assert [(link.proto.page, link.proto.query_string) for link in test.get("page_link") if link.proto.label.startswith("c7")] == [("design", "design=c7")]
    test.button(key="tray-out-c7").click().run()
    assert test.session_state["tray"] == [f"c{i}" for i in range(9) if i != 7]
    assert "c5 and 2 more" in said(test)
    assert "c7" not in listed(test)


def test_of_a_thousand_chosen_designs_sixty_are_listed_and_a_search_finds_the_others(open_page, desk: Desk):
    with desk.store.together():
        grown(desk, 1000)
    test = with_chosen(open_page, [f"c{i}" for i in range(1000)])
    assert "c5 and 994 more" in said(test)
    assert listed(test) == [f"c{i}" for i in range(60)]
    assert "and 940 more: search for them" in said(test)
    test.text_input(key="tray-find").set_value("C99").run()
    assert listed(test) == ["c99", *(f"c{i}" for i in range(990, 1000))]
    test.button(key="tray-out-c995").click().run()
    assert len(test.session_state["tray"]) == 999
    assert "c995" not in listed(test)
    test.text_input(key="tray-find").set_value("nobody").run()
    assert "None of them is called so" in said(test)


def test_of_several_that_are_refused_what_another_decided_meanwhile_is_told_first(open_page, desk: Desk):
    grown(desk, 2)
    test = open_page("tree")
    test.session_state["tray"] = ["c0", "c1"]
    test.run()
    desk.author = "ada"
    desk.approve("c1", "it is the best")
    test.text_input(key="tray-words").set_value("not now")
    test.button(key="tray-refuse-now").click().run()
    assert "ada approved c1 meanwhile" in said(test).replace("\\", "").replace("**", "")
    assert [desk.store.designs.get(i).status for i in ("c0", "c1")] == [Status.PROPOSED, Status.APPROVED]
    assert test.text_input(key="tray-words").value == "not now"
    test.button(key="tray-refuse-now").click().run()
    assert [desk.store.designs.get(i).status for i in ("c0", "c1")] == [Status.REFUSED, Status.REFUSED]


@pytest.mark.parametrize("page", ["tree", "design"])
def test_of_two_who_judge_a_design_at_once_the_second_is_told(open_page, desk: Desk, page: str):
    grown(desk, 1)
    test = open_page(page, design="c0")
    desk.author = "ada"
    desk.refuse("c0", "it leaks")
    test.button(key="approve-c0").click().run()
    assert "ada refused c0 meanwhile" in said(test).replace("\\", "").replace("**", "")
    assert desk.store.designs.get("c0").status is Status.REFUSED
    test.run()
    assert "meanwhile" not in said(test)
    test.button(key="undo-c0").click().run()
    assert desk.store.designs.get("c0").status is Status.PROPOSED
    assert "meanwhile" not in said(test)


def test_a_batch_that_cannot_be_done_changes_nothing_and_says_why(open_page, desk: Desk):
    grown(desk, 2)
    test = open_page("tree")
    test.session_state["tray"] = ["c0", "c1"]
    test.run()
    before = len(desk.store.decisions.all())
    test.button(key="tray-refuse-now").click().run()
    assert "a refusal needs a reason" in said(test).replace("\\", "")
    test.button(key="tray-tag-now").click().run()
    assert "a tag needs a word" in said(test).replace("\\", "")
    assert len(desk.store.decisions.all()) == before


def test_a_wish_is_kept_taken_back_and_told(desk: Desk):
    grown(desk, 4, ("gla",))
    desk.boost("gla", 3)
    desk.pin("c0", reason="mine")
    desk.prune("c1")
    desk.tag("c2", "  two   words ")
    tree = desk.store.tree()
    assert [tree.nodes[i]["design"].boost for i in ("gla", "c0")] == [3.0, 1.0]      # a branch's factor is the selector's to find
    assert tree.nodes["c2"]["design"].tags == ("two words",)
    assert desk.left_alone(tree) == {"c1"}
    assert desk.bound(tree) == ["gla is boosted by you ×3: 5 designs in its branch", "c0 is pinned by you: it stays in play and climbs whatever its score",
                                "c1 is pruned by you: 1 design left alone"]
    desk.pin("c1")
    assert desk.bound(desk.store.tree())[2] == "c1 is pruned by you: 1 design left alone; while it is, its pin does nothing"
    desk.pin("c1", False)
    desk.boost("gla", 1)
    desk.pin("c0", False)
    desk.prune("c1", False)
    desk.tag("c2", "two words", False)
    assert desk.bound(desk.store.tree()) == []
    assert desk.store.designs.get("c2").tags == ()


def test_a_wish_that_was_undone_does_not_count(desk: Desk):
    desk.boost("gla", 2)
    later = desk.boost("gla", 5)
    desk.store.decisions.add(Verb.UNDO, "you", design_id="gla", data={"decision": later.id})
    assert desk.store.designs.get("gla").boost == 2.0
    assert desk.store.tree().nodes["gla"]["design"].boost == 2.0


@pytest.mark.parametrize("wrong", [
    lambda desk: desk.boost("gla", 0), lambda desk: desk.boost("gla", float("nan")), lambda desk: desk.boost("gla", 1e9), lambda desk: desk.tag("gla", " "),
    lambda desk: desk.tag("gla", "x" * 41), lambda desk: desk.tag("gla", "nope", False), lambda desk: desk.pin("nobody")])
def test_a_senseless_wish_is_refused_in_words(desk: Desk, wrong):
    from core.errors import ModelDiscoveryError

    with pytest.raises(ModelDiscoveryError) as said_why:
        wrong(desk)
    assert said_why.value.mend
    assert not desk.bound(desk.store.tree())


def test_money_and_parameters_by_design(desk: Desk):
    call = desk.store.calls.begin("k", "h", {}, "p:m", {}, 10.0, design_id="gla")
    from core.types import CallState

    desk.store.calls.finish(call, CallState.ANSWERED, usage={"input": 5, "output": 2}, money=0.25, charges={})
    assert {i: s.money for i, s in desk.store.calls.by_design().items()} == {"gla": 0.25}
    costs = desk.store.costs.by_design(desk.scales["nano"])
    assert costs["gpt2"].params > 0

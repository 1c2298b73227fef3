"""The tree in a real browser: everything that the hand does answers on the screen at once, and the page beside it follows."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from core.build import BuildSystem
from core.config import Config
from core.types import CheckReport, Kind, Mode

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

# What the graph holds: read off the widget itself.
HELD = """() => { const m = document.querySelector('.md-tree').grown.m, ids = (set) => [...set].map((i) => m.ids[i]).sort();
  return {selected: m.ids[m.selected] ?? '', chosen: ids(m.chosen), seen: m.ids.filter((_, i) => m.seen[i] === 2), lineage: m.near ? m.ids.filter((_, i) => m.near[i]) : [],
          view: m.view, home: m.home, upTo: m.upTo, ids: m.ids}; }"""


@pytest.fixture(scope="module")
def grown(app):
    """Beside the references a session's three proposals: one was implemented, the others were passed over when it closed."""
    desk = BuildSystem(Config.from_env(app.env)).open()
    session = desk.start_session(["gpt2"], enqueue=False, n_proposals=3)
    made, units = [f"{session.id}-{k}" for k in (1, 2, 3)], desk.store.proposals.newest("gpt2").units
    for k, design in enumerate(made):
        desk.store.designs.add(design, design, Kind.AGENT, Mode.MUTATION, ["gpt2"], "genetic_designer", session.id, k, "a summary")
        desk.store.proposals.add(design, "genetic_designer", False, f"variant {k}", "body", units)
    code = desk.store.implementations.add(made[0], "compose_coder", "# code", units)
    desk.store.checks.add(code.id, CheckReport(True, "nano", (), None))
    desk.store.sessions.close(session.id)
    desk.store.close()
    return app, made


@pytest.fixture
def tree(grown, page: Page):
    app, _ = grown
    page.goto(f"{app.url}/?design=llama")
    page.locator(".md-tree[data-drawn]").wait_for()
    expect(page.get_by_role("heading", name="Llama")).to_be_visible()
    page.wait_for_timeout(600)
    return page


def held(page: Page) -> dict:
    return page.evaluate(HELD)


def stage(page: Page) -> dict:
    return page.locator(".md-stage").bounding_box()


def test_a_click_shows_a_design_and_its_lineage_at_once(tree: Page, grown, click_node):
    _, made = grown
    click_node(tree, "gpt2")
    assert held(tree)["selected"] == "gpt2"                      # before the server has answered
    assert set(held(tree)["lineage"]) >= {"gpt2", *made}
    expect(tree.get_by_role("heading", name="GPT-2")).to_be_visible()
    expect(tree).to_have_url(re.compile("design=gpt2"))


def test_ctrl_and_shift_choose_several_and_all_are_acted_on_together(tree: Page, grown, click_node):
    app, _ = grown
    click_node(tree, "gla", "Control")
    click_node(tree, "retnet", "Shift")
    expect(tree.get_by_text("Chosen: gla, retnet")).to_be_visible()
    tree.get_by_role("button", name="Tag", exact=False).first.click()
    tree.get_by_label("Word").fill("a pair")
    tree.get_by_label("Word").press("Enter")
    tree.get_by_role("button", name="Tag 2").click()
    expect(tree.get_by_text("2 tagged a pair")).to_be_visible()
    assert {d["id"] for d in app.designs() if "a pair" in d["tags"]} == {"gla", "retnet"}
    assert held(tree)["chosen"] == ["gla", "retnet"]             # the tree was redrawn, and nothing was let go


def test_a_box_and_a_lasso_choose_what_lies_inside(tree: Page):
    box = stage(tree)
    tree.keyboard.down("Shift")
    tree.mouse.move(box["x"] + 2, box["y"] + 2)
    tree.mouse.down()
    tree.mouse.move(box["x"] + box["width"] - 4, box["y"] + box["height"] - 4, steps=4)
    tree.mouse.up()
    tree.keyboard.up("Shift")
    assert held(tree)["chosen"] == sorted(held(tree)["seen"])
    expect(tree.get_by_text("Chosen:")).to_be_visible()
    tree.get_by_role("button", name="Choose with a lasso").click()
    x, y = tree.evaluate("""(id) => { const m = document.querySelector('.md-tree').grown.m, i = m.index.get(id), box = document.querySelector('.md-stage').getBoundingClientRect();
      return [box.left + m.X[i], box.top + m.Y[i]]; }""", "gpt2")
    tree.mouse.move(x - 14, y - 14)
    tree.mouse.down()
    for dx, dy in ((14, -14), (14, 14), (-14, 14), (-14, -14)):
        tree.mouse.move(x + dx, y + dy, steps=3)
    tree.mouse.up()
    assert held(tree)["chosen"] == ["gpt2"]
    expect(tree.get_by_text("Chosen: gpt2")).to_be_visible()


def test_the_keys_walk_choose_zoom_fit_and_let_go(tree: Page, grown, click_node):
    _, made = grown
    click_node(tree, "gpt2")
    tree.keyboard.press("ArrowDown")
    child = held(tree)["selected"]
    assert child in made
    tree.keyboard.press("ArrowRight")
    tree.keyboard.press("ArrowLeft")
    assert held(tree)["selected"] in made
    tree.keyboard.press("ArrowUp")
    assert held(tree)["selected"] == "gpt2"
    tree.keyboard.press(" ")
    assert held(tree)["chosen"] == ["gpt2"]
    tree.keyboard.press("+")
    assert held(tree)["view"]["x1"] - held(tree)["view"]["x0"] < held(tree)["home"]["x1"] - held(tree)["home"]["x0"]
    expect(tree.locator(".md-map")).to_be_visible()
    tree.keyboard.press("f")
    assert held(tree)["view"] == held(tree)["home"]
    tree.keyboard.press("?")
    expect(tree.get_by_text("fold or unfold what descends from it")).to_be_visible()
    tree.keyboard.press("Escape")
    assert (held(tree)["selected"], held(tree)["chosen"]) == ("", [])
    tree.keyboard.press("/")
    tree.keyboard.type("rwkv")
    tree.wait_for_timeout(200)
    assert set(held(tree)["seen"]) == {i for i in held(tree)["ids"] if "rwkv" in i}
    tree.keyboard.press("Enter")
    assert "rwkv" in held(tree)["selected"]
    tree.keyboard.press("Enter")
    expect(tree).to_have_url(re.compile("/design"))


def test_folding_hides_what_descends_and_the_replay_shows_the_tree_as_it_was(tree: Page, grown, click_node):
    _, made = grown
    click_node(tree, "gpt2")
    tree.keyboard.press("z")
    assert not set(made) & set(held(tree)["seen"])
    tree.keyboard.press("z")
    assert set(made) <= set(held(tree)["seen"])
    tree.evaluate("() => { const r = document.querySelector('.md-range'); r.value = 5; r.dispatchEvent(new Event('input')); }")
    assert len(held(tree)["seen"]) == 5
    expect(tree.get_by_text("5 designs,")).to_be_visible()
    tree.get_by_role("button", name="Replay how the tree grew").click()
    expect(tree.locator(".md-when")).to_have_text("now", timeout=15_000)
    assert len(held(tree)["seen"]) == len(held(tree)["ids"])


def test_ghosts_can_be_hidden_and_the_hover_shows_units(tree: Page):
    before = set(held(tree)["seen"])
    tree.get_by_role("button", name="Show or hide refused").click()
    assert len(before - set(held(tree)["seen"])) == 2            # of three proposals one was implemented, two were passed over
    x, y = tree.evaluate("""() => { const m = document.querySelector('.md-tree').grown.m, i = m.index.get('gla'), box = document.querySelector('.md-stage').getBoundingClientRect();
      return [box.left + m.X[i], box.top + m.Y[i]]; }""")
    tree.mouse.move(x, y)
    expect(tree.locator(".md-tip")).to_contain_text("Gated linear attention")
    expect(tree.locator(".md-tip .md-units")).to_contain_text("swiglu")


def test_nothing_is_fetched_from_elsewhere(grown, page: Page):
    app, _ = grown
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{app.url}/?design=gpt2")
    page.locator(".md-tree[data-drawn]").wait_for()
    page.wait_for_timeout(500)
    assert asked
    assert [url for url in asked if not url.startswith((app.url, "data:", "blob:"))] == []
